"""Studies: the log of trials, its stores, and their history."""
