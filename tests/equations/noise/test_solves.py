"""Solves of problems with noise: save times, adaptive steps, moments, derivatives, pytrees, stiff drift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import (
    ALPHA,
    ARGS,
    OU_ARGS,
    START,
    fluctuation,
    geometric,
    geometric_exact,
    growth,
    ornstein_uhlenbeck,
    small_spread,
    stiff_drift,
)

KEYS = jax.random.split(jax.random.key(11), 50)
TIMES = jnp.array([0.0, 0.1, 0.317, 0.5, 0.999, 1.0])


def path(key, t1=1.0):
    return sj.BrownianPath(key, 0.0, t1, (1,))


def exact(key, times):
    return geometric_exact(times, path(key).evaluate(times)[:, 0])


@pytest.mark.parametrize("method", [sj.SOSRI(), sj.SRIW1()], ids=lambda m: m.name)
def test_adaptive_errors_on_the_path_fall_with_the_tolerance(method):
    """Root mean square over 50 paths at all save times; rejected steps are taken again on the same path."""
    solve = jax.jit(
        jax.vmap(lambda key, tol: sj.solve(geometric(), method, key=key, rtol=tol, atol=tol, saveat=TIMES), (0, None))
    )
    wanted = jax.vmap(exact, (0, None))(KEYS, TIMES)
    errors, steps = [], []
    for tol in (3e-2, 3e-3, 3e-4):
        found = solve(KEYS, tol)
        assert np.all(found.status == sj.Status.SUCCESS) and np.mean(found.stats.num_rejected) > 0
        errors.append(float(jnp.sqrt(jnp.mean((found.ys[..., 0] - wanted) ** 2))))
        steps.append(float(np.mean(found.stats.num_accepted)))
    assert errors[0] < 0.1 and errors[1] < errors[0] / 3 and errors[2] < errors[1] / 3
    assert steps[0] < 40 and steps[2] < 400


def test_save_times_are_stepped_on_and_do_not_change_the_path():
    """The error at save times between fixed steps is as small as at the steps, and so is that at the end."""
    found = sj.solve(geometric(), sj.SRIW1(), key=5, dt0=0.01, controller=sj.FixedStep(), saveat=TIMES)
    np.testing.assert_allclose(found.ys[:, 0], exact(5, TIMES), rtol=4e-3)
    assert found.ys[0, 0] == START and int(found.stats.num_accepted) == 102
    plain = sj.solve(geometric(), sj.SRIW1(), key=5, dt0=0.01, controller=sj.FixedStep())
    np.testing.assert_allclose(plain.y1, found.ys[-1], rtol=4e-3)


def test_the_same_key_gives_the_same_path_to_every_method_and_another_key_another_one():
    ends = [sj.solve(geometric(), m, key=5, dt0=2e-3, controller=sj.FixedStep()).y1[0] for m in (sj.SOSRI(), sj.DRI1())]
    np.testing.assert_allclose(ends, np.full(2, exact(5, jnp.ones(1))), rtol=2e-3)
    other = sj.solve(geometric(), sj.SOSRI(), key=6, dt0=2e-3, controller=sj.FixedStep()).y1[0]
    assert abs(other / ends[0] - 1) > 0.05
    seed = sj.solve(geometric(), sj.SOSRI(), key=jax.random.key(5), dt0=2e-3, controller=sj.FixedStep()).y1[0]
    assert seed == ends[0]


def test_geometric_brownian_motion_has_its_moments():
    """Mean and variance over 4000 paths by DRI1 within four standard errors; its own bias is below a tenth of one."""
    keys = jax.random.split(jax.random.key(2), 4000)
    found = jax.jit(jax.vmap(lambda key: sj.solve(geometric(), sj.DRI1(), key=key, dt0=1 / 16).y1[0]))(keys)
    found = np.asarray(found)
    mean, variance = 1.3728005075, 2.1327011053
    assert abs(found.mean() - mean) < 4 * found.std() / np.sqrt(found.size)
    squares = (found - mean) ** 2
    assert abs(squares.mean() - variance) < 4 * squares.std() / np.sqrt(found.size)


def test_an_ornstein_uhlenbeck_process_has_its_moments():
    """By the adaptive default method, at two times."""
    theta, mu, sigma = OU_ARGS
    times = jnp.array([0.4, 1.0])
    keys = jax.random.split(jax.random.key(3), 1000)
    found = np.asarray(
        jax.jit(jax.vmap(lambda key: sj.solve(ornstein_uhlenbeck(), key=key, rtol=1e-2, saveat=times).ys[:, 0]))(keys)
    )
    decay = np.exp(-theta * np.asarray(times))
    mean, variance = mu + (1.5 - mu) * decay, sigma**2 * (1 - decay**2) / (2 * theta)
    assert np.all(np.abs(found.mean(0) - mean) < 4 * np.sqrt(variance / len(keys)))
    assert np.all(np.abs(found.var(0) / variance - 1) < 4 * np.sqrt(2 / len(keys)))


@pytest.mark.parametrize("mode", ["reverse", "forward"])
def test_derivatives_are_those_of_the_exact_solution_on_its_path(mode):
    """`dX/dalpha = t X` and `dX/dbeta = (W - beta t) X`, by adaptive steps."""
    end = lambda args: sj.solve(geometric(args), sj.SOSRI(), key=1, rtol=1e-5, atol=1e-8).y1[0]
    found = jax.jit((jax.grad if mode == "reverse" else jax.jacfwd)(end))(ARGS)
    wanted = jax.grad(lambda args: geometric_exact(1.0, path(1).evaluate(1.0)[0], args))(ARGS)
    np.testing.assert_allclose(found, wanted, rtol=3e-3)


def test_the_mean_of_pathwise_derivatives_is_the_derivative_of_the_mean():
    """For geometric Brownian motion `d/dalpha E X(T) = X(0) T e^(alpha T)`."""
    keys = jax.random.split(jax.random.key(4), 1000)
    end = lambda args, key: sj.solve(geometric(args), sj.DRI1(), key=key, dt0=1 / 8, max_steps=9).y1[0]
    found = np.asarray(jax.jit(jax.vmap(jax.grad(end), (None, 0)))(ARGS, keys))[:, 0]
    assert abs(found.mean() - START * np.exp(ALPHA)) < 4 * found.std() / np.sqrt(found.size)


def test_derivatives_with_respect_to_times_are_refused():
    end = lambda t1: sj.solve(geometric(t1=t1), sj.EulerMaruyama(), key=0, dt0=0.1).y1[0]
    with pytest.raises(ValueError, match="no derivative with respect to `t0`, `t1` and save times"):
        jax.grad(end)(1.0)
    saved = lambda t: sj.solve(geometric(), sj.EulerMaruyama(), key=0, dt0=0.1, saveat=t[None]).ys[0, 0]
    with pytest.raises(ValueError, match="because a Brownian path has none"):
        jax.jvp(saved, (jnp.array(0.5),), (jnp.array(1.0),))


def test_traced_times_that_are_not_differentiated_are_fine():
    end = jax.jit(
        lambda t1, args: jax.grad(lambda a: sj.solve(geometric(a, t1), sj.SRIW1(), key=0, dt0=0.1).y1[0])(args)
    )
    assert np.all(np.isfinite(end(1.0, ARGS)))
    with_status = jax.jit(lambda t1: sj.solve(geometric(t1=t1), sj.SRIW1(), key=0, dt0=0.1).status)
    assert int(with_status(-1.0)) == sj.Status.BAD_INPUT and int(with_status(1.0)) == sj.Status.SUCCESS


def test_a_pytree_is_solved_as_its_numbers_are():
    """A dict with a matrix and a scalar; the motions come in the order of the leaves."""
    tree = {"a": jnp.array([[0.5, 0.4]]), "b": jnp.array(0.3)}
    each = lambda function: lambda t, y, args: jax.tree_util.tree_map(lambda leaf: function(t, leaf, args), y)
    problem = sj.SDEProblem(each(growth), each(fluctuation), tree, 0.0, 1.0, ARGS)
    flat = sj.SDEProblem(growth, fluctuation, jnp.array([0.5, 0.4, 0.3]), 0.0, 1.0, ARGS)
    found, wanted = (sj.solve(p, sj.SOSRI(), key=8, dt0=0.05, controller=sj.FixedStep()).y1 for p in (problem, flat))
    np.testing.assert_allclose(found["a"][0], wanted[:2], rtol=1e-13)
    np.testing.assert_allclose(found["b"], wanted[2], rtol=1e-13)


def test_stiff_drift_needs_the_implicit_method():
    """With `h` 50 times the explicit limit the implicit method follows the mean of both states, whose law is known."""
    problem = sj.SDEProblem(stiff_drift, small_spread, jnp.array([1.0, 0.0]), 0.0, 1.0, noise="additive")
    found = sj.solve(problem, sj.ImplicitEulerMaruyama(), key=0, dt0=0.01)
    # The mean of both is an Ornstein-Uhlenbeck process with this motion.
    motions = sj.BrownianPath(0, 0.0, 1.0, (2,))
    times = jnp.linspace(0.0, 1.0, 20001)
    w = motions.evaluate(times) @ jnp.array([0.15, 0.1])
    mean = jnp.exp(-1.0) * 0.5 + w[-1] - jnp.trapezoid(jnp.exp(times - 1.0) * w, times)
    np.testing.assert_allclose(jnp.mean(found.y1), mean, atol=5e-3)
    assert abs(found.y1[0] - found.y1[1]) < 0.02
    explicit = sj.solve(problem, sj.EulerMaruyama(), key=0, dt0=0.01, on_failure="status")
    assert not np.all(np.abs(explicit.y1) < 1e3)


def equilibrium(rate):
    """An Ornstein-Uhlenbeck process from zero, with the variance one in equilibrium."""
    spread = lambda t, y, args: jnp.full_like(y, (2 * rate) ** 0.5)
    return sj.SDEProblem(lambda t, y, args: -rate * y, spread, jnp.zeros(1), 0.0, 10.0, noise="additive")


@pytest.mark.parametrize(("product", "variance"), [pytest.param(1.0, 0.9938, marks=pytest.mark.full), (10.0, 0.5324)])
def test_skencarp_damps_the_fluctuations_of_fast_directions(product, variance):
    """In equilibrium at `h k = 1` and 10, as the stability function says."""
    options = {"dt0": 0.1, "controller": sj.FixedStep()}
    one = lambda method: lambda key: sj.solve(equilibrium(10 * product), method, key=key, **options).y1[0]
    keys = jax.random.split(jax.random.key(0), 1000)
    found = np.asarray(jax.jit(jax.vmap(one(sj.SKenCarp())))(keys))
    assert abs(found.var() / variance - 1) < 4 * np.sqrt(2 / 1000)


def test_skencarp_follows_slow_directions_with_the_steps_that_these_need():
    """The mean of two stiffly coupled states to the tolerance, in a few steps; `SOSRA` needs thousands."""
    problem = sj.SDEProblem(stiff_drift, small_spread, jnp.array([1.0, 0.0]), 0.0, 1.0, noise="additive")
    found = sj.solve(problem, sj.SKenCarp(), key=0, rtol=1e-3, atol=1e-3)
    assert int(found.status) == sj.Status.SUCCESS and int(found.stats.num_steps) < 25
    times = jnp.linspace(0.0, 1.0, 20001)
    w = sj.BrownianPath(0, 0.0, 1.0, (2,)).evaluate(times) @ jnp.array([0.15, 0.1])
    mean = jnp.exp(-1.0) * 0.5 + w[-1] - jnp.trapezoid(jnp.exp(times - 1.0) * w, times)
    np.testing.assert_allclose(jnp.mean(found.y1), mean, atol=3e-3)
    explicit = sj.solve(problem, sj.SOSRA(), key=0, rtol=1e-3, atol=1e-3, on_failure="status")
    assert int(explicit.stats.num_steps) > 3000


def wavy(t, y, args):
    return jnp.sin(2 * y) - y * jnp.cos(t)


def waving(t, y, args):
    return jnp.full_like(y, 0.7) * (1 + 0.5 * jnp.sin(3 * t))


def test_skencarp_has_order_three_halves_on_a_nonlinear_drift_and_adapts():
    """Root mean square over 200 paths against fine steps of `SRA1`; the slope to within four standard errors."""
    problem = sj.SDEProblem(wavy, waving, jnp.array([0.6]), 0.0, 1.0, noise="additive")
    keys = jax.random.split(jax.random.key(0), 200)

    def ends(method, **options):
        return jax.jit(jax.vmap(lambda key, o: sj.solve(problem, method, key=key, **o, **options), (0, None)))

    fixed = ends(sj.SKenCarp(), controller=sj.FixedStep())
    exact = ends(sj.SRA1(), controller=sj.FixedStep())(keys, {"dt0": 1 / 512}).y1[:, 0]
    squares = np.stack([(fixed(keys, {"dt0": 2.0**-k}).y1[:, 0] - exact) ** 2 for k in (2, 3, 4, 5)])
    slopes = np.log2(squares.mean(1)[0] / squares.mean(1)[-1]) / 6
    spread = np.sqrt(np.sum((squares.std(1) / squares.mean(1) / np.sqrt(200))[[0, -1]] ** 2)) / np.log(2) / 6
    assert abs(slopes - 1.55) < 0.1 + 4 * spread and spread < 0.05
    adaptive = ends(sj.SKenCarp())
    found = [adaptive(keys, {"rtol": tol, "atol": tol}) for tol in (1e-2, 1e-3)]
    errors = [float(jnp.sqrt(jnp.mean((f.y1[:, 0] - exact) ** 2))) for f in found]
    assert errors[0] < 0.04 and errors[1] < errors[0] / 3 and np.mean(found[1].stats.num_accepted) < 60


def test_stepping_by_hand_takes_the_steps_of_solve():
    state = sj.init(geometric(), sj.SOSRI(), key=3)
    while state.running:
        state = sj.step(state)
    np.testing.assert_allclose(state.y, sj.solve(geometric(), sj.SOSRI(), key=3).y1, rtol=1e-6)


def test_dense_output_is_a_straight_line_between_the_steps():
    found = sj.solve(
        geometric(),
        sj.SRIW1(),
        key=3,
        dt0=0.25,
        controller=sj.FixedStep(),
        saveat=sj.SaveAt(t0=True, steps=1, dense=True),
    )
    np.testing.assert_allclose(found(0.125), 0.5 * (found.ys[0] + found.ys[1]), rtol=1e-14)


def test_converted_drift_of_noise_that_couples_the_states_is_exact():
    """For diagonal noise only `(dg_i/dy_i) g_i` counts, also where g_i depends on other states."""
    coupled = lambda t, y, args: jnp.stack([y[0] * y[1], y[1] + y[0]])
    still = lambda t, y, args: 0.0 * y
    correct = lambda t, y, args: 0.5 * jnp.stack([y[1] * y[0] * y[1], y[1] + y[0]])
    y0 = jnp.array([0.4, 0.3])
    stated = sj.SDEProblem(still, coupled, y0, 0.0, 0.5, interpretation="stratonovich")
    by_hand = sj.SDEProblem(correct, coupled, y0, 0.0, 0.5)
    found, wanted = (sj.solve(p, sj.EulerMaruyama(), key=0, dt0=0.05).y1 for p in (stated, by_hand))
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_the_default_method_follows_the_noise():
    names = {}
    for noise in ("diagonal", "scalar", "additive", "general"):
        for interpretation in ("ito", "stratonovich"):
            problem = geometric(noise=noise, interpretation=interpretation)
            names[noise, interpretation] = problem.default_method().name
    assert {names["diagonal", i] for i in ("ito", "stratonovich")} == {"SOSRI"} == {names["scalar", "ito"]}
    assert names["additive", "ito"] == "SOSRA"
    assert names["general", "ito"] == "EulerMaruyama" and names["general", "stratonovich"] == "StochasticHeun"
