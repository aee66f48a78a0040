"""The component transform computes what the original program computes."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import PartitionSpec

from sciml_jax.numerics.components import Components, evaluate, pack, unpack

from .component_checks import assert_same, componentwise, emitted, point, primitives_of
from .component_programs import FORWARD_ONLY, OPERATIONS, REVERSE_ONLY, UNCHAINED, lorenz, steep, steep_reverse

# Long recurrences and factorisations round differently by more than a sum does.
LOOSE = {"long_scan": 64, "alternate": 64, "scan": 64, "solve": 64}


@pytest.mark.parametrize("name", [*OPERATIONS, *FORWARD_ONLY, *REVERSE_ONLY])
def test_each_operation_has_the_same_values_and_derivatives(name):
    fn = (OPERATIONS | FORWARD_ONLY | REVERSE_ONLY)[name]
    x, w = point(3), jnp.array([1.0, -2.0, 0.5])

    def everything(fn):
        forward = name not in REVERSE_ONLY
        reverse = name not in FORWARD_ONLY
        return lambda x, w: (
            fn(x),
            jax.jvp(fn, (x,), (w,))[1] if forward else x,
            jax.grad(lambda x: jnp.sum(w * fn(x)))(x) if reverse else x,
        )

    run = componentwise(fn, x)
    actual = jax.jit(everything(lambda x: run(x)[0]))(x, w)
    expected = jax.jit(everything(fn))(x, w)
    assert_same(actual[0], expected[0], ulps=LOOSE.get(name, 4))
    assert_same(actual[1], expected[1], ulps=64)
    assert_same(actual[2], expected[2], ulps=64)


def test_all_operations_agree_in_single_precision_on_one_component():
    x = point(1, jnp.float32)
    programs = OPERATIONS | FORWARD_ONLY | REVERSE_ONLY
    actual = jax.jit(lambda x: {name: componentwise(fn, x)(x)[0] for name, fn in programs.items()})(x)
    expected = jax.jit(lambda x: {name: fn(x) for name, fn in programs.items()})(x)
    for name, value in expected.items():
        assert_same(actual[name], value, ulps=LOOSE.get(name, 8))


@hypothesis.settings(max_examples=16, deadline=None, derandomize=True, database=None)
@hypothesis.given(
    names=st.lists(st.sampled_from(sorted(set(OPERATIONS) - UNCHAINED)), min_size=2, max_size=5),
    n=st.integers(1, 4),
    dtype=st.sampled_from([jnp.float32, jnp.float64]),
)
def test_chains_of_operations_agree(names, n, dtype):
    def fn(x):
        for name in names:
            x = jnp.tanh(OPERATIONS[name](x)).astype(dtype)
        return x

    x = point(n, dtype)
    assert_same(jax.jit(componentwise(fn, x))(x)[0], jax.jit(fn)(x), ulps=200)


@hypothesis.settings(max_examples=5, deadline=None, derandomize=True, database=None)
@hypothesis.given(names=st.lists(st.sampled_from(sorted(set(OPERATIONS) - UNCHAINED)), min_size=2, max_size=3))
def test_jacobians_of_chains_agree_with_zero_products_folded(names):
    def fn(x):
        for name in names:
            x = jnp.tanh(OPERATIONS[name](x))
        return x

    x = point(3)
    jacobian = jax.jacfwd(fn)
    (actual,) = jax.jit(componentwise(jacobian, x, fold_zero_products=True))(x)
    assert_same(actual, jax.jit(jacobian)(x), ulps=500)


def test_a_custom_rule_survives_differentiation_and_can_be_dropped():
    x = jnp.array([1.0, 2.0])
    kept = componentwise(lambda x: steep(x) * x[0], x)
    np.testing.assert_allclose(jax.jacfwd(kept)(x)[0], [[8.0, 0.0], [2.0, 7.0]])
    np.testing.assert_allclose(jax.jacrev(kept)(x)[0], [[8.0, 0.0], [2.0, 7.0]])
    np.testing.assert_allclose(jax.hessian(lambda x: kept(x)[0][0])(x), [[14.0, 0.0], [0.0, 0.0]])
    dropped = componentwise(lambda x: steep(x) * x[0], x, keep_custom_rules=False)
    np.testing.assert_allclose(jax.jacfwd(dropped)(x)[0], [[2.0, 0.0], [2.0, 1.0]])
    np.testing.assert_allclose(jax.jacrev(componentwise(steep_reverse, x))(x)[0], 5 * np.eye(2))
    dropped = componentwise(steep_reverse, x, keep_custom_rules=False)
    np.testing.assert_allclose(jax.jacfwd(dropped)(x)[0], np.eye(2))
    assert "custom_vjp_call" not in emitted(steep_reverse, x, keep_custom_rules=False)


def test_a_custom_rule_on_a_large_array_is_kept():
    x = point(100)
    closed = jax.make_jaxpr(lambda x: steep(x) * 2)(x)
    np.testing.assert_allclose(jax.grad(lambda x: evaluate(closed, x)[0].sum())(x), 14.0)


@pytest.mark.parametrize("shape", [(), (0,), (3, 1), (2, 3), (0, 2), (1, 1, 2)])
def test_every_shape_passes_through(shape):
    x = jnp.arange(int(np.prod(shape)), dtype=jnp.float64).reshape(shape) + 0.5
    assert_same(pack(unpack(x)), x)
    for fn in (lambda x: x * 2.0 + 1.0, lambda x: jnp.sum(x), lambda x: x.reshape(-1), lambda x: x.T, jnp.prod):
        assert_same(componentwise(fn, x)(x)[0], fn(x))


@pytest.mark.parametrize(
    "dtype", [jnp.int32, jnp.int64, jnp.uint8, jnp.bool_, jnp.float16, jnp.bfloat16, jnp.complex64]
)
def test_every_dtype_is_kept(dtype):
    x = jnp.array([1, 0, 3]).astype(dtype)
    functions = [lambda x: x, lambda x: x == x[0], lambda x: jnp.stack([x[0] * x[1], x[2] + x[2]]), jnp.any, jnp.sum]
    if jnp.issubdtype(dtype, jnp.integer):
        functions += [lambda x: x // 2, lambda x: x % 2, lambda x: x << 1, lambda x: ~x, lambda x: -x - 1, jnp.max]
        functions += [lambda x: jnp.array([250, 7, 5]).astype(x.dtype) // 3 + x]
    if jnp.issubdtype(dtype, jnp.signedinteger):
        functions += [lambda x: (-7 + 0 * x) // 2, lambda x: jnp.array([-7, 7, 5], x.dtype) // 3 + x]
    if dtype == jnp.bool_:
        functions += [lambda x: x & True, lambda x: x | jnp.array([True, False, False]), lambda x: ~x ^ x[0], jnp.all]
    if jnp.issubdtype(dtype, jnp.inexact):
        functions += [lambda x: jnp.sin(x) * 2 + 0.5, lambda x: x @ x, lambda x: jnp.conj(x) * 1j]
    for fn in functions:
        assert_same(jax.jit(componentwise(fn, x))(x)[0], jax.jit(fn)(x))


def test_random_keys_and_dead_code_are_left_alone():
    def fn(y, key):
        jnp.linalg.inv(jnp.outer(y, y))
        return y + jax.random.normal(key, y.shape)

    y, key = jnp.ones(2), jax.random.key(3)
    closed = jax.make_jaxpr(fn)(y, key)
    assert_same(pack(evaluate(closed, unpack(y), key)[0]), fn(y, key))
    assert "lu" not in primitives_of(jax.make_jaxpr(lambda c: evaluate(closed, c, key))(unpack(y)))


def test_traced_constants_and_large_constants_stay_arrays():
    table = np.sin(np.arange(100.0))

    def outer(p, y):
        return componentwise(lambda y: y * p + jnp.asarray(table)[np.array([3, 50])] + jnp.asarray(table) @ table, y)(
            y
        )[0]

    p, y = jnp.array([2.0, 3.0]), jnp.array([0.1, 0.2])
    np.testing.assert_allclose(jax.jit(outer)(p, y), y * p + table[[3, 50]] + table @ table, rtol=1e-14)
    np.testing.assert_allclose(jax.jacfwd(outer)(p, y), jnp.diag(y), rtol=1e-14)


def test_components_are_a_pytree_that_loops_and_lanes_carry():
    y = jnp.array([1.0, 2.0, 3.0])
    closed = jax.make_jaxpr(lorenz)(y)

    def step(_, c):
        (slope,) = evaluate(closed, c)
        return jax.tree.map(lambda a, b: a + 1e-3 * b, c, slope)

    expected = y
    for _i in range(10):
        expected = expected + 1e-3 * lorenz(expected)
    assert_same(pack(lax.fori_loop(0, 10, step, unpack(y))), expected, ulps=16)
    lanes = jax.tree.map(lambda a: a * jnp.arange(1.0, 5.0), unpack(y))
    mapped = jax.vmap(lambda c: pack(evaluate(closed, c)[0]))(lanes)
    assert_same(mapped, jax.vmap(lorenz)(jnp.arange(1.0, 5.0)[:, None] * y))


@pytest.mark.parametrize("check", [True, False])
def test_it_works_inside_shard_map(check):
    mesh = jax.make_mesh((1,), ("lanes",), axis_types=(jax.sharding.AxisType.Auto,))
    y = jnp.array([[1.0, 2.0, 3.0]])
    names = ["stack", "set", "matvec", "softplus", "cond", "add_twice", "long_scan", "pad"]

    def fn(x):
        for name in names:
            # Scaled so that tanh does not saturate: 1 - tanh^2 would lose all its digits in any evaluation.
            x = jnp.tanh(0.1 * OPERATIONS[name](x))
        return x

    # Traced outside (no axes known) and inside (the jaxpr carries its own casts).
    outside = componentwise(fn, y[0])
    for run in (lambda x: outside(x)[0], lambda x: componentwise(fn, x)(x)[0]):
        spec = PartitionSpec("lanes")
        mapped = jax.shard_map(jax.vmap(run), mesh=mesh, in_specs=spec, out_specs=spec, check_vma=check)
        assert_same(jax.jit(mapped)(y), jax.vmap(fn)(y), ulps=64)
        gradient = jax.jit(jax.grad(lambda y, mapped=mapped: jnp.sum(mapped(y))))(y)
        assert_same(gradient, jax.grad(lambda y: jnp.sum(jax.vmap(fn)(y)))(y), ulps=64)


def test_wrong_arguments_are_named():
    closed = jax.make_jaxpr(lorenz)(jnp.ones(3))
    with pytest.raises(ValueError, match="one argument per input"):
        evaluate(closed)
    with pytest.raises(ValueError, match=r"argument 0 must be float64\[3\]; received float64\[2\]"):
        evaluate(closed, jnp.ones(2))
    with pytest.raises(ValueError, match="received float32"):
        evaluate(closed, unpack(jnp.ones(3, jnp.float32)))
    with pytest.raises(TypeError, match="must be scalars"):
        Components([jnp.ones(2)], jnp.float64)
    with pytest.raises(TypeError, match="must have its dtype"):
        Components([jnp.float32(1.0)], jnp.float64)
    np.testing.assert_array_equal(
        pack(Components([[1, jnp.float64(2.0)], [3, 4]], jnp.float64)), [[1.0, 2.0], [3.0, 4.0]]
    )
