"""Retraining of the best candidates, evidence, cards."""
