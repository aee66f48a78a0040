"""Samplers: uniformity, equality with an independent code, and points that follow the residual."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

import sciml_jax as sj

SAMPLERS = [sj.pinn.Uniform(), sj.pinn.LatinHypercube(), sj.pinn.Sobol(), sj.pinn.Halton()]
LOWER, UPPER = jnp.array([0.0, -1.0, 2.0]), jnp.array([1.0, 1.0, 5.0])
KEY = jax.random.key(0)


def unit(sampler, n, d, key=KEY, dtype=float):
    box = np.zeros(d, dtype), np.ones(d, dtype)
    return np.asarray(jax.jit(lambda key: sampler.points(key, n, *box))(key))


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_points_are_uniform_in_the_box_and_drawn_inside_jit(sampler):
    draw = jax.jit(lambda key: sampler.points(key, 500, LOWER, UPPER))
    points = np.asarray(draw(KEY))
    assert points.shape == (500, 3) and np.all(points >= LOWER) and np.all(points <= UPPER)
    assert np.any(points != np.asarray(draw(jax.random.key(1))))
    scaled = (points - np.asarray(LOWER)) / (np.asarray(UPPER) - np.asarray(LOWER))
    for i in range(3):
        assert stats.kstest(scaled[:, i], "uniform").pvalue > 1e-3
    counts = np.histogram2d(scaled[:, 0], scaled[:, 1], bins=4)[0]
    assert stats.chisquare(counts.ravel()).pvalue > 1e-3


@pytest.mark.full
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_every_single_point_is_uniform_over_the_draws(sampler):
    """What makes the mean of a function over the points unbiased."""
    first = jax.jit(jax.vmap(lambda k: sampler.points(k, 4, jnp.zeros(2), jnp.ones(2))[1]))
    points = np.asarray(first(jax.random.split(KEY, 1000)))
    for i in range(2):
        assert stats.kstest(points[:, i], "uniform").pvalue > 1e-3


@pytest.mark.parametrize("n", [7, 64])
def test_unscrambled_sequences_are_those_of_scipy(n):
    ours = unit(sj.pinn.Sobol(scramble=False), n, 32, key=None)
    with np.errstate(all="ignore"):
        theirs = stats.qmc.Sobol(32, scramble=False).random_base2(6)[:n]
    np.testing.assert_array_equal(ours, theirs)
    ours = unit(sj.pinn.Halton(scramble=False), n, 12, key=None)
    np.testing.assert_allclose(ours, stats.qmc.Halton(12, scramble=False).random(n), atol=1e-15)


def test_latin_hypercubes_and_sobol_sets_hold_one_point_per_slab():
    for sampler in (sj.pinn.LatinHypercube(), sj.pinn.Sobol(), sj.pinn.Sobol(scramble=False)):
        slabs = np.sort((unit(sampler, 64, 5) * 64).astype(int), axis=0)
        np.testing.assert_array_equal(slabs, np.arange(64)[:, None] * np.ones(5, int))


def test_scrambled_sobol_points_remain_a_net():
    """Every elementary box of volume 1/64 in the first two dimensions holds one point."""
    points = unit(sj.pinn.Sobol(), 64, 2)
    for k in range(7):
        cells = (points * [2**k, 2 ** (6 - k)]).astype(int)
        assert len({tuple(cell) for cell in cells}) == 64


@pytest.mark.full
def test_quasi_random_points_fill_the_box_more_evenly_than_random_ones():
    gaps = {type(s).__name__: stats.qmc.discrepancy(unit(s, 256, 2)) for s in SAMPLERS}
    assert gaps["Sobol"] < 0.05 * gaps["Uniform"] and gaps["Halton"] < 0.1 * gaps["Uniform"]
    assert gaps["LatinHypercube"] < gaps["Uniform"]


@pytest.mark.full
@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: type(s).__name__)
def test_float32_points_stay_below_one(sampler):
    points = unit(sampler, 4096, 2, dtype=jnp.float32)
    assert points.dtype == np.float32 and points.max() < 1 and points.min() >= 0


@pytest.mark.full
def test_halton_has_no_largest_dimension():
    points = unit(sj.pinn.Halton(), 128, 100)
    assert points.shape == (128, 100)
    assert np.abs(np.corrcoef(points.T) - np.eye(100)).max() < 0.5


def magnitude(points):
    return jnp.exp(-50 * (points[:, 0] - 0.8) ** 2)


def draw(key, n):
    return jax.random.uniform(key, (n, 2))


@pytest.mark.full
def test_rad_draws_from_the_law_of_the_residual():
    points = jax.jit(lambda k: sj.pinn.RAD(k=1.0, c=0.0, candidates=100).update(k, draw(k, 500), magnitude, draw))(KEY)
    expected = stats.truncnorm((0 - 0.8) / 0.1, (1 - 0.8) / 0.1, loc=0.8, scale=0.1)
    assert stats.kstest(points[:, 0], expected.cdf).pvalue > 1e-3
    assert stats.kstest(points[:, 1], "uniform").pvalue > 1e-3
    assert len(np.unique(points[:, 1])) == 500
    flat = jax.jit(lambda k: sj.pinn.RAD(k=1.0, c=1e9).update(k, draw(k, 500), magnitude, draw))(KEY)
    assert stats.kstest(flat[:, 0], "uniform").pvalue > 1e-3


@pytest.mark.full
def test_rard_keeps_its_background_and_displaces_the_oldest_added_points():
    adaptive = sj.pinn.RARD(adaptive=0.5, fresh=0.1)
    old = draw(KEY, 100)
    new = jax.jit(lambda k: adaptive.update(k, old, magnitude, draw))(jax.random.key(1))
    np.testing.assert_array_equal(new[:50], old[:50])
    np.testing.assert_array_equal(new[50:90], old[60:])
    assert float(jnp.mean(magnitude(new[90:]))) > 0.5 > float(jnp.mean(magnitude(old)))


def test_r3_retains_large_residuals_and_resamples_the_others():
    old = draw(KEY, 200)
    new = jax.jit(lambda k: sj.pinn.R3().update(k, old, magnitude, draw))(jax.random.key(1))
    stays = np.asarray(magnitude(old) > jnp.mean(magnitude(old)))
    np.testing.assert_array_equal(new[stays], old[stays])
    assert np.all(new[~stays] != old[~stays]) and 0 < stays.sum() < 100


@pytest.mark.full
def test_a_residual_of_zero_or_nan_leaves_usable_points():
    for size in (jnp.zeros, lambda n: jnp.full(n, jnp.nan)):
        for adaptive in (sj.pinn.RAD(), sj.pinn.RARD(), sj.pinn.R3()):
            update = jax.jit(lambda k, a=adaptive, s=size: a.update(k, draw(k, 40), lambda p: s(len(p)), draw))
            points = np.asarray(update(KEY))
            assert points.shape == (40, 2) and np.all(np.isfinite(points))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sj.pinn.Uniform().points(KEY, 2.5, LOWER, UPPER), TypeError, "integer"),
        (lambda: sj.pinn.Uniform().points(KEY, 0, LOWER, UPPER), ValueError, "at least 1"),
        (lambda: sj.pinn.Uniform().points(KEY, 5, LOWER, UPPER[:2]), ValueError, "one shape"),
        (lambda: sj.pinn.Sobol().points(None, 5, LOWER, UPPER), TypeError, "key"),
        (lambda: sj.pinn.Sobol().points(KEY, 5, jnp.zeros(33), jnp.ones(33)), ValueError, "Halton"),
        (lambda: sj.pinn.RAD(k=-1.0), ValueError, "`k`"),
        (lambda: sj.pinn.RAD(candidates=0), ValueError, "candidates"),
        (lambda: sj.pinn.RARD(adaptive=0.1, fresh=0.2), ValueError, "fresh"),
        (lambda: sj.pinn.R3().update(KEY, draw(KEY, 4), lambda p: p, draw), ValueError, "one number per point"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call()
