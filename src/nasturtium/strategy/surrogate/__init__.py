"""Search guided by a model of the results: Bayesian optimisation, BANANAS, NPENAS, portfolio."""
