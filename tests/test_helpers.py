"""The shared test tools fail when they should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import (
    Counted,
    assert_no_retrace,
    assert_trees_close,
    finite_difference_jvp,
    observed_order,
    random_like,
    tree_allclose,
)


def test_trees_are_close_to_a_hundred_eps_of_their_own_dtype():
    for dtype in (np.float32, np.float64, np.complex64):
        a = {"x": np.ones(3, dtype)}
        eps = np.finfo(dtype).eps
        assert tree_allclose({"x": a["x"] * dtype(1 + 50 * eps)}, a)
        assert not tree_allclose({"x": a["x"] * dtype(1 + 200 * eps)}, a)


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ({"y": np.ones(2)}, "structure"),
        ({"x": np.ones(3)}, "shape"),
        ({"x": np.ones(2, np.float32)}, "dtype"),
        ({"x": np.array([1.0, np.nan])}, "NaN"),
        ({"x": np.array([1.0, 1.1])}, "off by"),
    ],
)
def test_unequal_trees_are_told_apart_by_structure_shape_dtype_nan_and_value(actual, message):
    with pytest.raises(AssertionError, match=message):
        assert_trees_close(actual, {"x": np.ones(2)})


def test_nan_agrees_with_nan():
    assert tree_allclose(np.array([1.0, np.nan]), np.array([1.0, np.nan]))


def test_the_observed_order_is_the_slope_above_the_rounding_floor():
    steps = 2.0 ** -np.arange(3, 12)
    assert abs(observed_order(steps, np.maximum(steps**5, 1e-14)) - 5) < 1e-10
    # A higher-order term disturbs the large steps, which the window leaves out.
    assert abs(observed_order(steps, steps**2 + 10 * steps**3) - 2) < 0.05
    with pytest.raises(ValueError, match="three errors"):
        observed_order(steps, np.full(9, 1e-16))


def test_finite_differences_are_exact_for_quartics():
    fn = lambda tree: {"out": tree["a"] ** 4 + tree["b"]}
    primal, tangent = (
        {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0)},
        {"a": jnp.array([1.0, -1.0]), "b": jnp.array(2.0)},
    )
    expected = jax.jvp(fn, (primal,), (tangent,))[1]
    assert_trees_close(finite_difference_jvp(fn, primal, tangent, size=0.1), expected, rtol=1e-12)


def test_a_second_trace_is_noticed_and_a_cached_call_is_not():
    counted = Counted(jnp.sin)
    compiled = jax.jit(counted)
    compiled(1.0)
    with assert_no_retrace(counted):
        compiled(2.0)
    with pytest.raises(AssertionError, match="traced"), assert_no_retrace(counted):
        compiled(jnp.ones(2))
    with pytest.raises(AssertionError, match="never traced"), assert_no_retrace(Counted(jnp.sin)):
        pass


def test_random_trees_have_the_shapes_and_dtypes_of_their_model():
    model = {"a": np.zeros(3, np.float32), "b": 1.0}
    drawn = random_like(model)
    assert drawn["a"].dtype == np.float32 and drawn["a"].shape == (3,) and drawn["b"].shape == ()
    assert not tree_allclose(drawn, random_like(model, seed=1))


def test_there_are_two_devices_and_64_bit_floats():
    assert jax.device_count() >= 2
    assert jnp.ones(()).dtype == np.float64
