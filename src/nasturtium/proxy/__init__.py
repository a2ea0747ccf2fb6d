"""Zero-cost proxies: numbers about a network before any training; nothing here knows of search."""
