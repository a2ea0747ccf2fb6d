"""Deployment: export, quantisation, verification."""
