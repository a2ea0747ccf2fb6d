"""What the entries of a log's events have to be, kind by kind, in tables.

A store may have been written by a stranger, or be damaged in a way that its digests do not show.
Its entries are checked here, once, when they are read; nothing later has to ask again. An entry
that no table names is left alone: a later version may have added it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from nasturtium.study.trial import Arm

__all__ = [
    "OUTCOMES",
    "TRIALS",
    "check_entries",
    "check_measured",
    "check_shape",
    "number",
    "times",
]

TRIALS: Final = ("asked", "rejected")
OUTCOMES: Final = ("told", "failed")
LARGEST = 2**63
MOST = 1.7e308
LONGEST = 1e15  # seconds


class Rule(NamedTuple):
    """What an entry has to be.

    Attributes:
        holds: whether a value is so.
        words: the same in words.
    """

    holds: Callable[[Any], bool]
    words: str


def number(value: Any) -> bool:
    """Whether a value of JSON is a number that every part can count with, infinity included."""
    kind = type(value)
    return kind is float or kind is bool or (kind is int and -LARGEST <= value < LARGEST)


def finite(value: Any) -> bool:
    """Whether it is a number that is neither infinite nor undefined."""
    return number(value) and type(value) is not bool and -MOST < value < MOST


def seconds(value: Any) -> bool:
    """Whether it is a time, of which many can be added up."""
    kind = type(value)
    return (kind is float or kind is int) and -LONGEST < value < LONGEST


def share(value: Any) -> bool:
    """Whether it is a number from 0 to 1."""
    return finite(value) and 0 <= value <= 1


def natural(value: Any) -> bool:
    """Whether it is a whole number from 0."""
    return type(value) is int and 0 <= value < LARGEST


def whole(value: Any) -> bool:
    """Whether it is a whole number."""
    return type(value) is int and -LARGEST <= value < LARGEST


def text(value: Any) -> bool:
    """Whether it is a text."""
    return type(value) is str


def mapping(value: Any) -> bool:
    """Whether it is a mapping; the names of JSON are texts."""
    return type(value) is dict


def numbers(value: Any) -> bool:
    """Whether it is a mapping from names to numbers."""
    return type(value) is dict and all(map(number, value.values()))


def texts(value: Any) -> bool:
    """Whether it is a mapping from names to texts."""
    return type(value) is dict and all(map(text, value.values()))


def plain(value: Any) -> bool:
    """Whether it is one text, number or truth value, or nothing."""
    return value is None or type(value) in (str, bool) or finite(value)


def optional(rule: Rule) -> Rule:
    """The same, or nothing."""
    return Rule(lambda value: value is None or rule.holds(value), f"{rule.words} or null")


def mapping_of(rule: Rule) -> Rule:
    """A mapping from names to such."""
    return Rule(
        lambda value: type(value) is dict and all(map(rule.holds, value.values())),
        f"a mapping from names to {rule.words}",
    )


def list_of(rule: Rule) -> Rule:
    """A list of such."""
    return Rule(
        lambda value: type(value) is list and all(map(rule.holds, value)), f"a list of {rule.words}"
    )


def times(value: Any) -> tuple[float, float]:
    """The seconds and the processor's seconds of an outcome.

    Raises:
        TypeError: they are something else.
    """
    if type(value) is list and len(value) == 2 and seconds(value[0]) and seconds(value[1]):
        return value[0], value[1]
    raise TypeError(f"measured is {_shown(value)}; expected two finite numbers of seconds")


NATURAL = Rule(natural, "a whole number from 0")
WHOLE = Rule(whole, "a whole number")
FINITE = Rule(finite, "a finite number")
TEXT = Rule(text, "a text")
TRUTH = Rule(lambda value: type(value) is bool, "true or false")
SECONDS = Rule(seconds, "a finite number of seconds")
MAPPING = Rule(mapping, "a mapping")
NUMBERS = Rule(numbers, "a mapping of numbers by name")
TEXTS = Rule(texts, "a mapping of texts by name")
PLAIN = Rule(plain, "a text or a number")
PLAINS = Rule(
    lambda value: type(value) is dict and all(map(plain, value.values())),
    "a mapping of texts and numbers by name",
)
ARM = Rule(frozenset(get_args(Arm)).__contains__, f"one of {', '.join(get_args(Arm))}")


def entries(needed: Mapping[str, Rule], others: Mapping[str, Rule] | None = None) -> Rule:
    """A mapping with these entries, others where they are there."""
    rules = {**needed, **(others or {})}

    def holds(value: Any) -> bool:
        return (
            type(value) is dict
            and all(name in value for name in needed)
            and all(rules[name].holds(one) for name, one in value.items() if name in rules)
        )

    return Rule(holds, f"a mapping with {', '.join(rules)}")


def _answers(value: Any) -> bool:
    """Whether it is what a call's argument may be: plain, or a list of texts."""
    return plain(value) or (type(value) is list and all(map(text, value)))


