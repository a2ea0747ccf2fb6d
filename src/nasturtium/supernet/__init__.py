"""Supernets and relaxations: weights that candidates share."""
