"""Exact methods sample the law of the process: moments, whole distributions, and agreement with each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

from .networks import (
    birth_death,
    chain,
    chi_square_p,
    dimerisation,
    dimerisation_probabilities,
    nonlinear,
    repressor,
    sample,
    standard_errors,
)

EXACT = [sj.Gillespie(), sj.GroupedDirect()]
IDS = ["Gillespie", "GroupedDirect"]


@pytest.mark.parametrize("method", EXACT, ids=IDS)
def test_birth_and_death_has_its_mean_at_every_save_time_and_a_poisson_law_in_the_end(method):
    times = jnp.linspace(0.0, 1.0, 11)
    problem = birth_death()
    ys = sample(problem, method, 2000, of=lambda sol: sol.ys[:, 0], saveat=times)
    assert ys.dtype == np.int64
    for i in range(1, 11):
        assert abs(standard_errors(ys[:, i], 100 * (1 - np.exp(-10 * float(times[i]))))) < 4
    assert np.all(ys[:, 0] == 0)
    at_rest = 100 * (1 - np.exp(-10.0))
    pmf = stats.poisson.pmf(np.arange(160), at_rest)
    assert 1e-4 < chi_square_p(ys[:, -1], pmf) < 1 - 1e-4


@pytest.mark.parametrize("method", EXACT, ids=IDS)
def test_a_dimerisation_has_the_probabilities_of_its_master_equation(method):
    ys = sample(dimerisation(), method, 20_000, of=lambda sol: sol.ys[:, 1], saveat=jnp.array([0.1, 0.3]))
    for i, t in enumerate((0.1, 0.3)):
        assert 1e-4 < chi_square_p(ys[:, i], dimerisation_probabilities(t)) < 1 - 1e-4


def test_a_self_repressing_gene_has_its_published_mean():
    protein = sample(repressor(), sj.Gillespie(), 4000, of=lambda sol: sol.y1[2])
    # The published mean is that of 8,000 paths.
    assert abs(protein.mean() - 592.655375) < 4 * protein.std() * np.sqrt(1 / 4000 + 1 / 8000)


def test_reactions_of_order_three_have_their_published_mean():
    counts = sample(nonlinear(), sj.Gillespie(), 10_000, of=lambda sol: sol.y1[0])
    assert abs(counts.mean() - 84.876015625) < 4 * counts.std() * np.sqrt(1 / 10_000 + 1 / 32_000)


def test_waiting_times_are_exponential():
    problem = sj.JumpProblem(lambda t, y, k: jnp.array([2.0]), [[1]], jnp.array([0]), 0.0, 1e6)
    sol = sj.solve(problem, key=3, max_steps=20_000, saveat=sj.SaveAt(steps=1), on_failure="status")
    waits = np.diff(np.asarray(sol.ts))
    assert stats.kstest(waits, "expon", args=(0, 0.5)).pvalue > 1e-4
    assert abs(np.corrcoef(waits[1:], waits[:-1])[0, 1]) < 4 / np.sqrt(len(waits))


def test_rare_reactions_fire_at_their_rate():
    ratio = 1e-5
    rates = lambda t, y, k: jnp.array([ratio, 1.0, ratio])
    problem = sj.JumpProblem(rates, [[1, 0], [0, 0], [0, 1]], jnp.array([0, 0]), 0.0, 2000.0)
    counts = sample(problem, sj.Gillespie(), 5000).sum(axis=0)
    expected = ratio * 2000 * 5000
    assert np.all(np.abs(counts - expected) < 4 * np.sqrt(expected))


def test_time_dependent_rates_are_thinned_exactly():
    rates = lambda t, y, k: jnp.stack([1 + jnp.sin(t), 0.5 * jnp.cos(t) ** 2])
    exact = 6 + 1 - np.cos(6.0)
    for bound in (2.5, lambda t, y, k: 1.5 + jnp.sqrt(k)):
        problem = sj.JumpProblem(rates, [[1, 0], [0, 1]], jnp.array([0, 0]), 0.0, 6.0, 1.0, rate_bound=bound)
        ys, rejected = sample(problem, sj.Gillespie(), 5000, of=lambda s: (s.y1, s.stats.num_rejected))
        assert abs(ys[:, 0].mean() - exact) < 4 * np.sqrt(exact / 5000)
        pmf = stats.poisson.pmf(np.arange(25), exact)
        assert chi_square_p(ys[:, 0], pmf) > 1e-4
        thinned = 15 - exact - 0.25 * (6 + np.sin(12.0) / 2)
        assert abs(rejected.mean() - thinned) < 4 * np.sqrt(thinned / 5000)


@pytest.mark.full
def test_a_large_network_keeps_its_particles_and_spreads_like_its_mean():
    problem = chain(64, t1=0.5)
    start = jnp.zeros(64, int).at[0].set(1280)
    problem = sj.JumpProblem(problem.rates, problem.stoichiometry, start, 0.0, 0.5)
    means = []
    for method in EXACT:
        ys = sample(problem, method, 100)
        assert np.all(ys.sum(axis=1) == 1280) and ys.min() >= 0
        means.append(ys.mean(axis=0))
    # First-order reactions: the mean obeys the rate equations, and counts are multinomial.
    changes = problem.stoichiometry.T @ (np.asarray(problem.rates.constants)[:, None] * (problem.stoichiometry < 0))
    from scipy.linalg import expm

    exact = expm(0.5 * changes) @ np.asarray(start)
    for mean in means:
        assert np.all(np.abs(mean - exact) < 5 * np.sqrt(np.maximum(exact, 0.05) / 100))


def test_affect_may_change_the_state_at_random():
    """A compound Poisson process of exponential sizes: mean and variance of the sum."""

    def grow(t, y, args, reaction, key):
        return y + args * jax.random.exponential(key, y.shape)

    problem = sj.JumpProblem(lambda t, y, k: jnp.array([3.0]), None, jnp.array([0.0]), 0.0, 2.0, 0.5, affect=grow)
    y1 = sample(problem, sj.Gillespie(), 4000)[:, 0]
    assert abs(standard_errors(y1, 3.0)) < 4
    assert abs(y1.var() - 3.0) < 4 * 3.0 * np.sqrt(5.0 / 4000)


def test_single_precision_loses_no_short_waiting_times():
    """A million events by time 1000: waits of 1e-3 where the spacing of times is 6e-5."""
    problem = sj.JumpProblem(
        lambda t, y, k: jnp.array([1000.0], jnp.float32), [[1]], jnp.array([0], jnp.int32), jnp.float32(0), 1000.0
    )
    sol = sj.solve(problem, key=0)
    assert sol.stats.t_last.dtype == jnp.float32
    assert sol.y1.dtype == jnp.int32
    assert abs(int(sol.y1[0]) - 1e6) < 4e3
