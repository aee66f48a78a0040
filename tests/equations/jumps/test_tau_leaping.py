"""Tau-leaping: Poisson numbers, the size of its errors, and counts that stay non-negative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj
from sciml_jax.equations.jumps.poisson import poisson

from .networks import birth_death, chi_square_p, sample, standard_errors


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_poisson_numbers_have_their_law(dtype):
    means = jnp.array([0.0, 0.3, 9.9, 10.1, 1e3, 1e6], dtype)
    words = jax.random.bits(jax.random.key(1), (20_000, 4), jnp.uint32)
    found = np.asarray(jax.jit(jax.vmap(lambda w: poisson(tuple(w), means)))(words), np.float64)
    assert np.all(found[:, 0] == 0) and np.all(found == np.round(found))
    for i, mean in enumerate(np.asarray(means, np.float64)[1:], start=1):
        assert abs(standard_errors(found[:, i], mean)) < 4
        assert abs(found[:, i].var() / mean - 1) < 4 * np.sqrt((2 + 1 / mean) / 20_000)
        if mean < 1e4:
            pmf = stats.poisson.pmf(np.arange(int(mean + 8 * np.sqrt(mean) + 5)), mean)
            assert chi_square_p(found[:, i], pmf) > 1e-4


def test_bad_means_give_zero():
    words = tuple(jnp.arange(4, dtype=jnp.uint32) + 1)
    assert np.all(poisson(words, jnp.array([-1.0, jnp.nan, 0.0])) == 0)


def test_the_error_of_the_mean_falls_with_epsilon():
    """Decay of many particles: the leaps of explicit tau-leaping follow Euler's method, whose mean is too low."""
    problem = sj.JumpProblem(lambda t, y, k: y.astype(float), [[-1]], jnp.array([100_000]), 0.0, 1.0)
    exact = 1e5 * np.exp(-1.0)
    errors = []
    for epsilon in (0.2, 0.05):
        ys, steps = sample(problem, sj.TauLeaping(epsilon), 200, of=lambda sol: (sol.y1[0], sol.stats.num_steps))
        errors.append(exact - ys.mean())
        # The leap is `epsilon` over the rate: a chain of Euler steps of that size.
        assert abs(ys.mean() - 1e5 * (1 - epsilon) ** (1 / epsilon)) < 4 * ys.std() / np.sqrt(200)
        assert abs(steps.mean() - 1 / epsilon) <= 1.5
    assert 3 < errors[0] / errors[1] < 6


def test_the_default_is_close_to_the_exact_law_at_a_fraction_of_the_steps():
    problem = birth_death(birth=20_000.0, death=10.0)
    exact = 2000 * (1 - np.exp(-10.0))
    ys, steps = sample(problem, sj.TauLeaping(), 1000, of=lambda sol: (sol.y1[0], sol.stats.num_steps))
    assert abs(ys.mean() - exact) < 0.002 * exact
    assert abs(ys.var() / exact - 1) < 0.15
    assert steps.mean() < 2500  # about 38,000 events


@pytest.mark.full
def test_fixed_leaps_have_the_mean_of_eulers_method():
    problem, h = birth_death(), 0.02
    ys = sample(problem, sj.TauLeaping(tau=h), 2000, of=lambda sol: sol.ys[:, 0], saveat=jnp.array([0.1, 1.0]))
    for i, steps in enumerate((5, 50)):
        assert abs(standard_errors(ys[:, i], 100 * (1 - (1 - 10 * h) ** steps))) < 4


@pytest.mark.parametrize("method", [sj.TauLeaping(0.5), sj.TauLeaping(tau=0.5)], ids=["adaptive", "fixed"])
def test_counts_stay_non_negative(method):
    rates = lambda t, y, k: jnp.stack([2.0 * y[0], 3.0 * y[1], y[1] * y[0] * 0.3])
    problem = sj.JumpProblem(rates, [[-1, 1], [0, -1], [-1, -1]], jnp.array([40, 3]), 0.0, 3.0)
    ys, status = sample(problem, method, 500, of=lambda s: (s.ys, s.status), saveat=jnp.linspace(0.0, 3.0, 13))
    assert np.all(status == 0)
    assert ys.min() == 0


@pytest.mark.full
def test_few_particles_are_simulated_nearly_exactly():
    problem = birth_death(y0=0, t1=1.0, birth=20.0, death=4.0)
    mean = 5 * (1 - np.exp(-4.0))
    ys = sample(problem, sj.TauLeaping(), 4000)[:, 0]
    assert chi_square_p(ys, stats.poisson.pmf(np.arange(30), mean)) > 1e-4
