"""Bisection in sorted times counts what a comparison with all of them counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.search import count_passed


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 8, 9, 33])
def test_the_count_equals_that_of_comparing_with_every_time(size):
    times = np.repeat(np.arange(size), 2)[:size] * 1.0
    queries = np.concatenate([times, times - 0.5, times + 0.5])
    expected = np.searchsorted(times, queries, side="right")
    np.testing.assert_array_equal(jax.vmap(lambda t: count_passed(times, t))(queries), expected)
    backwards = jax.vmap(lambda t: count_passed(jnp.asarray(-times), t, -1))(-queries)
    np.testing.assert_array_equal(backwards, expected)


def test_nan_has_passed_nothing_and_an_empty_array_holds_nothing():
    assert int(count_passed(jnp.arange(5.0), jnp.nan)) == 0
    assert int(count_passed(jnp.zeros(0), 1.0)) == 0
