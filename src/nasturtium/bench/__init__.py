"""Benchmarks: tables of networks trained and measured."""
