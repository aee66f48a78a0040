"""Strang splitting: order, Allen-Cahn, the parts' methods, derivatives, wrong input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import finite_difference_jvp, observed_order
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

START, ARGS = jnp.array([0.5, 0.2]), jnp.array([0.9, 1.3])
T0, T1 = 0.1, 1.6
TIMES = jnp.asarray(np.sort(np.random.default_rng(3).uniform(T0, T1, 20)))

PARTS = {
    "diagonal": (sj.Linear(jnp.array([-1.0, -3.0])), sj.Strang()),
    "matrix": (sj.Linear(jnp.array([[-1.0, 2.0], [0.5, -3.0]])), sj.Strang()),
    "nonlinear": (lambda t, y, args: -jnp.cos(t) * y + 1.0 - y[::-1] ** 3, sj.Strang()),
    "other methods": (lambda t, y, args: -jnp.cos(t) * y + 1.0 - y[::-1] ** 3, sj.Strang(sj.SSPRK33(), sj.RKC(4.0))),
}


@functools.cache
def hopf(name):
    """The modulated Hopf field with a part taken out of it: nonlinear, and it depends on time."""
    part = PARTS[name][0]
    return sj.Split(lambda t, y, args: modulated_hopf_field(t, y, args) - part(t, y, args), part)


@functools.cache
def hopf_solution():
    problem = sj.ODEProblem(modulated_hopf_field, START, T0, T1, ARGS)
    return sj.solve(problem, sj.Vern9(), rtol=1e-13, atol=1e-14, saveat=sj.SaveAt(ts=TIMES, t1=True)).ys


@pytest.mark.parametrize("name", PARTS)
def test_the_order_is_two_at_the_end_and_between_the_steps(name):
    @jax.jit
    def solve(dt):
        problem = sj.ODEProblem(hopf(name), START, T0, T1, ARGS)
        saveat = sj.SaveAt(ts=TIMES, t1=True)
        return sj.solve(problem, PARTS[name][1], saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=513).ys

    counts = (64, 128, 256, 512)
    errors = [np.abs(solve((T1 - T0) / n) - hopf_solution()) for n in counts]
    for chosen in (slice(-1, None), slice(None)):
        observed = observed_order([1 / n for n in counts], [np.max(e[chosen]) for e in errors])
        assert abs(observed - 2) < 0.15, (observed, errors)


def test_adaptive_errors_follow_the_tolerance():
    for rtol in (1e-2, 1e-3, 1e-4):
        problem = sj.ODEProblem(hopf("diagonal"), START, T0, T1, ARGS)
        sol = sj.solve(problem, sj.Strang(), rtol=rtol, atol=rtol)
        assert np.max(np.abs(sol.y1 - hopf_solution()[-1])) < 10 * rtol
    # Two steps of Heun's method and three of the exact solution.
    assert int(sol.stats.num_vector_field) == 2 + 7 * int(sol.stats.num_steps)
    assert int(sol.stats.num_jacobian) == 0


def test_parts_that_commute_are_controlled_through_the_errors_of_their_methods():
    """No splitting error: what is left is Heun's."""
    split = sj.Split(lambda t, y, args: jnp.cos(5 * t) * y, sj.Linear(-0.5))
    sol = sj.solve(sj.ODEProblem(split, jnp.ones(1), 0.0, 3.0), sj.Strang(), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(sol.y1, np.exp(np.sin(15.0) / 5 - 1.5), rtol=1e-3)
    assert int(sol.stats.num_accepted) > 50


N = 48
WIDTH = 2.0 / N
LAPLACIAN = np.diag(np.ones(N - 1), 1) - 2 * np.eye(N) + np.diag(np.ones(N - 1), -1)
LAPLACIAN[0, 0] = LAPLACIAN[-1, -1] = -1.0
GRID = -1 + WIDTH * (np.arange(N) + 0.5)
LAYERS = jnp.asarray(0.53 * GRID + 0.47 * np.sin(-1.5 * np.pi * GRID))


def allen_cahn(diffusivity=1e-2, t1=4.0):
    """`u_t = D u_xx + u - u^3` with no flux through the ends."""
    linear = sj.Linear(lambda args: args * jnp.asarray(LAPLACIAN / WIDTH**2))
    return sj.ODEProblem(sj.Split(lambda t, y, args: y - y**3, linear), LAYERS, 0.0, t1, diffusivity)


@functools.cache
def allen_cahn_end():
    return sj.solve(allen_cahn(), sj.Tsit5(), rtol=1e-10, atol=1e-12, max_steps=2**14).y1


def test_allen_cahn_converges_with_order_two_and_keeps_its_bounds():
    solve = jax.jit(lambda dt: sj.solve(allen_cahn(), sj.Strang(), dt0=dt, controller=sj.FixedStep()).y1)
    errors = [float(np.max(np.abs(solve(4.0 / n) - allen_cahn_end()))) for n in (16, 32, 64)]
    assert 1.8 < observed_order([1 / 16, 1 / 32, 1 / 64], errors) < 2.2, errors
    # Steps of 1/8: thirty times beyond what is stable for an explicit method.
    assert errors[1] < 2e-2
    assert np.max(np.abs(solve(4.0 / 16))) <= 1.0


def test_a_linear_part_of_a_million_time_constants_per_step_is_solved_exactly():
    rates = jnp.array([-1e6, -1.0])
    split = sj.Split(lambda t, y, args: jnp.array([0.0, 1.0]) * jnp.cos(t), sj.Linear(rates))
    sol = sj.solve(sj.ODEProblem(split, jnp.ones(2), 0.0, 2.0), sj.Strang(), rtol=1e-4, atol=1e-6)
    exact = 0.5 * (np.cos(2.0) + np.sin(2.0)) + 0.5 * np.exp(-2.0)
    np.testing.assert_allclose(sol.y1, [0.0, exact], atol=1e-4)
    assert int(sol.stats.num_accepted) < 500


def test_the_dense_output_does_not_overshoot_in_a_fast_decay():
    split = sj.Split(lambda t, y, args: 0 * y, sj.Linear(-1e4))
    sol = sj.solve(
        sj.ODEProblem(split, jnp.ones(1), 0.0, 1.0), sj.Strang(), dt0=0.5, controller=sj.FixedStep(),
        saveat=jnp.linspace(0.0, 1.0, 41),
    )  # fmt: skip
    assert np.max(np.abs(sol.ys)) <= 1.0
    assert np.max(np.abs(sol.ys[20:])) < 1e-12


def test_the_gradient_agrees_with_differences():
    def loss(args):
        sol = sj.solve(allen_cahn(args, 1.0), sj.Strang(), dt0=0.1, controller=sj.FixedStep(), saveat=[0.33, 1.0])
        return jnp.sum(sol.ys**2 * jnp.cos(GRID))

    gradient = jax.jit(jax.grad(loss))(0.02)
    np.testing.assert_allclose(gradient, finite_difference_jvp(jax.jit(loss), 0.02, 1.0, size=1e-4), rtol=1e-7)


@pytest.mark.parametrize("name", ["diagonal", pytest.param("nonlinear", marks=pytest.mark.full)])
def test_jitted_vmap_of_grad_inside_shard_map_gives_each_lane_its_gradient(name):
    def loss(args):
        problem = sj.ODEProblem(hopf(name), START, T0, T1, args)
        return jnp.sum(sj.solve(problem, sj.Strang(), dt0=0.1, controller=sj.FixedStep(), max_steps=16).y1)

    lanes = jnp.array([[0.9, 1.3], [0.5, 0.3], [1.2, -0.7], [0.1, 1.0]])
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    batched = jax.shard_map(jax.vmap(jax.grad(loss)), mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes"))
    single = jax.jit(jax.grad(loss))
    np.testing.assert_allclose(
        np.asarray(jax.jit(batched)(lanes)), np.stack([single(lane) for lane in lanes]), rtol=1e-9
    )


def test_complex_states_take_an_exact_linear_part_and_refuse_one_that_needs_a_jacobian():
    start = jnp.array([1.0 + 0.5j])
    rest = lambda t, y, args: -0.1 * jnp.abs(y) ** 2 * y
    problem = sj.ODEProblem(sj.Split(rest, sj.Linear(-0.2 + 3j)), start, 0.0, 1.0)
    found = sj.solve(problem, sj.Strang(), dt0=1 / 64, controller=sj.FixedStep()).y1
    np.testing.assert_allclose(found, sj.solve(problem, sj.Tsit5(), rtol=1e-9, atol=1e-10).y1, rtol=1e-5)
    with pytest.raises(ValueError, match="Rodas5P.*real state"):
        sj.solve(sj.ODEProblem(sj.Split(rest, lambda t, y, args: 3j * y), start, 0.0, 1.0), sj.Strang())


def test_a_method_without_an_error_estimate_takes_fixed_steps():
    assert sj.Strang(sj.SSPRK33()).error_order is None
    with pytest.raises(ValueError, match="`dt0` is required"):
        sj.solve(allen_cahn(), sj.Strang(sj.SSPRK33()))


WRONG = {
    "memory": (lambda: sj.Strang(sj.VCABM()), TypeError, "one-step method", "VCABM", "sj.Heun()"),
    "class": (lambda: sj.Strang(implicit=sj.Rodas5P), TypeError, "must be an instance", "Rodas5P", "Rodas5P()"),
    "split in split": (lambda: sj.Strang(sj.ETDRK4()), TypeError, "any vector field", "ETDRK4", "sj.Heun()"),
    "no split": (
        lambda: sj.solve(sj.ODEProblem(modulated_hopf_field, START, T0, T1, ARGS), sj.Strang()),
        ValueError,
        "in two parts",
        "Function",
        "sj.Split(N, sj.Linear(L))",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused_with_rule_value_and_fix(name):
    make, kind, *words = WRONG[name]
    with pytest.raises(kind) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)
