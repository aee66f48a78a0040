"""The list of methods that the laws run over. A new method joins by one line here, and inherits every law."""

import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj


class Listed(NamedTuple):
    """What a method claims."""

    name: str
    method: Any
    order: int
    """The global error of fixed steps behaves as h^order."""
    dense_order: int
    """The global error between the steps behaves as h^dense_order."""
    is_implicit: bool
    has_error_estimate: bool
    is_representative: bool = False
    """Whether the full matrix of laws runs by default: one method of each family."""
    has_fixed_order: bool = True
    """Whether fixed steps converge with one power of h; otherwise `order` is the highest."""
    stated: Callable = lambda field: field
    """How a vector field is given to the method."""


@functools.cache
def split(field):
    """The same vector field with `-y` as its linear part."""
    return sj.Split(lambda t, y, args: jax.tree_util.tree_map(jnp.add, field(t, y, args), y), sj.Linear(-1.0))


METHODS = (
    Listed("Euler", sj.Euler(), 1, 1, is_implicit=False, has_error_estimate=False),
    Listed("Heun", sj.Heun(), 2, 2, is_implicit=False, has_error_estimate=True),
    Listed("Midpoint", sj.Midpoint(), 2, 2, is_implicit=False, has_error_estimate=True),
    Listed("Ralston", sj.Ralston(), 2, 2, is_implicit=False, has_error_estimate=True),
    Listed("RKC", sj.RKC(), 2, 2, is_implicit=False, has_error_estimate=True, is_representative=True),
    Listed("SSPRK33", sj.SSPRK33(), 3, 3, is_implicit=False, has_error_estimate=False),
    Listed("Bosh3", sj.Bosh3(), 3, 3, is_implicit=False, has_error_estimate=True),
    Listed("RK4", sj.RK4(), 4, 4, is_implicit=False, has_error_estimate=False),
    Listed("Tsit5", sj.Tsit5(), 5, 5, is_implicit=False, has_error_estimate=True, is_representative=True),
    Listed("Dopri5", sj.Dopri5(), 5, 5, is_implicit=False, has_error_estimate=True),
    Listed("Vern6", sj.Vern6(), 6, 6, is_implicit=False, has_error_estimate=True),
    Listed("Vern7", sj.Vern7(), 7, 7, is_implicit=False, has_error_estimate=True),
    Listed("Vern8", sj.Vern8(), 8, 8, is_implicit=False, has_error_estimate=True),
    Listed("Dopri8", sj.Dopri8(), 8, 8, is_implicit=False, has_error_estimate=True),
    Listed("Vern9", sj.Vern9(), 9, 9, is_implicit=False, has_error_estimate=True),
    Listed("AdamsBashforth3", sj.AdamsBashforth(3), 3, 3, is_implicit=False, has_error_estimate=True),
    Listed("ABM4", sj.ABM(4), 4, 4, is_implicit=False, has_error_estimate=True),
    # A third of its orders, which compile in a fifth of the time.
    Listed("VCABM4", sj.VCABM(4), 4, 4, False, True, is_representative=True, has_fixed_order=False),
    Listed("AutoSwitch", sj.AutoSwitch(), 5, 5, is_implicit=False, has_error_estimate=True, is_representative=True),
    Listed("ETDRK4", sj.ETDRK4(), 4, 4, False, True, is_representative=True, stated=split),
    Listed("Strang", sj.Strang(), 2, 2, False, True, is_representative=True, stated=split),
    Listed("BDF", sj.BDF(), 5, 5, is_implicit=True, has_error_estimate=True, is_representative=True),
    Listed("BDF2", sj.BDF(order=2), 2, 2, is_implicit=True, has_error_estimate=True),
    # Of the two diagonally implicit methods the one that compiles faster.
    Listed("TRBDF2", sj.TRBDF2(), 2, 2, is_implicit=True, has_error_estimate=True, is_representative=True),
    Listed("KenCarp4", sj.KenCarp4(), 4, 4, is_implicit=True, has_error_estimate=True),
    Listed("RadauIIA5", sj.RadauIIA5(), 5, 4, is_implicit=True, has_error_estimate=True, is_representative=True),
    Listed("Rosenbrock23", sj.Rosenbrock23(), 2, 2, is_implicit=True, has_error_estimate=True),
    Listed("Rodas4", sj.Rodas4(), 4, 4, is_implicit=True, has_error_estimate=True),
    Listed("Rodas5P", sj.Rodas5P(), 5, 5, is_implicit=True, has_error_estimate=True, is_representative=True),
)


# Not on old versions (SCIML_JAX_TEST_FEW): these differ from the other representatives in what they compute, not in
# what they ask of JAX, and take five minutes.
LEFT_OUT = {"AutoSwitch", "VCABM4", "Strang", "RKC"}


def _kept(chosen):
    """What runs at all."""
    few = "SCIML_JAX_TEST_FEW" in os.environ
    return [m for m in chosen if m.is_representative and m.name not in LEFT_OUT] if few else chosen


def every(chosen=METHODS):
    """Parameters over all methods, on old versions over a few."""
    kept = _kept(chosen)
    return pytest.mark.parametrize("listed", kept, ids=[m.name for m in kept])


def representatives(chosen=METHODS):
    """Parameters over the representatives, and over the others only under `-m full`."""
    marked = [pytest.param(m, id=m.name, marks=() if m.is_representative else pytest.mark.full) for m in _kept(chosen)]
    return pytest.mark.parametrize("listed", marked)
