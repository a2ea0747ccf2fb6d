"""Addresses of stores as they may be printed: without their passwords."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["printable"]

HIDDEN = "***"
# The password ends at the last "@": one that was not percent-encoded may hold any character, but
# a space only where the text is an address and no sentence.
_USER = re.compile(r"(://[^:/@\s]*:)\S*@")
_ADDRESS = re.compile(r"([^\s/]+://[^:/@]*:).*@", re.DOTALL)
_SETTING = re.compile(r"(?<![\w%.])([\w%.]+)(\s?=\s?)('(?:\\.|[^'\\])*'|\"[^\"]*\"|[^&\s;,'\"]+)")
_SECRET = re.compile(r"password|passwd|passphrase|pwd|secret|token")


def printable(text: str) -> str:
    """A text, an address or a message, with every password of a URL or a setting hidden.

    Args:
        text: anything that is printed, written to a page or logged and may hold an address.

    Example:
        >>> printable("postgresql+psycopg://nas:s3cret@host:5432/runs:digits")
        'postgresql+psycopg://nas:***@host:5432/runs:digits'
        >>> printable("postgresql://host/runs?user=nas&password=s3cret&sslmode=require")
        'postgresql://host/runs?user=nas&password=***&sslmode=require'
    """
    user = _ADDRESS if _ADDRESS.match(text) else _USER
    return _SETTING.sub(_setting, user.sub(rf"\1{HIDDEN}@", text))


def _setting(found: re.Match[str]) -> str:
    name, sign, _ = found.groups()
    return f"{name}{sign}{HIDDEN}" if _SECRET.search(unquote(name).lower()) else found[0]
