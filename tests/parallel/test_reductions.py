"""Reductions: NumPy's numbers, whatever the chunks; quantiles within the stated rank error."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import parallel

RNG = np.random.default_rng(0)
X = RNG.normal(1e6, 1.0, (501, 3))  # a large mean: a sum of squares about zero would lose six digits


def identity(x):
    return {"x": x, "square": x[0] ** 2}


def reduce(data, reduction, chunk_size=64, **options):
    return parallel.ensemble(lambda x: x, data, reduce=reduction, chunk_size=chunk_size, **options)


@pytest.mark.parametrize("chunk_size", [7, 600])
def test_mean_and_variance_are_numpys_for_any_chunks(chunk_size):
    result = parallel.ensemble(
        identity, X, reduce={"m": parallel.mean(), "v": (parallel.variance(), parallel.variance(ddof=1))},
        chunk_size=chunk_size,
    )  # fmt: skip
    assert result.values is None
    np.testing.assert_allclose(result.reduced["m"]["x"], X.mean(axis=0), rtol=1e-15)
    np.testing.assert_allclose(result.reduced["m"]["square"], (X[:, 0] ** 2).mean(), rtol=1e-14)
    np.testing.assert_allclose(result.reduced["v"][0]["x"], X.var(axis=0), rtol=1e-9)
    np.testing.assert_allclose(result.reduced["v"][1]["x"], X.var(axis=0, ddof=1), rtol=1e-9)


def test_complex_and_integer_outputs_have_moments_too():
    z = X[:, 0] - 1e6 + 1j * X[:, 1]
    mean, variance = reduce(z, (parallel.mean(), parallel.variance())).reduced
    np.testing.assert_allclose([mean, variance], [z.mean(), z.var()], rtol=1e-9)
    assert reduce(np.arange(10), parallel.mean()).reduced == 4.5


def test_few_members_have_numpys_quantiles():
    qs = [0.0, 0.1, 0.5, 0.99, 1.0]
    result = reduce(X, parallel.quantiles(qs, size=1024))
    np.testing.assert_allclose(result.reduced, np.quantile(X, qs, axis=0), rtol=1e-15)


@pytest.mark.parametrize("order", ["random", "sorted", "alternating"])
@pytest.mark.parametrize("size", [16, 64])
def test_the_rank_error_of_quantiles_stays_within_the_bound(order, size):
    n, qs = 20_000, np.linspace(0.01, 0.99, 25)
    values = np.random.default_rng(1).permutation(n)
    if order != "random":
        values = np.sort(values)
    if order == "alternating":
        values = np.concatenate([values[::2], values[1::2][::-1]])
    rule = parallel.quantiles(qs, size=size)
    found = reduce(values.astype(float), rule, chunk_size=1000).reduced
    error = np.abs(found - qs * (n - 1)) / n  # the values are their own ranks
    assert error.max() <= rule.rank_error(n)
    assert error.max() > 0 and rule.rank_error(n) < 0.9  # neither exact nor an empty promise


def test_the_stated_error_is_small_by_default():
    rule = parallel.quantiles(0.5)
    assert rule.rank_error(2047) == 0.0 and rule.rank_error(100_000) < 0.005 and rule.rank_error(10**6) < 0.006


def test_failed_members_are_left_out_of_reductions():
    x = np.array([1.0, -1.0, 4.0, 9.0])
    result = parallel.ensemble(
        lambda x: jnp.sqrt(x), x, chunk_size=3, reduce=(parallel.mean(), parallel.variance(), parallel.quantiles(0.5))
    )
    mean, variance, median = result.reduced
    assert mean == 2.0 and median[0] == 2.0 and abs(variance - 2 / 3) < 1e-15
    assert [failure.index for failure in result.failures] == [1]


def test_nothing_to_count_is_nan():
    mean, variance, median = reduce(
        np.full(5, np.nan), (parallel.mean(), parallel.variance(), parallel.quantiles(0.5))
    ).reduced
    assert np.isnan([mean, variance, median[0]]).all()
    empty = parallel.ensemble(identity, X[:0], reduce=(parallel.mean(), parallel.quantiles([0.1, 0.9])))
    assert np.isnan(empty.reduced[0]["x"]).all() and empty.reduced[1]["x"].shape == (2, 3)


class Partial(sj.AbstractSolution):
    """A successful outcome with missing entries, as after a terminal event."""

    status: jax.Array
    stats: dict
    ys: jax.Array


def missing(x):
    return Partial(jnp.array(int(sj.Status.EVENT)), {}, jnp.where(jnp.array([False, True]) & (x > 0.5), jnp.nan, x))


@pytest.mark.parametrize("skip", [True, False])
def test_missing_entries_of_successes_propagate_or_are_skipped(skip):
    x = np.linspace(0.0, 1.0, 101)
    rules = [rule(of=lambda out: out.ys, skip_nan=skip) for rule in (parallel.mean, parallel.variance)]
    rules.append(parallel.quantiles([0.25, 0.5], lambda out: out.ys, skip_nan=skip, size=64))
    result = parallel.ensemble(missing, x, reduce=rules, chunk_size=16)
    mean, variance, quartiles = result.reduced
    assert result.failures == ()
    kept = x[x <= 0.5]
    np.testing.assert_allclose([mean[0], variance[0]], [x.mean(), x.var()], rtol=1e-12)
    expected = [kept.mean(), kept.var()] if skip else [np.nan, np.nan]
    np.testing.assert_allclose([mean[1], variance[1]], expected, rtol=1e-12)
    assert np.isnan(quartiles[:, 1]).all() != skip
    if skip:
        np.testing.assert_allclose(quartiles[:, 1], np.quantile(kept, [0.25, 0.5]), atol=0.03)


def test_infinite_members_make_the_mean_infinite():
    assert reduce(np.array([1.0, np.inf, 2.0]), parallel.mean(), chunk_size=1).reduced == np.inf


def test_the_bits_do_not_depend_on_the_number_of_devices():
    rules = (parallel.mean(), parallel.variance(), parallel.quantiles([0.3, 0.7], size=16))
    one, two = (reduce(X, rules, devices=jax.devices()[:k], chunk_size=32).reduced for k in (1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_reduction_of_ones_own_is_a_small_class():
    class Largest(parallel.AbstractReduction):
        def summarise(self, values, valid):
            return jnp.max(jnp.where(valid, values, -jnp.inf))

        def merge(self, a, b):
            return np.maximum(a, b)

        def finish(self, state):
            return float(state)

    assert reduce(X[:, 0], Largest(lambda x: 2 * x)).reduced == 2 * X[:, 0].max()
