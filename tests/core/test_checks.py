"""Messages state the rule, what was received and the fix; traced values are let through."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.core import checks
from sciml_jax.core.tree import Static, combine, describe, is_concrete, partition


class Thing:
    pass


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            lambda: checks.check_instance(Thing, Thing, "thing", "Thing()"),
            ["must be an instance", "class `Thing`", "`Thing()`"],
        ),
        (
            lambda: checks.check_instance(3, Thing, "thing", "Thing()"),
            ["must be an instance of `Thing`", "got 3", "`Thing()`"],
        ),
        (lambda: checks.check_scalar(np.ones(2), "x"), ["real scalar", "float64[2]", "Pass a float"]),
        (lambda: checks.check_max_steps("many"), ["positive integer", "'many'", "max_steps=4096"]),
        (lambda: checks.check_inexact_tree({"a": np.ones(2, int)}, "y0"), ["float or complex", "int64", "dtype=float"]),
    ],
)
def test_a_type_error_states_rule_received_and_fix(check, words):
    with pytest.raises(TypeError) as caught:
        check()
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_values_that_are_traced_are_not_looked_at():
    def traced(x):
        checks.check_finite_tree({"x": x}, "y0")
        checks.check_interval(x, x)
        checks.check_positive(x, "dt0")
        checks.check_tolerance(x, "rtol", jnp.ones(2))
        checks.check_save_times(jnp.stack([x, -x]), 0.0, 1.0)
        return x

    assert np.isnan(jax.jit(traced)(jnp.nan))


def test_save_times_that_miss_the_end_by_rounding_pass_and_by_more_do_not():
    checks.check_save_times(jnp.array([0.0, np.nextafter(1.0, 2.0)]), 0.0, 1.0)
    with pytest.raises(ValueError, match="lie in"):
        checks.check_save_times(jnp.array([0.0, 1.0 + 1e-14]), 0.0, 1.0)


@pytest.mark.parametrize("good", [1e-6, 0.0, jnp.float32(1e-3), jnp.full(2, 1e-6), [jnp.full(2, 1e-6), 1e-6]])
def test_right_tolerances_pass(good):
    state = [jnp.ones(2), jnp.ones(())] if isinstance(good, list) else jnp.ones(2)
    checks.check_tolerance(good, "rtol", state)


@pytest.mark.parametrize("good", [1, 10**6, np.int64(3), None])
def test_right_step_limits_pass(good):
    checks.check_max_steps(good)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (jnp.ones((2, 3)), "float64[2,3]"),
        (jnp.ones(2, jnp.complex64), "complex64[2]"),
        ({"a": np.zeros(1, np.float32), "b": 2.5}, "{'a': float32[1], 'b': 2.5}"),
        (None, "None"),
    ],
)
def test_descriptions_show_structure_shapes_and_dtypes(tree, text):
    assert describe(tree) == text


def test_partition_traces_floats_and_arrays_and_keeps_integers_and_functions():
    tree = {"a": 1.5, "b": 2, "c": jnp.ones(2), "d": np.sin, "e": True}
    traced, static = partition(tree)
    assert traced["b"] is traced["d"] is traced["e"] is None
    assert traced["a"] == 1.5 and traced["c"].shape == (2,)
    assert combine(traced, static)["b"] == 2 and combine(traced, static)["d"] is np.sin


def test_static_halves_tell_one_from_true_and_unhashable_values_by_identity():
    assert Static((1,)) == Static((1,)) and hash(Static((1,))) == hash(Static((1,)))
    assert Static((1,)) != Static((True,)) and Static((1,)) != Static((1.0,))
    array = np.ones(2)
    assert Static((array,)) == Static((array,)) and Static((array,)) != Static((np.ones(2),))


def test_concrete_means_that_no_leaf_is_traced():
    assert is_concrete({"a": 1.0, "b": np.ones(2)})
    jax.jit(lambda x: pytest.fail("a tracer is not concrete") if is_concrete((1.0, x)) else x)(1.0)
