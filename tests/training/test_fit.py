"""`training.fit`: the same bits as `run`, whatever the blocks, and what needs a host."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sciml_jax.training import FitStatus, fit, minibatches, run

from .problems import nan_below, noisy_regression, quadratic, regression_data

ADAM = optax.adam(0.1)
START = {"w": jnp.zeros(3)}
DATA = regression_data()
OPTIONS = dict(optimizer=ADAM, num_steps=23, key=0, batches=minibatches(DATA, 8, key=0), patience=100)


def _assert_same_bits(a, b):
    for name in ("params", "opt_state", "best_params"):
        assert bool(eqx.tree_equal(getattr(a, name), getattr(b, name))), name
    np.testing.assert_array_equal(a.losses, b.losses)
    assert int(a.status) == int(b.status) and int(a.num_steps) == int(b.num_steps)


@pytest.fixture(scope="module")
def reference():
    return fit(noisy_regression, START, **OPTIONS)


def test_fit_and_run_give_the_same_bits(reference):
    _assert_same_bits(run(noisy_regression, START, **OPTIONS), reference)
    _assert_same_bits(jax.jit(lambda p: run(noisy_regression, p, **OPTIONS))(START), reference)


@pytest.mark.parametrize("block_size", [1, 2, 7, 23, 50])
def test_the_block_size_does_not_change_a_bit(reference, block_size):
    _assert_same_bits(fit(noisy_regression, START, block_size=block_size, **OPTIONS), reference)


def test_a_run_of_one_step_gives_the_same_bits_as_the_start_of_a_long_one(reference):
    one = run(noisy_regression, START, **OPTIONS | {"num_steps": 1})
    assert one.losses.shape == (1,) and one.losses[0] == reference.losses[0]


def test_the_second_call_traces_nothing():
    traces = []

    def loss(params, batch, key):
        traces.append(None)
        return quadratic(params, batch, key)

    optimizer = optax.sgd(0.1)
    fit(loss, {"x": jnp.zeros(3)}, optimizer=optimizer, num_steps=10)
    first = len(traces)
    again = fit(loss, {"x": jnp.ones(3) * 2}, optimizer=optimizer, num_steps=33)
    assert first > 0 and len(traces) == first
    assert again.num_steps == 33 and again.elapsed < 5


def test_new_data_of_the_same_shape_trace_nothing():
    traces = []

    def loss(params, batch, key):
        traces.append(None)
        return jnp.mean((batch["x"] @ params["w"] - batch["y"]) ** 2)

    first = fit(loss, START, optimizer=ADAM, num_steps=5, batches=minibatches(DATA, 8, key=0))
    count = len(traces)
    other = fit(
        loss, START, optimizer=ADAM, num_steps=5, batches=minibatches(jax.tree.map(lambda x: 2 * x, DATA), 8, key=0)
    )
    assert len(traces) == count and other.losses[0] == pytest.approx(4 * first.losses[0], rel=1e-12)


def test_a_list_of_batches_is_gone_through_again_and_again():
    data = [np.array(1.0), np.array(2.0), np.array(4.0)]
    result = fit(
        lambda p, b, k: p * b, jnp.array(1.0), optimizer=optax.sgd(0.0), num_steps=8, batches=data, block_size=5
    )
    assert result.losses.tolist() == [1, 2, 4, 1, 2, 4, 1, 2] and result.status is FitStatus.COMPLETED


def test_an_iterator_that_ends_is_a_status_and_keeps_what_was_done():
    batches = (np.array(float(i)) for i in range(7))
    result = fit(
        lambda p, b, k: p * b, jnp.array(1.0), optimizer=optax.sgd(0.0), num_steps=20, batches=batches, block_size=5
    )
    assert result.status is FitStatus.OUT_OF_BATCHES and result.losses.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_host_batches_and_a_function_of_the_step_agree_to_rounding(reference):
    host = [OPTIONS["batches"](step) for step in range(23)]
    result = fit(noisy_regression, START, **OPTIONS | {"batches": iter(host)})
    np.testing.assert_allclose(result.losses, reference.losses, rtol=1e-12)
    np.testing.assert_allclose(result.params["w"], reference.params["w"], rtol=1e-12)


def test_nan_stops_with_the_last_good_parameters_and_a_remedy():
    result = fit(nan_below(0.6), {"x": jnp.array(1.0)}, optimizer=optax.sgd(0.1), num_steps=1000)
    assert result.status is FitStatus.NON_FINITE_LOSS and not result.status.is_success
    assert float(result.params["x"]) == pytest.approx(0.64, rel=1e-14)
    assert result.num_steps == len(result.losses) == 4 and np.isnan(result.losses[-1])
    assert "learning rate" in result.message and len(repr(result)) < 120


def test_early_stop_ends_the_fit_and_returns_the_best():
    result = fit(
        lambda p, b, k: 0.5 * (p - 1.0) ** 2,
        jnp.array(0.0),
        optimizer=optax.sgd(0.1),
        num_steps=5000,
        val_fn=lambda p: jnp.abs(p - 0.5),
        patience=4,
    )
    assert result.status is FitStatus.EARLY_STOP and result.num_steps == len(result.val_losses) == 12
    assert float(result.best_params) == pytest.approx(1 - 0.9**7, rel=1e-14)
    assert result.best_loss == result.val_losses.min() == result.val_losses[7]


def test_nothing_is_printed_when_stderr_is_not_a_terminal(capfd):
    fit(quadratic, {"x": jnp.zeros(3)}, optimizer=optax.sgd(0.1), num_steps=10)
    captured = capfd.readouterr()
    assert captured.err == "" and captured.out == ""


def test_progress_true_draws_the_bar_with_the_loss(capfd):
    fit(quadratic, {"x": jnp.ones(3)}, optimizer=optax.sgd(0.1), num_steps=10, progress=True)
    text = capfd.readouterr().err
    assert "10/10" in text and "loss=0" in text
