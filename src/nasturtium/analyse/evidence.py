"""The evidence of a study: whether its answer can be believed, and whether it was worth the cost.

The record is made by :func:`weigh` from a study's history and the networks that were trained in
full, and is plain JSON as well (:meth:`Evidence.to_json`). Values of the first objective are in
its own units (accuracy: 0 to 1); an interval is ``low`` to ``high``; what could not be found out
is ``null``, with the reason in words beside it.

::

    {"format": 1,
     "study": name,
     "metric": {"name": "accuracy", "goal": "max"},
     "verdict": {"answer": "better" | "no better" | "undecided",
                 "sentence": text,             # the verdict in words, never empty
                 "reason": text,               # why, never empty
                 "gain": value | null,         # search minus control at equal cost, more is better
                 "low": value | null, "high": value | null,   # 90 % two-sided: 5 % on each side
                 "margin": value,              # the least gain that counts
                 "power": 0..1 | null,         # chance to find a gain of the margin with these
                 "more": int | null,           # finished networks that would decide, where undecided
                 "networks": {"search": int, "control": int, "seeds": int},
                 "trials": {"search": number, "control": int},   # search's in full-cost trials
                 "extrapolated": true | false, # the control was continued to the search's cost
                 "allowance": value | null},   # what that added to the control
     "curves": {"search": {"trials": [...], "seconds": [...],    # cumulated cost; same lengths
                           "best": [...], "low": [...], "high": [...],
                           "extrapolated": [false, ...]},
                "control": {the same; null where there is no control}},
     "finished": [{"role": "search" | "control" | "spread", "trial": n, "seed": s,
                   "estimate": value | null, "accuracy": value, "seconds": s,
                   "params": n, "macs": n}, ...],
     "failed": [{"role": ..., "trial": n | null, "name": text | null, "seed": s, "error": text}],
     "network": {"trial": n, "accuracies": [...], "mean": v, "low": v | null, "high": v | null,
                 "params": n, "macs": n, "seconds": s} | null,   # the study's answer, all seeds
     "references": [{"name": "resnet" | "mobilenetv2", "accuracies": [...], "mean": v,
                     "low": v | null, "high": v | null, "params": n, "macs": n, "seconds": s}],
     "rank": {"whole": {"tau": v | null, "low": v | null, "high": v | null, "networks": n,
                        "reason": text},       # empty where tau is given
              "top": {the same, within the best tenth of all estimates}},
     "worth": {"trials": n, "seconds": s, "cpu_seconds": s, "gpu_seconds": s | null,
               "control_seconds": s, "finishing_seconds": s,
               "energy_kwh": v | null, "energy_source": text,
               "over_control": {"gain": v | null, "low": ..., "high": ..., "reason": text},
               "over_reference": {the same, and "name": text},
               "per_doubling": {"gain": v | null, "low": ..., "high": ..., "reason": text},
               "per_hour": {the same; an extrapolation}},
     "checklist": [{"item": text, "answer": text, "state": "yes" | "no" | "partly" | "unknown"}],
     "words": [sentence, ...]}

Accuracies here are the first objective's metric on the test examples, whatever its name is.
"""
