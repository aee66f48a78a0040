"""Jumps on top of an equation: laws, paths against closed forms, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .networks import chi_square_p, sample, standard_errors

DECAY = sj.ODEProblem(lambda t, y, args: -y, jnp.array([0.0]), 0.0, 3.0)


def shots(rate, base=DECAY, t1=3.0):
    """Shot noise: jumps of one at a constant rate, each decaying: `y(t) = sum exp(-(t - t_i))`."""
    return sj.JumpProblem(lambda t, y, a: jnp.reshape(a, (1,)), [[1]], jnp.array([0.0]), 0.0, t1, rate, base=base)


def test_between_jumps_the_state_follows_the_base():
    times = jnp.linspace(0.0, 3.0, 7)
    saveat = sj.SaveAt(ts=times, dense=True)
    sol = sj.solve(shots(2.0), sj.IntegratedHazard(max_jumps=30), key=0, saveat=saveat, rtol=1e-9, atol=1e-11)
    count = int(sol.events[0].count)
    jumps = np.asarray(sol.events[0].ts)[:count]
    assert count > 2 and np.all(np.isnan(sol.events[0].ts[count:]))
    expected = [np.sum(np.exp(-(t - jumps[jumps <= t]))) for t in np.asarray(times)]
    assert np.allclose(sol.ys[:, 0], expected, atol=1e-7)
    assert np.allclose(sol(times)[:, 0], expected, atol=1e-6)
    assert np.allclose(sol.y1, expected[-1], atol=1e-7)
    # What is logged is the state before the jump.
    before = [np.sum(np.exp(-(t - jumps[:i]))) for i, t in enumerate(jumps)]
    assert np.allclose(sol.events[0].ys[:count, 0], before, atol=1e-7)


def test_shot_noise_has_its_mean_and_variance():
    y1 = sample(shots(2.0), None, 1000)[:, 0]
    assert abs(standard_errors(y1, 2 * (1 - np.exp(-3.0)))) < 4
    assert abs(y1.var() - (1 - np.exp(-6.0))) < 0.25


@pytest.mark.full
def test_state_dependent_rates_give_the_law_of_the_master_equation():
    """A gene that switches on and off, and a rate that depends on the state that decays in between."""
    rates = lambda t, y, k: jnp.stack([2.0 * (1 - y[0]), 1.0 * y[0]])
    base = sj.ODEProblem(lambda t, y, k: jnp.stack([0 * y[0], 3.0 * y[0] - y[1]]), jnp.zeros(2), 0.0, 1.0)
    problem = sj.JumpProblem(rates, [[1, 0], [-1, 0]], jnp.zeros(2), 0.0, 1.0, base=base)
    y1 = sample(problem, None, 1500)
    on = 2 / 3 * (1 - np.exp(-3.0))
    assert abs(y1[:, 0].mean() - on) < 4 * np.sqrt(on * (1 - on) / 1500)
    # d<x>/dt = 3 <g> - <x>, <g> = 2/3 (1 - exp(-3 t))
    mean = 2 * ((1 - np.exp(-1.0)) - (np.exp(-1.0) - np.exp(-3.0)) / 2)
    assert abs(standard_errors(y1[:, 1], mean)) < 4


def test_rates_that_depend_on_time_need_no_bound():
    problem = sj.JumpProblem(lambda t, y, k: jnp.reshape(1 + jnp.sin(t), (1,)), [[1]], jnp.array([0.0]), 0.0, 6.0)
    counts = sample(problem, sj.IntegratedHazard(), 4000, seed=1)[:, 0]
    exact = 7 - np.cos(6.0)
    assert abs(counts.mean() - exact) < 4 * np.sqrt(exact / 4000)
    assert chi_square_p(np.round(counts), stats.poisson.pmf(np.arange(30), exact)) > 1e-4


def test_derivatives_move_the_jumps():
    """With `E_i` fixed the jumps come at `S_i / rate`: `dy/drate = -sum exp(-(3 - t_i)) t_i / rate`."""
    sol = sj.solve(shots(2.0), sj.IntegratedHazard(max_jumps=30), key=0, rtol=1e-10, atol=1e-12)
    jumps = np.asarray(sol.events[0].ts)[: int(sol.events[0].count)]
    exact = -np.sum(np.exp(-(3.0 - jumps)) * jumps / 2.0)
    end = lambda rate: sj.solve(shots(rate), key=0, rtol=1e-10, atol=1e-12).y1[0]
    assert np.isclose(jax.grad(end)(2.0), exact, rtol=1e-6)
    assert np.isclose(jax.jvp(end, (2.0,), (1.0,))[1], exact, rtol=1e-6)
    assert np.isclose((end(2.0 + 1e-4) - end(2.0 - 1e-4)) / 2e-4, exact, rtol=1e-4)


def test_noise_below_jumps():
    """An Ornstein-Uhlenbeck process with shots: the variances add up."""
    sde = sj.SDEProblem(lambda t, y, a: -y, lambda t, y, a: 0.3 + 0 * y, jnp.array([0.0]), 0.0, 2.0)
    y1, status = sample(shots(2.0, base=sde, t1=2.0), None, 600, of=lambda s: (s.y1[0], s.status))
    assert np.all(status == 0)
    assert abs(standard_errors(y1, 2 * (1 - np.exp(-2.0)))) < 4
    variance = (0.045 + 1.0) * (1 - np.exp(-4.0))
    assert abs(y1.var() / variance - 1) < 4 * np.sqrt(3 / 600)


def test_events_of_the_user_act_beside_the_jumps():
    """Doses at given times and an end where the state falls to a level, for the same jumps as without them."""
    options = {"key": 0, "rtol": 1e-9, "atol": 1e-11}
    method, times = sj.IntegratedHazard(max_jumps=30), jnp.linspace(0.0, 3.0, 7)
    dose = sj.PresetTimes(jnp.array([1.0, 2.0]), lambda t, y, a: y + 2.0)
    sol = sj.solve(shots(2.0), method, saveat=times, events=[dose], **options)
    plain = sj.solve(shots(2.0), method, **options)
    np.testing.assert_allclose(sol.events[0].ts, plain.events[0].ts, rtol=1e-8)
    pulses = [(t, 1.0) for t in np.asarray(sol.events[0].ts)[: int(sol.events[0].count)]] + [(1.0, 2.0), (2.0, 2.0)]
    expected = [sum(size * np.exp(-(t - at)) for at, size in pulses if at <= t) for t in np.asarray(times)]
    np.testing.assert_allclose(sol.ys[:, 0], expected, atol=1e-7)
    # What the user's event logs is the user's state.
    assert sol.events[1].ys.shape == (2, 1) and int(sol.events[1].count) == 2
    low = sj.Event(lambda t, y, a: y[0] - 0.5, terminal=True, direction=-1)
    ended = sj.solve(shots(2.0), method, events=low, **options)
    first = float(plain.events[0].ts[0])
    np.testing.assert_allclose(ended.events[1].ts[0], first + np.log(2.0), rtol=1e-7)
    assert int(ended.status) == sj.Status.EVENT


@pytest.mark.full
def test_doses_in_a_jump_diffusion_have_their_mean():
    """An Ornstein-Uhlenbeck process with shots and a dose: the means add up."""
    sde = sj.SDEProblem(lambda t, y, a: -y, lambda t, y, a: 0.3 + 0 * y, jnp.array([0.0]), 0.0, 2.0)
    dose = sj.PresetTimes(jnp.array([1.0]), lambda t, y, a: y + 2.0)
    solve = lambda key: sj.solve(shots(2.0, base=sde, t1=2.0), key=key, events=[dose]).y1[0]
    y1 = np.asarray(jax.jit(jax.vmap(solve))(jax.random.split(jax.random.key(3), 600)))
    assert abs(standard_errors(y1, 2 * (1 - np.exp(-2.0)) + 2 * np.exp(-1.0))) < 4


@pytest.mark.full
def test_random_sizes_and_own_arguments_of_the_base():
    """Jumps of normal size on top of growth: the mean grows as `exp(a t)`."""
    base = sj.ODEProblem(lambda t, y, a: a * y, jnp.array([1.0]), 0.0, 1.0, 0.5)
    grow = lambda t, y, args, reaction, key: y + args["size"] * jax.random.normal(key, y.shape)
    problem = sj.JumpProblem(
        lambda t, y, args: args["rate"], None, base.y0, 0.0, 1.0,
        {"rate": jnp.array([4.0]), "size": 0.2}, base=base, affect=grow,
    )  # fmt: skip
    y1 = sample(problem, None, 1000)[:, 0]
    assert abs(standard_errors(y1, np.exp(0.5))) < 4
    variance = 4 * 0.04 * (np.exp(1.0) - 1) / 1.0
    assert abs(y1.var() / variance - 1) < 4 * np.sqrt(3 / 1000)


@pytest.mark.full
def test_tolerances_per_state_saved_functions_and_single_precision():
    saveat = sj.SaveAt(ts=jnp.array([1.0, 3.0]), fn=lambda t, y, a: {"twice": 2 * y})
    plain = sj.solve(shots(2.0), key=1, saveat=saveat, rtol=1e-9, atol=1e-10)
    fitted = sj.solve(shots(2.0), key=1, saveat=saveat, rtol=1e-9, atol=jnp.array([1e-10]))
    assert np.allclose(plain.ys["twice"], fitted.ys["twice"], rtol=1e-7)
    assert np.allclose(plain.ys["twice"][-1], 2 * plain.y1, rtol=1e-12)
    low = jnp.float32
    base = sj.ODEProblem(lambda t, y, args: -y, jnp.zeros(1, low), low(0), low(3))
    problem = sj.JumpProblem(lambda t, y, a: jnp.full(1, 2.0, low), [[1]], jnp.zeros(1, low), low(0), low(3), base=base)
    sol = sj.solve(problem, key=1)
    assert sol.y1.dtype == low and np.isfinite(sol.y1[0])


def test_wrong_bases_are_refused():
    make = lambda **kw: sj.JumpProblem(lambda t, y, a: y, [[1]], kw.pop("y0", jnp.array([0.0])), 0.0, 1.0, **kw)
    with pytest.raises(TypeError, match="`base` must be an `ODEProblem`"):
        make(base=3)
    with pytest.raises(TypeError, match="With `base` the state must be float"):
        make(base=DECAY, y0=jnp.array([0]))
    with pytest.raises(ValueError, match="`base` must have a state like `y0`"):
        make(base=sj.ODEProblem(lambda t, y, a: -y, jnp.zeros(2), 0.0, 1.0))
    with pytest.raises(ValueError, match="`Gillespie` simulates jumps with nothing between them"):
        sj.solve(make(base=DECAY), sj.Gillespie(), key=0)
    with pytest.raises(TypeError, match="`method` must be"):
        sj.IntegratedHazard(sj.Gillespie())
    with pytest.raises(TypeError, match="`events` must be"):
        sj.solve(shots(2.0), key=0, events=[3])
