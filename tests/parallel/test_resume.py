"""`ensemble(checkpoint=folder)`: killed and called again, only the missing chunks run and every bit is the same."""

import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import parallel
from sciml_jax.parallel.resume import ChunkStore
from tests.helpers import Counted, assert_trees_close

from .problems import INPUTS, root, run_script

RULES = (parallel.mean(lambda out: out.y), parallel.quantiles([0.1, 0.9], lambda out: out.y, size=16))
KILLED_AFTER = 4

SCRIPT = """
    import os, signal, sys
    from sciml_jax import parallel
    from sciml_jax.parallel.resume import ChunkStore
    from tests.parallel.problems import INPUTS, root
    from tests.parallel.test_resume import RULES

    save, saved = ChunkStore.save, []
    def save_and_die(self, index, output):
        save(self, index, output)
        saved.append(index)
        if len(saved) == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)
    ChunkStore.save = save_and_die
    parallel.ensemble(root, INPUTS, chunk_size=8, checkpoint=sys.argv[1], reduce=RULES)
"""


@pytest.fixture(scope="module")
def whole():
    return parallel.ensemble(root, INPUTS, chunk_size=8)


def same_bits(a, b):
    assert_trees_close(a.values, b.values, rtol=0.0)
    np.testing.assert_array_equal(a.status, b.status)


def test_after_sigkill_only_the_missing_chunks_run_and_no_bit_differs(tmp_path):
    killed = run_script(SCRIPT, tmp_path / "run", KILLED_AFTER)
    assert killed.returncode == -signal.SIGKILL, killed.err
    options = dict(chunk_size=8, reduce=RULES)
    reference = parallel.ensemble(root, INPUTS, **options)
    resumed = parallel.ensemble(root, INPUTS, checkpoint=tmp_path / "run", **options)
    assert resumed.num_resumed == KILLED_AFTER < resumed.num_chunks == reference.num_chunks
    assert_trees_close(resumed.reduced, reference.reduced, rtol=0.0)
    assert resumed.failures == reference.failures != ()


def test_a_finished_ensemble_runs_nothing_and_gives_the_same_bits(tmp_path, whole, monkeypatch):
    first = parallel.ensemble(root, INPUTS, chunk_size=8, checkpoint=tmp_path)
    monkeypatch.setattr(ChunkStore, "save", Counted(ChunkStore.save))
    again = parallel.ensemble(root, INPUTS, chunk_size=8, checkpoint=tmp_path)
    assert ChunkStore.save.calls == 0 and again.num_resumed == again.num_chunks == first.num_chunks == 34
    same_bits(first, whole)
    same_bits(again, whole)


@pytest.mark.parametrize("reduce", [None, RULES])
@pytest.mark.parametrize("lost", [[0], [3, 7], [0, "order"]])
def test_lost_chunks_run_again(tmp_path, lost, reduce):
    options = dict(chunk_size=8, reduce=reduce)
    parallel.ensemble(root, INPUTS, checkpoint=tmp_path, **options)
    for name in lost:
        (tmp_path / (f"chunk-{name:07d}.ckpt" if name != "order" else "order.ckpt")).unlink()
    again = parallel.ensemble(root, INPUTS, checkpoint=tmp_path, **options)
    assert again.num_resumed == 34 - len([name for name in lost if name != "order"])
    reference = parallel.ensemble(root, INPUTS, **options)
    assert_trees_close((again.values, again.reduced), (reference.values, reference.reduced), rtol=0.0)


def test_another_number_of_devices_goes_on_with_the_chunks_there_are(tmp_path):
    two = parallel.ensemble(root, INPUTS, checkpoint=tmp_path, devices=jax.devices()[:2])
    (tmp_path / "chunk-0000001.ckpt").unlink()
    one = parallel.ensemble(root, INPUTS, checkpoint=tmp_path, devices=jax.devices()[:1])
    assert one.chunk_size == two.chunk_size and one.num_resumed == one.num_chunks - 1
    same_bits(one, two)


def scaled(factor):
    return lambda member: member["a"] * factor


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (dict(inputs={"a": INPUTS["a"] + 1e-12}), "inputs"),
        (dict(fn=scaled(3.0)), "program"),
        (dict(fn=scaled(jnp.array(2.5))), "program"),
        (dict(reduce=parallel.mean()), "program"),
        (dict(chunk_size=16), "chunk_size"),
        (dict(cost=INPUTS["a"]), "cost"),
    ],
)
def test_another_ensemble_is_refused_and_the_difference_named(tmp_path, change, named):
    options = dict(fn=scaled(2.0), inputs={"a": INPUTS["a"]}, chunk_size=64, checkpoint=tmp_path)
    parallel.ensemble(**options)
    with pytest.raises(ValueError, match=f"only from its own checkpoint(.|\n)*{named}: (.|\n)*Give another folder"):
        parallel.ensemble(**options | change)
    parallel.ensemble(**options | dict(fn=scaled(2.0)))  # the same function, made anew, is the same ensemble
