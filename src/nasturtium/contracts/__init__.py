"""The laws that every part has to keep, as functions: for this package's parts and for yours.

Each raises an ``AssertionError`` that says which law is broken, and by what. They need no test
framework, so they fit into any:

.. code-block:: python

    # tests/test_my_strategy.py
    import pytest
    from nasturtium.contracts import check_space, check_strategy
    from my_package import HillClimber, my_space


    def test_my_space():
        check_space(my_space)


    @pytest.mark.parametrize("patience", [1, 10])
    def test_my_strategy(patience):
        check_strategy(HillClimber(patience))  # on a small space made for the purpose
        check_strategy(HillClimber(patience), my_space)
"""

from __future__ import annotations

from nasturtium.contracts.benchmarks import check_benchmark
from nasturtium.contracts.estimators import check_estimator
from nasturtium.contracts.spaces import check_space
from nasturtium.contracts.stores import check_store
from nasturtium.contracts.strategies import check_strategy

__all__ = ["check_benchmark", "check_estimator", "check_space", "check_store", "check_strategy"]
