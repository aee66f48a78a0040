"""`NeuralCDE`: against the ODEs that it equals, missing values, padding, causality."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.neural.missing_values import fill_forward, fill_linear, observation_counts

from .networks import Constant, directional, mlp

KINDS = [sj.neural.LinearPath(), sj.neural.BackwardHermite(), sj.neural.Rectilinear()]
every_kind = pytest.mark.parametrize("path", KINDS, ids=lambda kind: type(kind).__name__)
NAN = jnp.nan


def bilinear(z):
    """z' = z x1' + x2', a matrix (1, 2) for two channels."""
    return jnp.stack([z, jnp.ones_like(z)], axis=1)


def start(channels):
    return jnp.ones(1) + 0.0 * channels[:1]


@pytest.mark.parametrize("path", KINDS[:2], ids=lambda kind: type(kind).__name__)
def test_a_linear_cde_depends_on_the_ends_of_its_path_only(path):
    """dz = z dX gives z = z0 exp(X(1) - X(0)), whatever lies between: the path must reach its data."""
    ts = jnp.array([0.0, 0.1, 0.5, 0.6, 1.0])
    xs = jnp.sin(7.0 * ts)[:, None]
    cde = sj.neural.NeuralCDE(
        lambda z: z[:, None], start, path=path, time_channel=False, evolving=True, rtol=1e-9, atol=1e-11
    )
    np.testing.assert_allclose(cde(ts, xs)[:, 0], np.exp(xs[:, 0] - xs[0, 0]), rtol=1e-6)


def test_dense_data_of_a_smooth_control_give_the_ode_of_that_control():
    """dz = z dt + dx with x = sin: z' = z + cos t, z = -cos/2 + sin/2 + 3/2 exp t."""
    ts = jnp.linspace(0.0, 1.0, 101)
    cde = sj.neural.NeuralCDE(bilinear, start, path=sj.neural.BackwardHermite(), rtol=1e-8, atol=1e-10)
    exact = -np.cos(1.0) / 2 + np.sin(1.0) / 2 + 1.5 * np.exp(1.0)
    found = cde(ts, jnp.sin(ts)[:, None])
    assert float(found[0]) == pytest.approx(exact, rel=1e-4)
    linear = sj.neural.NeuralCDE(bilinear, start, rtol=1e-8, atol=1e-10)
    assert float(linear(ts, jnp.sin(ts)[:, None])[0]) == pytest.approx(exact, rel=1e-4)


def test_rectilinear_moves_the_time_first_and_then_the_data():
    """dz = z dt + dx in turn: z <- z exp(dt), then z <- z + dx, at every observation."""
    ts, xs = jnp.array([0.0, 0.5, 0.7, 1.5]), jnp.array([[0.3], [1.0], [-2.0], [0.5]])
    cde = sj.neural.NeuralCDE(bilinear, start, path=KINDS[2], evolving=True, rtol=1e-9, atol=1e-11)
    expected = [1.0]
    for dt, dx in zip(np.diff(ts), np.diff(xs[:, 0]), strict=True):
        expected.append(expected[-1] * np.exp(dt) + dx)
    np.testing.assert_allclose(cde(ts, xs)[:, 0], expected, rtol=1e-7)


@every_kind
def test_padding_by_the_last_time_changes_nothing(path):
    ts, xs = jnp.array([0.0, 0.4, 1.0]), jnp.array([[0.3, 1.0], [NAN, 0.5], [0.9, -0.2]])
    cde = sj.neural.NeuralCDE(mlp(4, 12), mlp(3, 4, 1), path=path, rtol=1e-8, atol=1e-10)
    longer = jnp.concatenate([ts, jnp.ones(3)]), jnp.concatenate([xs, jnp.full((3, 2), NAN)])
    np.testing.assert_allclose(cde(*longer), cde(ts, xs), rtol=1e-7)


