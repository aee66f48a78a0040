"""The parts of the examples of neural differential equations; `make examples` runs the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.fixture(scope="module")
def spiral(load_example):
    return load_example("spiral")


@pytest.fixture(scope="module")
def classes(load_example):
    return load_example("spiral_classes")


@pytest.fixture(scope="module")
def bistable(load_example):
    return load_example("bistable")


def test_the_data_of_the_spiral_are_the_matrix_exponential(spiral):
    """A turns with 2 per unit of time and shrinks with 0.1."""
    ts, us = spiral.data()
    expected = 2.0 * jnp.exp(-0.1 * ts)[:, None] * jnp.stack([jnp.cos(2 * ts), -jnp.sin(2 * ts)], axis=1)
    np.testing.assert_allclose(us, expected, atol=1e-12)
    pieces = spiral.make_pieces()["us"]
    np.testing.assert_array_equal(pieces[3], us[3 : 3 + spiral.PIECE])
    assert len(pieces) == len(us) - spiral.PIECE + 1


def test_series_end_on_repeated_times_with_nothing_seen(classes):
    data = classes.make_data(64, 0)
    ts, xs = np.asarray(data["ts"]), np.asarray(data["xs"])
    assert np.all(np.diff(ts, axis=1) >= 0) and 0.3 < np.isnan(xs).mean() < 0.7
    padded = np.diff(ts, axis=1) == 0
    assert padded.any() and np.isnan(xs[:, 1:][padded]).all()
    # The angle grows where the answer is left.
    whole = [(row, x[~np.isnan(x).any(axis=1)]) for row, x in enumerate(xs)]
    crossed = [np.sum(x[:-1, 0] * x[1:, 1] - x[:-1, 1] * x[1:, 0]) for _, x in whole if len(x) > 5]
    kinds = [data["left"][row] for row, x in whole if len(x) > 5]
    assert np.mean((np.array(crossed) > 0) == (np.array(kinds) > 0.5)) > 0.85


def test_the_loss_of_the_snapshots_is_a_squared_wasserstein_distance(bistable):
    """Shifted by 0.3, a sample of spread 1 is 0.09 away from itself."""
    normal = jnp.sort(jax.random.normal(jax.random.key(0), (bistable.PATHS, 6)), axis=0)
    normal = (normal - normal.mean(axis=0)) / normal.std(axis=0)
    loss = bistable.SnapshotLoss(normal)
    assert float(jnp.mean((normal + 0.3 - loss.quantiles) ** 2 / jnp.var(loss.quantiles, axis=0))) == pytest.approx(
        0.09
    )
    quantiles = bistable.make_loss(jnp.broadcast_to(jnp.arange(1001.0)[:, None], (1001, 6))).quantiles
    np.testing.assert_allclose(quantiles[:, 0], 1000 * (np.arange(bistable.PATHS) + 0.5) / bistable.PATHS)


@pytest.mark.full
def test_the_spiral_is_learned_by_both_stages(spiral):
    report, curves = spiral.analyse(False, lambda name: None)
    assert report["loss_after"]["whole"] < 1e-3 and report["loss_after"]["whole"] < report["loss_after"]["pieces"]
    assert report["gradient_seconds"]["relative_difference"] < 1e-4
    assert len(curves["frames"]) == 1 + 2 * spiral.FRAMES


@pytest.mark.full
def test_new_spirals_are_told_apart(classes):
    report, _ = classes.analyse(False, lambda name: None)
    assert report["accuracy"] > 0.97 and report["accuracy_after_10_points"] > 0.8


@pytest.mark.full
def test_the_noise_and_the_wells_are_found(bistable):
    report, _ = bistable.analyse(False, lambda name: None)
    assert abs(report["noise"] - report["true_noise"]) < 0.05 and report["drift_error"] < 0.3
    share = report["right_well_at_the_end"]
    assert abs(share["data"] - share["model"]) < 0.08
