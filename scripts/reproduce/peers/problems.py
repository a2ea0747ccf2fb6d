"""Continuous problems whose fronts are known, all objectives minimised, variables from 0 to 1.

Zitzler, Deb & Thiele (2000), ZDT1 to ZDT3; Deb, Thiele, Laumanns & Zitzler (2002), DTLZ2.
"""

from __future__ import annotations

import math

# problem: (variables, objectives)
SIZES = {"zdt1": (30, 2), "zdt2": (30, 2), "zdt3": (30, 2), "dtlz2": (12, 3)}


def losses(problem: str, x: list[float]) -> list[float]:
    """Return the objectives of a point."""
    if problem == "dtlz2":
        g = sum((v - 0.5) ** 2 for v in x[2:])
        a, b = x[0] * math.pi / 2, x[1] * math.pi / 2
        return [
            (1 + g) * math.cos(a) * math.cos(b),
            (1 + g) * math.cos(a) * math.sin(b),
            (1 + g) * math.sin(a),
        ]
    first, g = x[0], 1 + 9 * sum(x[1:]) / (len(x) - 1)
    if problem == "zdt2":
        return [first, g * (1 - (first / g) ** 2)]
    wave = first / g * math.sin(10 * math.pi * first) if problem == "zdt3" else 0.0
    return [first, g * (1 - math.sqrt(first / g) - wave)]
