"""Test 50,000 random builders under all laws of spaces (tests/space/builders.py).

About an hour of one core. The examples are the same on every machine.

    scripts/reproduce/run builders
    scripts/reproduce/run builders --number 200000
    scripts/reproduce/run builders --shrink      make a failing example as small as possible
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[2] / "tests" / "space" / "test_space_builders.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=50_000, help="builders to try")
    parser.add_argument("--shrink", action="store_true", help="make what fails small (minutes)")
    given = parser.parse_args()
    environment = {**os.environ, "BUILDERS": str(given.number), "OMP_NUM_THREADS": "1"}
    if given.shrink:
        environment["SHRINK"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", str(TESTS)]
    return subprocess.run(command, env=environment, cwd=TESTS.parents[2]).returncode


if __name__ == "__main__":
    raise SystemExit(main())
