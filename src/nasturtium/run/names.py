"""Names for the command line and for manifests: one readable table, and ``file.py:name``.

A text names a part, optionally with arguments: ``evolution``, ``evolution(population=50)``,
``my_space.py:net``, ``my_space.py:net(layers=8)``, ``package.module:net``.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from nasturtium.errors import (
    EstimateError,
    NasturtiumError,
    SpaceError,
    StrategyError,
)
from nasturtium.space.recipe import RecipeSpace
from nasturtium.space.zoo import SPACES

__all__ = ["NAMES", "made", "parsed", "recipe_space", "resolve"]

NAMES: Mapping[str, Mapping[str, str]] = {
    "space": {name: f"nasturtium.space.zoo.{module}:{name}" for name, module in SPACES.items()},
    "strategy": {
        "asha": "nasturtium.strategy.asha:ASHA",
        "bananas": "nasturtium.strategy.bananas:BANANAS",
        "bayes": "nasturtium.strategy.bayes:BayesianOptimization",
        "bohb": "nasturtium.strategy.bohb:BOHB",
        "evolution": "nasturtium.strategy.evolution:RegularizedEvolution",
        "halving": "nasturtium.strategy.halving:SuccessiveHalving",
        "hyperband": "nasturtium.strategy.halving:Hyperband",
        "lemonade": "nasturtium.strategy.lemonade:Lemonade",
        "local": "nasturtium.strategy.local:LocalSearch",
        "median": "nasturtium.strategy.median:MedianStop",
        "npenas": "nasturtium.strategy.npenas:NPENAS",
        "nsga2": "nasturtium.strategy.nsga2:NSGA2",
        "optuna": "nasturtium.strategy.optuna:Optuna",
        "portfolio": "nasturtium.strategy.portfolio:Portfolio",
        "random": "nasturtium.strategy.random:RandomSearch",
        "reinforce": "nasturtium.strategy.reinforce:Reinforce",
        "tournament": "nasturtium.strategy.tournament:TournamentEvolution",
    },
    "benchmark": {
        "accelnasbench": "nasturtium.bench.accelnasbench:accelnasbench",
        "dartscells": "nasturtium.bench.dartscells:dartscells",
        "nasbench101": "nasturtium.bench.nasbench101:NASBench101",
        "nasbench201": "nasturtium.bench.nasbench201:NASBench201",
        "nasbenchmacro": "nasturtium.bench.nasbenchmacro:NASBenchMacro",
    },
    "estimator": {
        "hardware": "nasturtium.estimate.hardware:Hardware",
        "train": "nasturtium.estimate.train:Train",
    },
    "recipe": {
        name: f"nasturtium.space.zoo.recipes:{name}"
        for name in ("autoaugment", "randaugment", "training")
    },
    "executor": {
        "here": "nasturtium.run.executor:Here",
        "processes": "nasturtium.run.executor:Processes",
    },
}

ERRORS: Mapping[str, type[NasturtiumError]] = {
    "space": SpaceError,
    "strategy": StrategyError,
    "benchmark": EstimateError,
    "estimator": EstimateError,
    "recipe": EstimateError,
    "executor": EstimateError,
}


def parsed(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """A name and its keyword arguments, which are Python literals.

    Raises:
        NasturtiumError: the text has another form (of the kind's own error class).
    """
    name, bracket, inside = text.partition("(")
    if not bracket:
        return text.strip(), {}
    error = ERRORS[kind](
        f"{kind} {text!r} is not understood; write a name, or a name with arguments such as "
        "evolution(population=50, sample=10)"
    )
    if not text.rstrip().endswith(")"):
        raise error
    try:
        call = ast.parse(f"f({inside.rstrip()[:-1]})", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args:
            raise error
        arguments = {word.arg or "": ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        raise error from None
    return name.strip(), arguments


def resolve(kind: str, name: str) -> Any:
    """What a name of the table, or ``file.py:name``, stands for.

    Raises:
        NasturtiumError: nothing is called that; the nearest name is suggested.
    """
    table = NAMES[kind]
    error = ERRORS[kind]
    where, colon, attribute = table.get(name, name).rpartition(":")
    if not colon:
        near = get_close_matches(name, table, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise error(
            f"there is no {kind} {name!r}{hint} (there are: {', '.join(sorted(table))}; your own "
            "is given as file.py:name)"
        )
    module = _file(kind, Path(where)) if where.endswith(".py") else _module(kind, where)
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = get_close_matches(attribute, dir(module), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise error(f"{where} has no {attribute!r}{hint}")
        found = getattr(found, part)
    return found


def made(kind: str, text: str) -> Any:
    """The part that a text names: an instance of a class, or a space under its arguments.

    Raises:
        NasturtiumError: nothing is called that, or it does not take these arguments.
    """
    name, arguments = parsed(kind, text)
    found = resolve(kind, name)
    try:
        if kind in ("space", "recipe"):
            return found.using(**arguments) if arguments else found
        inner = arguments.get("strategy")
        if kind == "strategy" and isinstance(inner, str):
            arguments["strategy"] = made("strategy", inner)  # asha(strategy="evolution")
        maker = isinstance(found, type) or kind == "benchmark"
        return found(**arguments) if maker else found
    except TypeError as error:
        raise ERRORS[kind](f"{kind} {text!r}: {error}") from error


def recipe_space(text: str) -> RecipeSpace | None:
    """The space of recipes that a text names; ``None`` where it sets a recipe (``epochs=5``).

    Raises:
        NasturtiumError: it does neither.
    """
    if not text.strip() or re.match(r"\s*\w+\s*=", text):
        return None
    found = made("recipe", text)
    if not isinstance(found, RecipeSpace):
        raise EstimateError(
            f"recipe {text!r} is {type(found).__name__}; expected settings such as "
            "epochs=5,lr=0.05, or a space of recipes: decorate its builder with @nas.recipe"
        )
    return found


def _module(kind: str, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise ERRORS[kind](f"{kind}: the module {name!r} cannot be imported: {error}") from error


def _file(kind: str, path: Path) -> ModuleType:
    """The module in a user's file, loaded once; sent to workers by value."""
    import cloudpickle

    if not path.is_file():
        raise ERRORS[kind](f"{kind}: there is no file {str(path)!r} (looked in {Path.cwd()})")
    name = f"nasturtium_user_{path.stem}_{sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[name] = module
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ERRORS[kind](
            f"{kind}: {path} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    cloudpickle.register_pickle_by_value(module)
    return module
