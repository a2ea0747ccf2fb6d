"""Addresses of stores without their passwords, so that they can be printed."""

from __future__ import annotations

import re
from urllib.parse import unquote

__all__ = ["redact"]

HIDDEN = "***"
# A password ends at the last "@": one that was not percent-encoded may hold any character. It may
# hold a space only where the whole text is an address, and not a sentence.
_USER = re.compile(r"(://[^:/@\s]*:)\S*@")
_ADDRESS = re.compile(r"([^\s/]+://[^:/@]*:).*@", re.DOTALL)
_SETTING = re.compile(r"(?<![\w%.])([\w%.]+)(\s?=\s?)('(?:\\.|[^'\\])*'|\"[^\"]*\"|[^&\s;,'\"]+)")
_SECRET = re.compile(r"password|passwd|passphrase|pwd|secret|token")


def redact(text: str) -> str:
    """Return a text with every password of a URL or of a setting hidden.

    Args:
        text: an address or a message that is printed, written to a page or logged.

    Example:
        >>> redact("postgresql+psycopg://nas:s3cret@host:5432/runs:digits")
        'postgresql+psycopg://nas:***@host:5432/runs:digits'
        >>> redact("postgresql://host/runs?user=nas&password=s3cret&sslmode=require")
        'postgresql://host/runs?user=nas&password=***&sslmode=require'
    """
    user = _ADDRESS if _ADDRESS.match(text) else _USER
    return _SETTING.sub(_hide_secret, user.sub(rf"\1{HIDDEN}@", text))


def _hide_secret(match: re.Match[str]) -> str:
    name, sign, _ = match.groups()
    return f"{name}{sign}{HIDDEN}" if _SECRET.search(unquote(name).lower()) else match[0]
