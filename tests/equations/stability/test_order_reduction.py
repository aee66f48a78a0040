"""Implicit methods on Prothero and Robinson's problem: the classical order, and what stiffness leaves of it."""

import pytest

from tests.contracts.methods import METHODS, representatives

from . import prothero_robinson

STIFF_ORDER = {"Rodas5P": 3.0}
"""What is left at `lambda = -1e6`, where it is known."""

IMPLICIT = [m for m in METHODS if m.is_implicit and m.has_fixed_order]
# The steps here are too few for a multistep method, whose start counts; its order has a law in tests/contracts.
ONE_STEP = [m for m in IMPLICIT if not m.method.carries_memory]


@representatives(ONE_STEP)
def test_order_without_stiffness_is_the_stated_one(listed):
    assert prothero_robinson.order(listed.method, -1.0) == pytest.approx(listed.order, abs=0.25)


@representatives(IMPLICIT)
def test_stiffness_leaves_the_order_that_it_is_known_to_leave(listed):
    """At least one for every method: it converges, and the error is far below that of doing nothing, which is 1."""
    left = prothero_robinson.order(listed.method, -1e6)
    assert left == pytest.approx(STIFF_ORDER.get(listed.name, left), abs=0.1)
    assert left > 0.9
    assert prothero_robinson.errors(listed.method, -1e6)[1].max() < 1e-2
