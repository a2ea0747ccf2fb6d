"""Comparison of strategies on recorded results."""
