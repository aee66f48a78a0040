"""The models train: on two devices as on one, from a checkpoint as without one, and with a picture of the losses."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sciml_jax as sj

from .networks import SPIRAL, TS, LinearField, arrays_of, mlp

START = jax.random.normal(jax.random.key(0), (16, 2))
DATA = {"ys": jax.vmap(sj.neural.NeuralODE(LinearField(SPIRAL)), in_axes=(0, None))(START, TS)}
MODEL = sj.neural.NeuralODE(mlp(2, 2, width=8), normalise=sj.neural.Normalise.of(DATA["ys"]), rtol=1e-3)
OPTIONS = dict(optimizer=optax.adam(1e-2), num_steps=6, batches=sj.training.minibatches(DATA, 8, key=0))


def loss_fn(model, batch, key):
    del key
    found = jax.vmap(model, in_axes=(0, None))(batch["ys"][:, 0], TS)
    return jnp.mean((found - batch["ys"]) ** 2)


@pytest.fixture(scope="module")
def one_device():
    return sj.training.fit(loss_fn, MODEL, **OPTIONS)


def test_the_normalisation_is_not_trained(one_device):
    moved = [not np.array_equal(a, b) for a, b in zip(arrays_of(one_device.params), arrays_of(MODEL), strict=True)]
    assert sum(moved) == 4 and one_device.losses[-1] < one_device.losses[0]
    np.testing.assert_array_equal(one_device.params.field.normalise.shift, MODEL.field.normalise.shift)


def test_a_batch_over_two_devices_has_the_losses_of_one(one_device):
    mesh = jax.sharding.Mesh(np.array(jax.devices()[:2]), ("batch",))
    result = sj.training.fit(loss_fn, MODEL, mesh=mesh, **OPTIONS)
    np.testing.assert_allclose(result.losses, one_device.losses, rtol=1e-10)


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path, one_device):
    sj.training.fit(loss_fn, MODEL, checkpoint=tmp_path, **OPTIONS | {"num_steps": 3})
    resumed = sj.training.fit(loss_fn, MODEL, checkpoint=tmp_path, progress=True, **OPTIONS)
    for a, b in zip(arrays_of(resumed.params), arrays_of(one_device.params), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(resumed.losses, one_device.losses)


def test_a_batch_solved_together_is_the_batch_solved_apart():
    precise = sj.neural.NeuralODE(mlp(2, 2, width=8), rtol=1e-9, atol=1e-11)
    apart = jax.vmap(precise, in_axes=(0, None))(START, TS)
    np.testing.assert_allclose(precise.together(START, TS), apart, rtol=1e-6)
    augmented = sj.neural.AugmentedNeuralODE(mlp(3, 3), 1, rtol=1e-9, atol=1e-11)
    apart = jax.vmap(augmented, in_axes=(0, None))(START, TS)
    np.testing.assert_allclose(augmented.together(START, TS), apart, rtol=1e-6)


def test_losses_are_drawn_with_what_a_run_holds(one_device, tmp_path):
    import matplotlib.pyplot as plt

    ax = sj.training.loss_curve(one_device, smooth=1)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), one_device.losses)
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "step"
    both = sj.training.loss_curve({"a": one_device, "b": one_device})
    assert {text.get_text() for text in both.get_legend().get_texts()} == {"a", "b"}
    plt.close("all")


def test_the_smooth_curve_is_a_median_and_negative_losses_have_a_linear_axis():
    import types

    import matplotlib.pyplot as plt

    losses = np.array([3.0, -1.0, 2.0, np.nan])
    run = types.SimpleNamespace(losses=losses, val_losses=np.array([4.0, np.nan, 1.0, np.nan]), best_loss=1.0)
    ax = sj.training.loss_curve(run, smooth=2)
    np.testing.assert_allclose(ax.lines[1].get_ydata(), [3.0, 1.0, 0.5, 2.0])
    np.testing.assert_allclose(ax.lines[2].get_ydata(), [4.0, 1.0])
    assert ax.get_yscale() == "linear"
    many = types.SimpleNamespace(losses=np.stack([losses, losses + 1]), val_losses=None, best_loss=None)
    np.testing.assert_allclose(sj.training.loss_curve(many).lines[0].get_ydata(), [3.5, -0.5, 2.5])
    plt.close("all")
