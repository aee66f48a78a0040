"""What wrong arguments of `ensemble` say: the rule, what was received, the fix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax import parallel

X = np.linspace(0.0, 1.0, 6)
DEVICE = jax.devices()[0]
MESH = jax.sharding.Mesh(np.array(jax.devices()[:1]), ("x",))


def square(x):
    return x**2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (dict(fn=3), TypeError, "`fn` must be callable; got 3"),
        (dict(fn=lambda: 1.0), TypeError, r"`fn` is called with \(member\)"),
        (dict(inputs={"a": X, "b": X[:3]}), ValueError, r"share their first axis.*\(6,\).*\(3,\).*broadcast_to"),
        (dict(inputs={"a": X, "b": jnp.array(1.0)}), TypeError, r"\['b'\] is float64\[\].*close over"),
        (dict(inputs=[1.0, 2.0]), TypeError, r"\[0\] is 1.0 \(float\)"),
        (dict(inputs=()), ValueError, "at least one array"),
        (dict(inputs=np.array(["a", "b"])), TypeError, "must be numeric.*<U1"),
        (dict(chunk_size=0), ValueError, "`chunk_size` must be at least 1; got 0"),
        (dict(chunk_size=2.5), TypeError, '"auto" or a positive integer; got 2.5'),
        (dict(chunk_size="all"), TypeError, "got 'all'"),
        (dict(devices=[0]), TypeError, r"list of JAX devices; got 0 \(int\).*jax.devices"),
        (dict(devices=[]), TypeError, "got none"),
        (dict(devices=[DEVICE, DEVICE]), ValueError, "every device once"),
        (dict(devices=[DEVICE], mesh=MESH), ValueError, "`devices` or `mesh`, not both"),
        (dict(mesh=2), TypeError, r"jax.sharding.Mesh; got 2 \(int\)"),
        (dict(cost=np.ones(5)), ValueError, r"shape \(6,\).*got shape \(5,\)"),
        (dict(cost=lambda x: jnp.ones(2)), ValueError, r"got shape \(6, 2\)"),
        (dict(cost=np.full(6, np.nan)), ValueError, "must not be NaN; got 6 of 6"),
        (dict(reduce="mean"), TypeError, "must be a reduction.*got 'mean'"),
        (dict(reduce=()), TypeError, "got none"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule_and_the_fix(change, error, message):
    with pytest.raises(error, match=message):
        parallel.ensemble(**(dict(fn=square, inputs=X) | change))


def test_traced_inputs_and_functions_are_refused_with_a_pointer_to_vmap():
    with pytest.raises(TypeError, match=r"concrete inputs.*jax\.vmap\(fn\)"):
        jax.jit(lambda x: parallel.ensemble(square, x).values)(X)
    with pytest.raises(TypeError, match=r"holds traced values.*jax\.vmap\(fn\)"):
        jax.jit(lambda a: parallel.ensemble(lambda x: a * x, X).values)(2.0)


def test_a_file_is_no_checkpoint_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="must be a folder; got the file"):
        parallel.ensemble(square, X, checkpoint=tmp_path / "file")


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: parallel.mean(3), TypeError, "`of` must be a function"),
        (lambda: parallel.variance(ddof=-1), ValueError, "`ddof` must be an integer of at least 0; got -1"),
        (lambda: parallel.quantiles([0.5, 1.5]), ValueError, r"between 0 and 1; got \[0.5, 1.5\]"),
        (lambda: parallel.quantiles([]), ValueError, "between 0 and 1"),
        (lambda: parallel.quantiles(0.5, size=7), ValueError, "even integer of at least 2; got 7"),
        (lambda: parallel.ensemble(lambda x: 1j * x, X, reduce=parallel.quantiles(0.5)), TypeError, "real numbers"),
    ],
)
def test_wrong_reductions_are_refused(make, error, message):
    with pytest.raises(error, match=message):
        make()
