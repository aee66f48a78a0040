"""`training.minibatches`: every epoch is a fresh, even shuffle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.training import minibatches


@pytest.mark.parametrize(("size", "batch"), [(1, 1), (2, 1), (7, 3), (64, 8), (1000, 100)])
def test_an_epoch_visits_every_sample_at_most_once_and_reshuffles(size, batch):
    batches = minibatches(np.arange(size), batch, key=0)
    steps = batches.batches_per_epoch
    epochs = np.asarray(jax.vmap(batches)(jnp.arange(3 * steps))).reshape(3, steps * batch)
    for epoch in epochs:
        assert len(set(epoch.tolist())) == steps * batch and epoch.min() >= 0 and epoch.max() < size
    if size >= 64:
        assert (epochs[0] != epochs[1]).mean() > 0.9 and (epochs[1] != epochs[2]).mean() > 0.9


@pytest.mark.parametrize("size", [5, 8])
def test_every_sample_lands_everywhere_equally_often(size):
    """Chi-square over (position, sample) in 4000 epochs; (size - 1)^2 degrees of freedom, limit five deviations."""
    batches = minibatches(np.arange(size), size, key=1)
    orders = np.asarray(jax.jit(jax.vmap(batches))(jnp.arange(4000)))
    counts = np.stack([np.bincount(orders[:, position], minlength=size) for position in range(size)])
    freedom = (size - 1) ** 2
    chi_square = ((counts - 4000 / size) ** 2 / (4000 / size)).sum()
    assert abs(chi_square - freedom) < 5 * np.sqrt(2 * freedom)


def test_neighbours_are_independent():
    """Lag-one correlation of an epoch of 20,000 samples, in standard errors."""
    order = np.asarray(minibatches(np.arange(20_000), 20_000, key=2)(0)).astype(float)
    assert abs(np.corrcoef(order[1:], order[:-1])[0, 1]) < 4 / np.sqrt(20_000)


def test_rows_of_all_leaves_stay_together_and_seed_zero_means_itself():
    data = {"x": np.arange(30.0).reshape(10, 3), "y": np.arange(10)}
    batch = minibatches(data, 4, key=0)(5)
    np.testing.assert_array_equal(batch["x"][:, 0], 3 * batch["y"])
    assert batch["x"].shape == (4, 3)
    np.testing.assert_array_equal(batch["y"], minibatches(data, 4, key=jax.random.key(0))(5)["y"])
    assert (np.asarray(minibatches(data, 10, key=0)(0)["y"]) != np.asarray(minibatches(data, 10, key=1)(0)["y"])).any()


@pytest.mark.parametrize(
    ("data", "batch_size", "key", "error", "message"),
    [
        ({"x": np.zeros((4, 2)), "y": np.zeros(5)}, 2, 0, ValueError, r"received shapes \[\(4, 2\), \(5,\)\]"),
        (np.zeros(()), 1, 0, ValueError, "share their first axis"),
        (np.zeros(4), 5, 0, ValueError, "batch_size=5 for 4 samples"),
        (np.zeros(4), 0, 0, ValueError, "batch_size must be a positive integer; received 0"),
        (np.zeros(4), 2.0, 0, TypeError, "received float"),
        (np.zeros(4), 2, None, TypeError, "needs a key"),
        (np.zeros(4), 2, 0.5, TypeError, "received float 0.5"),
    ],
)
def test_bad_input_says_what_is_wrong(data, batch_size, key, error, message):
    with pytest.raises(error, match=message):
        minibatches(data, batch_size, key=key)
