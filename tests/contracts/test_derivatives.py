"""Derivatives: forward equals reverse, both equal an unrolled twin and the closed form, and differences agree."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, finite_difference_jvp, random_like

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from . import flows
from .methods import METHODS, representatives
from .twin import twin_outputs

ADAPTIVE = [m for m in METHODS if m.has_error_estimate]
# Steps of 0.06: no save time falls on one.
TWIN_STEPS = 25


@functools.cache
def reverse_jacobian(listed):
    return jax.device_get(jax.jit(jax.jacrev(lambda theta: flows.outputs(listed, theta)))(flows.theta()))


@functools.cache
def forward_jacobian(listed):
    return jax.device_get(jax.jit(jax.jacfwd(lambda theta: flows.outputs(listed, theta)))(flows.theta()))


@representatives()
def test_forward_mode_equals_reverse_mode(listed):
    """For y0, t0, t1, args and the save times, at every output."""
    assert_trees_close(forward_jacobian(listed), reverse_jacobian(listed), rtol=1e-12)


@representatives(ADAPTIVE)
def test_the_jacobian_is_that_of_the_closed_form(listed):
    """The step sizes are held fixed, so the error is that of the solution and its order, not more."""
    expected = jax.device_get(jax.jit(jax.jacrev(flows.exact))(flows.theta()))
    tolerance = {2: 1e-2, 3: 2e-4}.get(listed.order, 2e-7)
    if listed.dense_order < listed.order:
        # The slope of the dense output, by which save times are moved.
        tolerance = 5 * tolerance
    assert_trees_close(reverse_jacobian(listed), expected, rtol=tolerance, atol=tolerance / 2)


@representatives()
def test_the_value_with_a_gradient_is_the_value_without_it_to_rounding(listed):
    """Recording the steps must not change them."""
    value, _ = flows.compiled_value_and_grad(listed)(flows.theta())
    plain = jnp.sum(flows.WEIGHTS * flows.compiled_outputs(listed)(flows.theta()))
    # Not bitwise: XLA fuses the two programs differently (it was bitwise on one JAX release and 3e-13 apart on
    # another). Other steps would show at the tolerance of the solve, which is far above this.
    assert np.isfinite(value)
    np.testing.assert_allclose(value, plain, rtol=1e-11)


# A difference sees the steps change where the derivative holds them fixed: noise of the size of the solution's error.
DIFFERENCES = [m for m in METHODS if m.order > 2]


@representatives(DIFFERENCES)
def test_the_gradient_agrees_with_finite_differences(listed):
    direction = random_like(flows.theta())
    value_and_grad = flows.compiled_value_and_grad(listed)
    slope = finite_difference_jvp(lambda theta: value_and_grad(theta)[0], flows.theta(), direction, size=1e-3)
    gradient = value_and_grad(flows.theta())[1]
    inner = sum(
        float(jnp.vdot(g, d)) for g, d in zip(jax.tree_util.tree_leaves(gradient), jax.tree_util.tree_leaves(direction))
    )
    assert abs(inner - float(slope)) < 1e-5 * max(1.0, abs(inner))


def fixed_steps(listed, theta):
    problem = sj.ODEProblem(listed.stated(modulated_hopf_field), theta["y0"], theta["t0"], theta["t1"], theta["args"])
    saveat = sj.SaveAt(ts=theta["ts"], t1=True)
    dt = 1.5 / TWIN_STEPS
    return sj.solve(
        problem, listed.method, saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=TWIN_STEPS + 1
    ).ys


# The twin knows the vector field as a whole.
TWINNED = [m for m in METHODS if not m.method.needs_split]


@representatives(TWINNED)
def test_the_replay_equals_differentiating_an_unrolled_twin(listed):
    """The twin takes the same steps in a `scan` without a custom rule, with a linear solve of its own."""
    pull = lambda fn: jax.jit(jax.value_and_grad(lambda theta: jnp.sum(flows.WEIGHTS * fn(theta))))
    value, gradient = pull(lambda theta: fixed_steps(listed, theta))(flows.theta())
    twin_value, twin_gradient = pull(
        lambda theta: twin_outputs(listed.method, modulated_hopf_field, theta, TWIN_STEPS)
    )(flows.theta())
    assert_trees_close(value, twin_value, rtol=1e-12)
    assert_trees_close(gradient, twin_gradient, rtol=1e-11)


def _args_loss(listed, args):
    start = flows.theta()
    problem = sj.ODEProblem(listed.stated(modulated_hopf_field), start["y0"], 0.1, 0.6, args)
    options = {**flows.options(listed)}
    # A difference of gradients also sees the steps change, by as much as the tolerance, which is loose at low orders.
    has_fixed_steps = listed.order < 4 or not listed.has_error_estimate
    if has_fixed_steps:
        options = {"controller": sj.FixedStep(), "dt0": 0.5 / 128}
    sol = sj.solve(problem, listed.method, saveat=start["ts"][:1], max_steps=256 if has_fixed_steps else 32, **options)
    return jnp.sum(sol.ys**3)


HESSIAN_METHODS = [m._replace(is_representative=m.name == "Tsit5") for m in METHODS]


@representatives(HESSIAN_METHODS)
def test_the_hessian_agrees_with_differences_of_the_gradient_and_is_symmetric(listed):
    args = flows.theta()["args"]
    gradient = jax.jit(jax.grad(lambda args: _args_loss(listed, args)))
    hessian = jax.jit(jax.hessian(lambda args: _args_loss(listed, args)))(args)
    assert bool(jnp.all(jnp.isfinite(hessian)))
    assert_trees_close(hessian, hessian.T, rtol=1e-10)
    for direction in jnp.eye(2):
        slope = finite_difference_jvp(gradient, args, direction, size=1e-3)
        assert_trees_close(hessian @ direction, slope, rtol=1e-6, atol=1e-7)


def test_unbounded_steps_have_derivatives_in_both_modes():
    start = flows.theta()

    def end(args):
        problem = sj.ODEProblem(modulated_hopf_field, start["y0"], 0.1, 1.6, args)
        return sj.solve(problem, sj.Tsit5(), rtol=1e-9, atol=1e-11, max_steps=None).y1

    tangent = jnp.array([1.0, -2.0])
    moved = jax.jit(lambda args: jax.jvp(end, (args,), (tangent,))[1])(start["args"])
    expected = jax.jvp(lambda args: flows.exact({**start, "args": args})[-1], (start["args"],), (tangent,))[1]
    assert_trees_close(moved, expected, rtol=1e-6)
    gradient = jax.jit(jax.grad(lambda args: jnp.sum(end(args))))(start["args"])
    assert float(gradient @ tangent) == pytest.approx(float(jnp.sum(moved)), rel=1e-12)


def test_tolerances_have_no_derivative():
    """They choose the steps; the derivative holds the steps fixed."""

    def end(rtol):
        problem = sj.ODEProblem(modulated_hopf_field, flows.theta()["y0"], 0.1, 1.6, flows.theta()["args"])
        return jnp.sum(sj.solve(problem, sj.Tsit5(), rtol=rtol, max_steps=64).y1)

    assert float(jax.grad(end)(1e-6)) == 0.0


def test_the_gradient_does_not_depend_on_the_bound_of_steps():
    """Rows of the record that were not used contribute nothing."""
    listed = next(m for m in METHODS if m.name == "Tsit5")
    grads = []
    for max_steps in (256, 1024):

        def loss(args, max_steps=max_steps):
            problem = sj.ODEProblem(modulated_hopf_field, flows.theta()["y0"], 0.1, 1.6, args)
            sol = sj.solve(problem, listed.method, max_steps=max_steps, **flows.options(listed))
            return jnp.sum(sol.y1)

        grads.append(np.asarray(jax.jit(jax.grad(loss))(flows.theta()["args"])))
    np.testing.assert_allclose(grads[0], grads[1], rtol=1e-14)
