"""Search spaces: builders that ask, the answers they record, and the field's known spaces."""
