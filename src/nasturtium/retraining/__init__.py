"""Retraining of the best candidates, evidence, model cards."""
