"""What the tests of the component transform share: the transform of a function, what it emits, comparisons."""

import jax
import jax.numpy as jnp
import numpy as np

from sciml_jax.numerics.components import as_components, evaluate, pack, unpack

MOVES = {"stack", "unstack", "concatenate", "slice", "squeeze", "gather", "scatter", "scatter-add", "pad", "reshape"}
MOVES |= {"dynamic_slice", "dynamic_update_slice", "broadcast_in_dim", "dot_general", "transpose", "split", "iota"}


def componentwise(fn, *example, **options):
    """`fn` on packed arrays, computed by components inside."""
    closed = jax.make_jaxpr(fn)(*example)

    def run(*args):
        outs = evaluate(closed, *[unpack(a) for a in args], **options)
        return [pack(as_components(out)) for out in outs]

    return run


def primitives_of(jaxpr) -> list[str]:
    """Names of all primitives in `jaxpr`, called jaxprs included."""
    names = []
    for eqn in getattr(jaxpr, "jaxpr", jaxpr).eqns:
        names.append(eqn.primitive.name)
        for value in eqn.params.values():
            for item in value if isinstance(value, (tuple, list)) else (value,):
                if hasattr(item, "eqns") or hasattr(item, "jaxpr"):
                    names += primitives_of(item)
    return names


def emitted(fn, *example, **options) -> list[str]:
    """Names of the primitives that the component version of `fn` emits when fed components."""
    closed = jax.make_jaxpr(fn)(*example)
    return primitives_of(jax.make_jaxpr(lambda *c: evaluate(closed, *c, **options))(*[unpack(x) for x in example]))


def assert_same(actual, expected, ulps=4):
    """Same shape and dtype; values within `ulps` units in the last place of the largest entry."""
    assert actual.shape == expected.shape
    assert actual.dtype == expected.dtype
    actual, expected = np.asarray(actual), np.asarray(expected)
    if not np.issubdtype(expected.dtype, np.inexact):
        np.testing.assert_array_equal(actual, expected)
        return
    finite = np.isfinite(expected)
    scale = np.max(np.abs(expected[finite]), initial=0.0)
    np.testing.assert_array_equal(np.isfinite(actual), finite)
    np.testing.assert_array_equal(actual[~finite], expected[~finite])
    np.testing.assert_allclose(
        actual[finite], expected[finite], rtol=0, atol=ulps * np.finfo(expected.dtype).eps * scale
    )


def point(n, dtype=jnp.float64):
    return (jnp.sin(2.3 * jnp.arange(n) + 0.7) + 0.1).astype(dtype)
