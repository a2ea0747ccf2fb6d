"""What the tests of stores share: notes to append, and errors of one line."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from nasturtium.errors import StoreError
from nasturtium.study.event import Event


def notes(*values):
    return [Event("note", {"value": value}) for value in values]


@contextmanager
def failing(*parts):
    """Expect a StoreError of one line that says all parts, and no password."""
    with pytest.raises(StoreError) as raised:
        yield
    message = str(raised.value)
    assert "\n" not in message
    assert "s3cr" not in message
    for part in parts:
        assert part in message, message
