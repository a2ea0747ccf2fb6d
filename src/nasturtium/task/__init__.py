"""Tasks: data, splits, normalisation, augmentation."""
