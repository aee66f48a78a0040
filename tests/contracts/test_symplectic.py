"""The laws of symplectic methods: order, symplecticity, reversibility, and the transformations of every solve."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, finite_difference_jvp, observed_order, random_like
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj
from sciml_jax.equations.methods.leapfrog_composition import AbstractLeapfrogComposition

from . import symplectic_methods as flows
from .methods import every, representatives
from .symplectic_methods import SYMPLECTIC

COMPOSITIONS = [m for m in SYMPLECTIC if isinstance(m.method, AbstractLeapfrogComposition)]
COUNTS = {1: (16, 32, 64, 128), 8: (3, 4, 6, 8, 12)}
TIMES = jnp.asarray(np.sort(np.random.default_rng(3).uniform(0.11, 1.59, 40)))
OMEGA = np.block([[np.zeros((2, 2)), np.eye(2)], [-np.eye(2), np.zeros((2, 2))]])


def steps(listed):
    return [flows.SPAN / n for n in COUNTS.get(listed.order, (4, 8, 16, 32, 64))]


@functools.cache
def trajectories(listed):
    """For every step size: saved positions and velocities, and the dense output on both sides of interior knots."""

    @jax.jit
    def solve(dt):
        sol = flows.solution(listed, {**flows.theta(), "ts": TIMES}, dt, dense=True)
        knots = sol.dense.ends[:2]
        return jnp.stack(sol.ys), jnp.stack(sol(TIMES)), jnp.stack(sol(knots)), jnp.stack(sol(knots + 1e-13)), sol.stats

    return [jax.device_get(solve(dt)) for dt in steps(listed)]


def exact():
    times = jnp.append(TIMES, flows.theta()["t1"])
    return np.stack([flows.position(times), flows.velocity(times)])


@every(SYMPLECTIC)
def test_the_end_converges_with_the_order_of_the_method(listed):
    errors = [np.max(np.abs(ys[:, -1] - exact()[:, -1])) for ys, *_ in trajectories(listed)]
    assert abs(observed_order(steps(listed), errors) - listed.order) < 0.25, errors


@pytest.mark.parametrize("half", [0, 1], ids=["positions", "velocities"])
@every(SYMPLECTIC)
def test_positions_and_velocities_between_the_steps_converge_with_the_order_of_the_dense_output(listed, half):
    errors = [np.max(np.abs(ys[half] - exact()[half])) for ys, *_ in trajectories(listed)]
    # More above for order 8: between too large steps and rounding its errors have not quite settled.
    surplus = observed_order(steps(listed), errors) - listed.dense_order
    assert -0.25 < surplus < (0.75 if listed.order == 8 else 0.25), errors


@every(SYMPLECTIC)
def test_the_dense_output_is_what_was_saved_and_continuous(listed):
    for ys, dense, left, right, _ in trajectories(listed):
        np.testing.assert_allclose(dense, ys[:, :-1], rtol=0, atol=3e-14)
        np.testing.assert_allclose(left, right, rtol=0, atol=2e-12)


@every(SYMPLECTIC)
def test_a_step_costs_the_forces_that_the_method_states(listed):
    """One evaluation before the first step: the last force of a step is the first one of the next."""
    *_, stats = trajectories(listed)[-1]
    assert int(stats.num_steps) == round(flows.SPAN / steps(listed)[-1])
    assert int(stats.num_vector_field) == 1 + listed.method.evaluations_per_step * int(stats.num_steps)


@every(COMPOSITIONS)
def test_fractions_read_the_same_backwards_and_their_odd_powers_sum_to_zero(listed):
    """Necessary for the order: the fractions add up to one, and their powers 3, 5, ... below the order to zero."""
    fractions = np.asarray(listed.method.fractions)
    assert len(fractions) == listed.method.evaluations_per_step
    np.testing.assert_array_equal(fractions, fractions[::-1])
    assert abs(fractions.sum() - 1) < 4e-16
    for power in range(3, listed.order, 2):
        assert abs(np.sum(fractions**power)) < 1e-15, power
    assert abs(np.sum(fractions ** (listed.order + 1))) > 1e-4


def symplectic_defect(listed):
    start = jnp.concatenate([flows.theta()["y0"], flows.theta()["v0"]])
    jacobian = np.asarray(jax.jit(jax.jacfwd(lambda z: flows.flow_map(listed)(z, 0.1, 1.6)))(start))
    assert np.max(np.abs(jacobian - np.eye(4))) > 0.5
    return np.max(np.abs(jacobian.T @ OMEGA @ jacobian - OMEGA))


@every(SYMPLECTIC)
def test_the_flow_is_symplectic_to_rounding(listed):
    """The Jacobian J of twelve steps meets J^T Omega J = Omega."""
    assert symplectic_defect(listed) < 1e-13


def test_a_runge_kutta_flow_is_not_symplectic():
    assert symplectic_defect(flows.Listed("RK4", sj.RK4(), 4, 4, is_implicit=False, has_error_estimate=False)) > 1e-7


@every(SYMPLECTIC)
def test_symmetric_methods_come_back_to_where_they_started(listed):
    start = jnp.concatenate([flows.theta()["y0"], flows.theta()["v0"]])
    flow = flows.flow_map(listed)
    back = flow(flow(start, 0.1, 1.6), 1.6, 0.1)
    if listed in COMPOSITIONS:
        np.testing.assert_allclose(back, start, rtol=0, atol=2e-14)
    else:
        assert np.max(np.abs(back - start)) > 1e-3


@functools.cache
def gradient(listed):
    return flows.compiled_value_and_grad(listed)(flows.theta())[1]


@representatives(SYMPLECTIC)
def test_forward_mode_and_finite_differences_agree_with_reverse_mode(listed):
    """For positions, velocities, arguments and save times; forward mode for both ends of the interval too."""
    fixed = {key: value for key, value in flows.theta().items() if key not in ("t0", "t1")}
    direction = {**random_like(fixed), "t0": jnp.array(0.0), "t1": jnp.array(0.0)}
    loss = lambda theta: flows.loss(listed, theta)
    pushed = jax.jit(lambda theta, move: jax.jvp(loss, (theta,), (move,))[1])
    found = gradient(listed)
    inner = lambda move: sum(float(jnp.vdot(found[key], move[key])) for key in move)
    ends = random_like(flows.theta(), 1)
    np.testing.assert_allclose(pushed(flows.theta(), ends), inner(ends), rtol=1e-12)
    value = lambda theta: flows.compiled_value_and_grad(listed)(theta)[0]
    difference = finite_difference_jvp(value, flows.theta(), direction, size=1e-4)
    np.testing.assert_allclose(difference, inner(direction), rtol=1e-8)


def lanes(size=4):
    thetas = [flows.theta(scale) for scale in np.linspace(0.8, 1.2, size)]
    return jax.tree_util.tree_map(
        lambda *leaves: jnp.stack(leaves), *[{k: t[k] for k in ("y0", "args")} for t in thetas]
    )


@functools.cache
def lane_gradients(listed):
    batch = lanes()
    found = []
    for i in range(4):
        theta = {**flows.theta(), "y0": batch["y0"][i], "args": batch["args"][i]}
        each = flows.compiled_value_and_grad(listed)(theta)[1]
        found.append({key: each[key] for key in batch})
    return jax.tree_util.tree_map(lambda *leaves: np.stack(leaves), *found)


# The same code as Yoshida6 with 17 fractions: a minute to compile beside other work.
DEFAULT = [m._replace(is_representative=m.name != "KahanLi8") for m in SYMPLECTIC]


@representatives(DEFAULT)
def test_vmap_of_grad_inside_shard_map_gives_each_lane_its_gradient(listed):
    """With the default check of varying axes, jitted: the one composition that every method must survive."""
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    loss = lambda moving: flows.loss(listed, {**flows.theta(), **moving})
    sharded = jax.jit(jax.shard_map(jax.vmap(jax.grad(loss)), mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes")))
    found = jax.tree_util.tree_map(np.asarray, sharded(lanes()))
    assert_trees_close(found, lane_gradients(listed), rtol=1e-11)


@representatives(SYMPLECTIC)
def test_vmap_of_grad_gives_each_lane_its_gradient(listed):
    loss = lambda moving: flows.loss(listed, {**flows.theta(), **moving})
    assert_trees_close(jax.jit(jax.vmap(jax.grad(loss)))(lanes()), lane_gradients(listed), rtol=1e-11)


@representatives(SYMPLECTIC)
def test_the_eager_call_equals_the_compiled_one(listed):
    eager = flows.outputs(listed, flows.theta())
    assert_trees_close(eager, jax.jit(lambda theta: flows.outputs(listed, theta))(flows.theta()), rtol=1e-13)
