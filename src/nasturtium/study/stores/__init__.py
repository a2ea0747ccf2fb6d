"""Stores: where the logs of studies are kept."""
