"""The laws of methods for stochastic problems: order on the path, repeatability, and the transformations of solves."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, observed_order
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj

from . import noise_methods as flows
from .methods import every, representatives
from .noise_methods import NOISY

KEYS = jax.random.split(jax.random.key(7), 128)
SIZES = [2.0**-k for k in range(3, 8)]
CASES = [
    pytest.param(listed, noise, order, "ito", id=f"{listed.name}-{noise}", marks=() if i == 0 else pytest.mark.full)
    for listed in NOISY
    for i, (noise, order) in enumerate(zip(listed.noises, listed.orders or (listed.order,) * 9, strict=False))
] + [
    pytest.param(listed, noise, order, "stratonovich", id=f"{listed.name}-{noise}-stratonovich", marks=pytest.mark.full)
    for listed in NOISY
    for noise, order in zip(listed.noises, listed.orders or (listed.order,) * 9, strict=False)
    if noise != "additive"
]


@pytest.mark.parametrize(("listed", "noise", "order", "interpretation"), CASES)
def test_the_error_on_the_path_falls_with_the_strong_order(listed, noise, order, interpretation):
    """Root mean square over 128 paths; every step size runs on the same paths as the exact solution."""
    errors = [float(flows.compiled_errors(listed.method, noise, interpretation)(KEYS, dt)) for dt in SIZES]
    assert abs(observed_order(SIZES, errors) - order) < 0.2, errors


@every(NOISY)
def test_the_list_names_noises_that_the_method_solves(listed):
    assert set(listed.noises) <= set(listed.method.noises)
    assert listed.method.weak_order >= listed.method.order


@every(NOISY)
def test_other_noise_is_refused_with_methods_that_solve_it(listed):
    for noise in set(flows.STATED) - set(listed.method.noises):
        with pytest.raises(ValueError, match=rf"`{listed.name}` solves .* got noise='{noise}'. Choose `sj\."):
            flows.end(listed.method, noise, 0, dt0=0.1)


def scalar_loss(listed, key, args, y0=flows.START):
    out = flows.end(listed.method, listed.noises[0], key, args, y0, dt0=0.13, controller=sj.FixedStep(), max_steps=9)
    return jnp.dot(out, jnp.array([1.0, 0.7]))


@functools.cache
def lane_gradients(listed):
    gradient = jax.jit(jax.grad(scalar_loss, argnums=(2, 3)), static_argnums=0)
    found = [gradient(listed, key, args, flows.START) for key, args in zip(*lanes(), strict=True)]
    return jax.tree_util.tree_map(lambda *leaves: jnp.stack(leaves), *found)


def lanes():
    return KEYS[:4], jnp.stack([flows.ARGS * s for s in (0.8, 0.9, 1.0, 1.1)])


@representatives(NOISY)
def test_vmap_of_grad_inside_shard_map_gives_each_lane_its_gradient(listed):
    """With the default check of varying axes, jitted: keys and parameters differ between lanes."""
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    one = jax.grad(lambda key, args, y0: scalar_loss(listed, key, args, y0), argnums=(1, 2))
    sharded = jax.shard_map(jax.vmap(one), mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes"))
    found = jax.jit(sharded)(*lanes(), jnp.stack([flows.START] * 4))
    assert_trees_close(found, lane_gradients(listed), rtol=1e-10)


@representatives(NOISY)
def test_forward_mode_agrees_with_reverse_mode(listed):
    key, args = KEYS[0], lanes()[1][0]
    move = jnp.array([0.3, -0.7])
    tangent = jax.jvp(lambda args, y0: scalar_loss(listed, key, args, y0), (args, flows.START), (move, -move))[1]
    gradient = jax.tree_util.tree_map(lambda leaf: leaf[0], lane_gradients(listed))
    np.testing.assert_allclose(tangent, jnp.vdot(gradient[0], move) - jnp.vdot(gradient[1], move), rtol=1e-11)


@representatives(NOISY)
def test_the_hessian_is_the_derivative_of_the_gradient(listed):
    key, size = KEYS[0], 1e-5
    gradient = jax.jit(jax.grad(lambda args: scalar_loss(listed, key, args)))
    hessian = jax.jit(jax.hessian(lambda args: scalar_loss(listed, key, args)))(flows.ARGS)
    steps = size * jnp.eye(2)
    differences = jnp.stack([(gradient(flows.ARGS + s) - gradient(flows.ARGS - s)) / (2 * size) for s in steps])
    np.testing.assert_allclose(hessian, differences, rtol=1e-6)


@representatives(NOISY)
def test_single_precision_follows_double_precision_on_the_same_path(listed):
    """Normal numbers do not depend on the dtype; rounded times move the path by about the root of their error."""
    options = {"dt0": 0.1, "controller": sj.FixedStep()}
    low = [value.astype(jnp.float32) for value in (flows.ARGS, flows.START)]
    found = flows.end(listed.method, listed.noises[0], 3, *low, **options)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, flows.end(listed.method, listed.noises[0], 3, **options), atol=1e-3)
