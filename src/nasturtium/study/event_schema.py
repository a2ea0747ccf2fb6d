"""The schema of a log's events: the entries of each kind and their types, in tables.

A store may come from a stranger, or be damaged in a way that its digests do not show. Its entries
are checked here, once, when they are read, so that later code need not check them again. An entry
that no table names is allowed: a later version may have added it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, get_args

from nasturtium.study.trial import Arm

__all__ = [
    "OUTCOMES",
    "TRIALS",
    "check_entries",
    "check_event",
    "check_measured",
    "describe_value",
    "is_count",
    "is_finite",
    "is_natural",
    "is_number",
    "parse_times",
]

TRIALS: Final = ("asked", "rejected")
OUTCOMES: Final = ("told", "failed")
LARGEST_INTEGER = 2**63
LARGEST_COUNT = 2**40
LARGEST = 1e300  # so that products of a few finite numbers stay finite
LONGEST = 1e15  # seconds


class Rule(NamedTuple):
    """A condition on the value of an entry.

    Attributes:
        holds: returns whether a value satisfies it.
        expected: what is expected, for messages.
    """

    holds: Callable[[Any], bool]
    expected: str


def is_number(value: Any) -> bool:
    """Return whether a JSON value is a number in the range of 64 bits, infinity included."""
    kind = type(value)
    return (
        kind is float
        or kind is bool
        or (kind is int and -LARGEST_INTEGER <= value < LARGEST_INTEGER)
    )


def is_finite(value: Any) -> bool:
    """Return whether a value is a finite number."""
    return is_number(value) and type(value) is not bool and -LARGEST < value < LARGEST


def is_duration(value: Any) -> bool:
    """Return whether a value is a number of seconds, small enough that many can be added."""
    kind = type(value)
    return (kind is float or kind is int) and -LONGEST < value < LONGEST


def is_fraction(value: Any) -> bool:
    """Return whether a value is a number from 0 to 1."""
    return is_finite(value) and 0 <= value <= 1


def is_natural(value: Any) -> bool:
    """Return whether a value is an integer from 0."""
    return type(value) is int and 0 <= value < LARGEST_INTEGER


def is_count(value: Any) -> bool:
    """Return whether a value is an integer from 1 that can be a length or a number of things."""
    return type(value) is int and 0 < value < LARGEST_COUNT


def is_integer(value: Any) -> bool:
    """Return whether a value is an integer."""
    return type(value) is int and -LARGEST_INTEGER <= value < LARGEST_INTEGER


def is_text(value: Any) -> bool:
    """Return whether a value is a text."""
    return type(value) is str


def is_mapping(value: Any) -> bool:
    """Return whether a value is a mapping; keys of JSON are texts."""
    return type(value) is dict


def are_numbers(value: Any) -> bool:
    """Return whether a value is a mapping from names to numbers."""
    return type(value) is dict and all(map(is_number, value.values()))


def are_texts(value: Any) -> bool:
    """Return whether a value is a mapping from names to texts."""
    return type(value) is dict and all(map(is_text, value.values()))


def is_plain(value: Any) -> bool:
    """Return whether a value is one text, number or truth value, or null."""
    return value is None or type(value) in (str, bool) or is_finite(value)


def optional(rule: Rule) -> Rule:
    """Return the rule that a value is null or satisfies another rule."""
    return Rule(lambda value: value is None or rule.holds(value), f"{rule.expected} or null")


def mapping_of(rule: Rule) -> Rule:
    """Return the rule for a mapping whose values satisfy another rule."""
    return Rule(
        lambda value: type(value) is dict and all(map(rule.holds, value.values())),
        f"a mapping from names to {rule.expected}",
    )


def list_of(rule: Rule) -> Rule:
    """Return the rule for a list whose items satisfy another rule."""
    return Rule(
        lambda value: type(value) is list and all(map(rule.holds, value)),
        f"a list of {rule.expected}",
    )


def mapping_with(required: Mapping[str, Rule], others: Mapping[str, Rule] | None = None) -> Rule:
    """Return the rule for a mapping that has the required entries, and may have the others."""
    rules = {**required, **(others or {})}

    def holds(value: Any) -> bool:
        return (
            type(value) is dict
            and all(name in value for name in required)
            and all(rules[name].holds(one) for name, one in value.items() if name in rules)
        )

    return Rule(holds, f"a mapping with {', '.join(rules)}")


def parse_times(value: Any) -> tuple[float, float]:
    """Return the wall time and the processor time of an outcome in seconds.

    Raises:
        TypeError: the value is something else.
    """
    if type(value) is list and len(value) == 2 and is_duration(value[0]) and is_duration(value[1]):
        return value[0], value[1]
    raise TypeError(f"measured is {describe_value(value)}; expected two finite numbers of seconds")


NATURAL = Rule(is_natural, "a whole number from 0")
WHOLE = Rule(is_integer, "a whole number")
FINITE = Rule(is_finite, "a finite number")
TEXT = Rule(is_text, "a text")
TRUTH = Rule(lambda value: type(value) is bool, "true or false")
SECONDS = Rule(is_duration, "a finite number of seconds")
MAPPING = Rule(is_mapping, "a mapping")
NUMBERS = Rule(are_numbers, "a mapping of numbers by name")
TEXTS = Rule(are_texts, "a mapping of texts by name")
PLAIN = Rule(is_plain, "a text or a number")
PLAINS = Rule(
    lambda value: type(value) is dict and all(map(is_plain, value.values())),
    "a mapping of texts and numbers by name",
)
ARM = Rule(frozenset(get_args(Arm)).__contains__, f"one of {', '.join(get_args(Arm))}")


def _is_argument(value: Any) -> bool:
    """Return whether a value can be an argument of a call: plain, or a list of texts."""
    return is_plain(value) or (type(value) is list and all(map(is_text, value)))


OBJECTIVE = mapping_with(
    {"metric": TEXT, "goal": Rule(("max", "min").__contains__, "max or min")},
    {"bound": optional(FINITE)},
)
FIDELITY = Rule(
    lambda value: (
        type(value) is list
        and len(value) == 4
        and all(map(is_finite, value[:3]))
        and is_text(value[3])
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
PART = mapping_with({"name": TEXT}, {"metrics": list_of(TEXT), "batch": PLAIN})
MANIFEST: Mapping[str, Rule] = {
    "format": WHOLE,
    "name": TEXT,
    "seed": WHOLE,
    "data": mapping_with(
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
    "space": mapping_with(
        {"name": TEXT},
        {"arguments": MAPPING, "limits": MAPPING, "fingerprint": TEXT},
    ),
    "decisions": optional(TEXTS),
    "duplicates": optional(mapping_of(NATURAL)),
    "chance": optional(mapping_of(Rule(is_fraction, "a number from 0 to 1"))),
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
        lambda value: type(value) is dict and all(map(_is_argument, value.values())),
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
TRAINING = mapping_with(
    {"trial": Rule(lambda value: value is None or is_natural(value), "a trial's number")},
    {"recipe": mapping_with({"epochs": FINITE}), "seed": WHOLE, "whole": TRUTH},
)
NOTE: Mapping[str, Rule] = {
    "finished": TRAINING,
    "trained": mapping_with({"recipe": MAPPING, "seed": WHOLE}, {"trial": optional(NATURAL)}),
    "metrics": NUMBERS,
    "weights": TEXT,
    "evidence": mapping_with(
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
            or (type(value) is list and 0 < len(value) <= 2 and all(map(is_duration, value)))
        ),
        "one or two numbers of seconds, or a mapping of texts and numbers by name",
    ),
}
EVENTS: Mapping[str, Mapping[str, Rule]] = {
    "asked": TRIAL,
    "rejected": TRIAL,
    "told": OUTCOME,
    "failed": OUTCOME,
    "manifest": MANIFEST,
    "note": NOTE,
    "prepared": PREPARED,
}
REQUIRED: Mapping[str, tuple[str, ...]] = {
    "asked": ("n", "proposal"),
    "rejected": ("n", "proposal"),
    "told": ("n",),
    "failed": ("n",),
    "prepared": ("part", "digest"),
}


def check_event(kind: str, data: Mapping[str, Any]) -> None:
    """Check that the entries of an event are those of its kind; events of other kinds pass.

    Raises:
        KeyError: an entry is missing.
        TypeError: an entry has a wrong value; says which, and what was expected.
    """
    rules = EVENTS.get(kind)
    if rules is None:
        return
    for name in REQUIRED.get(kind, ()):
        if name not in data:
            raise KeyError(name)
    check_entries(rules, data)
    if kind in TRIALS:
        check_entries(PROPOSAL, data["proposal"])


def check_measured(kind: str, value: Any) -> None:
    """Check that the measurements of an event are those of its kind.

    Raises:
        TypeError: says what arrived and what was expected.
    """
    if kind in MEASURED:
        check_entries(MEASURED, {kind: value})


def check_entries(rules: Mapping[str, Rule], data: Mapping[str, Any]) -> None:
    """Check that the entries of a mapping satisfy their rules.

    Raises:
        TypeError: an entry does not; says which, and what was expected.
    """
    for name, value in data.items():
        rule = rules.get(name)
        if rule is not None and not rule.holds(value):
            raise TypeError(f"{name} is {describe_value(value)}; expected {rule.expected}")


def describe_value(value: Any) -> str:
    """Return a value as it stands in a message: at most 60 characters."""
    try:
        text = repr(value)
    except (RecursionError, ValueError):
        return f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}..."
