"""Cost of networks: parameters, operations, memory, latency."""
