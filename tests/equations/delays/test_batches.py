"""Batches, shards and events."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj

from .problems import decay, decayed


def end(x):
    return sj.solve(decay(tau=x[1], rate=x[0], t1=3.3), sj.Tsit5(), rtol=1e-8, atol=1e-10, max_steps=128).y1[0]


POINTS = jnp.array([[1.0, 1.0], [1.3, 0.6], [0.7, 1.9]])


def test_lanes_with_different_lags_are_the_single_solves():
    single = jax.jit(end)
    alone = [single(x) for x in POINTS]
    np.testing.assert_allclose(jax.jit(jax.vmap(end))(POINTS), alone, rtol=1e-12)


@pytest.mark.full
def test_gradients_of_lanes_are_the_single_ones():
    single = jax.jit(jax.grad(end))
    alone = [single(x) for x in POINTS]
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(end)))(POINTS), alone, rtol=1e-9)


@pytest.mark.full
def test_gradients_work_inside_shard_map_with_its_check():
    mesh = Mesh(np.array(jax.devices()[:1]), ("i",))
    spec = PartitionSpec("i")
    shard = functools.partial(jax.shard_map, mesh=mesh, in_specs=spec, out_specs=spec)
    sharded = jax.jit(shard(jax.vmap(jax.grad(end))))(POINTS)
    np.testing.assert_allclose(sharded, jax.jit(jax.vmap(jax.grad(end)))(POINTS), rtol=1e-9)


def test_single_precision_follows_the_inputs():
    problem = sj.DDEProblem(
        lambda t, y, past, a: -past(t - jnp.float32(1.0)),
        lambda t: jnp.ones(1, jnp.float32),
        jnp.float32(0.0),
        jnp.float32(10.0),
        lags=(jnp.float32(1.0),),
    )
    y1 = sj.solve(problem, sj.Tsit5(), rtol=1e-5, atol=1e-6).y1
    assert y1.dtype == jnp.float32
    assert abs(float(y1[0]) - decayed(10)) < 2e-5


def test_an_event_that_changes_the_state_makes_breaking_points():
    # Doubled at t = 1/2: y' = -y(t - 1) with y = 1 before, so y = 1 - t up to there, then twice 1/2 and further down.
    event = sj.PresetTimes(jnp.array([0.5]), lambda t, y, args: 2 * y)
    sol = sj.solve(decay(t1=2.0), sj.Tsit5(), events=[event], rtol=1e-10, atol=1e-12)
    # y = 1.5 - t in (0.5, 1); y' = -(2 - t) in (1, 1.5), from 1/2; then y' = -(2.5 - t).
    y = 0.5 - (1 * 0.5 - 0.125) - (1.0 * 0.5 - 0.125)
    np.testing.assert_allclose(sol.y1[0], y, atol=1e-9)
