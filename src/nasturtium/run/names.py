"""Names of parts for the command line and for manifests: one table, and ``file.py:name``.

A text names a part, optionally with arguments: ``evolution``, ``evolution(population=50)``,
``my_space.py:net``, ``my_space.py:net(layers=8)``, ``package.module:net``.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from nasturtium.atomic_write import present
from nasturtium.errors import (
    EstimateError,
    NasturtiumError,
    SpaceError,
    StrategyError,
)
from nasturtium.run.arguments import parse_arguments
from nasturtium.run.user_code import UserCode
from nasturtium.space.zoo import SPACES
from nasturtium.train.check_arguments import check_types, find_type_hints

if TYPE_CHECKING:
    from nasturtium.space.recipe_space import RecipeSpace

__all__ = [
    "NAMES",
    "SETTINGS",
    "build_part",
    "find_recipe_space",
    "look_up",
    "parse_part",
]

NAMES: Mapping[str, Mapping[str, str]] = {
    "space": {name: f"nasturtium.space.zoo.{module}:{name}" for name, module in SPACES.items()},
    "strategy": {
        "asha": "nasturtium.strategy.multifidelity.asha:ASHA",
        "bananas": "nasturtium.strategy.surrogate.bananas:BANANAS",
        "bayes": "nasturtium.strategy.surrogate.bayesian_optimization:BayesianOptimization",
        "bohb": "nasturtium.strategy.multifidelity.bohb:BOHB",
        "evolution": "nasturtium.strategy.evolution.regularized_evolution:RegularizedEvolution",
        "halving": "nasturtium.strategy.multifidelity.successive_halving:SuccessiveHalving",
        "hyperband": "nasturtium.strategy.multifidelity.hyperband:Hyperband",
        "lemonade": "nasturtium.strategy.multiobjective.lemonade:LEMONADE",
        "local": "nasturtium.strategy.local_search:LocalSearch",
        "median": "nasturtium.strategy.multifidelity.median_stopping:MedianStop",
        "npenas": "nasturtium.strategy.surrogate.npenas:NPENAS",
        "nsga2": "nasturtium.strategy.multiobjective.nsga2:NSGA2",
        "optuna": "nasturtium.strategy.optuna_samplers:Optuna",
        "portfolio": "nasturtium.strategy.surrogate.portfolio:Portfolio",
        "random": "nasturtium.strategy.random_search:RandomSearch",
        "reinforce": "nasturtium.strategy.reinforce:REINFORCE",
        "tournament": "nasturtium.strategy.evolution.tournament_evolution:TournamentEvolution",
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
        name: f"nasturtium.space.zoo.training_recipes:{name}"
        for name in ("autoaugment", "randaugment", "training")
    },
    "executor": {
        "here": "nasturtium.execute.here:Here",
        "processes": "nasturtium.execute.processes:Processes",
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


# The class that a part of each kind belongs to.
BASES: Mapping[str, str] = {
    "space": "nasturtium.space.base:Space",
    "strategy": "nasturtium.study.strategy:Strategy",
    "benchmark": "nasturtium.bench.benchmark:Benchmark",
    "estimator": "nasturtium.study.estimator:Estimator",
    "recipe": "nasturtium.space.recipe_space:RecipeSpace",
    "executor": "nasturtium.execute.base:Executor",
}
SETTINGS = re.compile(r"\s*[\w.]+\s*=")  # epochs=5, which sets a recipe and names nothing


def parse_part(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the arguments in a text.

    Raises:
        NasturtiumError: the text has another form (of the error class of the kind).

    Example:
        >>> parse_part("strategy", "evolution(population=50, sample=10)")
        ('evolution', {'population': 50, 'sample': 10})
    """
    # A folder's name may have a bracket, so the search for one starts after ".py:".
    start = text.find("(", max(0, text.find(".py:")))
    if start < 0:
        return text.strip(), {}
    name, inside = text[:start].strip(), text[start + 1 :].rstrip()
    error = ERRORS[kind]
    if not inside.endswith(")") or not name:
        raise error(
            f"{kind} {text!r} is not understood; write a name, or a name with arguments such as "
            "evolution(population=50, sample=10)"
        )
    inside = inside[:-1]
    try:
        return name, parse_arguments(f"{kind} {name!r}", inside, error)
    except NasturtiumError as refused:
        first = _first_argument(kind, name)
        if first and "=" not in inside and "," not in inside and inside.strip():
            raise error(
                f"{kind} {text!r} is not understood: arguments have names; write "
                f"{name}({first}={inside.strip()})"
            ) from None
        raise error(str(refused)) from None


def _first_argument(kind: str, name: str) -> str | None:
    """Return the first argument of a part in the table; ``None`` for any other."""
    if name not in NAMES[kind]:
        return None
    found = look_up(kind, name)
    found = getattr(found, "builder", found)
    names = [
        one.name
        for one in inspect.signature(found).parameters.values()
        if one.name not in ("choose", "graph", "inputs", "classes")
    ]
    return names[0] if names else None


