"""`training.run`: the mathematics, and that it composes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh, PartitionSpec

from sciml_jax.training import FitStatus, minibatches, run

from .problems import CURVATURE, nan_below, noisy_regression, quadratic, regression_data, rosenbrock

START = {"x": jnp.zeros(3)}


def test_gradient_descent_on_a_quadratic_follows_the_closed_form():
    """x_k - 1 = (1 - lr c)^k (x_0 - 1), and losses[k] belongs to the parameters before update k."""
    result = run(quadratic, START, optimizer=optax.sgd(0.1), num_steps=20)
    shrink = (1 - 0.1 * np.asarray(CURVATURE)) ** np.arange(21)[:, None]
    np.testing.assert_allclose(result.params["x"], 1 - shrink[-1], rtol=1e-14)
    np.testing.assert_allclose(result.losses, 0.5 * np.sum(CURVATURE * shrink[:-1] ** 2, axis=1), rtol=1e-13)
    assert int(result.num_steps) == 20 and FitStatus(int(result.status)) is FitStatus.COMPLETED


def test_linear_regression_reaches_the_least_squares_solution():
    data = regression_data()
    result = run(
        lambda w, batch, key: jnp.mean((data["x"] @ w - data["y"]) ** 2),
        jnp.zeros(3),
        optimizer=optax.adam(0.05),
        num_steps=1500,
    )
    np.testing.assert_allclose(result.params, np.linalg.lstsq(data["x"], data["y"])[0], rtol=1e-8)


def test_logistic_regression_has_zero_gradient_at_the_end():
    data = regression_data()
    labels = (data["y"] > 0).astype(float)

    def loss(w, batch, key):
        logits = data["x"] @ w
        return jnp.mean(jnp.logaddexp(0.0, logits) - labels * logits) + 0.01 * jnp.sum(w**2)

    result = run(loss, jnp.zeros(3), optimizer=optax.lbfgs(), num_steps=30)
    probability = 1 / (1 + np.exp(-data["x"] @ np.asarray(result.params)))
    gradient = data["x"].T @ (probability - labels) / 40 + 0.02 * np.asarray(result.params)
    np.testing.assert_allclose(gradient, 0, atol=1e-9)


def test_complex_parameters_descend():
    target = jnp.array([1.0 + 2.0j])
    result = run(
        lambda z, b, k: jnp.sum(jnp.abs(z - target) ** 2),
        jnp.zeros(1, complex),
        optimizer=optax.sgd(0.1),
        num_steps=100,
    )
    np.testing.assert_allclose(result.params, target, rtol=1e-8)


def test_vmap_over_seeds_equals_a_loop():
    batches = minibatches(regression_data(), 8, key=0)

    def train(key):
        return run(
            noisy_regression, {"w": jnp.zeros(3)}, optimizer=optax.adam(0.1), num_steps=15, key=key, batches=batches
        )

    keys = jax.random.split(jax.random.key(1), 3)
    together = jax.vmap(train)(keys)
    for i in range(3):
        alone = train(keys[i])
        np.testing.assert_allclose(together.losses[i], alone.losses, rtol=1e-12)
        np.testing.assert_allclose(together.params["w"][i], alone.params["w"], rtol=1e-12)
    assert len(np.unique(together.losses[:, -1])) == 3


@pytest.mark.parametrize("what", ["rate", "start", "data"])
def test_gradient_through_the_training_equals_the_finite_difference(what):
    data = jax.tree.map(jnp.asarray, regression_data())

    def final_loss(scale):
        rate = 0.1 * scale if what == "rate" else 0.1
        start = {"w": jnp.ones(3) * (scale if what == "start" else 1.0)}
        fed = {"x": data["x"], "y": data["y"] * (scale if what == "data" else 1.0)}
        batches = minibatches(fed, 8, key=0)
        return run(noisy_regression, start, optimizer=optax.adam(rate), num_steps=10, key=2, batches=batches).losses[-1]

    difference = (jax.jit(final_loss)(1 + 1e-6) - jax.jit(final_loss)(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.jit(jax.grad(final_loss))(1.0), difference, rtol=1e-6)


def test_one_run_per_device_inside_shard_map():
    mesh = Mesh(np.array(jax.devices()[:1]), ("d",))
    keys = jax.random.split(jax.random.key(0), 1)
    batches = minibatches(regression_data(), 8, key=0)

    def train(keys):
        result = run(
            noisy_regression, {"w": jnp.zeros(3)}, optimizer=optax.adam(0.1), num_steps=5, key=keys[0], batches=batches
        )
        return result.losses[None]

    spec = PartitionSpec("d")
    sharded = jax.jit(jax.shard_map(train, mesh=mesh, in_specs=spec, out_specs=spec))(keys)
    np.testing.assert_allclose(sharded, train(keys), rtol=1e-12)


def test_nan_loss_freezes_at_the_last_parameters_with_a_finite_loss():
    """x: 1.0, 0.8, 0.64, 0.512 by x <- 0.8 x; 0.512 is the first below 0.6."""
    result = run(nan_below(0.6), {"x": jnp.array(1.0)}, optimizer=optax.sgd(0.1), num_steps=8)
    assert FitStatus(int(result.status)) is FitStatus.NON_FINITE_LOSS
    np.testing.assert_allclose(result.params["x"], 0.64, rtol=1e-14)
    np.testing.assert_allclose(result.losses[:3], [1.0, 0.8**2, 0.64**2], rtol=1e-14)
    assert np.isnan(result.losses[3:]).all() and int(result.num_steps) == 4


def test_under_vmap_one_lane_that_fails_does_not_disturb_the_others():
    result = jax.vmap(
        lambda limit: run(nan_below(limit), {"x": jnp.array(1.0)}, optimizer=optax.sgd(0.1), num_steps=8)
    )(jnp.array([0.6, 0.0]))
    assert result.status.tolist() == [FitStatus.NON_FINITE_LOSS, FitStatus.COMPLETED]
    np.testing.assert_allclose(result.params["x"], [0.64, 0.8**8], rtol=1e-13)


def test_infinite_gradient_with_finite_loss_keeps_the_parameters():
    result = run(lambda p, b, k: jnp.sqrt(p["x"]), {"x": jnp.array(0.0)}, optimizer=optax.sgd(0.1), num_steps=3)
    assert FitStatus(int(result.status)) is FitStatus.NON_FINITE_UPDATE
    assert result.params["x"] == 0.0 and result.losses[0] == 0.0


def test_equinox_modules_train_and_what_is_not_a_float_array_stays():
    class Model(eqx.Module):
        weight: jax.Array
        index: np.ndarray
        scale: float
        activation: object

        def __call__(self, x):
            return self.activation(self.scale * x[self.index] @ self.weight)

    model = Model(jnp.zeros(2, jnp.float32), np.array([0, 2]), 2.0, jnp.tanh)
    data = regression_data()
    x, y = jnp.asarray(data["x"], jnp.float32), jnp.tanh(jnp.asarray(data["x"][:, 0], jnp.float32))
    result = run(lambda m, b, k: jnp.mean((jax.vmap(m)(x) - y) ** 2), model, optimizer=optax.adam(0.05), num_steps=300)
    np.testing.assert_allclose(result.params.weight, [0.5, 0.0], atol=1e-3)
    assert result.params.weight.dtype == jnp.float32 and result.losses.dtype == jnp.float32
    assert (
        result.params.activation is jnp.tanh and result.params.scale == 2.0 and result.params.index.tolist() == [0, 2]
    )


def test_aux_is_that_of_the_last_step():
    result = run(
        lambda p, b, k: (quadratic(p, b, k), p["x"]), START, optimizer=optax.sgd(0.1), num_steps=3, has_aux=True
    )
    np.testing.assert_allclose(result.aux, 1 - (1 - 0.1 * np.asarray(CURVATURE)) ** 2, rtol=1e-14)


def test_patience_keeps_the_parameters_with_the_best_validation_loss():
    """x_k = 1 - 0.9^k passes the validation optimum 0.5 between k = 6 and 7; |x_7 - 0.5| = 0.0217 is the smaller."""
    result = run(
        lambda p, b, k: 0.5 * (p - 1.0) ** 2,
        jnp.array(0.0),
        optimizer=optax.sgd(0.1),
        num_steps=50,
        val_fn=lambda p: jnp.abs(p - 0.5),
        patience=4,
    )
    assert FitStatus(int(result.status)) is FitStatus.EARLY_STOP
    np.testing.assert_allclose(result.best_params, 1 - 0.9**7, rtol=1e-14)
    np.testing.assert_allclose(result.best_loss, 0.5 - 0.9**7, rtol=1e-12)
    assert int(result.num_steps) == 7 + 4 + 1
    np.testing.assert_allclose(result.params, 1 - 0.9**12, rtol=1e-14)
    assert np.isnan(result.losses[12:]).all() and np.isnan(result.val_losses[12:]).all()


def test_min_delta_ignores_small_improvements_and_val_every_spaces_the_evaluations():
    loss = lambda p, b, k: 0.5 * (p - 1.0) ** 2
    flat = run(loss, jnp.array(0.9), optimizer=optax.sgd(0.1), num_steps=50, patience=3, min_delta=1.0)
    assert int(flat.num_steps) == 4
    spaced = run(loss, jnp.array(0.0), optimizer=optax.sgd(0.1), num_steps=7, val_fn=lambda p: p, val_every=3)
    assert np.isfinite(spaced.val_losses).tolist() == [True, False, False, True, False, False, True]


def test_lbfgs_with_reused_gradients_takes_the_same_path_as_with_fresh_ones():
    """has_aux switches the reuse off."""
    start = jnp.array([-1.2, 1.0])
    reused = run(rosenbrock, start, optimizer=optax.lbfgs(), num_steps=45)
    fresh = run(lambda p, b, k: (rosenbrock(p, b, k), None), start, optimizer=optax.lbfgs(), num_steps=45, has_aux=True)
    np.testing.assert_allclose(reused.losses[:20], fresh.losses[:20], rtol=1e-6)
    assert max(reused.losses[-1], fresh.losses[-1]) < 1e-12
