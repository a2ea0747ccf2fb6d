"""Short trainings first: successive halving, Hyperband, ASHA, BOHB, and early stopping."""
