"""Status of a study as text and JSON."""
