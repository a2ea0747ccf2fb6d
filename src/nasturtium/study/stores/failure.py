"""Messages for failures of a database."""

from __future__ import annotations

from nasturtium.study.stores.redact import redact

__all__ = ["explain_failure"]

ADVICE = (
    ("not a database", "it is another kind of file; give another name, nothing was written"),
    ("malformed", "it is damaged; nasturtium repair keeps what can be read of it"),
    ("readonly", "the file or its folder is read-only; give one that can be written"),
    ("unable to open", "check that its folder exists and can be written"),
    ("disk is full", "free some space, then resume: everything up to now is kept"),
    ("No space left", "free some space, then resume: everything up to now is kept"),
    ("disk I/O", "the disk may be full or failing; everything committed is kept"),
    ("UNIQUE constraint", "another driver wrote to this study meanwhile; open it again"),
    ("duplicate key", "another driver wrote to this study meanwhile; open it again"),
    ("JSON serializable", "metrics, curves and notes hold plain numbers, texts and lists only"),
    ("locked", "another program holds it; close that one and try again"),
    ("No module named", "install the database's driver, e.g. pip install psycopg[binary]"),
)


def explain_failure(url: str, verb: str, error: Exception) -> str:
    """Return a failure of a store in one line that says what to do, with passwords hidden.

    Args:
        url: the address of the store.
        verb: what could not be done: ``opened``, ``read``, ``written``, ``repaired``.
        error: the failure.
    """
    cause = str(getattr(error, "orig", error)).splitlines()[0] if str(error) else repr(error)
    advice = next(
        (text for sign, text in ADVICE if sign in cause), "check the address and the rights"
    )
    where = redact(url.removeprefix("sqlite:///"))
    return f"the store {where} cannot be {verb}: {redact(cause)}; {advice}"
