"""Analysis of studies: evidence, statistics, cost and benefit."""
