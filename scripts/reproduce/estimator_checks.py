"""scikit-learn's own estimator checks on the classifier: which pass, and which do not and why.

python scripts/reproduce/estimator_checks.py
"""

from __future__ import annotations

import time
import warnings

from sklearn.utils.estimator_checks import check_estimator

import nasturtium as nas


def main() -> None:
    warnings.simplefilter("ignore")
    model = nas.NasturtiumClassifier(
        trials=4,
        control=0.0,
        executor="here",
        recipe="epochs=1",
        finish_recipe="epochs=40,batch_size=16,lr=0.05",
    )
    begin = time.perf_counter()
    results = check_estimator(model, on_fail=None)
    passed = [r for r in results if r["status"] == "passed"]
    for result in results:
        if result["status"] != "passed":
            first = str(result["exception"]).strip().splitlines() or [""]
            print(f"{result['status']:8s} {result['check_name']}: {first[0][:160]}")
    print(f"{len(passed)} of {len(results)} passed in {time.perf_counter() - begin:.0f} s")


if __name__ == "__main__":
    main()
