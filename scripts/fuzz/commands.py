"""Hostile command lines: the real options of the real commands, with hostile values."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import typer

from fuzz.hostile import word
from fuzz.material import copy_files, copy_store
from fuzz.watch import Case
from nasturtium.cli import app

__all__ = ["run_commands"]

LONG = "x" * 300
# Values that a short run can take, and values that no run can take. Valid values that start a long
# search are not among them.
COUNTS = (
    "-1",
    "0",
    "1",
    "2",
    "2.5",
    "x",
    "",
    "1e3",
    "0x2",
    "٣",
    "1_0",
    " 2",
    "+2",
    "-0",
    "9" * 400,
)
NUMBERS = ("-1", "0", "0.5", "nan", "inf", "-inf", "1e400", "1e-300", "x", "", "1,5", "٣", "1_0")
SEEDS = (*COUNTS, str(2**31), str(2**63), str(2**64), str(-(2**63)))
# Values of each option or argument, with " | " between.
WORDS: Mapping[str, Sequence[str]] = {
    name: words.split(" | ")
    for name, words in {
        "data": "d.npz | d.npz | d.npz | c.npz | pictures | iris | a.npy | nothing | .",
        "load": (
            "size=4 | size=( | layout=NHWC | fractions=(0.5,0.5) | missing=median | "
            "x=1 | size=0 | fractions=(1,2,3) | skip_unreadable=True | size=True | = | "
            ", | size=4,size=5"
        ),
        "space": (
            "mlp | mlp | mlp | mlp(depths=(1,2)) | mlp(x=1) | mlp( | chain | "
            "nasbench201 | mlp(depths=()) | mlp(widths='a') | mlp(widths=(0,)) | "
            "mlp(depths=(-1,2)) | none.py:x"
        ),
        "recipe": (
            "epochs=1 | epochs=1,lr=nan | lr=-1 | epochs=0 | epochs=nan | epochs=2.5 | "
            "epochs=1,batch_size=0 | epochs=1,optimizer=x | "
            "epochs=1,augment={flip: True} | training | epochs=1,lr=1e30 | "
            "epochs=1,crop=99 | epochs=1,mixup=-1 | epochs=1,clip=nan | {} | "
            "epochs=1,label_smoothing=2 | epochs=1,warmup=3 | epochs='1' | epochs=1,ema=1"
        ),
        "strategy": (
            "random | evolution(population=2,sample=1) | asha | asha(eta=1) | "
            "hyperband | random(x=1) | bananas | evolution(population=0) | median | "
            "median(strategy=median) | asha(strategy=asha) | asha(strategy=1) | "
            "nsga2(population=3) | optuna | local() | evolution(population=2,sample=9) | "
            "asha(least=nan) | portfolio | random.x | random:x"
        ),
        "estimator": "train | hardware | train() | train(x=1) | hardware(x=1) | random",
        "objectives": (
            "accuracy | params | min:loss | max:x | rmse | accuracy<1 | : | max: | "
            "loss>0.1 | min:accuracy | latency | accuracy,params | auc"
        ),
        "constraints": (
            "params<1M | params<1 | params< | <5 | params<-1 | params<nan | x<1 | "
            "latency<5ms | params<1e999 | params<1k<2k | accuracy>0.1 | params>1 | "
            "flops<1T"
        ),
        "executor": (
            "here | here() | processes(workers=0) | processes(workers=-1) | here(x=1) | "
            "processes(workers=x) | cluster | processes(workers=1.5) | "
            "processes(workers=nan)"
        ),
        "numerics": (
            "threads=1 | threads=0 | precision=bf16 | precision=x | device=cuda | x=1 | "
            "threads=1e9 | threads=-1 | threads=True | device=cpu:9 | device= | "
            "memory_format=x | threads=(1 | device=meta | threads='1' | "
            "threads=1,threads=1"
        ),
        "store": (
            "s.db | new.db | s.db | sub/new.db | . | d.npz | /dev/null | /dev/full |  | "
            "nothing/new.db | sqlite:// | sqlite:///:memory: | sqlite:///new.db | "
            f"new.db:x | :memory: | s.db/x | new.db?x=1 | file:new.db | {LONG} | "
            "/proc/version | /nothing/x.db | é.db"
        ),
        "study": (
            "s.db | s.db:s | s.db:s | s.db:t | s.db: | :s | s.db:u | s.db:s:t | "
            "none.db | d.npz | d.npz:s | . |  | /dev/null | sqlite:///s.db | "
            "sqlite:///s.db:s | s.db:s/t | /proc/self/mem | pictures | s.db?mode=ro | "
            "S.DB:S | ./s.db:s | ~/none.db:s"
        ),
        "name": f"s | t | new |  | . | .. | a/b | a:b | {LONG} | new\n | café | a b",
        "path": (
            "net.pt2 | net.onnx | net.txt | net |  | . | nothing/net.pt2 | s.db | "
            f"d.npz | /dev/null | pictures | /nothing/net.pt2 | net.pt2/ | {LONG}.pt2 | -"
        ),
        "out": f"page.html |  | . | pictures | nothing/page.html | /dev/null | s.db | {LONG}",
        "svg": f"x.svg |  | . | nothing/x.svg | /dev/null | {LONG}",
        "plot": "x.html |  | .",
        "what": "mlp | s.db:s | s.db | mobilenet | none | none.py:x | mlp(depths=(1,)) | ",
        "inputs": "3x32x32 | 1x8x8 | 64 |  | x | 0x0x0 | -1x3x3 | 3x99999999x99999999 | 3×32×32",
        "strategies": "random | evolution | x | ",
        "benchmark": "nasbench201 | x | nasbench201(dataset=x) | ",
        "shell": "bash | x",
    }.items()
}
# The last word of an option wins: these keep an accepted run short.
SHORT: Mapping[str, tuple[str, ...]] = {
    "search": ("--trials", "2", "--executor", "here", "--recipe", "epochs=1", "--space", "mlp"),
    "resume": ("--trials", "5", "--executor", "here"),
    "finish": ("--recipe", "epochs=1"),
    "evidence": ("--seeds", "1", "--top", "1", "--spread", "1", "--recipe", "epochs=1"),
    "race": ("--repeats", "2", "--trials", "2"),
}
DEAR = ("export", "int8", "path", "svg", "plot")  # which take long where they are accepted


@cache
def commands() -> Mapping[str, Any]:
    """Return all commands with their parameters."""
    group: Any = typer.main.get_command(app)
    found: Mapping[str, Any] = group.commands
    return found


def _word(rng: Random, parameter: Any) -> str:
    """Draw a value of an option or an argument."""
    name = parameter.name or ""
    if rng.random() < 0.12:
        return word(rng)
    if name in WORDS:
        return rng.choice(WORDS[name])
    if name == "seed":
        return rng.choice(SEEDS)
    if parameter.bare_type() is int:
        return rng.choice(COUNTS)
    if parameter.bare_type() is float:
        return rng.choice(NUMBERS)
    return word(rng)


def _line(rng: Random) -> list[str]:
    """Draw a command line."""
    if rng.random() < 0.03:
        return [word(rng) for _ in range(rng.randint(0, 4))]
    names = sorted(commands())
    # The list of spaces takes no options, and counts them all in a second.
    name = rng.choice([one for one in names if one != "spaces" or rng.random() < 0.02])
    command = commands()[name]
    words: list[str] = []
    shorten = dict(zip(SHORT.get(name, ())[::2], SHORT.get(name, ())[1::2], strict=True))
    hostile = rng.choice([0, 1, 1, 1, 2, 2, 3, 5])
    options = [one for one in command.params if one.param_type_name == "option"]
    for option in rng.sample(options, min(hostile, len(options))):
        flag = rng.choice([*option.opts, *option.secondary_opts])
        if (option.name in DEAR and rng.random() < 0.8) or flag in ("--help", "-h"):
            continue
        shorten.pop(flag, None)
        words.append(flag)
        if not option.is_flag:
            words.append(_word(rng, option))
    for argument in command.params:
        if argument.param_type_name == "argument" and rng.random() < 0.97:
            count = rng.randint(1, 3) if argument.nargs == -1 else 1
            words += [_word(rng, argument) for _ in range(count)]
    if rng.random() < 0.06:
        words.insert(rng.randint(0, len(words)), word(rng))
    words = [name, *words]
    for flag, given in shorten.items():
        words += [flag, given]
    if any(option.name == "quiet" for option in options) and rng.random() < 0.9:
        words.append("-q")
    if name == "search" and "--strategy" not in words and rng.random() < 0.9:
        words += ["--strategy", "random"]
    return words


def _furnished(case: Case) -> None:
    """Put the studies and the data into the folder."""
    copy_store(case)
    copy_files(case)
    for name in ("d.npz", "c.npz", "a.npy", "t.csv"):
        os.link(case.material / name, name)
    shutil.copytree(case.material / "pictures", "pictures", copy_function=os.link)
    Path("sub").mkdir()


def run_commands(case: Case) -> str:
    """Give a hostile command line; says whether it was accepted."""
    words = _line(case.rng)
    _furnished(case)
    return "refused" if case.command(*words).code else "accepted"
