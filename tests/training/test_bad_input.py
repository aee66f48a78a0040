"""What wrong arguments say: the rule, what was received, the fix."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

from sciml_jax.training import FitStatus, fit, run

from .problems import quadratic, rosenbrock

GOOD = dict(loss_fn=quadratic, params={"x": jnp.zeros(3)}, optimizer=optax.sgd(0.1), num_steps=3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(optimizer=optax.adam), TypeError, r"received the function adam\. Call it: optax\.adam\(1e-3\)"),
        (
            dict(optimizer=optx.BFGS),
            TypeError,
            r"received the class BFGS\. Make an instance: BFGS\(rtol=1e-6, atol=1e-6\)",
        ),
        (dict(optimizer="adam"), TypeError, r"received str 'adam'\. Use optax\.adam"),
        (dict(optimizer=optx.Newton(1e-6, 1e-6)), TypeError, "received Newton. Root finders"),
        (dict(num_steps=0), ValueError, "num_steps must be a positive integer; received 0"),
        (dict(num_steps=-2), ValueError, "received -2"),
        (dict(num_steps=1.5), TypeError, "num_steps must be a positive integer; received float 1.5"),
        (dict(key=0.5), TypeError, "key must be an integer seed or one PRNG key; received float 0.5"),
        (dict(key=jnp.zeros(3)), TypeError, r"received shape \(3,\), dtype float64"),
        (dict(params={"x": np.arange(3)}), TypeError, "at least one floating-point array.*received ndarray"),
        (dict(params={"x": 1.0}), TypeError, r"received float\. Convert numbers with jnp\.asarray"),
        (dict(params={}), TypeError, "received no leaves"),
        (dict(loss_fn=3), TypeError, "loss_fn must be a function.*received int"),
        (
            dict(loss_fn=lambda p, b, k: p["x"]),
            ValueError,
            r"scalar of shape \(\); received shape \(3,\)\. Reduce it with \.mean",
        ),
        (dict(loss_fn=lambda p, b, k: (p["x"] > 0).sum()), TypeError, "received dtype int64"),
        (dict(loss_fn=lambda p, b, k: (p["x"] + 1j).sum()), TypeError, "received dtype complex128"),
        (dict(loss_fn=lambda p, b, k: (p["x"].sum(), 1)), TypeError, "received tuple. Pass has_aux=True"),
        (dict(has_aux=True), TypeError, r"must return a pair \(loss, aux\)"),
        (
            dict(batches=(np.zeros(3), np.zeros(3))),
            TypeError,
            r"received tuple\. For data in memory use training\.minibatches",
        ),
        (dict(batches=np.zeros(3)), TypeError, "received ndarray"),
        (dict(patience=0), ValueError, "patience must be a positive integer; received 0"),
        (dict(min_delta=-1.0), ValueError, "min_delta must be at least 0; received -1.0"),
        (
            dict(val_fn=lambda p: p["x"]),
            ValueError,
            r"val_fn must return a scalar of shape \(\); received shape \(3,\)",
        ),
        (
            dict(optimizer=optx.BFGS(1e-6, 1e-6), batches=lambda step: step),
            TypeError,
            "BFGS minimises one fixed function",
        ),
        (
            dict(optimizer=optx.LevenbergMarquardt(1e-6, 1e-6), loss_fn=lambda p, b, k: p["x"] > 0),
            TypeError,
            "received dtype bool",
        ),
    ],
)
@pytest.mark.parametrize("train", [run, fit])
def test_wrong_arguments(train, change, error, message):
    with pytest.raises(error, match=message):
        train(**GOOD | change)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(batches=[]), ValueError, "empty iterable"),
        (dict(batches=[np.zeros(3), np.zeros(2)]), ValueError, r"received \(3,\) at step 0 and \(2,\) at step 1"),
        (dict(block_size=0), ValueError, "block_size must be a positive integer"),
        (dict(checkpoint_every=0), ValueError, "checkpoint_every must be a positive integer"),
    ],
)
def test_wrong_arguments_of_fit(change, error, message):
    with pytest.raises(error, match=message):
        fit(**GOOD | dict(block_size=2) | change)


def test_run_sends_host_batches_to_fit():
    with pytest.raises(TypeError, match=r"received list.*go to training\.fit"):
        run(**GOOD | dict(batches=[1.0]))


def test_fit_inside_a_transformation_sends_to_run():
    with pytest.raises(TypeError, match=r"use training\.run"):
        jax.jit(lambda x: fit(rosenbrock, x, optimizer=optax.sgd(0.1), num_steps=2).losses)(jnp.zeros(2))


def test_no_key_is_handed_on_as_none():
    seen = []
    run(**GOOD | dict(loss_fn=lambda p, b, k: (seen.append((b, k)), jnp.sum(p["x"] ** 2))[1]))
    assert set(seen) == {(None, None)}


def test_every_status_has_a_message():
    for status in FitStatus:
        assert len(status.message) > 20 and str(status).startswith(status.name)
