"""Tools shared by all tests: comparison of pytrees, observed orders, finite differences, trace counting."""

import contextlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def tree_allclose(actual: Any, expected: Any, *, rtol: float | None = None, atol: float = 0.0) -> bool:
    """Whether two pytrees agree in structure, shapes, dtypes and, to a tolerance, values; NaN agrees with NaN.

    By default `rtol` is 100 times the precision of each leaf's dtype. A leaf is measured by its largest entry, so that
    a component that happens to be zero does not ask for the impossible.
    """
    try:
        assert_trees_close(actual, expected, rtol=rtol, atol=atol)
    except AssertionError:
        return False
    return True


def assert_trees_close(actual: Any, expected: Any, *, rtol: float | None = None, atol: float = 0.0) -> None:
    """Assert `tree_allclose`, saying where the trees differ and by how much."""
    actual_leaves, actual_tree = jax.tree_util.tree_flatten_with_path(actual)
    expected_leaves, expected_tree = jax.tree_util.tree_flatten_with_path(expected)
    assert actual_tree == expected_tree, f"structure: {actual_tree} != {expected_tree}"
    for (path, a), (_, b) in zip(actual_leaves, expected_leaves, strict=True):
        where = jax.tree_util.keystr(path) or "the leaf"
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, f"{where}: shape {a.shape} != {b.shape}"
        assert a.dtype == b.dtype, f"{where}: dtype {a.dtype} != {b.dtype}"
        inexact = np.issubdtype(a.dtype, np.inexact)
        relative = rtol if rtol is not None else (100 * float(np.finfo(a.dtype).eps) if inexact else 0.0)
        assert np.array_equal(np.isnan(a), np.isnan(b)), f"{where}: NaN in different places:\n{a}\n{b}"
        finite = np.where(np.isnan(b), 0, b)
        error = np.max(np.abs(np.where(np.isnan(a), 0, a) - finite), initial=0.0)
        allowed = atol + relative * np.max(np.abs(finite), initial=0.0)
        assert error <= allowed, f"{where}: off by {error:.3e}, allowed {allowed:.3e}:\n{a}\n{b}"


def observed_order(steps: Any, errors: Any, *, floor: float = 100 * np.finfo(np.float64).eps, window: int = 4) -> float:
    """Slope of log(error) over log(step) on the `window` smallest steps whose error is above `floor`.

    Raises
    ------
    ValueError
        If fewer than three errors are above the floor: too few to call anything a slope.
    """
    steps, errors = np.asarray(steps, float), np.asarray(errors, float)
    order = np.argsort(steps)
    usable = [i for i in order if errors[i] > floor][:window]
    if len(usable) < 3:
        message = f"at least three errors must be above {floor:g}; got {errors}. Take larger steps."
        raise ValueError(message)
    return float(np.polyfit(np.log(steps[usable]), np.log(errors[usable]), 1)[0])


def finite_difference_jvp(fn: Callable, primal: Any, tangent: Any, *, size: float = 1e-3) -> Any:
    """Directional derivative by the fourth-order central difference; its error behaves as size^4 + eps/size."""

    def at(scale):
        return fn(jax.tree_util.tree_map(lambda p, v: p + scale * size * v, primal, tangent))

    return jax.tree_util.tree_map(
        lambda a, b, c, d: (a - 8 * b + 8 * c - d) / (12 * size), at(-2.0), at(-1.0), at(1.0), at(2.0)
    )


class Counted:
    """A function that counts how often Python runs it: once for every trace, never from compiled code."""

    def __init__(self, function: Callable):
        self.function = function
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.function(*args, **kwargs)


@contextlib.contextmanager
def assert_no_retrace(*counted: Counted):
    """Assert that nothing inside the block runs the counted functions in Python: everything is compiled already."""
    before = [function.calls for function in counted]
    assert all(before), "a function that was never traced cannot be retraced: call it once before the block"
    yield
    after = [function.calls for function in counted]
    assert after == before, f"traced {[b - a for a, b in zip(before, after, strict=True)]} more times"


def random_like(tree: Any, seed: int = 0) -> Any:
    """Standard normal arrays with the structure, shapes and dtypes of a pytree."""
    leaves, treedef = jax.tree_util.tree_flatten(tree)
    rng = np.random.default_rng(seed)
    return treedef.unflatten([jnp.asarray(rng.normal(size=np.shape(x)), jnp.result_type(x)) for x in leaves])
