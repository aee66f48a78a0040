"""Normal numbers by counter: the generator is Threefry, and their law is normal."""

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np
import scipy.stats

from sciml_jax.numerics.counter_normals import key_words, normal_pairs, threefry


def test_the_generator_is_the_one_of_jax():
    words, count = key_words(jax.random.key(3)), jnp.arange(64, dtype=jnp.uint32)
    expected = jax.extend.random.threefry_2x32(words, count)
    np.testing.assert_array_equal(jnp.concatenate(threefry(words, count[:32], count[32:])), expected)


def test_moments_tails_and_quantiles_are_those_of_the_normal_law():
    """Six standard errors of a million numbers; the quantiles by Kolmogorov and Smirnov."""
    words, count = key_words(jax.random.key(0)), jnp.arange(500_000, dtype=jnp.uint32)
    z = np.concatenate([np.asarray(part) for part in normal_pairs(words, count, jnp.zeros_like(count))]).astype(float)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs(np.mean(z**power) - mean) < 6 * np.sqrt(variance / z.size), power
    assert scipy.stats.kstest(z, "norm").pvalue > 1e-3
    assert 4.4 < np.max(np.abs(z)) < 6.3


def test_both_numbers_of_a_pair_and_neighbouring_counters_are_uncorrelated():
    words, count = key_words(jax.random.key(1)), jnp.arange(200_000, dtype=jnp.uint32)
    first, second = (np.asarray(part, float) for part in normal_pairs(words, count, jnp.ones_like(count)))
    for a, b in ((first, second), (first[1:], first[:-1]), (first**2 - 1, second**2 - 1)):
        assert abs(np.mean(a * b)) < 6 * np.std(a) * np.std(b) / np.sqrt(a.size)
