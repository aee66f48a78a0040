"""Deferred calls: traced late, and otherwise like the function itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

from sciml_jax.numerics.deferred import deferred

X, A = jnp.array([0.3, -1.2, 2.0]), jnp.array([[1.0, 2.0, 0.5], [0.0, -1.0, 3.0], [2.0, 0.1, 1.0]])


def product(tree):
    return {"y": tree["a"] @ tree["x"], "s": jnp.sum(tree["x"]) * tree["a"][0, 0]}


SHAPES = {"y": X, "s": jnp.zeros(())}


def both(a, x):
    """The function and the deferred call of it, as one vector each."""
    pack = lambda out: jnp.append(out["y"], out["s"])
    return pack(product({"a": a, "x": x})), pack(deferred(product, SHAPES)({"a": a, "x": x}))


def assert_same(transform):
    plain, late = transform(lambda a, x: both(a, x)[0]), transform(lambda a, x: both(a, x)[1])
    np.testing.assert_allclose(late, plain, rtol=1e-14)


def test_a_deferred_call_gives_what_the_function_gives():
    """Eagerly and compiled."""
    assert_same(lambda f: f(A, X))
    assert_same(lambda f: jax.jit(f)(A, X))


def test_it_works_in_batches_of_batches_over_any_axis():
    """Also where only one of the operands has lanes."""
    many, more = jnp.stack([X, 2 * X, -X], axis=1), jnp.stack([A, A.T])
    assert_same(lambda f: jax.vmap(f, (None, 1))(A, many))
    assert_same(lambda f: jax.jit(jax.vmap(jax.vmap(f, (None, 1)), (0, None)))(more, many))


def test_its_derivatives_are_those_of_the_function():
    """Forward, reverse and both over each other, in one and in all operands."""
    assert_same(lambda f: jax.jit(jax.jacfwd(f, 1))(A, X))
    assert_same(lambda f: jax.jacrev(f, 0)(A, X))
    assert_same(lambda f: jax.hessian(lambda x: jnp.sum(f(A * x[0], x) ** 2))(X))
    assert_same(lambda f: jax.jvp(f, (A, X), (A.T, X**2))[1])


def test_its_transpose_is_deferred_too_and_is_right_in_a_batch():
    """The transpose with respect to the operand in which it is linear, and the transpose of that."""
    back = lambda f, a, ct: jax.linear_transpose(lambda x: f(a, x), X)(ct)[0]
    ct = jnp.array([1.0, -0.5, 2.0, 0.25])
    assert_same(lambda f: back(f, A, ct))
    assert_same(lambda f: jax.vmap(lambda a: back(f, a, ct))(jnp.stack([A, A.T])))
    assert_same(lambda f: jax.linear_transpose(lambda ct: back(f, A, ct), ct)(X)[0])
    program = jax.make_jaxpr(lambda ct: back(lambda a, x: both(a, x)[1], A, ct))(ct)
    assert "dot_general" not in str(program)


def test_it_is_traced_only_where_a_program_needs_it():
    """Not when it is batched, transposed or dropped; once when it is compiled."""
    traces = []

    def counting(x):
        traces.append(1)
        return 2.0 * x

    late = deferred(counting, X)
    jax.make_jaxpr(jax.vmap(late))(jnp.stack([X, X]))
    jax.make_jaxpr(lambda ct: jax.linear_transpose(late, X)(ct))(X)
    jax.jit(lambda x: (late(x), x)[1])(X)
    assert not traces
    jax.jit(late)(X)
    assert len(traces) == 1


@pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")
def test_it_runs_inside_shard_map_with_its_check():
    """Its results vary over the axes that its operands vary over."""
    mesh = Mesh(np.array(jax.devices()[:2]), ("i",))
    spec = PartitionSpec("i")
    late = deferred(lambda a, x: a @ x, X)
    each = lambda a, xs: jax.vmap(lambda x: late(a, x))(xs)
    shared = jax.shard_map(each, mesh=mesh, in_specs=(PartitionSpec(), spec), out_specs=spec)
    xs = jnp.stack([X, 2 * X, -X, X**2])
    np.testing.assert_allclose(jax.jit(shared)(A, xs), xs @ A.T, rtol=1e-14)
