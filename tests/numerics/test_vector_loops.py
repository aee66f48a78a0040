"""Programs rearranged for vector loops give what they gave, with arrays stored where reductions and moves are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import jaxpr_as_fun

import sciml_jax as sj
from sciml_jax.numerics.vector_loops import MOST_ELEMENTS, with_vector_loops
from sciml_jax.zoo.pleiades import pleiades_field

Y = jnp.asarray(np.random.default_rng(3).normal(size=28))
MASSES = jnp.arange(1.0, 8.0)


def attraction(y, m):
    return pleiades_field(0.0, y, m)


def bodies(y, m):
    """Three coordinates, a sum over the last of three axes, masses of every body."""
    r = y[:21].reshape(7, 3)
    away = r[None] - r[:, None]
    square = jnp.sum(away * away, axis=-1) + 0.1
    return jnp.sum((m / (square * jnp.sqrt(square)))[:, :, None] * away, axis=1)


def grid(y, m):
    u = y[:21].reshape(3, 7)
    around = jnp.roll(u, 1, 0) + jnp.roll(u, -1, 1) - 2 * u
    return jnp.where(u > 0, around, jax.nn.softplus(u) * m) + jnp.max(u, axis=0) / jnp.linalg.norm(u)


def mixture(y, m):
    """A product of matrices, a transposition, integers, a scan and a loop over a matrix."""
    a = y[:14].reshape(2, 7)
    b = (a * a) @ (a.T + 1.0)
    c = jax.lax.fori_loop(0, 3, lambda i, c: c * 0.5 + jnp.sin(b), b)
    d, _ = jax.lax.scan(lambda c, row: (c + row, None), jnp.zeros(7), a * m)
    return c, d, jnp.sum((a > 0).astype(int) * 2), jnp.cumsum(a, axis=1), jnp.prod(jnp.exp(a) + a, axis=1)[:, None]


PROGRAMS = [attraction, bodies, grid, mixture]


def rearranged(function):
    closed, shape = jax.make_jaxpr(function, return_shape=True)(Y, MASSES)
    tree = jax.tree_util.tree_structure(shape)
    new = with_vector_loops(closed)
    assert new is not closed
    return lambda *args: jax.tree_util.tree_unflatten(tree, jaxpr_as_fun(new)(*args))


def assert_agree(a, b):
    jax.tree_util.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13), a, b)


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_values_and_both_derivatives_stay(function):
    new, move = rearranged(function), (jnp.cos(Y), jnp.sin(MASSES))
    floats = lambda fn: lambda y, m: [x for x in jax.tree_util.tree_leaves(fn(y, m)) if x.dtype == y.dtype]
    assert_agree(jax.jit(new)(Y, MASSES), function(Y, MASSES))
    assert_agree(*(jax.jvp(floats(fn), (Y, MASSES), move)[1] for fn in (new, function)))
    total = lambda fn: lambda y, m: sum(jnp.sum(jnp.sin(leaf)) for leaf in floats(fn)(y, m))
    if function is not mixture:
        assert_agree(*(jax.grad(total(fn), (0, 1))(Y, MASSES) for fn in (new, function)))


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_a_batch_gives_what_its_members_give(function):
    ys = jnp.stack([Y, 2 * Y, Y - 1])
    assert_agree(*(jax.jit(jax.vmap(fn, (0, None)))(ys, MASSES) for fn in (rearranged(function), function)))


def test_what_is_reduced_is_stored_and_computed_flat():
    closed = with_vector_loops(jax.make_jaxpr(attraction)(Y, MASSES))
    made = {var: eqn for eqn in closed.jaxpr.eqns for var in eqn.outvars}
    roots = [eqn for eqn in closed.jaxpr.eqns if eqn.primitive.name == "sqrt"]
    assert [eqn.outvars[0].aval.shape for eqn in roots] == [(49,)]
    sums = [made[eqn.invars[0]] for eqn in closed.jaxpr.eqns if eqn.primitive.name == "reduce_sum"]
    assert len(sums) == 2
    assert all(made[eqn.invars[0]].primitive.name == "optimization_barrier" for eqn in sums)


def test_programs_without_small_matrices_and_programs_for_no_kernel_come_back_as_they_are():
    for function, size in (
        (lambda y: y * jnp.sum(y), 28),
        (lambda y: jnp.sum(jnp.sin(y[None] - y[:, None]), 1), int(MOST_ELEMENTS**0.5) + 1),
        (lambda y: jnp.sort(jnp.sin(y[None] - y[:, None])), 7),
    ):
        closed = jax.make_jaxpr(function)(jnp.ones(size))
        assert with_vector_loops(closed) is closed


def test_a_batch_whose_sums_are_too_large_for_a_kernel_is_cut_into_smaller_blocks():
    phases, strengths = jnp.linspace(0.0, 5.0, 20), jnp.linspace(0.1, 1.0, 65)
    field = lambda t, y, k: k * jnp.mean(jnp.sin(y[None] - y[:, None]), axis=1)
    end = lambda k: sj.solve(sj.ODEProblem(field, phases, 0.0, 1.0, k), sj.Tsit5(), rtol=1e-9, atol=1e-9).y1
    ends = jax.jit(jax.vmap(end))(strengths)
    for i in (0, 30, 64):
        np.testing.assert_allclose(ends[i], end(strengths[i]), rtol=1e-12)


def test_inside_shard_map_with_its_check_a_field_of_matrices_gives_the_same_gradient():
    mesh = jax.make_mesh((1,), ("lanes",), axis_types=(jax.sharding.AxisType.Auto,))
    spec = jax.sharding.PartitionSpec("lanes")
    end = lambda m: jnp.sum(sj.solve(sj.ODEProblem(pleiades_field, Y, 0.0, 0.05, m), sj.Tsit5(), rtol=1e-6).y1)
    lanes = jnp.stack([MASSES, 1.1 * MASSES])
    gradient = jax.vmap(jax.grad(end))
    apart = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=spec, out_specs=spec))(lanes)
    np.testing.assert_allclose(apart, gradient(lanes), rtol=1e-9)
