"""A state may be any pytree of float or complex arrays, in either precision, integrated in either direction."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

from . import flows
from .methods import METHODS, representatives

# The mirror image of `split` has another linear part, so the steps differ.
MIRRORED = [m for m in METHODS if not m.method.needs_split]
# Its error estimate of order 1 takes more steps in a default float32 solve than the law allows.
SINGLE = [m for m in METHODS if m.name != "Strang"]
EXPLICIT = [m for m in METHODS if not m.is_implicit]
# Laws about pytrees and gradients do not depend on the method: one by default, all under `-m full`.
TSIT5_FIRST = [m._replace(is_representative=m.name == "Tsit5") for m in METHODS]


def rotation(t, y, args):
    """(u + iv)' = i args (u + iv), spread over a dict with a nested tuple and a scalar."""
    return {"u": (-args * y["v"][0],), "v": (args * y["u"][0],), "w": -y["w"] * jnp.cos(t)}


NESTED = {"u": (jnp.array([1.0, 0.5]),), "v": (jnp.array([0.0, -0.5]),), "w": jnp.array(2.0)}


def nested_exact(t, args=1.5):
    z = (NESTED["u"][0] + 1j * NESTED["v"][0]) * np.exp(1j * args * t)
    return {"u": (z.real,), "v": (z.imag,), "w": jnp.asarray(2.0 * np.exp(-np.sin(t)))}


def solve_nested(listed, args, saveat=None, **options):
    problem = sj.ODEProblem(listed.stated(rotation), NESTED, 0.0, 1.0, args)
    return sj.solve(problem, listed.method, saveat=saveat, max_steps=512, **{**flows.options(listed), **options})


@representatives()
def test_a_nested_state_keeps_its_structure_and_scalars_stay_scalars(listed):
    saved = solve_nested(listed, 1.5, jnp.array([0.4, 1.0])).ys
    expected = jax.tree_util.tree_map(lambda *rows: jnp.stack(rows), nested_exact(0.4), nested_exact(1.0))
    loose = listed.order < 4
    assert_trees_close(saved, expected, rtol=1e-2 if loose else 1e-7)


@representatives(TSIT5_FIRST)
def test_the_gradient_through_a_nested_state(listed):
    """d/da cos(a t) = -t sin(a t) for u0 = 1, v0 = 0."""
    slope = jax.jit(jax.grad(lambda args: solve_nested(listed, args).y1["u"][0][0]))(1.5)
    np.testing.assert_allclose(slope, -np.sin(1.5), rtol=1e-2 if listed.order < 4 else 1e-6)


def test_tolerances_may_be_pytrees_like_the_state():
    """A leaf with a loose tolerance is not paid for: the tight one alone decides."""
    listed = next(m for m in METHODS if m.name == "Tsit5")
    uniform = solve_nested(listed, 1.5, rtol=1e-4, atol=1e-4)
    steps = {}
    for name in ("u", "w"):
        atol = jax.tree_util.tree_map(lambda _: 1e-4, NESTED) | {
            name: jax.tree_util.tree_map(lambda _: 1e-10, NESTED[name])
        }
        sol = solve_nested(listed, 1.5, rtol=atol, atol=atol)
        steps[name] = int(sol.stats.num_steps)
        assert steps[name] > 2 * int(uniform.stats.num_steps)
        error = jax.tree_util.tree_map(lambda a, b: float(np.max(np.abs(a - b))), sol.y1, nested_exact(1.0))
        assert max(jax.tree_util.tree_leaves(error[name])) < 1e-8


def test_a_tolerance_may_be_an_array_over_the_components():
    """y = (sin t, sin 20 t): where the fast component may be wrong, the slow one's long steps are enough."""
    problem = sj.ODEProblem(lambda t, y, args: jnp.stack([jnp.cos(t), 20 * jnp.cos(20 * t)]), jnp.zeros(2), 0.0, 3.0)
    solve = lambda *atol: sj.solve(problem, sj.Tsit5(), rtol=1e-12, atol=jnp.array(atol))
    same, uneven = solve(1e-8, 1e-8), solve(1e-8, 1e3)
    assert int(uneven.stats.num_steps) < int(same.stats.num_steps) / 5
    np.testing.assert_allclose(uneven.y1[0], np.sin(3.0), atol=1e-7)
    np.testing.assert_allclose(same.y1, [np.sin(3.0), np.sin(60.0)], atol=1e-7)


SPIN = jnp.array([1.0 + 0.5j, -0.3j])


def spinning(t, y, args):
    return args * y + 0.1 * jnp.cos(t)


@representatives(EXPLICIT)
def test_complex_states_and_their_gradients_equal_the_pair_of_real_ones(listed):
    # The error norms of n complex and 2n real numbers differ, hence the steps: equal to the tolerance, not to rounding.
    # Where that is loose, steps of one size say more; and RKC would estimate different spectral radii.
    loose = listed.order < 4
    options = {"controller": sj.FixedStep(), "dt0": 1 / 64} if loose else flows.options(listed)
    method = sj.RKC(spectral_radius=4.0) if listed.name == "RKC" else listed.method

    def complex_end(rate):
        problem = sj.ODEProblem(listed.stated(spinning), SPIN, 0.0, 1.0, rate * jnp.array(0.2 + 1j))
        return sj.solve(problem, method, max_steps=512, **options).y1

    def real_field(t, y, rate):
        z = spinning(t, jax.lax.complex(y[0], y[1]), rate * jnp.array(0.2 + 1j))
        return jnp.stack([z.real, z.imag])

    def real_end(rate):
        problem = sj.ODEProblem(listed.stated(real_field), jnp.stack([SPIN.real, SPIN.imag]), 0.0, 1.0, rate)
        y = sj.solve(problem, method, max_steps=512, **options).y1
        return jax.lax.complex(y[0], y[1])

    score = lambda end: (
        lambda rate: (jnp.sum(jnp.abs(end(rate)) ** 2 * jnp.array([1.0, 2.0])) + jnp.sum(end(rate).imag), end(rate))
    )
    (_, found), gradient = jax.jit(jax.value_and_grad(score(complex_end), has_aux=True))(0.7)
    (_, expected), expected_gradient = jax.jit(jax.value_and_grad(score(real_end), has_aux=True))(0.7)
    assert found.dtype == jnp.complex128
    assert_trees_close(found, expected, rtol=1e-12 if loose else 1e-8)
    assert_trees_close(gradient, expected_gradient, rtol=1e-11 if loose else 1e-7)


