"""Display of decisions and records as text and HTML."""
