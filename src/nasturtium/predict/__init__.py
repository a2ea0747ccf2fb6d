"""Surrogates: what is learned from finished trials, as arrays; nothing here knows of search."""