@functools.cache
def _single_precision(listed):
    theta = jax.tree_util.tree_map(lambda leaf: leaf.astype(jnp.float32), flows.theta())
    fixed = {} if listed.has_error_estimate else {"dt0": 1 / 128}

    def outputs(theta):
        problem = sj.ODEProblem(
            listed.stated(modulated_hopf_field), theta["y0"], theta["t0"], theta["t1"], theta["args"]
        )
        sol = sj.solve(
            problem, listed.method, saveat=sj.SaveAt(t0=True, ts=theta["ts"], t1=True), max_steps=256, **fixed
        )
        return sol.ys, (sol.ts, sol.y1, sol.stats.t_last)

    def loss(theta):
        ys, others = outputs(theta)
        return jnp.sum(flows.WEIGHTS.astype(jnp.float32) * ys[1:]), (ys, others)

    return theta, jax.jit(jax.value_and_grad(loss, has_aux=True))(theta)


@representatives()
def test_float32_in_gives_float32_out_while_64_bit_floats_are_enabled(listed):
    _, ((value, outputs), gradient) = _single_precision(listed)
    dtypes = {leaf.dtype for leaf in jax.tree_util.tree_leaves((value, outputs, gradient))}
    assert dtypes == {jnp.dtype("float32")}


@representatives(SINGLE)
def test_float32_meets_its_default_tolerances(listed):
    theta, ((_, (ys, _)), gradient) = _single_precision(listed)
    exact = flows.exact(flows.theta())
    loose = listed.order < 4
    np.testing.assert_allclose(ys[1:], exact, rtol=1e-2 if loose else 1e-3, atol=1e-2 if loose else 1e-3)
    expected = jax.grad(lambda theta: jnp.sum(flows.WEIGHTS * flows.exact(theta)))(flows.theta())
    for key in theta:
        np.testing.assert_allclose(gradient[key], expected[key], rtol=2e-2, atol=5e-2 if loose else 1e-2)


def test_python_float_times_and_arguments_do_not_widen_a_float32_state():
    problem = sj.ODEProblem(lambda t, y, args: -args * y * t, jnp.ones(2, jnp.float32), 0.0, 1.0, 0.5)
    sol = sj.solve(problem, sj.Tsit5(), saveat=[0.5, 1.0])
    assert sol.ys.dtype == sol.y1.dtype == jnp.float32
    np.testing.assert_allclose(sol.y1, np.exp(-0.25), rtol=1e-4)


@representatives(MIRRORED)
def test_backwards_equals_forwards_of_the_reversed_problem(listed):
    start = flows.theta()
    forward = flows.outputs(listed, start)

    def reversed_field(s, y, args):
        return -modulated_hopf_field(-s, y, args)

    ts = start["ts"]
    mirrored = sj.ODEProblem(reversed_field, start["y0"], -start["t1"], -start["t0"], start["args"])
    backward = sj.ODEProblem(listed.stated(modulated_hopf_field), start["y0"], start["t1"], start["t0"], start["args"])
    options = {"max_steps": 512, **flows.options(listed)}
    there = sj.solve(mirrored, listed.method, saveat=sj.SaveAt(ts=-ts[::-1], t1=True), **options)
    back = sj.solve(backward, listed.method, saveat=sj.SaveAt(ts=ts[::-1], t1=True), **options)
    assert_trees_close(back.ys, there.ys, rtol=1e-13)
    assert_trees_close(back.ts, -there.ts, rtol=1e-15)
    assert int(back.stats.num_steps) == int(there.stats.num_steps)
    assert not np.allclose(back.ys, forward)


def test_there_and_back_returns_to_the_start_and_so_does_its_derivative():
    def around(y0):
        make = lambda y0, t0, t1: sj.ODEProblem(modulated_hopf_field, y0, t0, t1, jnp.array([0.9, 1.3]))
        solve = lambda problem: sj.solve(problem, sj.Tsit5(), rtol=1e-10, atol=1e-12, max_steps=256).y1
        return solve(make(solve(make(y0, 0.1, 1.6)), 1.6, 0.1))

    y0 = jnp.array([0.5, 0.2])
    np.testing.assert_allclose(around(y0), y0, rtol=1e-8)
    np.testing.assert_allclose(jax.jit(jax.jacfwd(around))(y0), np.eye(2), atol=1e-7)


@pytest.mark.full
def test_half_precision_states_are_solved_loosely():
    problem = sj.ODEProblem(lambda t, y, args: -y, jnp.ones(2, jnp.float16), jnp.float32(0), jnp.float32(1))
    sol = sj.solve(problem, sj.Tsit5())
    assert sol.y1.dtype == jnp.float16
    np.testing.assert_allclose(sol.y1.astype(float), np.exp(-1.0), rtol=2e-2)
