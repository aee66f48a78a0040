"""Combinations, interpolation, packing and hoisting, each against its definition."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.combine import linear_combination
from sciml_jax.numerics.flatten import RealVector
from sciml_jax.numerics.hoist import Hoisted
from sciml_jax.numerics.interpolation import cubic_hermite


def test_a_linear_combination_is_the_sum_it_says():
    base, terms = (jnp.array([1.0, 2.0]), jnp.array(3.0)), [(jnp.array([1.0, -1.0]), jnp.array(2.0))] * 2
    got = linear_combination(base, jnp.array(0.5), (2.0, 1.0), terms)
    np.testing.assert_allclose(got[0], [2.5, 0.5])
    np.testing.assert_allclose(got[1], 6.0)
    np.testing.assert_allclose(linear_combination(None, None, (2.0, 0.0), terms)[1], 4.0)


def test_zero_weights_emit_nothing():
    terms = [(jnp.ones(2),)] * 3
    program = jax.make_jaxpr(lambda terms: linear_combination(terms[0], 0.1, (0.0, 1.0, 0.0), terms))(terms)
    assert len(program.eqns) == 2  # one product with the scale, one sum


def test_a_wider_scale_does_not_promote_the_state():
    term = (jnp.ones(2, jnp.float32), jnp.ones(2, jnp.complex64))
    got = linear_combination(term, jnp.float64(0.5), (jnp.float64(1.0),), [term])
    assert [leaf.dtype for leaf in got] == [jnp.float32, jnp.complex64]


def test_the_cubic_reproduces_cubics():
    p = np.polynomial.Polynomial([1.0, -2.0, 0.5, 3.0])
    ta, tb = 0.3, 0.9
    ends = [(jnp.array(f(t)),) for f in (p, p.deriv()) for t in (ta, tb)]
    for fraction in (0.0, 0.2, 0.7, 1.0):
        got = cubic_hermite(jnp.array(tb - ta), *ends, jnp.array(fraction))[0]
        np.testing.assert_allclose(got, p(ta + fraction * (tb - ta)), rtol=1e-14)


@pytest.fixture
def tree():
    return {"a": jnp.arange(3.0), "b": (jnp.array(1.0 + 2.0j), jnp.ones((2, 2), jnp.float32))}


def test_packing_and_unpacking_are_inverse(tree):
    packing = RealVector(tree)
    assert packing.size == 3 + 2 + 4
    back = packing.unpack(packing.pack(tree))
    jax.tree_util.tree_map(np.testing.assert_array_equal, back, tree)
    assert [x.dtype for x in jax.tree_util.tree_leaves(back)] == [x.dtype for x in jax.tree_util.tree_leaves(tree)]


def test_cotangents_are_packed_by_the_transposes(tree):
    packing = RealVector(tree)
    vector = jnp.linspace(1.0, 2.0, packing.size)
    (want,) = jax.linear_transpose(packing.pack, tree)(vector)
    jax.tree_util.tree_map(np.testing.assert_array_equal, packing.unpack_cotangent(vector), want)
    (want,) = jax.linear_transpose(packing.unpack, vector)(tree)
    np.testing.assert_array_equal(packing.pack_cotangent(tree), want)


def test_hoisting_makes_closed_over_tracers_operands():
    def outer(a):
        big = jnp.ones(100)
        hoisted = Hoisted(lambda x: a * x + big.sum(), jnp.array(2.0))
        assert any(const is a for const in hoisted.consts)
        return hoisted(*hoisted.consts, jnp.array(2.0))[0]

    assert float(jax.jit(outer)(3.0)) == 106.0
    assert float(jax.grad(outer)(3.0)) == 2.0


def test_small_concrete_constants_stay_in_the_program():
    masses = np.arange(3.0)
    assert Hoisted(lambda x: masses * x, jnp.ones(3)).consts == ()
