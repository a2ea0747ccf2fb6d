"""Tasks: data to learn from, split once, with what is needed to normalise and augment them."""
