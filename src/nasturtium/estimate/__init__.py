"""Estimators: training, hardware cost and tables."""
