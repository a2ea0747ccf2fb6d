"""Kill drivers and workers hundreds of times, and count what was lost: nothing, or it exits with 1.

    python scripts/soak_kill.py --kills 300 --seed 0

The same programs as in ``tests/run/test_run_kill.py``, at random moments: one worker, two workers,
and workers killed besides. Every study ends, and its log is compared byte for byte with that of a
study that nobody disturbed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "run"))

import driven  # noqa: E402
import killing  # noqa: E402

import nasturtium as nas  # noqa: E402

# The longest life of a driver after it is ready, and the lag of its study.
CASES = {"here": (0.3, 1), "two": (0.6, 4)}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=300, help="of drivers, in all")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    options = parser.parse_args()
    begin = time.monotonic()
    killed: Counter[str] = Counter()
    studies: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory(prefix="nasturtium-soak-") as folder:
        quiet = {}
        for case, (_, lag) in CASES.items():
            store = Path(folder) / f"{case}.db"
            driven.quick(str(store), f"{store}.txt", "", nas.Here(), lag, pause=0.0)
            quiet[case] = killing.text(store)
        while sum(killed.values()) < options.kills:
            case = "here" if killed["here"] <= killed["two"] else "two"
            number = sum(studies.values())
            place = Path(folder) / str(number)
            place.mkdir()
            left = min(40, options.kills - sum(killed.values()))
            try:
                store, kills = killing.kill_until_done(
                    case,
                    place,
                    1000 * options.seed + number,
                    kills=left,
                    longest=CASES[case][0],
                    workers_too=number % 4 == 3,
                )
                if killing.text(store) != quiet[case]:
                    wrong.append(f"study {number} ({case}): its log is another")
            except AssertionError as error:
                wrong.append(f"study {number} ({case}): {error}")
                kills = 1
                killing.end_all()
            killed[case] += kills
            studies[case] += 1
            print(f"study {number}: {case}, {kills} kills", flush=True)
    took = time.monotonic() - begin
    for case in CASES:
        print(f"{case}: {studies[case]} studies, {killed[case]} drivers killed")
    print(f"{sum(killed.values())} kills in {took:.0f} s; {len(wrong)} studies went wrong")
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
