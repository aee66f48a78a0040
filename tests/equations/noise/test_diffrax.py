"""Diffrax's stochastic solvers behind `sj.solve`: on our path, in either interpretation, adaptive, with save times."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import ARGS, fluctuation, geometric, geometric_exact, growth, ornstein_uhlenbeck

KEYS = jax.random.split(jax.random.key(5), 64)


def exact(key, times, interpretation="ito"):
    w = sj.BrownianPath(key, 0.0, 1.0, (1,)).evaluate(times)[..., 0]
    return geometric_exact(times, w, ARGS, interpretation)


@pytest.mark.parametrize(
    ("solver", "interpretation", "order"),
    [
        (diffrax.ItoMilstein(), "ito", 1.0),
        pytest.param(diffrax.Euler(), "ito", 0.5, marks=pytest.mark.full),
        pytest.param(diffrax.StratonovichMilstein(), "ito", 1.0, marks=pytest.mark.full),
        pytest.param(diffrax.EulerHeun(), "ito", 1.0, marks=pytest.mark.full),
        pytest.param(diffrax.EulerHeun(), "stratonovich", 1.0, marks=pytest.mark.full),
        pytest.param(diffrax.Euler(), "stratonovich", 0.5, marks=pytest.mark.full),
        pytest.param(diffrax.SlowRK(), "ito", 1.5, marks=pytest.mark.full),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, diffrax.AbstractSolver) else str(value),
)
def test_the_error_on_our_path_falls_with_the_order_of_the_solver(solver, interpretation, order):
    problem = geometric(interpretation=interpretation)
    end = jax.jit(jax.vmap(lambda key, dt: sj.solve(problem, solver, key=key, dt0=dt).y1[0], (0, None)))
    wanted = jax.vmap(lambda key: exact(key, jnp.ones(()), interpretation))(KEYS)
    errors = [float(jnp.sqrt(jnp.mean((end(KEYS, 2.0**-k) - wanted) ** 2))) for k in (4, 7)]
    assert abs(np.log2(errors[0] / errors[1]) / 3 - order) < 0.3


def test_adaptive_steps_end_on_save_times():
    times = jnp.array([0.0, 0.317, 1.0])
    solve = lambda args: sj.solve(
        geometric(args), diffrax.SPaRK(), key=3, rtol=1e-4, atol=1e-6, saveat=times, max_steps=2000
    )
    found = solve(ARGS)
    np.testing.assert_allclose(found.ys[:, 0], exact(3, times), rtol=2e-2)
    assert int(found.status) == sj.Status.SUCCESS and int(found.stats.num_accepted) > 20


def test_fixed_steps_end_on_save_times():
    times = np.array([0.1, 0.317])
    found = sj.solve(geometric(), diffrax.ItoMilstein(), key=3, dt0=0.002, saveat=times)
    np.testing.assert_allclose(found.ys[:, 0], exact(3, times), rtol=5e-3)
    with pytest.raises(ValueError, match="needs save times, `t0`, `t1` and `dt0` that are known when tracing"):
        jax.jit(lambda ts: sj.solve(geometric(), diffrax.ItoMilstein(), key=3, dt0=0.1, saveat=ts).y1)(jnp.array(times))


def test_additive_and_general_noise_and_pytrees_are_solved():
    """The same path as our own methods: close to SOSRA on additive noise, and Heun on a matrix of noise.

    Between programs the normal numbers agree to single precision.
    """
    ours = sj.solve(ornstein_uhlenbeck(), sj.SOSRA(), key=4, dt0=0.02, controller=sj.FixedStep())
    theirs = sj.solve(ornstein_uhlenbeck(), diffrax.ShARK(), key=4, dt0=0.02)
    np.testing.assert_allclose(theirs.y1, ours.y1, atol=2e-4)
    each = lambda function: lambda t, y, args: jax.tree_util.tree_map(lambda leaf: function(t, leaf, args), y)
    matrix = lambda t, y, args: jax.tree_util.tree_map(lambda leaf: jnp.stack([0.3 * leaf, 0.2 * leaf], -1), y)
    state = {"a": jnp.array([0.5, 0.4]), "b": jnp.array(0.3)}
    problem = sj.SDEProblem(each(growth), matrix, state, 0.0, 1.0, ARGS, noise="general", interpretation="stratonovich")
    saveat = sj.SaveAt(t0=True, t1=True, fn=lambda t, y, args: y["b"])
    theirs = sj.solve(problem, diffrax.Heun(), key=4, dt0=0.05, controller=sj.FixedStep(), saveat=saveat)
    ours = sj.solve(problem, sj.StochasticHeun(), key=4, dt0=0.05)
    np.testing.assert_allclose(theirs.y1["a"], ours.y1["a"], rtol=1e-6)
    np.testing.assert_allclose(theirs.ys, jnp.stack([state["b"], ours.y1["b"]]), rtol=1e-6)


@pytest.mark.parametrize(
    ("solver", "error", "message"),
    [
        (diffrax.Tsit5(), TypeError, "`diffrax.Tsit5` does not solve stochastic equations"),
        (diffrax.ShARK(), ValueError, "`diffrax.ShARK` solves problems with additive noise; got noise='diagonal'"),
    ],
    ids=["Tsit5", "ShARK"],
)
def test_solvers_that_do_not_fit_are_refused(solver, error, message):
    with pytest.raises(error, match=message):
        sj.solve(geometric(), solver, key=0, dt0=0.1)


def test_a_key_is_required_and_ordinary_problems_do_not_take_stochastic_solvers():
    with pytest.raises(ValueError, match="needs `key`"):
        sj.solve(geometric(), diffrax.EulerHeun(), dt0=0.1)
    with pytest.raises(TypeError, match="needs several terms"):
        sj.solve(sj.ODEProblem(growth, jnp.ones(1), 0.0, 1.0, ARGS), diffrax.EulerHeun(), dt0=0.1)


def test_the_same_equation_through_diffrax_by_hand_gives_the_same_numbers():
    """Our terms, and Diffrax's with the same Brownian path, by Euler-Maruyama."""
    from sciml_jax.equations.diffrax_noise import DiffraxBrownianPath
    from sciml_jax.numerics.counter_normals import key_words

    path = DiffraxBrownianPath(key_words(jax.random.key(3)), 0.0, 1.0, 1, jnp.dtype(float))
    noise = diffrax.ControlTerm(lambda t, y, args: fluctuation(t, y, args)[:, None], path)
    terms = diffrax.MultiTerm(diffrax.ODETerm(growth), noise)
    wanted = diffrax.diffeqsolve(terms, diffrax.Euler(), 0.0, 1.0, 0.1, jnp.array([0.5]), ARGS).ys[0]
    np.testing.assert_allclose(sj.solve(geometric(), diffrax.Euler(), key=3, dt0=0.1).y1, wanted, rtol=1e-6)
    np.testing.assert_allclose(sj.solve(geometric(), sj.EulerMaruyama(), key=3, dt0=0.1).y1, wanted, rtol=1e-6)
