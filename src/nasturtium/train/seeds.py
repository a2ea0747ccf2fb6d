"""Seeds that are independent for every purpose, and equal in every process."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["derive_seed"]


def derive_seed(*parts: int | str) -> int:
    """Return a 63-bit seed for a purpose, such as ``derive_seed(seed, "order", epoch)``.

    Example:
        >>> first, second = derive_seed(0, "order", 1), derive_seed(0, "order", 2)
        >>> first == derive_seed(0, "order", 1), first == second
        (True, False)
    """
    digest = blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
