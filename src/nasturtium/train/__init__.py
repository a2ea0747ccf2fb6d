"""Training: frozen settings, the one training loop, evaluation, and weights on disk."""
