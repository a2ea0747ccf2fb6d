"""The search: prepare, run and resume a study."""
