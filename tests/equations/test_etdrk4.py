"""ETDRK4: order, stiff linear parts, dense output through transients, spectral problems, derivatives, wrong input."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close, finite_difference_jvp, observed_order
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj
from sciml_jax.zoo.modulated_hopf import modulated_hopf_field

START, ARGS = jnp.array([0.5, 0.2]), jnp.array([0.9, 1.3])
T0, T1 = 0.1, 1.6
TIMES = jnp.asarray(np.sort(np.random.default_rng(3).uniform(T0, T1, 20)))


@functools.cache
def hopf(name):
    """The modulated Hopf field with some linear part taken out of it: nonlinear, and it depends on time."""
    linear = LINEAR_PARTS[name]
    return sj.Split(lambda t, y, args: modulated_hopf_field(t, y, args) - linear(t, y, args), linear)


LINEAR_PARTS = {
    "diagonal": sj.Linear(jnp.array([-1.0, -3.0])),
    "matrix": sj.Linear(jnp.array([[-1.0, 2.0], [0.5, -3.0]])),
    "function of the arguments": sj.Linear(lambda args: -2.0 * args),
    "affine function that depends on time": lambda t, y, args: -jnp.cos(t) * y[::-1] + 1.0,
}


@functools.cache
def hopf_solution():
    problem = sj.ODEProblem(modulated_hopf_field, START, T0, T1, ARGS)
    return sj.solve(problem, sj.Vern9(), rtol=1e-13, atol=1e-14, saveat=sj.SaveAt(ts=TIMES, t1=True)).ys


@pytest.mark.parametrize("name", LINEAR_PARTS)
def test_the_order_is_four_at_the_end_and_between_the_steps(name):
    @jax.jit
    def solve(dt):
        problem = sj.ODEProblem(hopf(name), START, T0, T1, ARGS)
        saveat = sj.SaveAt(ts=TIMES, t1=True)
        return sj.solve(problem, sj.ETDRK4(), saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=257).ys

    counts = (32, 64, 128, 256)
    errors = [np.abs(solve((T1 - T0) / n) - hopf_solution()) for n in counts]
    for chosen in (slice(-1, None), slice(None)):
        observed = observed_order([1 / n for n in counts], [np.max(e[chosen]) for e in errors])
        assert abs(observed - 4) < 0.25, (observed, errors)


@pytest.mark.parametrize("name", ["diagonal", "matrix"])
def test_adaptive_errors_follow_the_tolerance(name):
    problem = sj.ODEProblem(hopf(name), START, T0, T1, ARGS)
    for rtol in (1e-4, 1e-6, 1e-8):
        sol = sj.solve(problem, sj.ETDRK4(), rtol=rtol, atol=rtol)
        assert np.max(np.abs(sol.y1 - hopf_solution()[-1])) < 10 * rtol
        # They grow as tol^(-1/4).
        assert int(sol.stats.num_accepted) < 1.5 * rtol**-0.25


def test_a_source_that_depends_on_time_alone_is_seen_by_the_error_estimate():
    """Simpson's rule has no embedded rule of order 3 on its own nodes: the estimate needs the node at 3/4."""
    problem = sj.ODEProblem(sj.Split(lambda t, y, args: jnp.sin(5 * t) + 0 * y, sj.Linear(0.0)), jnp.zeros(1), 0.0, 6.0)
    sol = sj.solve(problem, sj.ETDRK4(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(sol.y1, (1 - np.cos(30.0)) / 5, atol=1e-5)
    assert int(sol.stats.num_accepted) > 50


STIFF = jnp.array([-1e6, -1.0])


def soft(t, y, args):
    return jnp.stack([jnp.sin(y[1]) * jnp.cos(3 * t), jnp.cos(t) + 0.1 * jnp.tanh(y[0])])


@functools.cache
def stiff_end():
    field = lambda t, y, args: STIFF * y + soft(t, y, args)
    return sj.solve(sj.ODEProblem(field, jnp.array([0.3, 0.5]), 0.0, 2.0), sj.Rodas5P(), rtol=1e-11, atol=1e-13).y1


@pytest.mark.parametrize("kind", ["diagonal", "matrix"])
def test_steps_of_a_million_time_constants_are_accurate(kind):
    linear = sj.Linear(STIFF if kind == "diagonal" else jnp.diag(STIFF))
    problem = sj.ODEProblem(sj.Split(soft, linear), jnp.array([0.3, 0.5]), 0.0, 2.0)
    sol = sj.solve(problem, sj.ETDRK4(), rtol=1e-6, atol=1e-9)
    assert int(sol.stats.num_accepted) < 60
    # The fast component is 1e-6 small.
    np.testing.assert_allclose(sol.y1, stiff_end(), rtol=1e-5)


def test_a_linear_problem_is_solved_exactly_in_one_step_and_within_it():
    rates = jnp.array([-1e6, -30.0, -1.0, 0.0, 0.5])
    problem = sj.ODEProblem(sj.Split(lambda t, y, args: 0 * y + 2.0, sj.Linear(rates)), jnp.ones(5), 0.0, 1.0)
    ts = jnp.array([1e-7, 1e-3, 0.1, 0.5, 1.0])
    sol = sj.solve(problem, sj.ETDRK4(), dt0=1.0, controller=sj.FixedStep(), saveat=sj.SaveAt(ts=ts, dense=True))
    assert int(sol.stats.num_steps) == 1
    safe = np.where(rates == 0, 1.0, rates)
    forced = np.where(rates == 0, 2.0 * ts[:, None], 2.0 * np.expm1(safe * ts[:, None]) / safe)
    exact = np.exp(rates * ts[:, None]) + forced
    np.testing.assert_allclose(sol.ys, exact, rtol=1e-13)
    np.testing.assert_allclose(sol(ts), exact, rtol=1e-13)


def test_a_fast_decay_inside_a_step_is_interpolated_without_overshoot_for_a_matrix_too():
    rotation = np.array([[0.8, -0.6], [0.6, 0.8]])
    matrix = jnp.asarray(rotation @ np.diag([-1e4, -1.0]) @ rotation.T)
    problem = sj.ODEProblem(sj.Split(lambda t, y, args: 0 * y, sj.Linear(matrix)), jnp.array([1.0, 1.0]), 0.0, 1.0)
    ts = jnp.array([1e-5, 1e-4, 1e-2, 0.6])
    found = sj.solve(problem, sj.ETDRK4(), dt0=1.0, controller=sj.FixedStep(), saveat=ts).ys
    modes = np.exp(np.outer(ts, [-1e4, -1.0])) * (rotation.T @ np.ones(2))
    np.testing.assert_allclose(found, modes @ rotation.T, atol=1e-11)


N = 64
WAVES = np.fft.rfftfreq(N, 1 / N) / 16
GRID = 32 * np.pi * np.arange(N) / N
KS_START = np.cos(GRID / 16) * (1 + np.sin(GRID / 16))
SYMBOL = WAVES**2 - WAVES**4


def ks_rest(t, v, args):
    """`-(u^2 / 2)_x` of Kuramoto-Sivashinsky in Fourier space, length 32 pi."""
    return -0.5j * WAVES * jnp.fft.rfft(jnp.fft.irfft(v, N) ** 2)


def ks_problem(start, t1, viscosity=1.0):
    linear = sj.Linear(lambda args: WAVES**2 - args * WAVES**4)
    return sj.ODEProblem(sj.Split(ks_rest, linear), jnp.fft.rfft(start), 0.0, t1, viscosity)


@functools.cache
def ks_reference(t1):
    """The integrating factor takes the stiffness out: SciPy's DOP853 on `w = e^(-Lt) v`."""
    from scipy.integrate import solve_ivp

    def field(t, w):
        growth = np.exp(SYMBOL * t)
        u = np.fft.irfft(growth * w, N)
        return -0.5j * WAVES * np.fft.rfft(u**2) / growth

    # Restarted each unit of time, lest the factors overflow.
    v = np.fft.rfft(KS_START)
    for _ in range(round(t1 / 0.5)):
        w = solve_ivp(field, (0, 0.5), v, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        v = np.exp(SYMBOL * 0.5) * w
    return np.fft.irfft(v, N)


def test_kuramoto_sivashinsky_agrees_with_an_integrating_factor_solve():
    sol = sj.solve(ks_problem(jnp.asarray(KS_START), 20.0), sj.ETDRK4(), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(np.fft.irfft(sol.y1, N), ks_reference(20.0), atol=2e-6)
    fixed = sj.solve(ks_problem(jnp.asarray(KS_START), 20.0), sj.ETDRK4(), controller=sj.FixedStep(), dt0=0.25)
    # Kassam and Trefethen's step: 80 of them for the whole transient.
    assert int(fixed.stats.num_steps) == 80
    np.testing.assert_allclose(np.fft.irfft(fixed.y1, N), ks_reference(20.0), atol=2e-3)


def ks_score(viscosity, scale=1.0):
    start = jnp.asarray(KS_START) * scale
    problem = ks_problem(start, 2.0, viscosity)
    ts = jnp.array([0.7, 1.9])
    sol = sj.solve(problem, sj.ETDRK4(), rtol=1e-7, atol=1e-7, saveat=ts, max_steps=256)
    return jnp.sum(jnp.fft.irfft(sol.ys, N)[:, ::5] * jnp.cos(jnp.arange(13.0)))


def test_gradients_of_a_complex_state_agree_with_differences():
    reverse = jax.jit(jax.grad(ks_score, argnums=(0, 1)))(0.9, 1.1)
    at = lambda both: jax.jit(ks_score)(*both)
    for i, unit in enumerate(((1.0, 0.0), (0.0, 1.0))):
        difference = finite_difference_jvp(at, (0.9, 1.1), unit, size=1e-2)
        np.testing.assert_allclose(reverse[i], difference, rtol=1e-4)


def matrix_loss(args, linear):
    """Of a heat equation with a nonlinear source; `linear` as a function of `args`."""
    problem = sj.ODEProblem(
        sj.Split(lambda t, y, args: jnp.sin(y) * args[1] * jnp.cos(t), linear), jnp.arange(1.0, 5.0), 0.0, 1.0, args
    )
    return jnp.sum(sj.solve(problem, sj.ETDRK4(), rtol=1e-7, atol=1e-7, max_steps=128).y1 ** 2)


SECOND = np.diag(np.ones(3), 1) + np.diag(np.ones(3), -1) - 2 * np.eye(4)
MATRIX = sj.Linear(lambda args: args[0] * jnp.asarray(20.0 * SECOND))


def test_gradients_through_the_functions_of_a_matrix_agree_with_differences():
    loss = lambda args: matrix_loss(args, MATRIX)
    args = jnp.array([0.8, 1.5])
    gradient = jax.jit(jax.grad(loss))(args)
    assert_trees_close(gradient, jax.jit(jax.jacfwd(loss))(args), rtol=1e-9)
    for i in range(2):
        difference = finite_difference_jvp(jax.jit(loss), args, jnp.eye(2)[i], size=1e-2)
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-4)


@pytest.mark.parametrize("kind", ["diagonal", pytest.param("matrix", marks=pytest.mark.full)])
def test_jitted_vmap_of_grad_inside_shard_map_gives_each_lane_its_gradient(kind):
    linear = MATRIX if kind == "matrix" else sj.Linear(lambda args: -args[0] * jnp.arange(4.0) ** 2)
    gradient = jax.grad(lambda args: matrix_loss(args, linear))
    lanes = jnp.array([[0.8, 1.5], [1.1, 0.4], [0.3, -0.7], [2.0, 1.0]])
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    batched = jax.jit(jax.shard_map(jax.vmap(gradient), mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes")))
    single = jax.jit(gradient)
    expected = np.stack([single(lane) for lane in lanes])
    np.testing.assert_allclose(np.asarray(batched(lanes)), expected, rtol=1e-9, atol=1e-9)


def test_float32_stays_float32_and_pytrees_keep_their_structure():
    start = {"u": jnp.ones((2, 3), jnp.float32), "v": (jnp.float32(2.0),)}
    rates = {"u": -jnp.arange(3.0, dtype=jnp.float32), "v": (-5.0,)}
    rest = lambda t, y, args: jax.tree_util.tree_map(lambda leaf: 0.1 * jnp.cos(leaf), y)
    sol = sj.solve(sj.ODEProblem(sj.Split(rest, sj.Linear(rates)), start, 0.0, 1.0), sj.ETDRK4(), saveat=[0.5, 1.0])
    assert {leaf.dtype for leaf in jax.tree_util.tree_leaves((sol.ys, sol.y1))} == {jnp.dtype("float32")}
    whole = lambda t, y, args: jax.tree_util.tree_map(jnp.add, rest(t, y, args), sj.Linear(rates)(t, y, args))
    expected = sj.solve(sj.ODEProblem(whole, start, 0.0, 1.0), sj.Tsit5()).y1
    assert_trees_close(sol.y1, expected, rtol=1e-3)


def test_backwards_returns_to_the_start():
    there = sj.solve(sj.ODEProblem(hopf("diagonal"), START, T0, T1, ARGS), sj.ETDRK4(), rtol=1e-9, atol=1e-10).y1
    back = sj.solve(sj.ODEProblem(hopf("diagonal"), there, T1, T0, ARGS), sj.ETDRK4(), rtol=1e-9, atol=1e-10).y1
    np.testing.assert_allclose(back, START, atol=1e-7)


def test_stepping_one_step_at_a_time_gives_what_solve_gives():
    problem = sj.ODEProblem(hopf("diagonal"), START, T0, T1, ARGS)
    state = sj.init(problem, sj.ETDRK4(), rtol=1e-5, atol=1e-5)
    while state.running:
        state = sj.step(state)
    sol = sj.solve(problem, sj.ETDRK4(), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(state.y, sol.y1, rtol=1e-12)
    assert int(state.stats.num_steps) == int(sol.stats.num_steps)


def test_continuous_adjoints_solve_their_equation_with_another_method():
    def loss(args, adjoint):
        problem = sj.ODEProblem(hopf("diagonal"), START, T0, T1, args)
        return sj.solve(problem, sj.ETDRK4(), rtol=1e-9, atol=1e-9, adjoint=adjoint).y1[0]

    expected = jax.grad(loss)(ARGS, None)
    found = jax.grad(loss)(ARGS, sj.Gauss(method=sj.Tsit5()))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    with pytest.raises(ValueError, match="method="):
        jax.grad(loss)(ARGS, sj.Gauss())


WRONG = {
    "no split": (modulated_hopf_field, "in two parts", "Function", "sj.Split(N, sj.Linear(L))"),
    "nonlinear implicit part": (
        sj.Split(modulated_hopf_field, lambda t, y, args: -(y**3)),
        "linear in the state",
        "float64[2]",
        "Rodas5P",
    ),
    "operator of the wrong length": (
        sj.Split(modulated_hopf_field, sj.Linear(jnp.ones(3))),
        "fits the state",
        "float64[3]",
        "(2, 2)",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_vector_fields_are_refused_with_rule_value_and_fix(name):
    field, *words = WRONG[name]
    with pytest.raises(ValueError, match=".") as caught:
        sj.solve(sj.ODEProblem(field, START, T0, T1, ARGS), sj.ETDRK4())
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_diffrax_and_forward_sensitivities_are_refused_by_name():
    with pytest.raises(TypeError, match="ETDRK4.*Split"):
        sj.as_diffrax(sj.ETDRK4())
    solve = lambda args: sj.solve(
        sj.ODEProblem(hopf("diagonal"), START, T0, T1, args), sj.ETDRK4(), adjoint=sj.ForwardSensitivity()
    )
    with pytest.raises(ValueError, match="ForwardSensitivity.*ETDRK4"):
        jax.jacfwd(lambda args: solve(args).y1)(ARGS)
