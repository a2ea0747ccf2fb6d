"""Contracts of spaces, strategies, estimators, benchmarks and stores, as functions for tests.

Each function checks the properties that the rest of the package relies on, for parts of this
package and for your own. It raises an ``AssertionError`` that says which property is violated, and
by what. No test framework is needed, so the functions work in any:

.. code-block:: python

    # tests/test_my_strategy.py
    import pytest
    from nasturtium.contracts import check_space, check_strategy
    from my_package import HillClimber, my_space


    def test_my_space():
        check_space(my_space)


    @pytest.mark.parametrize("patience", [1, 10])
    def test_my_strategy(patience):
        check_strategy(HillClimber(patience))  # on a small built-in space
        check_strategy(HillClimber(patience), my_space)
"""

from __future__ import annotations

from nasturtium.contracts.benchmarks import check_benchmark
from nasturtium.contracts.estimators import check_estimator
from nasturtium.contracts.spaces import check_space
from nasturtium.contracts.stores import check_store
from nasturtium.contracts.strategies import check_strategy

__all__ = ["check_benchmark", "check_estimator", "check_space", "check_store", "check_strategy"]
