"""Hostile names, addresses of stores, and texts that name parts or give settings."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from fuzz.hostile import text, word
from fuzz.material import copy_files, copy_store
from fuzz.watch import REFUSED, SECRET, Case, Problem
from nasturtium.run.load_options import parse_load_options
from nasturtium.run.names import NAMES, build_part
from nasturtium.run.resolve import parse_numerics, parse_recipe
from nasturtium.run.store_address import split_address
from nasturtium.study.objective import parse_constraint, parse_objective
from nasturtium.study.stores.redact import redact
from nasturtium.study.stores.sql import SqlStore
from nasturtium.task.load import load
from nasturtium.train.recipe import Recipe

__all__ = ["run_names"]

URLS = (
    "sqlite:///{}",
    "sqlite://{}",
    "sqlite+x:///{}",
    f"postgresql+psycopg://u:{SECRET}@127.0.0.1:1/{{}}",
    f"postgresql+psycopg://u:{SECRET}@127.0.0.1:{{}}/x",
    f"postgresql://u:{SECRET}@[::1]:1/x?{{}}",
    f"postgresql+psycopg://127.0.0.1:1/x?user=u&password={SECRET}&{{}}",
    f"mysql://u:{SECRET}@127.0.0.1/{{}}",
    f"{{}}://u:{SECRET}@127.0.0.1:1/x",
    "{}",
    "{}.db",
    "{}.db:s",
    "s.db:{}",
)


def run_names(case: Case) -> str:
    """Use a hostile name, address or text; says whether it was accepted."""
    rng = case.rng
    told = text(rng)
    drawn = rng.random()
    if drawn < 0.55:
        return _part(case, told)
    if drawn < 0.75:
        return _address(case, told)
    return _called(case, told)


def _part(case: Case, told: str) -> str:
    """Try a text that names a part, or gives settings."""
    rng = case.rng
    kind = rng.choice(sorted(NAMES))
    if rng.random() < 0.7:
        name = rng.choice([*NAMES[kind], told])
        value = rng.choice(
            [told, "1", "nan", "(1,", "[[[[", "'", "{1: 2}", "lambda: 1", "x()", "1e999"]
        )
        key = rng.choice(
            ["population", "strategy", "x", told, "epochs", "workers", "depths", "eta"]
        )
        told = rng.choice([f"{name}({key}={value})", f"{key}={value}", f"{name}({value})", told])
        if rng.random() < 0.2:
            told += rng.choice([")", ",", "x", "(", "\n", "=1"])
    what: Any = rng.choice(
        [
            build_part,
            build_part,
            build_part,
            parse_load_options,
            parse_recipe,
            parse_numerics,
            parse_objective,
        ]
    )
    what = rng.choice([what, what, parse_constraint, split_address, redact])
    case.note(what.__name__, kind, repr(told))
    given = {build_part: (kind, told), parse_recipe: (told, Recipe())}.get(what, (told,))
    return "refused" if case.call(what, *given) is REFUSED else "accepted"


def _address(case: Case, told: str) -> str:
    rng = case.rng
    told = rng.choice(URLS).format(told.replace("\x00", "0"))
    case.note("store", repr(told))
    if rng.random() < 0.5:
        words = rng.choice([("status", told), ("best", told), ("check", told), ("report", told)])
        return "refused" if case.command(*words).code else "accepted"
    if SECRET in redact(told):
        raise Problem("program", "printable shows a password", redact(told))
    store = case.call(SqlStore, told, patience=0.0)
    if store is REFUSED:
        if any(SECRET in line for line in case.told[1:]):
            raise Problem("program", "an error shows a password", case.told[-1])
        return "refused"
    case.call(store.studies)
    case.call(store.close)
    return "accepted"


def _called(case: Case, told: str) -> str:
    """Run a case whose study, data, classes, metrics or files have this name."""
    rng = case.rng
    plain = word(rng)
    drawn = rng.random()
    search = ("--space", "mlp", "--trials", "1", "--executor", "here", "--strategy", "random")
    search += ("-q", "--recipe", "epochs=1", "--control", "0", "--confirm", "0")
    if drawn < 0.06:
        os.link(case.material / "d.npz", "d.npz")
        return _code(case, "search", "d.npz", *search, "--name", plain)
    if drawn < 0.12:
        name = f"{plain.replace('/', '_')[:80]}.npz"
        try:
            os.link(case.material / "d.npz", name)
        except (OSError, ValueError):
            return "refused"
        code = _code(case, "search", f"./{name}", *search, "--store", "n.db")
        if code == "accepted":
            case.command("describe", "n.db", "--command")
            case.command("report", "n.db")
        return code
    if drawn < 0.7:
        labels = np.repeat(np.arange(3), 20)
        names = [told, f"{told}2", "c"]
        found = case.call(load, (np.zeros((60, 4), "f4"), labels), class_names=names, name=told)
        if found is REFUSED:
            return "refused"
        return "refused" if case.call(found.save, "kept") is REFUSED else "accepted"
    copy_store(case)
    flag = rng.choice(["report", "export", "describe"])
    if flag == "report":
        return _code(case, "report", "s.db:s", "--out", plain)
    if flag == "export":
        copy_files(case)
        name = plain if rng.random() < 0.9 else f"{plain}.pt2"
        return _code(case, "export", "s.db:s", name)
    return _code(case, "describe", plain, *rng.choice([(), ("--json",), ("--command",)]))


def _code(case: Case, *words: str) -> str:
    return "refused" if case.command(*words).code else "accepted"
