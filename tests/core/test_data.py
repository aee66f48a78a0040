"""Observations: shapes, masks, noise, experiments, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import Data, join_experiments

TS = jnp.linspace(0.0, 1.0, 4)


@pytest.mark.parametrize(
    ("ys", "shape"),
    [
        (jnp.ones(4), (1, 4, 1)),
        (jnp.ones((4, 2)), (1, 4, 2)),
        (jnp.ones((3, 4, 2)), (3, 4, 2)),
        ({"a": jnp.ones(4), "b": jnp.ones((4, 2, 2))}, (1, 4, 5)),
        ([1, 2, 3, 4], (1, 4, 1)),
    ],
)
def test_values_become_experiments_times_series(ys, shape):
    data = Data(TS, ys)
    assert data.ys.shape == data.mask.shape == shape
    assert data.ts.shape == shape[:2]
    assert data.size == np.prod(shape)
    assert jnp.issubdtype(data.ys.dtype, jnp.floating)


def test_residuals_are_scaled_and_zero_where_nothing_was_measured():
    ys = jnp.array([[1.0, jnp.nan], [2.0, 5.0], [3.0, 6.0], [4.0, 7.0]])
    data = Data(TS, ys, mask=jnp.isfinite(ys), noise=jnp.array([0.5, 2.0]))
    residuals = data.residuals(jnp.where(jnp.isfinite(ys), ys + 1.0, jnp.nan)).reshape(4, 2)
    np.testing.assert_allclose(residuals, [[2.0, 0.0], [2.0, 0.5], [2.0, 0.5], [2.0, 0.5]])
    assert data.size == 7


def test_a_masked_nan_does_not_reach_the_gradient():
    ys = jnp.array([1.0, jnp.nan, 2.0, 3.0])
    loss = lambda a: jnp.sum(Data(TS, ys, mask=jnp.isfinite(ys)).residuals(a * jnp.ones(4)) ** 2)
    assert jax.grad(loss)(1.0) == pytest.approx(2 * (0.0 - 1.0 - 2.0))


def test_noise_may_be_given_for_each_value_series_or_all():
    ys = jnp.ones((4, 2))
    for noise in (0.5, [0.5, 0.5], jnp.full((4, 2), 0.5), jnp.full((1, 4, 2), 0.5)):
        np.testing.assert_array_equal(Data(TS, ys, noise=noise).noise, np.full((1, 4, 2), 0.5))
    np.testing.assert_array_equal(Data(TS, ys[:, 0], noise=TS + 1.0).noise[0, :, 0], TS + 1.0)


def test_data_until_a_horizon_masks_what_is_later_also_backwards():
    assert Data(TS, jnp.ones(4)).until(0.7).size == 3
    assert Data(-TS, jnp.ones(4)).until(-0.4).size == 2


def test_experiments_of_different_lengths_are_joined_and_masked():
    long, short = Data(TS, jnp.ones((4, 2)), y0=jnp.zeros(2)), Data(TS[:2] + 5, 2 * jnp.ones((2, 2)), y0=jnp.ones(2))
    both = join_experiments([long, short])
    assert both.ys.shape == (2, 4, 2)
    assert both.size == 12
    np.testing.assert_array_equal(both.mask[1, :, 0], [True, True, False, False])
    np.testing.assert_array_equal(both.y0, [[0, 0], [1, 1]])
    np.testing.assert_allclose(both.ts[1], [5.0, 5.0 + 1 / 3, 5.0 + 1 / 3, 5.0 + 1 / 3])


def test_data_are_arguments_of_jit_and_vmap():
    sums = jax.jit(jax.vmap(lambda ys: jnp.sum(Data(TS, ys, noise=2.0).residuals(jnp.zeros(4)) ** 2)))
    np.testing.assert_allclose(sums(jnp.array([[2.0, 0, 0, 0], [2.0, 2, 2, 2]])), [1.0, 4.0])


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((TS, jnp.array([1.0, jnp.nan, 1, 1])), ValueError, "finite where `mask` is True; got 1 of 4"),
        ((TS, jnp.ones(3)), ValueError, "one time for each row"),
        ((TS[::-1].at[1].set(5.0), jnp.ones(4)), ValueError, "must be sorted"),
        ((TS.at[0].set(jnp.inf), jnp.ones(4)), ValueError, "must be finite"),
        ((TS, jnp.ones((1, 1, 4, 2))), ValueError, "must have shape"),
        ((TS, jnp.ones(4) * 1j), TypeError, "real"),
        ((None, jnp.ones(4)), ValueError, "without times"),
    ],
)
def test_wrong_values_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Data(*arguments)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"mask": jnp.zeros((4, 2), bool)}, ValueError, "True somewhere"),
        ({"mask": jnp.ones((4, 2))}, TypeError, "boolean"),
        ({"mask": jnp.ones((3, 2), bool)}, ValueError, "shape of `ys`"),
        ({"noise": 0.0}, ValueError, "positive"),
        ({"noise": jnp.ones(3)}, ValueError, "per series"),
        ({"observed": [0]}, ValueError, "one component per series"),
        ({"observed": [-1, 0]}, ValueError, "indices"),
        ({"unknown_y0": (jnp.ones(2), jnp.zeros(2))}, ValueError, "lower < upper"),
        ({"unknown_y0": jnp.ones(2)}, ValueError, "pair"),
    ],
)
def test_wrong_companions_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Data(TS, jnp.ones((4, 2)), **options)


def test_experiments_must_agree():
    with pytest.raises(ValueError, match="experiments in front"):
        Data(TS, jnp.ones((3, 4, 2)), y0=jnp.ones((2, 2)))
    with pytest.raises(ValueError, match="number of series"):
        join_experiments([Data(TS, jnp.ones((4, 2))), Data(TS, jnp.ones((4, 1)))])
    with pytest.raises(TypeError, match="sequence"):
        join_experiments([1.0])
