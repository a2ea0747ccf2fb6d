"""``scripts/soak_fuzz.py``: a short run finds nothing, and what must never happen is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
FAULTS = """
import os, sys, time
sys.path.insert(0, "scripts")
import soak_fuzz
from fuzz import material
from fuzz.watch import MARKER, Problem
from nasturtium.errors import StoreError

def refused():
    raise StoreError("no")

def broken():
    return [][0]

def alike():
    raise Problem("damaged", "used")

given = (
    int, refused, broken, lambda: os.system("true"), lambda: time.sleep(9), os.abort, alike,
    lambda: open("../../../../outside", "w"), lambda: open(MARKER, "w").close(),
)

def run(case):
    if case.number == 6:
        alike()
    found = case.call(given[case.number])
    return "accepted" if found == 0 else "refused"

soak_fuzz.LIMIT = 1.0
soak_fuzz.KINDS = {"weights": (run, 1)}
material.warm = lambda: None
material.make = lambda *given: None
sys.exit(soak_fuzz.main(["--cases", "9"]))
"""


def ran(*words: str) -> tuple[int, list[str]]:
    """Run a program, and return its exit code and its lines."""
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_hostile_input_is_refused_or_used_as_it_is() -> None:
    code, lines = ran("scripts/soak_fuzz.py", "--cases", "200", "--seed", "1")
    assert code == 0, "\n".join(lines)
    (total,) = (line.split() for line in lines if line.split()[:1] == ["all"])
    assert int(total[1]) >= 200 and int(total[2]) and int(total[3])
    assert total[4:8] == ["0"] * 4


def test_whatever_must_never_happen_is_counted() -> None:
    code, lines = ran("-c", FAULTS)
    assert code == 1, "\n".join(lines)
    (row,) = (line.split() for line in lines if line.split()[:1] == ["weights"])
    # cases, refused, accepted, tracebacks (two), hangs, programs (three), damaged
    assert row[1:8] == ["9", "1", "1", "2", "1", "3", "1"], "\n".join(lines)
    assert any(line.endswith("soak_fuzz.py --seed 0 --case weights:4") for line in lines)
