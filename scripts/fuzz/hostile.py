"""Hostile values, and ways to alter JSON, texts and bytes."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from random import Random
from typing import Any

from fuzz.watch import MARKER

# Texts of JSON that Python's own writer does not give.
RAW = (
    "1e400",
    "-1e400",
    "NaN",
    "Infinity",
    "1" + "0" * 400,
    "1" + "0" * 5000,
    "[" * 100_000 + "]" * 100_000,
    '{"a":' * 3000 + "1" + "}" * 3000,
    '{"metric":1,"metric":2}',
    '"\\ud800"',
    '"\\u0000"',
    "1.0000000000000000000000000001",
    "-0",
)
TEXTS = (
    "",
    " ",
    "x" * 10_000,
    "é" * 300,
    "\x00",
    "a\nb",
    "\x1b[2J",
    "../../../x",
    "..",
    "/",
    "/etc/hostname",
    "~/x",
    "C:\\x",
    "a/b",
    "evil.py:net",
    "evil:net",
    "evil.py",
    "./evil.py:net",
    f"os:system('touch {MARKER}')",
    f"subprocess:Popen(args='touch {MARKER}', shell=True)",
    f"builtins:exec('open({MARKER!r},chr(119))')",
    "random(",
    "asha(strategy=evil.py:net)",
    "asha(strategy=" * 50 + ")" * 50,
    "evolution(population=-1)",
    "evolution(population=1e999)",
    "random(x=1)",
    "processes(workers=0)",
    "processes(workers=99999999999)",
    "median(strategy=random)",
    "nasbench201",
    "epochs=0",
    "epochs=1e9,lr=nan",
    "recipe=recipe=1",
    "<script>alert(1)</script>",
    "'; drop table event; --",
    "$(touch PWNED)",
    "`touch PWNED`",
    "x;touch PWNED;#",
    "--help",
    "-",
    "%s%n{0}{x.__class__}",
    "nan",
    "1e400",
    "0" * 64,
    "NaN<5",
    "accuracy",
    "params<1",
    "max:loss",
)
PLAIN: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    2,
    7,
    10**9,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    0.0,
    -0.0,
    0.5,
    1e-320,
    1e300,
    -1e308,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"name": "random"},
    {"metric": "accuracy", "goal": "max", "bound": None},
    [1, 1, 1, "x"],
    [0] * 200,
)
_MARK = "\ue000raw"


class Payload:
    """An object that runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {MARKER}",)


def text(rng: Random) -> str:
    """Draw a hostile text."""
    if rng.random() < 0.8:
        return rng.choice(TEXTS)
    signs = rng.choices(
        "aé\x00\n\\/:;'\"(){}[]=,<>|&%$#@!~* \t.-_0\u202e\U0001f600", k=rng.randint(1, 40)
    )
    return "".join(signs)


def word(rng: Random) -> str:
    """Draw a hostile text that a shell can pass and that names no file outside of the folder."""
    told = text(rng).replace("\x00", "0")
    return f"/nothing/here{told}" if told.startswith("/") else told


def value(rng: Random) -> Any:
    """Draw a hostile value; marks that :func:`dumps` resolves stand for values outside JSON."""
    drawn = rng.random()
    if drawn < 0.2:
        return f"{_MARK}{rng.randrange(len(RAW))}"
    return text(rng) if drawn < 0.6 else deepcopy(rng.choice(PLAIN))


def dumps(data: Any) -> str:
    """Write JSON with marks resolved."""
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if _MARK in told:
        for place, raw in sorted(enumerate(RAW), reverse=True):
            told = told.replace(f'"{_MARK}{place}"', raw)
    return told


def _paths(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    pairs = (
        data.items()
        if isinstance(data, dict)
        else enumerate(data)
        if isinstance(data, list)
        else ()
    )
    for key, one in pairs:
        found += _paths(one, (*path, key))
    return found


def _parent(data: Any, path: tuple[Any, ...]) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def alter_json(rng: Random, body: str, times: int = 1) -> tuple[str, str]:
    """Return a JSON text with altered entries, and a note of the changes."""
    if rng.random() < 0.05:
        raw = alter_bytes(rng, body.encode())[0].decode("utf-8", "replace")
        return raw, "bytes of the JSON"
    data = json.loads(body)
    told = []
    for _ in range(times):
        paths = _paths(data)
        if not paths:
            break
        path = rng.choice(paths)
        place, key = _parent(data, path), path[-1]
        old, drawn = place[key], rng.random()
        if drawn < 0.6:
            place[key] = value(rng)
        elif drawn < 0.7:
            del place[key]
        elif drawn < 0.76:
            place[key] = _twisted(rng, old)
        elif drawn < 0.82:
            other = rng.choice(paths)
            place[key] = json.loads(json.dumps(_parent(data, other)[other[-1]]))
        elif drawn < 0.9 and isinstance(place, dict):
            place[text(rng)] = place.pop(key) if rng.random() < 0.5 else old
        elif isinstance(old, dict):
            old[text(rng)] = value(rng)
        elif isinstance(old, list):
            old.insert(rng.randint(0, len(old)), value(rng))
        else:
            place[key] = value(rng)
        told.append(".".join(map(str, path))[:80] + f" from {str(old)[:40]}")
    return dumps(data), "; ".join(told)


def _twisted(rng: Random, old: Any) -> Any:
    """Nearly the old value."""
    if isinstance(old, bool) or old is None:
        return rng.choice([0, 1, "True", not old])
    if isinstance(old, (int, float)):
        return rng.choice([old + 1, -old, old * 1e12, str(old), [old], int(old), float(old)])
    if isinstance(old, str):
        return rng.choice([old.upper(), old + " ", old[:-1], [old], {"name": old}, list(old)[:50]])
    return rng.choice([str(old)[:5000], [old], None, len(old)])


def alter_bytes(rng: Random, content: bytes) -> tuple[bytes, str]:
    """Other bytes, and what was done."""
    data = bytearray(content)
    how = rng.choice(("flip", "flip", "flip", "bits", "cut", "cut end", "zero", "insert", "double"))
    size = max(len(data), 1)
    start = rng.randrange(size)
    if rng.random() < 0.3:  # headers and directories are where parsers are
        start = rng.choice([min(start, 200), max(0, size - 1 - rng.randrange(400))])
    start = min(start, size - 1)
    length = min(rng.choice([1, 1, 2, 4, 16, 64, 512]), size - start)
    if not data:
        return rng.randbytes(rng.randint(1, 40)), "bytes in an empty file"
    if how == "flip":
        data[start : start + length] = rng.randbytes(length)
    elif how == "bits":
        for _ in range(rng.randint(1, 8)):
            data[rng.randrange(size)] ^= 1 << rng.randrange(8)
    elif how == "cut":
        del data[start : start + length]
    elif how == "cut end":
        del data[rng.randrange(size) :]
    elif how == "zero":
        data[start : start + length] = bytes(length)
    elif how == "insert":
        data[start:start] = rng.randbytes(length)
    else:
        data[start:start] = data[start : start + length]
    return bytes(data), f"{how} at {start}, {length} of {size} bytes"
