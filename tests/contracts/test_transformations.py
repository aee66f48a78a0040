"""A solve is a pure function: every transformation of it, and every nesting, gives what the plain call gives."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from . import flows
from .methods import METHODS, every, representatives

LANES, AXES = flows.batch()
SHARED = {key: P() if axis is None else P("lanes") for key, axis in AXES.items()}
# One lane's steps may be chosen from an error norm that differs in the last bit, so lanes agree to more than rounding.
SAME = 1e-10


def mesh():
    return Mesh(np.array(jax.devices()[:2]), ("lanes",))


@functools.cache
def lane_outputs(listed):
    single = flows.compiled_outputs(listed)
    size = LANES["y0"].shape[0]
    found = jnp.stack([single({k: v if AXES[k] is None else v[i] for k, v in LANES.items()}) for i in range(size)])
    assert bool(jnp.all(jnp.isfinite(found)))
    return found


def per_lane(listed):
    """The gradient of every lane: batched leaves per lane, shared leaves per lane too."""
    return jax.vmap(jax.grad(lambda theta: flows.loss(listed, theta)), in_axes=(AXES,))


def summed(listed):
    """`sum over lanes of the loss`, a function of the batch."""
    return lambda lanes: jnp.sum(jax.vmap(lambda theta: flows.loss(listed, theta), in_axes=(AXES,))(lanes))


def summed_gradient(listed):
    """What the gradient of `summed` must be: shared leaves add up over the lanes."""
    lanes = flows.lane_gradients(listed)
    return {key: lanes[key] if AXES[key] == 0 else lanes[key].sum(axis=0) for key in lanes}


@representatives()
def test_jit_equals_the_eager_call(listed):
    assert_trees_close(flows.compiled_outputs(listed)(flows.theta()), flows.outputs(listed, flows.theta()), rtol=1e-13)


@representatives()
def test_vmap_gives_each_lane_its_single_solve(listed):
    batched = jax.jit(jax.vmap(lambda theta: flows.outputs(listed, theta), in_axes=(AXES,)))(LANES)
    assert_trees_close(batched, lane_outputs(listed), rtol=SAME)


@representatives()
def test_vmap_of_grad_gives_each_lane_its_gradient(listed):
    assert_trees_close(jax.jit(per_lane(listed))(LANES), flows.lane_gradients(listed), rtol=SAME)


@representatives()
def test_grad_of_vmap_adds_the_lanes_up(listed):
    assert_trees_close(jax.jit(jax.grad(summed(listed)))(LANES), summed_gradient(listed), rtol=SAME)


@representatives()
def test_pmap_equals_vmap(listed):
    lanes = {k: v if AXES[k] is None else v[:2] for k, v in LANES.items()}
    found = jax.pmap(lambda theta: flows.outputs(listed, theta), in_axes=(AXES,))(lanes)
    assert_trees_close(np.asarray(found), np.asarray(lane_outputs(listed)[:2]), rtol=SAME)


# These differ from Vern7 in nothing but their coefficients, and take 10 to 20 s each to compile.
HEAVY = {"Vern6", "Vern8", "Dopri8", "Vern9"}
LIGHT_FIRST = [m._replace(is_representative=m.name not in HEAVY) for m in METHODS]


@representatives(LIGHT_FIRST)
def test_vmap_of_grad_inside_shard_map_gives_each_lane_its_gradient(listed):
    """With the default check of varying axes, jitted: the one composition that every method must survive.

    Only sharded leaves: JAX adds the devices' shares of a shared one, which the next laws look at.
    """
    loss = lambda moving: flows.loss(listed, {**flows.theta(), **moving})
    sharded = jax.jit(jax.shard_map(jax.vmap(jax.grad(loss)), mesh=mesh(), in_specs=P("lanes"), out_specs=P("lanes")))
    expected = flows.lane_gradients(listed)
    moving = {key: LANES[key] for key in ("y0", "args")}
    assert_trees_close(_local(sharded(moving)), _local({key: expected[key] for key in moving}), rtol=SAME)


@representatives()
def test_a_solve_inside_shard_map_needs_no_flag(listed):
    solve = jax.vmap(lambda theta: flows.outputs(listed, theta), in_axes=(AXES,))
    sharded = jax.jit(jax.shard_map(solve, mesh=mesh(), in_specs=(SHARED,), out_specs=P("lanes")))
    assert_trees_close(_local(sharded(LANES)), _local(lane_outputs(listed)), rtol=SAME)


@pytest.mark.parametrize("check_vma", [True, False])
@representatives()
def test_grad_inside_shard_map_of_shared_and_of_sharded_parameters(listed, check_vma):
    """With the check, JAX adds the devices' shares of a shared parameter's gradient; without it, that is ours to do."""
    gradient = jax.grad(summed(listed))

    def local(lanes):
        found = gradient(lanes)
        if check_vma:
            return found
        return {key: jax.lax.psum(found[key], "lanes") if AXES[key] is None else found[key] for key in found}

    sharded = jax.jit(jax.shard_map(local, mesh=mesh(), in_specs=(SHARED,), out_specs=SHARED, check_vma=check_vma))
    assert_trees_close(_local(sharded(LANES)), _local(summed_gradient(listed)), rtol=SAME)


@pytest.mark.full
@every()
def test_grad_inside_pmap_gives_each_device_its_gradient(listed):
    lanes = {k: v if AXES[k] is None else v[:2] for k, v in LANES.items()}
    found = jax.pmap(jax.grad(lambda theta: flows.loss(listed, theta)), in_axes=(AXES,))(lanes)
    expected = jax.tree_util.tree_map(lambda leaf: leaf[:2], flows.lane_gradients(listed))
    assert_trees_close(_local(found), _local(expected), rtol=SAME)


@pytest.mark.full
@every()
def test_jacfwd_of_vmap_and_vmap_of_jacfwd_agree(listed):
    args = LANES["args"]
    one = lambda args: flows.outputs(listed, {**flows.theta(), "args": args})
    inner = jax.jit(jax.vmap(jax.jacfwd(one)))(args)
    outer = jax.jit(jax.jacfwd(jax.vmap(one)))(args)
    diagonal = jnp.stack([outer[i, :, :, i] for i in range(len(args))])
    assert_trees_close(inner, diagonal, rtol=SAME)


def _local(tree):
    """On the host: results of several devices compare with those of one."""
    return jax.tree_util.tree_map(np.asarray, tree)
