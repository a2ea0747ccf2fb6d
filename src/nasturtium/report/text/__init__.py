"""Networks as text for terminals."""
