"""The command that starts the same search again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from nasturtium.errors import StoreError
from nasturtium.run.arguments import format_arguments
from nasturtium.run.call import NO_TEXT
from nasturtium.run.trust import trusted_call
from nasturtium.study.stores.redact import redact

__all__ = ["command_line"]

REPEATED = {
    "objectives": "objective",
    "constraints": "constraint",
}  # repeated for each value


def command_line(
    manifest: Mapping[str, Any], store: str | None = None, *, trust: bool = False
) -> str:
    """Return the command that makes the same study, quoted for the shell.

    Args:
        manifest: of the study.
        store: where it is; left out if it is the default one of the command line.
        trust: whether the command may run code that this user has not searched with.

    Raises:
        StoreError: it was started from objects that no command line can name, or the command would
            run code that this user has not searched with.
    """
    call = manifest["call"]
    missing = [key for key, value in call.items() if value == NO_TEXT]
    if missing:
        raise StoreError(
            f"study {manifest['name']!r} was started by a program with its own "
            f"{', '.join(missing)}; no command line names them; run that program again"
        )
    trusted_call(manifest, trust)
    exact = {
        "numerics": format_arguments(manifest["numerics"]),
        "executor": f"processes(workers={manifest['workers']})",
        "store": None if store in (None, "study.db") else redact(str(store)),
        "name": manifest["name"],
    }
    if manifest["executor"] == "here":
        exact["executor"] = "here"
    words = ["nasturtium", "search"]
    for key, value in {**call, **exact}.items():
        if key == "data" or value is None:
            continue
        option = REPEATED.get(key) or key.replace("_", "-")
        for one in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(one, bool):
                words.append(f"--{'' if one else 'no-'}{option}")
            else:
                words += [f"--{option}", str(one)]
    data = str(call["data"])
    words[2:2] = [data] if not data.startswith("-") else []
    words += ["--", data] if data.startswith("-") else []
    unprintable = [word for word in words if not word.isprintable()]
    if unprintable:
        raise StoreError(
            f"study {manifest['name']!r} has {unprintable[0]!r} in its call, which cannot be "
            "pasted into a shell safely; start it from Python"
        )
    return shlex.join(words)
