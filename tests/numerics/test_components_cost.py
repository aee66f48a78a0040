"""What the component transform emits: no array operations, few scalar ones, networks left on arrays."""

import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from sciml_jax.numerics.components import (
    Components,
    as_components,
    count_scalar_operations,
    evaluate,
    pack,
    should_use_components,
    unpack,
)

from .component_checks import MOVES, assert_same, componentwise, emitted, point, primitives_of
from .component_programs import FIELDS, converging, hires, lorenz, mlp_field, mlp_weights, pleiades, robertson


@pytest.mark.parametrize("name", FIELDS)
def test_no_array_operation_is_left_in_small_vector_fields(name):
    fn, n = FIELDS[name]
    y = jnp.abs(point(n))
    assert not MOVES & set(emitted(fn, y))
    assert not MOVES & set(emitted(jax.jacfwd(fn), y, fold_zero_products=True))
    assert_same(componentwise(fn, y)(y)[0], fn(y))
    assert_same(componentwise(jax.jacfwd(fn), y, fold_zero_products=True)(y)[0], jax.jacfwd(fn)(y))


def test_the_number_of_emitted_operations_is_pinned():
    y = jnp.array([0.9, 1e-5, 0.1])
    assert len(emitted(robertson, y)) == 9
    assert len(emitted(jax.jacfwd(robertson), y, fold_zero_products=True)) == 7
    # 20 nonzeros (each product once where a row repeats it) and sums of 8 rows, the quadratic term, the source: 39;
    # of the derivative only what depends on the state: 280 y8, 280 y6 with either sign, and two sums.
    assert len(emitted(hires, jnp.ones(8), fold_zero_products=True)) == 39
    assert len(emitted(jax.jacfwd(hires), jnp.ones(8), fold_zero_products=True)) == 5


def test_zero_products_are_kept_unless_folding_is_asked_for():
    closed = jax.make_jaxpr(lambda y: jnp.zeros(2) * y)(jnp.ones(2))
    y = unpack(jnp.array([jnp.inf, 1.0]))
    assert np.isnan(pack(evaluate(closed, y)[0])[0])
    assert pack(evaluate(closed, y, fold_zero_products=True)[0])[0] == 0.0


def test_a_network_stays_on_arrays():
    y, weights = jnp.array([0.3, -0.2]), mlp_weights(24)
    for fn, args in (
        (lambda y: mlp_field(weights, y) * y[0], (unpack(y),)),
        (lambda y, *w: mlp_field(w, y) * y[0], (unpack(y), *weights)),
    ):
        closed = jax.make_jaxpr(fn)(*[pack(a) if isinstance(a, Components) else a for a in args])
        names = primitives_of(jax.make_jaxpr(lambda *c, closed=closed: evaluate(closed, *c))(*args))
        assert names.count("dot_general") == 3
        assert names.count("tanh") == 2
        assert names.count("slice") <= 2
        assert_same(pack(as_components(evaluate(closed, *args)[0])), mlp_field(weights, y) * y[0])


def test_a_tiny_network_is_written_out():
    y, weights = jnp.array([0.3, -0.2]), mlp_weights(4)
    assert not MOVES & set(emitted(lambda y: mlp_field(weights, y), y))


def test_the_size_decides():
    y = point(28)
    closed = jax.make_jaxpr(pleiades)(y)
    assert not should_use_components(closed, 1500 // 6)
    assert should_use_components(closed, 1500)
    started = time.perf_counter()
    assert_same(componentwise(pleiades, y)(y)[0], pleiades(y), ulps=16)
    assert time.perf_counter() - started < 20
    for fn, n in FIELDS.values():
        assert should_use_components(jax.make_jaxpr(fn)(jnp.ones(n)), 1500 // 6)
    assert not should_use_components(jax.make_jaxpr(jnp.sin)(jnp.ones(1000)), 1500)


def test_counts_are_those_of_the_program():
    y = jnp.ones(3)
    assert count_scalar_operations(jax.make_jaxpr(lambda y: jnp.sin(y) + y[0])(y)) == 6
    assert count_scalar_operations(jax.make_jaxpr(lambda y: jnp.outer(y, y) @ y)(y)) == 18
    assert count_scalar_operations(jax.make_jaxpr(lambda y: lax.fori_loop(0, 5, lambda i, c: c * 2, y))(y)) == 20
    assert count_scalar_operations(jax.make_jaxpr(converging)(y)) == 8
    assert count_scalar_operations(jax.make_jaxpr(lambda y: jnp.sin(y))(jnp.ones(100))) == 1
    # The count is what is emitted where nothing folds.
    assert count_scalar_operations(jax.make_jaxpr(lorenz)(y)) == len(emitted(lorenz, y))
