"""Names that were renamed, and the messages that give the new ones.

The old names do nothing: a call, an attribute or an option that uses one is refused, and the
message says what it is called now. Only manifests of studies that were written under the old names
are read, under the new ones. :data:`RENAMED` is the one table of all these names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar

__all__ = [
    "RENAMED",
    "Renamed",
    "argument",
    "attribute",
    "manifest",
    "missing_attribute",
    "option",
    "public",
    "refuse_hooks",
    "with_new_arguments",
]

Kind = Literal["public", "argument", "attribute", "hook", "option", "entry", "class"]
P = ParamSpec("P")
R = TypeVar("R")


class Renamed(NamedTuple):
    """One old name.

    Attributes:
        kind: a name of ``nasturtium`` itself, an argument, an attribute or method, a method that a
            subclass defines (a hook), an option of the command line, or of manifests an entry or
            the name of a class.
        owner: the function, class or command that had it.
        old: the old name.
        new: what to write now.
    """

    kind: Kind
    owner: str
    old: str
    new: str


RENAMED: tuple[Renamed, ...] = (
    Renamed("public", "nas", "Finished", "Retrained"),
    Renamed("public", "nas", "Lemonade", "LEMONADE"),
    Renamed("public", "nas", "Reinforce", "REINFORCE"),
    Renamed("public", "nas", "Together", "Combined"),
    Renamed("public", "nas", "deliver", "export_with_card"),
    Renamed("public", "nas", "finish", "retrain"),
    Renamed("public", "nas", "gather", "collect_evidence"),
    Renamed("public", "nas", "recall", "load_evidence"),
    Renamed("argument", "search", "within", "constraints"),
    Renamed("argument", "race", "within", "constraints"),
    Renamed("argument", "Study", "within", "constraints"),
    Renamed("argument", "NasturtiumClassifier", "within", "constraints"),
    Renamed("argument", "Portfolio", "hope", "stop_below"),
    Renamed("argument", "Portfolio", "doubt", "min_skill"),
    Renamed("attribute", "Space", "using", "bind"),
    Renamed("argument", "report", "finished", "retrained"),
    Renamed("attribute", "Space", "facts", "builder_arguments"),
    Renamed("attribute", "Space", "read", "ask(reading)[1]()"),
    Renamed("attribute", "Space", "taking", "bind_known"),
    Renamed("attribute", "Study", "report", "nas.report(study)"),
    Renamed("attribute", "Job", "setting", "context"),
    Renamed("attribute", "Preparation", "setting", "context"),
    Renamed("hook", "Strategy", "fold", "update(state, history, trial)"),
    Renamed("hook", "Space", "using", "bind(**arguments)"),
    Renamed("hook", "Space", "taking", "bind_known(**shapes)"),
    Renamed("option", "search", "--within", "--constraint"),
    Renamed("option", "race", "--within", "--constraint"),
    Renamed("option", "search", "--objectives", "--objective"),
    Renamed("option", "race", "--objectives", "--objective"),
    Renamed("option", "evidence", "--recall", "--saved"),
    Renamed("option", "describe", "--replay", "--command"),
    Renamed("entry", "manifest", "within", "constraints"),
    Renamed("class", "manifest", "Lemonade", "LEMONADE"),
    Renamed("class", "manifest", "Reinforce", "REINFORCE"),
    Renamed("class", "manifest", "Scores", "ZeroCostProxies"),
    Renamed("class", "manifest", "Together", "Combined"),
)


_OLD_ATTRIBUTES = frozenset(entry.old for entry in RENAMED if entry.kind == "attribute")


def public(name: str) -> str | None:
    """Return the message for an old name of ``nasturtium``; ``None`` if it is not one.

    Example:
        >>> public("gather")
        'nas.gather is now nas.collect_evidence'
    """
    new = _new("public", name)
    return None if new is None else f"nas.{name} is now nas.{new}"


def argument(owner: str, name: str) -> str | None:
    """Return the message for an old argument of a function or class; ``None`` if it is not one.

    Example:
        >>> argument("search", "within")
        'search: `within` is now `constraints`'
    """
    new = _new("argument", name, owner)
    return None if new is None else f"{owner}: `{name}` is now `{new}`"


def attribute(owner: str, name: str) -> str | None:
    """Return the message for an old attribute or method of a class; ``None`` if it is not one.

    Example:
        >>> attribute("Space", "using")
        'Space: `using` is now `bind`'
    """
    new = _new("attribute", name, owner)
    return None if new is None else f"{owner}: `{name}` is now `{new}`"


def option(name: str) -> str | None:
    """Return the message for an old option of the command line; ``None`` if it is not one.

    Args:
        name: the option as it was written, also with a value: ``--within`` or ``--within=x``.

    Example:
        >>> option("--within")
        '`--within` is now `--constraint`'
    """
    name = name.partition("=")[0]
    new = _new("option", name)
    return None if new is None else f"`{name}` is now `{new}`"


def with_new_arguments(owner: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function so that its old arguments are refused by a message with the new ones.

    Args:
        owner: the name of the function or class, as the table has it.

    Example:
        >>> @with_new_arguments("search")
        ... def search(data, *, constraints=()):
        ...     return constraints
        >>> search("digits", within=("params<50k",))
        Traceback (most recent call last):
        ...
        TypeError: search: `within` is now `constraints`
    """
    old = frozenset(entry.old for entry in _entries("argument", owner))

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in old.intersection(kwargs):
                raise TypeError(argument(owner, name))
            return function(*args, **kwargs)

        return checked

    return decorate