def test_rectilinear_does_not_look_ahead_where_the_others_do():
    ts, xs = jnp.linspace(0.0, 1.0, 6), jnp.sin(jnp.arange(6.0))[:, None]
    changed = xs.at[4].add(1.0)
    for path, causal in zip(KINDS, (False, False, True), strict=True):
        cde = sj.neural.NeuralCDE(mlp(3, 6), mlp(2, 3, 1), path=path, evolving=True, rtol=1e-8, atol=1e-10)
        dense = jax.vmap(cde.control(ts, xs).evaluate)(jnp.linspace(0.0, cde.control(ts, xs).knots[-1], 61))
        other = jax.vmap(cde.control(ts, changed).evaluate)(jnp.linspace(0.0, cde.control(ts, xs).knots[-1], 61))
        # Between the observations 3 and 4, at 36/60 to 48/60 of the way, but for the jump at its end.
        assert bool(np.allclose(dense[37:42], other[37:42])) is causal
        np.testing.assert_allclose(cde(ts, xs)[:4], cde(ts, changed)[:4], rtol=1e-5)


@every_kind
def test_the_path_goes_through_the_data(path):
    ts = jnp.array([0.0, 0.4, 0.5, 1.0])
    xs = jnp.array([[0.0, 1.0], [2.0, -1.0], [1.0, 0.5], [0.3, 3.0]])
    control = sj.neural.NeuralCDE(mlp(3, 9), mlp(3, 3), path=path).control(ts, xs)
    found = jax.vmap(control.evaluate)(control.observed)
    np.testing.assert_allclose(found, jnp.concatenate([ts[:, None], xs], axis=1), atol=1e-12)
    slope = jax.vmap(control.derivative)(control.knots[:-1] + 0.01)
    ahead, behind = (jax.vmap(control.evaluate)(control.knots[:-1] + 0.01 + e) for e in (1e-6, -1e-6))
    np.testing.assert_allclose(slope, (ahead - behind) / 2e-6, rtol=1e-6, atol=1e-8)


def test_missing_values_are_filled_from_their_own_channel():
    ts = jnp.array([0.0, 1.0, 3.0, 4.0])
    xs = jnp.array([[NAN, 1.0, NAN], [2.0, NAN, NAN], [NAN, NAN, NAN], [5.0, 4.0, NAN]])
    np.testing.assert_allclose(fill_linear(ts, xs), [[2, 1, 0], [2, 1.75, 0], [4, 3.25, 0], [5, 4, 0]])
    np.testing.assert_allclose(fill_forward(xs), [[0, 1, 0], [2, 1, 0], [2, 1, 0], [5, 4, 0]])
    np.testing.assert_allclose(observation_counts(xs), [[0, 1, 0], [1, 1, 0], [1, 1, 0], [2, 2, 0]])


def test_channels_come_in_the_order_time_data_counts():
    ts, xs = jnp.array([0.0, 2.0]), jnp.array([[5.0, NAN], [6.0, 7.0]])
    scaling = sj.neural.Normalise(jnp.array([5.0, 0.0]), jnp.array([2.0, 1.0]))
    cde = sj.neural.NeuralCDE(Constant(jnp.ones(5)), start, count_channels=True, normalise=scaling)
    control = cde.control(ts, xs)
    np.testing.assert_allclose(control.start, [0.0, 0.0, 7.0, 1.0, 0.0])
    np.testing.assert_allclose(control.evaluate(2.0), [2.0, 0.5, 7.0, 2.0, 1.0])


@pytest.mark.full
def test_gradients_by_the_weights_are_those_of_differences_in_a_batch_with_gaps():
    ts = jnp.array([[0.0, 0.3, 1.0], [0.0, 0.6, 0.6]])
    xs = jnp.array([[[0.0], [1.0], [NAN]], [[NAN], [0.5], [NAN]]])
    cde = sj.neural.NeuralCDE(mlp(3, 6), mlp(2, 3, 1), mlp(3, 1, 2), rtol=1e-9, atol=1e-11)
    reverse, difference = directional(lambda cde: jnp.sum(jax.vmap(cde)(ts, xs) ** 2), cde)
    assert reverse == pytest.approx(difference, rel=1e-4)
