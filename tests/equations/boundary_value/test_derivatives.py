"""Derivatives of boundary value problems by the implicit function theorem, and batches."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj
from sciml_jax.equations.boundary_value import Collocation, MultipleShooting, Shooting
from tests.equations.boundary_value.problems import line, line_exact

THETA = jnp.array([2.0, 0.5, 0.1, 1.2])


def slopes(theta, method):
    """u' at both ends, as a function of a parameter, a value that is closed over, and both times."""
    solution = sj.solve(line(theta), method, rtol=1e-9, atol=1e-10, saveat=sj.SaveAt(t0=True, t1=True))
    return solution.ys["v"][:, 0]


def exact(theta):
    return jnp.stack([line_exact(theta, theta[2])[1], line_exact(theta, theta[3])[1]])


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(Collocation(100), marks=pytest.mark.full),
        MultipleShooting(3),
        pytest.param(Shooting(sj.Vern7()), marks=pytest.mark.full),
    ],
)
def test_a_batch_of_reverse_derivatives_is_exact(method):
    lanes = THETA * jnp.linspace(0.9, 1.1, 3)[:, None]
    actual = jax.jit(jax.vmap(jax.jacrev(lambda theta: slopes(theta, method))))(lanes)
    np.testing.assert_allclose(actual, jax.vmap(jax.jacrev(exact))(lanes), atol=1e-8)


def test_forward_derivatives_are_exact():
    actual = jax.jit(jax.jacfwd(lambda theta: slopes(theta, Collocation(100))))(THETA)
    np.testing.assert_allclose(actual, jax.jacfwd(exact)(THETA), atol=1e-8)


@pytest.mark.full
@pytest.mark.parametrize("method", [Collocation(100), Shooting(sj.Vern7()), MultipleShooting(3, sj.Vern7())])
def test_second_derivatives_are_exact(method):
    actual = jax.jit(jax.hessian(lambda theta: slopes(theta, method)[0]))(THETA)
    np.testing.assert_allclose(actual, jax.hessian(lambda theta: exact(theta)[0])(THETA), atol=1e-6)


@pytest.mark.parametrize(
    "method", [Collocation(100), pytest.param(MultipleShooting(3, sj.Vern7()), marks=pytest.mark.full)]
)
def test_gradients_inside_shard_map_need_no_flag(method):
    lanes = THETA * jnp.linspace(0.9, 1.1, 4)[:, None]
    loss = lambda theta: jnp.sum(slopes(theta, method) ** 2)
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    sharded = jax.shard_map(jax.vmap(jax.grad(loss)), mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes"))
    expected = jax.vmap(jax.grad(lambda theta: jnp.sum(exact(theta) ** 2)))(lanes)
    np.testing.assert_allclose(jax.jit(sharded)(lanes), expected, atol=1e-7)
