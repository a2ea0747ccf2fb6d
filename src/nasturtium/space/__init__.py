"""Search spaces: builders, their decisions, and published spaces."""