def look_up(kind: str, name: str) -> Any:
    """Return the object of a name: of the table, ``file.py:name`` or ``package.module:name``.

    Code of the user runs here. A name that comes from a store has to pass
    :func:`~nasturtium.run.trust.check_trust` first.

    Raises:
        NasturtiumError: there is no such name; the nearest one is suggested.
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
    if name in table:
        module = import_module(where)
    else:
        module = _load_file(kind, Path(where)) if where.endswith(".py") else _import(kind, where)
    found = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            near = get_close_matches(attribute, dir(module), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise error(f"{where} has no {attribute!r}{hint}")
        found = getattr(found, part)
    return found


def build_part(kind: str, text: str) -> Any:
    """Build the part that a text names: an instance of a class, or a space with its arguments.

    Nothing is called unless it is a class of the kind or a part.

    Raises:
        NasturtiumError: there is no such name, it is of another kind, or it does not take these
            arguments.

    Example:
        >>> build_part("strategy", "evolution(population=50)").population
        50
    """
    name, arguments = parse_part(kind, text)
    error = ERRORS[kind]
    found = look_up(kind, name)
    home, _, title = BASES[kind].partition(":")
    base: Any = getattr(import_module(home), title)
    maker: Any
    if kind in ("space", "recipe"):
        if not isinstance(found, base):
            raise error(_wrong_kind(kind, text, found))
        maker = found.bind if arguments else (lambda: found)
        builder = getattr(found, "builder", None)
    elif isinstance(found, type) and issubclass(found, base):
        maker = builder = found
    elif isinstance(found, base) and not arguments:
        return found
    elif kind == "benchmark" and inspect.isfunction(found):
        maker = builder = found
    else:
        raise error(_wrong_kind(kind, text, found))
    inner = arguments.get("strategy")
    if kind == "strategy" and isinstance(inner, str):
        arguments["strategy"] = build_part("strategy", inner)  # asha(strategy=evolution)
    check_types(f"{kind} {name!r}", arguments, find_type_hints(builder), error)
    try:
        part = maker(**arguments)
    except NasturtiumError:
        raise
    except Exception as failed:
        cause = (
            str(failed) if isinstance(failed, TypeError) else f"{type(failed).__name__}: {failed}"
        )
        raise error(f"{kind} {text!r}: {cause}") from failed
    if not isinstance(part, base):
        raise error(_wrong_kind(kind, text, part))
    return part


def _wrong_kind(kind: str, text: str, found: object) -> str:
    """Return the message for a name of another kind."""
    if kind == "recipe":
        return (
            f"recipe {text!r} is {type(found).__name__}; expected settings such as "
            "epochs=5,lr=0.05, or a space of recipes: decorate its builder with @nas.recipe"
        )
    what = found.__name__ if isinstance(found, type) else type(found).__name__
    hint = {
        "space": "a space: decorate the builder with @nas.space",
        "benchmark": "a nas.Benchmark, or a function that returns one",
    }.get(kind, f"a class under nas.{BASES[kind].partition(':')[2]}, or one of it")
    return f"{kind} {text!r} is {what}; expected {hint}"


def find_recipe_space(text: str) -> RecipeSpace | None:
    """Return the space of recipes that a text names; ``None`` if it sets a recipe (``epochs=5``).

    Raises:
        NasturtiumError: it does neither.
    """
    if not text.strip() or SETTINGS.match(text):
        return None
    found: RecipeSpace = build_part("recipe", text)
    return found


def _import(kind: str, name: str) -> ModuleType:
    source = UserCode.of_module(name)
    try:
        module = import_module(name)
    except Exception as error:
        raise ERRORS[kind](f"{kind}: the module {name!r} cannot be imported: {error}") from error
    source.remember()
    return module


def _load_file(kind: str, path: Path) -> ModuleType:
    """Load a file of the user as a module; again only if it or its imports have changed.

    The module is sent to workers by value.
    """
    import cloudpickle

    if not present(path):
        raise ERRORS[kind](f"{kind}: there is no file {str(path)!r} (looked in {Path.cwd()})")
    full = path.resolve()
    name = f"nasturtium_user_{path.stem}_{sha256(str(full).encode()).hexdigest()[:8]}"
    source = UserCode.of_file(path)
    known = sys.modules.get(name)
    if known is not None and known.__dict__.get("__files__") == source.files:
        return known
    spec = spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    module.__dict__["__files__"] = source.files
    sys.modules[name] = module
    if str(full.parent) not in sys.path:
        sys.path.append(str(full.parent))
    try:
        # The file itself is run, and not a compiled one in __pycache__ that may differ from it.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ERRORS[kind](
            f"{kind}: {path} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    source.remember()
    cloudpickle.register_pickle_by_value(module)
    return module
