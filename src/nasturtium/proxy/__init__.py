"""Zero-cost proxies: scores of networks before any training."""
