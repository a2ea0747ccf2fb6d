"""The arguments of one call of :func:`nasturtium.search`, and their form in a manifest."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from nasturtium.atomic_write import present
from nasturtium.errors import StoreError, StrategyError
from nasturtium.space.base import Space
from nasturtium.study.objective import Objective
from nasturtium.study.stores.base import Store
from nasturtium.study.strategy import Strategy
from nasturtium.train.check_arguments import check_types, find_type_hints

if TYPE_CHECKING:  # these import torch, which reading a study does not need
    from nasturtium.execute.base import Executor
    from nasturtium.space.recipe_space import RecipeSpace
    from nasturtium.study.estimator import Estimator
    from nasturtium.train.numerics import Numerics
    from nasturtium.train.recipe import Recipe

__all__ = ["NO_TEXT", "RECORDED", "SearchCall", "call_to_json", "check_call"]

NO_TEXT = "?"  # stands in a manifest for an object that no text names
NOT_RECORDED = ("progress", "watch", "store", "name", "executor", "numerics")
CHECKED_LATER = ("data", "load", "space", "strategy", "estimator", "executor")  # by resolve
PLAIN = (str, int, float, bool, type(None))


@final
@dataclass(frozen=True, kw_only=True)
class SearchCall:
    """The arguments of :func:`nasturtium.search`, as they were given and under the same names."""

    data: Any
    load: Mapping[str, Any] | str | None
    space: Space | str
    recipe: Recipe | RecipeSpace | str | None
    strategy: Strategy | str
    estimator: Estimator | str
    objectives: Iterable[Objective | str]
    constraints: Iterable[Objective | str]
    trials: int
    hours: float | None
    control: float
    confirm: int | None
    executor: Executor | str | None
    store: Store | str | Path | None
    name: str | None
    seed: int
    split_seed: int
    time_limit: float | None
    numerics: Numerics | str | None
    ordered: bool
    progress: bool | None
    watch: Any


RECORDED = tuple(field.name for field in fields(SearchCall) if field.name not in NOT_RECORDED)


def check_call(call: SearchCall) -> None:
    """Check the types of a call's arguments, its numbers and its name, before anything is loaded.

    Raises:
        StrategyError: an argument of another type, or a number out of its range.
        StoreError: a name with characters that cannot be printed.
    """
    given = {name: value for name, value in vars(call).items() if name not in CHECKED_LATER}
    check_types("search", given, find_type_hints(SearchCall), StrategyError)
    if call.name is not None and not call.name.isprintable():
        raise StoreError(
            f"search got name={call.name!r}; expected letters, numbers and signs, no others"
        )
    for word in ("hours", "time_limit"):
        value = given[word]
        if value is not None and not 0 < value < math.inf:
            raise StrategyError(f"search got {word}={value}; expected a positive number")
    if call.trials < 1 or not 0 <= call.control < 1:
        raise StrategyError(
            f"search got trials={call.trials}, control={call.control}; expected at least one trial "
            "and a share of control from 0 up to, not including, 1"
        )


def call_to_json(call: SearchCall, load: str | None) -> dict[str, Any]:
    """Return the arguments as text, so that the same search can be started again.

    Paths become absolute. An object that no text names becomes ``"?"``.

    Args:
        call: the arguments.
        load: its options of the data as text.
    """
    texts = {name: _text(getattr(call, name)) for name in RECORDED} | {"load": load}
    if isinstance(texts["data"], str) and present(Path(texts["data"])):
        texts["data"] = str(Path(texts["data"]).resolve())
    for name in ("space", "recipe", "strategy", "estimator"):
        file, mark, rest = str(texts[name]).partition(".py:")
        if mark and present(Path(file + ".py")):
            texts[name] = f"{Path(file + '.py').resolve()}:{rest}"
    return texts


def _text(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Objective):
        return str(value) if value.bound is not None else f"{value.goal}:{value.metric}"
    if isinstance(value, (list, tuple)) and all(isinstance(v, (str, Objective)) for v in value):
        return [_text(one) for one in value]
    return NO_TEXT
