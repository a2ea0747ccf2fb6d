"""The reproduction of a study, for its page: command, call in Python, and manifest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from nasturtium.errors import NasturtiumError
from nasturtium.run.names import NAMES
from nasturtium.run.trust import names_user_code
from nasturtium.study.study import Study

__all__ = ["ReproduceView", "describe_reproduction"]


@final
@dataclass(frozen=True)
class ReproduceView:
    """The ways to reproduce a study as the page shows them.

    Attributes:
        command: the command that runs the same study; empty where there is none.
        objects: arguments of the call that were objects of a program.
        call: the call in Python; empty where it is not known or had such objects.
        code: the user code that the call runs.
        manifest: the study's manifest as indented JSON; empty where it has none.
    """

    command: str = ""
    objects: str = ""
    call: str = ""
    code: str = ""
    manifest: str = ""


def describe_reproduction(study: Study, command: str | None) -> ReproduceView:
    """Describe how to reproduce a study.

    Args:
        study: the study.
        command: the command that runs the same study, if there is one.
    """
    manifest = study.manifest
    call = manifest.get("call")
    objects = python = code = ""
    if isinstance(call, Mapping):
        objects = ", ".join(name for name, value in call.items() if value == "?")
        if not objects:
            python, code = _python(manifest, call), _own_code(call)
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str) if manifest else ""
    return ReproduceView(command or "", objects, python, code, text)


def _own_code(call: Mapping[str, Any]) -> str:
    """Return the parts of a call that are not names of the library."""
    parts = {kind: text for kind, text in call.items() if kind in NAMES and isinstance(text, str)}
    return ", ".join(text for kind, text in parts.items() if _is_own_code(kind, text))


def _is_own_code(kind: str, text: str) -> bool:
    """Return whether a part of a call may run code that is not the library's."""
    try:
        return bool(names_user_code({kind: text}))
    except NasturtiumError:  # a log that was changed by hand may have any text
        return True


def _python(manifest: Mapping[str, Any], call: Mapping[str, Any]) -> str:
    """Return the call that started the study, with the numerics and workers that it ran with."""
    words = [repr(call.get("data"))]
    words += [
        f"{k}={v!r}"
        for k, v in call.items()
        if v is not None and k not in ("data", "store") and k.isidentifier()
    ]
    numerics = manifest.get("numerics")
    if isinstance(numerics, Mapping):
        words.append(f"numerics={','.join(f'{k}={v}' for k, v in numerics.items())!r}")
    if manifest.get("executor") == "here":
        words.append("executor='here'")
    elif manifest.get("workers"):
        words.append(f"executor='processes(workers={manifest['workers']})'")
    return "nas.search(\n    " + ",\n    ".join(words) + ",\n)"
