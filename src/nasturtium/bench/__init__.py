"""Tabular benchmarks: networks that others trained and measured, read from files you have."""
