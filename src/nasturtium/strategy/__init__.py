"""Strategies: they propose candidates from the history."""
