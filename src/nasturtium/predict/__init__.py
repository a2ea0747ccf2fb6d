"""Surrogate models: they predict results of untried candidates."""
