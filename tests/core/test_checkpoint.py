"""The checkpoint file: what is written comes back bit for bit, or an error says why not."""

import os
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core.checkpoint import load_checkpoint, load_metadata, save_checkpoint


def _tree():
    return {
        "f64": jnp.array([1.0, -0.0, jnp.nan, jnp.inf]),
        "f32": jnp.ones((2, 3), jnp.float32) / 3,
        "bf16": jnp.arange(5, dtype=jnp.bfloat16) / 7,
        "complex": jnp.array([1 + 2j]),
        "int": jnp.array(7, jnp.int32),
        "bool": np.array([True, False]),
        "empty": jnp.zeros((0, 3)),
        "key": jax.random.key(3),
        "keys": jax.random.split(jax.random.key(4, impl="rbg"), 2),
        "number": 0.1,
        "count": 3,
        "flag": True,
        "function": jnp.tanh,
        "name": "x",
        "none": None,
    }


def _bytes(leaf):
    if hasattr(leaf, "dtype") and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).tobytes() if hasattr(leaf, "dtype") else leaf


def test_every_kind_of_leaf_comes_back_with_the_same_bits(tmp_path):
    tree = _tree()
    save_checkpoint(tmp_path / "a" / "b.ckpt", tree, {"step": 3, "note": "ü"})
    loaded, metadata = load_checkpoint(tmp_path / "a" / "b.ckpt", tree)
    assert metadata == load_metadata(tmp_path / "a" / "b.ckpt") == {"step": 3, "note": "ü"}
    assert jax.tree.structure(loaded) == jax.tree.structure(tree)
    for name in tree:
        assert type(loaded[name]) is type(tree[name]), name
        assert getattr(loaded[name], "dtype", None) == getattr(tree[name], "dtype", None), name
        assert getattr(loaded[name], "shape", None) == getattr(tree[name], "shape", None), name
        assert _bytes(loaded[name]) == _bytes(tree[name]), name
    assert os.listdir(tmp_path / "a") == ["b.ckpt"]
    assert jax.random.normal(loaded["key"]) == jax.random.normal(tree["key"])


def test_a_shape_struct_is_enough_to_read_into(tmp_path):
    save_checkpoint(tmp_path / "c", jnp.arange(3.0))
    loaded, metadata = load_checkpoint(tmp_path / "c", jax.ShapeDtypeStruct((3,), jnp.float64))
    assert loaded.tolist() == [0.0, 1.0, 2.0] and metadata == {}


@pytest.mark.parametrize(
    ("like", "message"),
    [
        ({"a": np.zeros(4), "b": 1.0}, r"\['a'\]: float64\(3,\) in the file, float64\(4,\) expected"),
        ({"a": np.zeros(3, np.float32), "b": 1.0}, r"float64\(3,\) in the file, float32\(3,\) expected"),
        ({"a": np.zeros(3)}, r"\['b'\]: only in the file"),
        ({"a": np.zeros(3), "b": 1.0, "c": 1.0}, r"\['c'\]: not in the file"),
        ({"a": np.zeros(3), "b": 1}, r"\['b'\]: float in the file, int expected"),
    ],
)
def test_another_structure_is_refused_and_the_difference_named(tmp_path, like, message):
    save_checkpoint(tmp_path / "c", {"a": np.zeros(3), "b": 1.0})
    with pytest.raises(ValueError, match=message):
        load_checkpoint(tmp_path / "c", like)


@pytest.mark.parametrize("damage", ["cut", "flip", "foreign", "empty"])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "c"
    save_checkpoint(path, np.arange(100.0))
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[-5] ^= 1
    path.write_bytes({"cut": data[:-8], "flip": data, "foreign": b"PK" + data, "empty": b""}[damage])
    with pytest.raises(ValueError, match="damaged or something else"):
        load_checkpoint(path, np.arange(100.0))


def test_object_arrays_are_refused(tmp_path):
    with pytest.raises(ValueError, match="object"):
        save_checkpoint(tmp_path / "c", np.array([None], object))


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "c"
    save_checkpoint(path, np.arange(3.0))

    def full_disk(descriptor):
        raise OSError("No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, np.arange(3.0) + 1)
    assert load_checkpoint(path, np.zeros(3))[0].tolist() == [0.0, 1.0, 2.0]


def test_reading_runs_no_code_from_the_file(tmp_path):
    """The reader imports neither pickle nor numpy's object loader: it works with pickle disabled."""
    save_checkpoint(tmp_path / "c", np.arange(3.0))
    script = f"""
        import jax, numpy as np, pickle
        def refuse(*args, **kwargs): raise RuntimeError("pickle")
        pickle.load = pickle.loads = pickle.Unpickler = refuse
        from sciml_jax.core.checkpoint import load_checkpoint
        assert load_checkpoint({str(tmp_path / "c")!r}, np.zeros(3))[0].tolist() == [0.0, 1.0, 2.0]
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True)
