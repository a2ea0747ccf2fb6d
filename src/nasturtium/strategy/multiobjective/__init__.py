"""Search for a Pareto front: NSGA-II (and NSGA-III, SMS-EMOA), and LEMONADE."""
