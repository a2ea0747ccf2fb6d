"""Arguments as text: ``population=50,sample=10``, one grammar for every option.

A value is a number, ``True``, ``False``, ``None``, a text with or without quotation marks, a tuple,
a list or a dict of these, or the name of a part with its own arguments.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from nasturtium.errors import EstimateError, NasturtiumError, StrategyError
from nasturtium.study.objective import Objective

__all__ = ["check_objectives", "format_arguments", "parse_arguments"]

PAIRS = {"(": ")", "[": "]", "{": "}"}
# Characters of texts without quotation marks: names, paths, devices such as cuda:1, 0.1.2.
BARE = re.compile(r"[^\s'\"(){}\[\],=]+")
CALL = re.compile(r"[^\s'\"(){}\[\],=]+\(.*\)", re.DOTALL)
EXPECTED = "expected a number, True, False, None, a text, or a tuple or dict of these"


def parse_arguments(
    option: str,
    text: str,
    error: type[NasturtiumError] = EstimateError,
    example: str = "name=value,name=value",
) -> dict[str, Any]:
    """Parse the arguments in a text.

    Args:
        option: the name of the option in messages.
        text: ``name=value`` pairs, separated by commas.
        error: the class of the errors.
        example: a text of the right form for messages.

    Raises:
        NasturtiumError: the text has another form; the message quotes the part that is wrong.

    Example:
        >>> parse_arguments("recipe", "epochs=5, optimizer=adamw, augment={flip: True}")
        {'epochs': 5, 'optimizer': 'adamw', 'augment': {'flip': True}}
    """
    found: dict[str, Any] = {}
    pieces = _pieces(text)
    if isinstance(pieces, str):
        raise error(f"{option} {_cut(text)} is not understood: {pieces}")
    for piece in pieces:
        name, sign, value = (part.strip() for part in piece.partition("="))
        if not sign:
            raise error(
                f"{option} {_cut(text)} is not understood at {_cut(piece)}: every argument has a "
                f"name; write e.g. {example}"
            )
        if not name.isidentifier():
            raise error(
                f"{option} {_cut(text)} is not understood at {_cut(piece)}: expected the name of "
                "an argument before '='"
            )
        if name in found:
            raise error(f"{option} {_cut(text)} gives {name!r} twice; give it once")
        try:
            found[name] = _value(value)
        except ValueError:
            raise error(
                f"{option} {_cut(text)} is not understood at {_cut(value or piece)}: {EXPECTED}"
            ) from None
    return found


def check_objectives(
    argument: str, given: Iterable[Objective | str]
) -> tuple[Objective | str, ...]:
    """Check that objectives or constraints are texts or :class:`nasturtium.Objective`.

    Raises:
        StrategyError: one of them is something else.
    """
    found = tuple(given)
    for one in found:
        if not isinstance(one, (Objective, str)):
            raise StrategyError(
                f"{argument} holds {one!r}; expected a metric's name such as accuracy, or a "
                "nas.Objective; your own estimator gives your own metrics"
            )
    return found


def format_arguments(arguments: Mapping[str, Any]) -> str:
    """Return arguments as a text, with as few quotation marks as possible.

    Example:
        >>> format_arguments({"epochs": 5, "optimizer": "adamw", "name": "a b"})
        "epochs=5,optimizer=adamw,name='a b'"
    """
    return ",".join(f"{name}={_shown(value)}" for name, value in arguments.items())


def _cut(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _shown(value: Any) -> str:
    if isinstance(value, str):
        try:
            if _value(value) == value:
                return value
        except ValueError:
            pass
    return repr(value)


def _pieces(text: str) -> list[str] | str:
    """Split a text at its outer commas; return a message if it is malformed."""
    pieces, start = [], 0
    open_: list[str] = []
    quote = ""
    place = 0
    while place < len(text):
        sign = text[place]
        if quote:
            if sign == "\\":
                place += 1
            elif sign == quote:
                quote = ""
        elif sign in "'\"":
            quote = sign
        elif sign in PAIRS:
            open_.append(PAIRS[sign])
        elif sign in PAIRS.values():
            if not open_ or open_.pop() != sign:
                return f"{sign!r} at {_cut(text[start : place + 1])} closes nothing"
        elif sign == "," and not open_:
            pieces.append(text[start:place])
            start = place + 1
        place += 1
    if quote or open_:
        return f"{quote or open_[-1]!r} is missing after {_cut(text[start:])}"
    pieces.append(text[start:])
    if not pieces[-1].strip():
        pieces.pop()  # a comma at the end, or nothing
    return pieces


def _value(text: str) -> Any:
    """Return the value that a text means.

    Raises:
        ValueError: it means none.
    """
    if not text or len(text) > 100_000:
        raise ValueError(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about an escape that Python does not know
            tree = ast.parse(text, mode="eval").body
        return _literal(tree)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        if BARE.fullmatch(text) or CALL.fullmatch(text):
            return text
        raise ValueError(text) from None


def _literal(node: ast.expr) -> Any:
    """Return the value of a node of the syntax tree, in which names mean texts."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Tuple):
        return tuple(_literal(one) for one in node.elts)
    if isinstance(node, ast.List):
        return [_literal(one) for one in node.elts]
    if isinstance(node, ast.Dict):
        keys = [ast.Constant(None) if key is None else key for key in node.keys]
        if None in node.keys:
            raise ValueError("**")
        return {
            _literal(key): _literal(value) for key, value in zip(keys, node.values, strict=True)
        }
    value = ast.literal_eval(node)
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise ValueError(value)
    return value
