"""The Brownian tree: joint law of the path and its integral, and consistency over refinements."""

import jax
import jax.numpy as jnp
import numpy as np

from sciml_jax.numerics.brownian_tree import DEPTH, brownian_increments, path_and_integral, random_signs
from sciml_jax.numerics.counter_normals import key_words

T0, T1 = -0.5, 1.5
WORDS = jax.vmap(key_words)(jax.random.split(jax.random.key(0), 20_000))


def covariances(times):
    """Of (W, int W) at some times after the beginning."""
    s = np.asarray(times)
    low, high = np.minimum.outer(s, s), np.maximum.outer(s, s)
    mixed = np.array([[u * u / 2 if u <= t else t * t / 2 + t * (u - t) for u in s] for t in s])
    return np.block([[low, mixed], [mixed.T, low**2 * (3 * high - low) / 6]])


def test_the_path_and_its_integral_have_the_joint_law_of_brownian_motion():
    """All covariances over 20,000 paths within five standard errors; dyadic times, near and far ones, both ends."""
    times = np.array([0.0, 0.1, 0.1003, 0.1003 + 4 * 2.0**-DEPTH, 0.37, 0.5, 0.7501, 1.0]) * (T1 - T0)
    sample = jax.jit(jax.vmap(lambda words: path_and_integral(words, T0, T1, times + T0, 1, jnp.float64)))
    found = np.concatenate([np.asarray(part)[:, :, 0] for part in sample(WORDS)], axis=1)
    expected = covariances(times)
    deviation = np.sqrt((np.outer(np.diag(expected), np.diag(expected)) + expected**2) / len(WORDS))
    assert np.all(np.abs(found.T @ found / len(WORDS) - expected) <= 5 * deviation)
    # The increment over four of the smallest intervals drowns in the rounding of the test above.
    step = (found[:, 3] - found[:, 2]) / np.sqrt(times[3] - times[2])
    assert abs(np.mean(step**2) - 1) < 5 * np.sqrt(2 / len(WORDS))


def test_increments_add_up_and_their_areas_are_those_of_the_path():
    """Of the increments of halves follow those of the whole, to rounding."""
    inc = lambda a, b: [np.asarray(part) for part in brownian_increments(WORDS[0], T0, T1, a, b, 3, jnp.float64)]
    a, m, b = 0.123, 0.3171, 0.811
    (w, h), (w1, h1), (w2, h2) = inc(a, b), inc(a, m), inc(m, b)
    np.testing.assert_allclose(w, w1 + w2, rtol=1e-13)
    whole = (b - a) * (0.5 * w + h)
    parts = (m - a) * (0.5 * w1 + h1) + (b - m) * (w1 + 0.5 * w2 + h2)
    np.testing.assert_allclose(whole, parts, rtol=1e-12)


def test_the_integral_is_that_of_the_path():
    """By the trapezoidal rule on a fine grid, whose own error is that of a Brownian path."""
    times = jnp.linspace(T0, T1, 8193)
    w, integral = path_and_integral(WORDS[1], T0, T1, times, 2, jnp.float64)
    step = times[1] - times[0]
    rule = np.concatenate([np.zeros((1, 2)), np.cumsum((w[1:] + w[:-1]) / 2 * step, axis=0)])
    np.testing.assert_allclose(integral, rule, atol=6 * np.sqrt((T1 - T0) * step**2 / 12))


def test_increment_and_area_are_independent_with_their_variances():
    a, b = 0.2, 0.45
    sample = jax.jit(jax.vmap(lambda words: brownian_increments(words, T0, T1, a, b, 1, jnp.float64)))
    w, h = (np.asarray(part)[:, 0] for part in sample(WORDS))
    error = 5 / np.sqrt(len(WORDS))
    assert abs(np.mean(w**2) / (b - a) - 1) < error * np.sqrt(2)
    assert abs(np.mean(h**2) / ((b - a) / 12) - 1) < error * np.sqrt(2)
    assert abs(np.mean(w * h)) < error * (b - a) / np.sqrt(12)


def test_motions_are_independent_and_do_not_depend_on_their_number():
    few = brownian_increments(WORDS[0], T0, T1, 0.0, 1.0, 2, jnp.float64)
    many = brownian_increments(WORDS[0], T0, T1, 0.0, 1.0, 5, jnp.float64)
    np.testing.assert_array_equal(np.stack(few), np.stack(many)[:, :2])
    sample = jax.jit(jax.vmap(lambda words: brownian_increments(words, T0, T1, 0.0, 1.0, 2, jnp.float64)[0]))
    w = np.asarray(sample(WORDS))
    assert abs(np.mean(w[:, 0] * w[:, 1])) < 5 / np.sqrt(len(WORDS))


def test_nothing_is_differentiated_and_outside_is_pulled_in():
    value = lambda t: path_and_integral(WORDS[0], T0, T1, t[None], 1, jnp.float64)[0][0, 0]
    assert jax.grad(value)(0.3) == 0
    assert value(jnp.array(T1 + 1)) == value(jnp.array(T1)) and value(jnp.array(T0 - 1)) == 0


def test_signs_are_fair_and_belong_to_a_time():
    sample = jax.jit(jax.vmap(lambda words: random_signs(words, T0, T1, 0.3, 2, jnp.float64)))
    signs = np.asarray(sample(WORDS))
    assert set(np.unique(signs)) == {-1.0, 1.0}
    assert np.all(np.abs(np.mean(np.column_stack([signs, signs[:, :1] * signs[:, 1:]]), axis=0)) < 5e-2 / np.sqrt(2))
    other = random_signs(WORDS[0], T0, T1, 0.4, 64, jnp.float64)
    assert not np.array_equal(other, random_signs(WORDS[0], T0, T1, 0.3, 64, jnp.float64))


def test_times_that_differ_by_rounding_read_the_same_value():
    """As the sum of many small steps and of few large ones."""
    small, large = (T0 + np.cumsum(np.full(n, (T1 - T0) / n))[n // 10 - 1 :: n // 10] for n in (1000, 10))
    assert np.any(small != large)
    value = lambda times: path_and_integral(WORDS[0], T0, T1, jnp.asarray(times), 2, jnp.float64)[0]
    np.testing.assert_allclose(value(small), value(large), rtol=0, atol=1e-13)
