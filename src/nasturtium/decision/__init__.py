"""Decisions that a builder asks: one option, a subset of options, or a number in a range."""
