"""`fit(mesh=)`: each device takes a part of every batch; the losses are those of one device to rounding."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sciml_jax.training import fit, minibatches

from .problems import noisy_regression, quadratic, regression_data

DATA = regression_data()
MESH = jax.sharding.Mesh(np.array(jax.devices()[:2]).reshape(1, 2), ("rows", "columns"))
START = {"w": jnp.zeros(3)}
OPTIONS = dict(optimizer=optax.adam(0.1), num_steps=25, key=0, batches=minibatches(DATA, 8, key=0), patience=100)


def mean_square(params, batch, key):
    return jnp.mean((batch["x"] @ params["w"] - batch["y"]) ** 2)


def sum_square(params, batch, key):
    return jnp.sum((batch["x"] @ params["w"] - batch["y"]) ** 2)


def assert_same_training(a, b, rtol):
    np.testing.assert_allclose(a.losses, b.losses, rtol=rtol)
    np.testing.assert_allclose(a.params["w"], b.params["w"], rtol=rtol)
    assert a.status is b.status and a.num_steps == b.num_steps


@pytest.fixture(scope="module")
def one_device():
    return fit(noisy_regression, START, **OPTIONS)


def test_the_losses_are_those_of_one_device(one_device):
    result = fit(noisy_regression, START, mesh=MESH, **OPTIONS)
    assert_same_training(result, one_device, 1e-12)
    np.testing.assert_allclose(result.best_loss, one_device.best_loss, rtol=1e-11)
    assert len(result.params["w"].sharding.device_set) == 1


def test_host_batches_are_split_too(one_device):
    host = [OPTIONS["batches"](step) for step in range(25)]
    result = fit(noisy_regression, START, mesh=MESH, **OPTIONS | {"batches": host})
    assert_same_training(result, one_device, 1e-12)


def test_line_searches_see_the_average():
    options = OPTIONS | {"optimizer": optax.lbfgs(), "num_steps": 4, "key": None}
    one = fit(mean_square, START, **options)
    assert_same_training(fit(mean_square, START, mesh=MESH, **options), one, 1e-9)


def test_a_run_goes_on_from_its_checkpoint(tmp_path, one_device):
    fit(noisy_regression, START, mesh=MESH, checkpoint=tmp_path, **OPTIONS | {"num_steps": 10})
    assert_same_training(fit(noisy_regression, START, mesh=MESH, checkpoint=tmp_path, **OPTIONS), one_device, 1e-12)


def test_auxiliary_output_is_averaged():
    def loss(params, batch, key):
        return mean_square(params, batch, key), {"y": jnp.mean(batch["y"]), "n": jnp.int32(3)}

    options = OPTIONS | {"num_steps": 3, "has_aux": True}
    result = fit(loss, START, mesh=MESH, **options)
    assert result.aux["n"] == 3
    np.testing.assert_allclose(result.aux["y"], OPTIONS["batches"](2)["y"].mean(), rtol=1e-14)


@pytest.mark.parametrize("key", [None, 0])
def test_a_sum_over_samples_is_refused_because_the_parts_are_averaged(key):
    with pytest.raises(ValueError, match=r"average over the samples.*\.mean\(\) in place of \.sum\(\)"):
        fit(sum_square, START, mesh=MESH, **OPTIONS | {"key": key})


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(mesh=2), TypeError, "mesh must be a jax.sharding.Mesh; received int"),
        (dict(batches=None), ValueError, "received batches=None, which leaves nothing to split"),
        (
            dict(batches=minibatches(DATA, 7, key=0)),
            ValueError,
            "multiple of the number of devices; received 7 samples for 2 devices. Use a batch size of 6",
        ),
        (dict(batches=lambda step: {"x": jnp.ones((4, 3)), "y": jnp.ones(())}), ValueError, "share their first axis"),
        (
            dict(loss_fn=lambda p, b, k: (mean_square(p, b, k), b["y"]), has_aux=True),
            ValueError,
            "aux must not have one entry per sample",
        ),
    ],
)
def test_what_cannot_be_split_is_refused(change, error, message):
    with pytest.raises(error, match=message):
        fit(**(dict(loss_fn=mean_square, params=START, mesh=MESH) | OPTIONS | change))


def test_the_quadratic_without_batches_still_trains_without_a_mesh():
    assert fit(quadratic, {"x": jnp.zeros(3)}, optimizer=optax.sgd(0.1), num_steps=3, mesh=None).num_steps == 3
