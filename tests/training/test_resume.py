"""Interrupting, killing and resuming `training.fit`."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sciml_jax.core.checkpoint import load_metadata
from sciml_jax.training import FitStatus, fit, minibatches

from .problems import noisy_regression, regression_data, rosenbrock

DATA = regression_data()
ADAM, LBFGS = optax.adam(0.1), optax.lbfgs()


def _adam(num_steps, **options):
    batches = minibatches(DATA, 8, key=0)
    return fit(
        noisy_regression,
        {"w": jnp.zeros(3)},
        optimizer=ADAM,
        num_steps=num_steps,
        key=0,
        batches=batches,
        patience=500,
        **options,
    )


def _lbfgs(num_steps, **options):
    return fit(rosenbrock, jnp.array([-1.2, 1.0]), optimizer=LBFGS, num_steps=num_steps, **options)


def _solver(num_steps, **options):
    import optimistix as optx

    return fit(rosenbrock, jnp.array([-1.2, 1.0]), optimizer=optx.BFGS(1e-8, 1e-8), num_steps=num_steps, **options)


def _assert_same_bits(a, b):
    for name in ("params", "opt_state", "best_params"):
        assert bool(eqx.tree_equal(getattr(a, name), getattr(b, name))), name
    np.testing.assert_array_equal(a.losses, b.losses)
    assert a.status is b.status and a.num_steps == b.num_steps


@pytest.mark.parametrize("train", [_adam, _lbfgs, _solver])
def test_two_halves_give_the_bits_of_the_whole(tmp_path, train):
    half = train(11, checkpoint=tmp_path)
    assert half.num_steps == 11 and load_metadata(tmp_path / "training.ckpt")["step"] == 11
    _assert_same_bits(train(24, checkpoint=tmp_path), train(24))


def test_resuming_a_finished_run_takes_no_step(tmp_path):
    done = _adam(10, checkpoint=tmp_path)
    written = os.stat(tmp_path / "training.ckpt").st_mtime_ns
    _assert_same_bits(_adam(10, checkpoint=tmp_path), done)
    assert os.stat(tmp_path / "training.ckpt").st_mtime_ns == written


def test_host_batches_resume_where_they_were(tmp_path):
    batches = [minibatches(DATA, 8, key=0)(step) for step in range(4)]
    options = dict(optimizer=ADAM, key=0, batches=batches)
    fit(noisy_regression, {"w": jnp.zeros(3)}, num_steps=6, checkpoint=tmp_path, **options)
    resumed = fit(noisy_regression, {"w": jnp.zeros(3)}, num_steps=11, checkpoint=tmp_path, **options)
    _assert_same_bits(resumed, fit(noisy_regression, {"w": jnp.zeros(3)}, num_steps=11, **options))


def test_ctrl_c_returns_what_there_is_and_the_next_call_goes_on(tmp_path):
    def interrupted():
        for step in range(24):
            if step == 13:
                raise KeyboardInterrupt
            yield minibatches(DATA, 8, key=0)(step)

    def whole():
        return (minibatches(DATA, 8, key=0)(step) for step in range(24))

    options = dict(optimizer=ADAM, num_steps=24, key=0, block_size=5)
    part = fit(noisy_regression, {"w": jnp.zeros(3)}, batches=interrupted(), checkpoint=tmp_path, **options)
    assert part.status is FitStatus.INTERRUPTED and part.num_steps == len(part.losses) == 10
    resumed = fit(noisy_regression, {"w": jnp.zeros(3)}, batches=whole(), checkpoint=tmp_path, **options)
    _assert_same_bits(resumed, fit(noisy_regression, {"w": jnp.zeros(3)}, batches=whole(), **options))


def test_a_killed_process_resumes_to_the_same_bits(tmp_path):
    """SIGKILL in the middle of a run that writes a checkpoint after every step."""
    script = f"""
        import time, jax, jax.numpy as jnp, optax
        jax.config.update("jax_enable_x64", True)
        from sciml_jax.training import fit, minibatches
        from tests.training.problems import noisy_regression, regression_data
        source = minibatches(regression_data(), 8, key=0)
        def slowly():
            for step in range(400):
                time.sleep(0.02)
                yield source(step)
        fit(noisy_regression, {{"w": jnp.zeros(3)}}, optimizer=optax.adam(0.1), num_steps=400, key=0, batches=slowly(),
            block_size=1, checkpoint={str(tmp_path)!r}, checkpoint_every=1)
    """
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    child = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=root)
    path, deadline = tmp_path / "training.ckpt", time.monotonic() + 60
    while not (path.exists() and load_metadata(path)["step"] >= 5):
        assert child.poll() is None and time.monotonic() < deadline
        time.sleep(0.005)
    os.kill(child.pid, signal.SIGKILL)
    assert child.wait() == -signal.SIGKILL
    killed_at = load_metadata(path)["step"]
    assert 5 <= killed_at < 400

    def train(**options):
        steps = killed_at + 10
        batches = (minibatches(DATA, 8, key=0)(step) for step in range(steps))
        return fit(
            noisy_regression, {"w": jnp.zeros(3)}, optimizer=ADAM, num_steps=steps, key=0, batches=batches, **options
        )

    _assert_same_bits(train(checkpoint=tmp_path), train())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(key=1), "key: "),
        (dict(params={"w": jnp.ones(3)}), "initial params: "),
        (dict(patience=7), "patience: None in the checkpoint, 7 now"),
        (dict(batches=[minibatches(DATA, 8, key=0)(0)]), "batches: function in the checkpoint, iterable now"),
        (dict(optimizer=optax.sgd(0.1)), r"only in the file"),
    ],
)
def test_the_checkpoint_of_another_run_is_refused_and_the_difference_named(tmp_path, change, message):
    options = dict(
        params={"w": jnp.zeros(3)},
        optimizer=ADAM,
        num_steps=3,
        key=0,
        batches=minibatches(DATA, 8, key=0),
        checkpoint=tmp_path,
    )
    fit(noisy_regression, **options)
    with pytest.raises(ValueError, match=message):
        fit(noisy_regression, **options | change)
    assert fit(noisy_regression, **options | change, resume=False).num_steps == 3


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="must be a folder"):
        _adam(3, checkpoint=tmp_path / "file")
