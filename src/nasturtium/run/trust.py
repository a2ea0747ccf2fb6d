"""Permission to run files and modules that a store names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nasturtium.errors import StoreError
from nasturtium.run.call import NO_TEXT
from nasturtium.run.names import NAMES, SETTINGS, parse_part
from nasturtium.run.user_code import UserCode

__all__ = ["check_trust", "names_user_code", "trusted_call"]


def trusted_call(manifest: Mapping[str, Any], trust: bool) -> dict[str, Any]:
    """Return the call in a manifest, after the check that the code which it names may run.

    Raises:
        StoreError: some of the code may not run; the message says what to do.
    """
    call = dict(manifest["call"])
    texts = {kind: call.get(kind) for kind in NAMES}
    named = {kind: text for kind, text in texts.items() if isinstance(text, str)}
    check_trust({kind: text for kind, text in named.items() if text != NO_TEXT}, trust)
    return call


def check_trust(parts: Mapping[str, str], trust: bool) -> None:
    """Check that the parts that a store names may run.

    Names of the table pass. Files and modules pass if the user has run them before, with the
    content that they have now, or trusts the store.

    Args:
        parts: the texts by kind.
        trust: whether the user lets all files and modules run that the store names.

    Raises:
        StoreError: a file or a module may not run; the message says which, and what to do.
    """
    for kind, text in parts.items():
        for where in _user_modules(kind, text):
            if trust:
                continue
            file = where.endswith(".py")
            source = UserCode.of_file(Path(where)) if file else UserCode.of_module(where)
            if (reason := source.refusal()) is not None:
                raise StoreError(reason)


def names_user_code(parts: Mapping[str, str]) -> bool:
    """Return whether some of the parts, texts by kind, are not in the table."""
    return any(True for kind, text in parts.items() for _ in _user_modules(kind, text))


def _user_modules(kind: str, text: str) -> Iterator[str]:
    """Yield the files and modules that a text names, also inside its arguments."""
    if kind == "recipe" and (not text.strip() or SETTINGS.match(text)):
        return
    name, arguments = parse_part(kind, text)
    where, colon, _ = name.rpartition(":")
    if colon and name not in NAMES[kind]:
        yield where
    inner = arguments.get("strategy")
    if kind == "strategy" and isinstance(inner, str):
        yield from _user_modules(kind, inner)