OBJECTIVE = entries(
    {"metric": TEXT, "goal": Rule(("max", "min").__contains__, "max or min")},
    {"bound": optional(FINITE)},
)
FIDELITY = Rule(
    lambda value: (
        type(value) is list and len(value) == 4 and all(map(finite, value[:3])) and text(value[3])
    ),
    "three numbers and a schedule",
)
PROPOSAL: Mapping[str, Rule] = {
    "fidelity": FIDELITY,
    "parent": NATURAL,
    "resume": NATURAL,
    "uniform": TRUTH,
}
TRIAL: Mapping[str, Rule] = {
    "n": NATURAL,
    "arm": ARM,
    "proposal": MAPPING,
    "metrics": NUMBERS,
    "error": optional(TEXT),
    "planned": FINITE,
    "trained": FIDELITY,
}
OUTCOME: Mapping[str, Rule] = {
    "n": NATURAL,
    "metrics": NUMBERS,
    "error": optional(TEXT),
    "curve": list_of(NUMBERS),
    "files": TEXTS,
    "epochs": optional(FINITE),
    "stopped": TRUTH,
    "seconds": SECONDS,  # of a result that a worker left
    "cpu_seconds": SECONDS,
}
PART = entries({"name": TEXT}, {"metrics": list_of(TEXT), "batch": PLAIN})
MANIFEST: Mapping[str, Rule] = {
    "format": WHOLE,
    "name": TEXT,
    "seed": WHOLE,
    "data": entries(
        {},
        {
            "name": TEXT,
            "fingerprint": TEXT,
            "inputs": list_of(NATURAL),
            "classes": NATURAL,
            "examples": mapping_of(NATURAL),
            "split": MAPPING,
            "notes": list_of(TEXT),
        },
    ),
    "space": entries(
        {"name": TEXT},
        {"arguments": MAPPING, "limits": MAPPING, "fingerprint": TEXT},
    ),
    "decisions": optional(TEXTS),
    "duplicates": optional(mapping_of(NATURAL)),
    "chance": optional(mapping_of(Rule(share, "a number from 0 to 1"))),
    "tuning": mapping_of(FINITE),
    "strategy": PART,
    "estimator": PART,
    "recipe": MAPPING,
    "objectives": Rule(
        lambda value: type(value) is list and bool(value) and all(map(OBJECTIVE.holds, value)),
        "a list of objectives",
    ),
    "constraints": list_of(OBJECTIVE),
    "control": FINITE,
    "ordered": TRUTH,
    "call": Rule(
        lambda value: type(value) is dict and all(map(_answers, value.values())),
        "a mapping of texts and numbers by name",
    ),
    "versions": TEXTS,
    "machine": PLAINS,
    "commit": optional(TEXT),
    "numerics": PLAINS,
    "executor": TEXT,
    "workers": NATURAL,
    "lag": NATURAL,
}
TRAINING = entries(
    {"trial": Rule(lambda value: value is None or natural(value), "a trial's number")},
    {"recipe": entries({"epochs": FINITE}), "seed": WHOLE, "whole": TRUTH},
)
NOTE: Mapping[str, Rule] = {
    "finished": TRAINING,
    "trained": entries({"recipe": MAPPING, "seed": WHOLE}, {"trial": optional(NATURAL)}),
    "metrics": NUMBERS,
    "weights": TEXT,
    "evidence": entries(
        {},
        {
            "margin": FINITE,
            "params": optional(FINITE),
            "recipe": optional(MAPPING),
            "references": TRUTH,
            "seeds": NATURAL,
            "spread": NATURAL,
            "top": NATURAL,
        },
    ),
    "key": optional(TEXT),
    "error": optional(TEXT),
}
PREPARED: Mapping[str, Rule] = {"part": TEXT, "digest": TEXT}

MEASURED: Mapping[str, Rule] = {
    "manifest": PLAINS,
    "note": Rule(
        lambda value: (
            PLAINS.holds(value)
            or (type(value) is list and 0 < len(value) <= 2 and all(map(seconds, value)))
        ),
        "one or two numbers of seconds, or a mapping of texts and numbers by name",
    ),
}
SHAPES: Mapping[str, Mapping[str, Rule]] = {
    "asked": TRIAL,
    "rejected": TRIAL,
    "told": OUTCOME,
    "failed": OUTCOME,
    "manifest": MANIFEST,
    "note": NOTE,
    "prepared": PREPARED,
}
NEEDED: Mapping[str, tuple[str, ...]] = {
    "asked": ("n", "proposal"),
    "rejected": ("n", "proposal"),
    "told": ("n",),
    "failed": ("n",),
    "prepared": ("part", "digest"),
}


def check_shape(kind: str, data: Mapping[str, Any]) -> None:
    """Refuse an event whose entries are not those of its kind; other kinds are passed.

    Raises:
        KeyError: an entry is missing.
        TypeError: an entry is something else; says which, and what was expected.
    """
    rules = SHAPES.get(kind)
    if rules is None:
        return
    for name in NEEDED.get(kind, ()):
        if name not in data:
            raise KeyError(name)
    check_entries(rules, data)
    if kind in TRIALS:
        check_entries(PROPOSAL, data["proposal"])


def check_measured(kind: str, value: Any) -> None:
    """Refuse what was measured beside an event, unless it is of the event's kind.

    Raises:
        TypeError: says what arrived and what was expected.
    """
    if kind in MEASURED:
        check_entries(MEASURED, {kind: value})


def check_entries(rules: Mapping[str, Rule], data: Mapping[str, Any]) -> None:
    """Refuse a mapping of which an entry breaks its rule.

    Raises:
        TypeError: says which, and what was expected.
    """
    for name, value in data.items():
        rule = rules.get(name)
        if rule is not None and not rule.holds(value):
            raise TypeError(f"{name} is {_shown(value)}; expected {rule.words}")


def _shown(value: Any) -> str:
    try:
        shown = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
