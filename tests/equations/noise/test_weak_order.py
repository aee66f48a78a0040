"""Weak orders without sampling: one step's expectation by quadrature against the expansion by the generator."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .weak_expansion import local_orders

Y = jnp.array([0.7, -0.4])
SIZES = (0.02, 0.01, 0.005)


def drift(t, y):
    return jnp.stack([jnp.sin(y[1]) - 0.5 * y[0] + t, y[0] * y[1] + jnp.cos(t)])


def general(t, y):
    """Two motions that do not commute."""
    columns = [0.4 * y[1] + 0.3 * t, jnp.sin(y[0])], [0.5 + 0.3 * y[0] ** 2, 0.2 * y[0] * y[1] + 0.1 * jnp.cos(t)]
    return jnp.stack([jnp.stack(column) for column in columns])


def diagonal(t, y):
    return jnp.stack([0.5 * jnp.sin(y[0]) + 0.3 + 0.2 * t, 0.4 * y[1] ** 2 + 0.2])


def scalar(t, y):
    return jnp.stack([0.5 * jnp.sin(y[1]) + 0.3 + 0.2 * t, 0.4 * y[0] * y[1] + 0.2])


def additive(t, y):
    return jnp.stack([jnp.stack([0.4 + t, 0.2]), jnp.stack([0.1, 0.3 * jnp.cos(t)])])


# Of a single one the leading error may happen to vanish.
OBSERVABLES = (lambda y: y[0] ** 3 + y[0] * y[1], lambda y: y[1] ** 2, lambda y: jnp.sin(y[0]) - 0.4 * y[1])


WEAK = {"areas": 1, "signs": True}
CASES = {
    "EulerMaruyama-general": (sj.EulerMaruyama(), "general", general, 2, 1, {"areas": 1}),
    "Milstein-diagonal": (sj.Milstein(), "diagonal", diagonal, 2, 1, {"areas": 1}),
    "DRI1-general": (sj.DRI1(), "general", general, 2, 2, WEAK),
    "DRI1-diagonal": (sj.DRI1(), "diagonal", diagonal, 2, 2, WEAK),
    "DRI1-scalar": (sj.DRI1(), "scalar", scalar, 1, 2, WEAK),
    "DRI1-additive": (sj.DRI1(), "general", additive, 2, 2, WEAK | {"is_additive": True}),
    "SRIW1-scalar": (sj.SRIW1(), "scalar", scalar, 1, 2, {}),
    "SRA1-additive": (sj.SRA1(), "general", additive, 2, 2, {"is_additive": True}),
    "SRA3-additive": (sj.SRA3(), "general", additive, 2, 2, {"is_additive": True}),
    "SOSRA-additive": (sj.SOSRA(), "general", additive, 2, 2, {"is_additive": True}),
}


QUICK = ("EulerMaruyama-general", "DRI1-general", "SRIW1-scalar", "SOSRA-additive")


@pytest.mark.parametrize("name", [pytest.param(c, marks=() if c in QUICK else pytest.mark.full) for c in CASES])
def test_the_local_weak_error_falls_with_an_order_more_than_the_weak_order(name):
    method, kind, diffusion, size, order, options = CASES[name]
    found, errors = local_orders(method, drift, diffusion, kind, size, OBSERVABLES, 0.3, Y, SIZES, **options)
    assert abs(found[-1] - (order + 1)) < 0.25, (found, errors)


@pytest.mark.full
@pytest.mark.parametrize("method", [sj.SRIW1(), sj.SOSRI()], ids=lambda m: m.name)
def test_with_several_motions_roessler_methods_are_of_weak_order_three_halves(method):
    found, errors = local_orders(method, drift, diagonal, "diagonal", 2, OBSERVABLES, 0.3, Y, (0.01, 0.005, 0.0025))
    assert np.all(found > 2.3), (found, errors)
