"""Seeds that are independent for every purpose, and equal in every process."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["mix"]


def mix(*parts: int | str) -> int:
    """Return a 63-bit seed for a purpose, such as ``mix(seed, "order", epoch)``.

    Example:
        >>> mix(0, "order", 1) == mix(0, "order", 1), mix(0, "order", 1) == mix(0, "order", 2)
        (True, False)
    """
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