def missing_attribute(self: object, name: str) -> Any:
    """Serve as ``__getattr__`` of a class: name what an old attribute is called now.

    Raises:
        AttributeError: always, as ``__getattr__`` is called for missing attributes only.
    """
    message = f"{type(self).__name__!r} object has no attribute {name!r}"
    if name in _OLD_ATTRIBUTES:
        owners = (kind.__name__ for kind in type(self).__mro__)
        message = next(filter(None, (attribute(owner, name) for owner in owners)), message)
    raise AttributeError(message, name=name, obj=self)


def refuse_hooks(owner: str, defined: Mapping[str, object], title: str) -> None:
    """Refuse a subclass that defines a method under its old name, where it would never be called.

    Args:
        owner: the class of ours, as the table has it.
        defined: what the subclass defines, as ``vars`` gives it.
        title: the subclass's name.

    Raises:
        TypeError: one of the methods was renamed.

    Example:
        >>> refuse_hooks("Strategy", {"propose": None}, "Greedy")
    """
    for entry in _entries("hook", owner):
        if entry.old in defined:
            raise TypeError(
                f"{title} defines `{entry.old}`, which is now `{entry.new}`; rename the method"
            )


def manifest(data: dict[str, Any]) -> dict[str, Any]:
    """Return a manifest of format 2 under the names of format 3; any other as it is.

    Example:
        >>> manifest({"format": 2, "within": [], "strategy": {"name": "Portfolio", "hope": 0.1}})
        {'format': 3, 'constraints': [], 'strategy': {'name': 'Portfolio', 'stop_below': 0.1}}
    """
    if data.get("format") != 2:
        return data
    entries = {entry.old: entry.new for entry in _entries("entry", "manifest")}
    renamed = {entries.get(key, key): value for key, value in data.items()} | {"format": 3}
    for part in renamed.keys() & {"strategy", "estimator"}:
        renamed[part] = _renamed_part(renamed[part])
    call = renamed.get("call")
    if isinstance(call, Mapping):
        renamed["call"] = {entries.get(k, k): _renamed_text(v) for k, v in call.items()}
    return renamed


def _renamed_part(part: Any) -> Any:
    """Return the description of a strategy or an estimator under the new names."""
    if isinstance(part, list):
        return [_renamed_part(one) for one in part]
    if not isinstance(part, dict):
        return part
    name = part.get("name")
    arguments = {} if not isinstance(name, str) else _new_arguments(name)
    renamed = {arguments.get(key, key): _renamed_part(value) for key, value in part.items()}
    if isinstance(name, str):
        renamed["name"] = _new("class", name) or name
    return renamed


def _renamed_text(text: Any) -> Any:
    """Return the text of a part, e.g. ``portfolio(hope=0.1)``, with its arguments' new names."""
    if not isinstance(text, str):
        return text
    for owner in {entry.owner for entry in RENAMED if entry.kind == "argument"}:
        for old, new in _new_arguments(owner).items():
            part = rf"(?<![\w.:])({owner.lower()}\((?:[^()]*[,\s])?){old}(?=\s*=)"
            text = re.sub(part, rf"\g<1>{new}", text)
    return text


def _new_arguments(owner: str) -> dict[str, str]:
    return {entry.old: entry.new for entry in _entries("argument", owner)}


def _entries(kind: Kind, owner: str) -> Iterator[Renamed]:
    return (entry for entry in RENAMED if entry.kind == kind and entry.owner == owner)


def _new(kind: Kind, old: str, owner: str | None = None) -> str | None:
    found = (
        entry.new
        for entry in RENAMED
        if entry.kind == kind and entry.old == old and owner in (None, entry.owner)
    )
    return next(found, None)
