"""The formulas of collocation, and how the mesh moves."""

import jax.numpy as jnp
import numpy as np

from sciml_jax.equations.boundary_value.mesh import better_residual, link_residual, spread_evenly
from tests.helpers import observed_order


def field(t, y):
    """y' = y cos(t) + (y - exp(sin t))^2, solved by exp(sin t)."""
    exact = jnp.exp(jnp.sin(t))[:, None]
    return y * jnp.cos(t)[:, None] + (y - exact) ** 2


def test_the_local_errors_are_of_order_5_and_7():
    steps = 0.16 * 0.5 ** np.arange(3)
    for formula, order in ((link_residual, 5), (better_residual, 7)):
        errors = []
        for h in steps:
            nodes = jnp.array([0.3, 0.3 + h])
            errors.append(float(jnp.abs(formula(field, nodes, jnp.exp(jnp.sin(nodes))[:, None]))[0, 0]))
        assert abs(observed_order(steps, errors, floor=1e-15) - order) < 0.25


def test_nodes_move_to_where_the_error_is_and_keep_the_ends():
    fractions = jnp.linspace(0, 1, 65)
    error = jnp.exp(-40 * (fractions[:-1] - 0.5) ** 2 * 20) + 1e-12
    moved = spread_evenly(fractions, error)
    assert float(moved[0]) == 0.0 and float(moved[-1]) == 1.0
    assert bool(jnp.all(jnp.diff(moved) > 0))
    assert int(jnp.sum(jnp.abs(moved - 0.5) < 0.1)) > 2 * int(jnp.sum(jnp.abs(fractions - 0.5) < 0.1))


def test_a_useless_estimate_leaves_the_mesh_alone():
    fractions = jnp.linspace(0, 1, 9)
    for error in (jnp.zeros(8), jnp.full(8, jnp.nan)):
        np.testing.assert_array_equal(spread_evenly(fractions, error), fractions)
