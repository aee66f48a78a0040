"""A jump problem as the loops see it: rates and changes on arrays, or on the state's numbers one by one."""

import functools
from math import prod
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.flatten_util import ravel_pytree
from jax.interpreters import partial_eval

from ...core.tree import describe
from ...numerics.components import count_scalar_operations
from ..engine.layout import Layout
from ..engine.traced import MAX_SCALAR_OPERATIONS, TracedFunction
from .dependence import changed_places, dependence, dependents_of, padded
from .rows import rows_of

MAX_WRITTEN_OUT = 64
"""Entries of the stoichiometry up to which the change of every number is written out as selects."""


class Network:
    """The functions of a jump problem, traced once, with every operand explicit.

    Parameters
    ----------
    problem
        The problem, with a `y0` of arrays.
    t0
        An example of a time.
    written_out
        False: never hold the state number by number. None: where the network is small.
    with_slopes, with_dependents
        Whether derivatives of the rates will be asked for, and which rates depend on what.
    """

    def __init__(
        self,
        problem: Any,
        t0: Any,
        written_out: bool | None = None,
        with_slopes: bool = False,
        with_dependents: bool = False,
    ):
        y0, leaves = problem.y0, jax.tree_util.tree_leaves(problem.y0)
        self.dtype = t0.dtype
        traced = TracedFunction(problem.rates, t0, y0, problem.args)
        self.num_reactions = check_rates(traced.out_shape, problem.changes)
        self.depends_on_time = depends_on_time(traced, leaves)
        self.changes: Any = None if problem.changes is None else problem.changes.matrix
        small = written_out is None and self.changes is not None and self.changes.size <= MAX_WRITTEN_OUT
        operations = count_scalar_operations(traced.jaxpr)
        alike = len({leaf.dtype for leaf in leaves}) == 1 and all(leaf.size for leaf in leaves)
        self.components = bool(small and alike and operations <= MAX_SCALAR_OPERATIONS)
        self.layout = Layout(y0, self.components)
        dtypes = (self.dtype,)
        functions: dict[str, Any] = {"rates": traced.with_layout(self.components, leaves, dtypes)}
        if callable(problem.rate_bound):
            bound = TracedFunction(problem.rate_bound, t0, y0, problem.args)
            check_bound(bound.out_shape)
            functions["bound"] = bound.with_layout(self.components, leaves, dtypes)
        self.dependence: Any = None if problem.dependencies is None else problem.dependencies.matrix
        if self.dependence is None and (with_slopes or with_dependents):
            self.dependence = dependence(traced, leaves)
        if with_slopes:
            functions["slopes"] = _traced_slopes(problem, t0).with_layout(False, leaves, dtypes)
        if problem.affect is not None:
            functions["affect"] = _traced_affect(problem, t0).with_layout(False, _affected(leaves), None)
        self._functions = functions
        self.size = sum(leaf.size for leaf in leaves)
        self.shapes = tuple((leaf.shape, leaf.dtype) for leaf in leaves)

    @property
    def has_bound(self) -> bool:
        """Whether the problem gives its bound of the rates as a function."""
        return "bound" in self._functions

    def release(self) -> dict:
        """Hand over the operands' values and keep their shapes only."""
        values = {}
        for name, function in self._functions.items():
            values[name] = (function.theta, function.consts)
            function.forget_values()
        return values

    def rates(self, operands: dict, t: Any, y: tuple) -> tuple:
        """The rates: scalars where the network is written out, else one array (R,)."""
        return self._functions["rates"](*operands["rates"], t, y)

    def bound(self, operands: dict, t: Any, y: tuple) -> Any:
        """The user's bound of the total rate."""
        return self._functions["bound"](*operands["bound"], t, y)[0]

    def rates_of(self, operands: dict, t: Any, y: tuple, rows: Any) -> Any:
        """The rates of some reactions, an integer array (D,), shape (D,)."""
        function = self._functions["rates"]
        given = (*function.assembled(*operands["rates"]), t, *y)
        return rows_of(function.jaxpr, given, rows).astype(self.dtype)

    def fire_row(self, y: Any, reaction: Any, fires: Any) -> tuple:
        """The state after a reaction, `y` unless it `fires`; touches few numbers of a long state."""
        if len(y) > 1 or y[0].ndim != 1 or y[0].shape[0] <= MAX_WRITTEN_OUT:
            rows = (row[reaction] for row in self.rows())
            return tuple(leaf + jnp.where(fires, row, jnp.zeros_like(row)) for leaf, row in zip(y, rows, strict=True))
        (leaf,) = y
        places, changes = changed_places(self.changes)
        at, by = jnp.asarray(places)[reaction], jnp.asarray(changes, leaf.dtype)[reaction]
        for i in range(places.shape[1]):
            value = leaf[at[i]] + jnp.where(fires, by[i], jnp.zeros_like(by[i]))
            leaf = lax.dynamic_update_index_in_dim(leaf, value, at[i], 0)
        return (leaf,)

    @functools.cached_property
    def dependents(self) -> np.ndarray:
        """For every reaction the rates that its firing changes, (R, D); short rows repeat their last entry."""
        return dependents_of(self.changes, self.dependence)

    def groups_of_dependents(self, width: int) -> np.ndarray:
        """The same for groups of `width` reactions."""
        return padded([np.unique(row // width) for row in self.dependents])

    def slopes(self, operands: dict, t: Any, y: tuple) -> Any:
        """Derivatives of the rates with respect to the numbers of the state, shape (R, n)."""
        return self._functions["slopes"](*operands["slopes"], t, y)[0]

    def fire(self, operands: dict, t: Any, y: tuple, passed: Any, fires: Any, key_words: tuple) -> tuple:
        """The state after a reaction: the one before which `passed` is the last true entry; `y` unless it `fires`."""
        if self.components:
            return self._written_out(y, passed, fires)
        reaction = jnp.sum(passed, dtype=jnp.int32)
        if self.changes is None:
            # Fresh from words that nobody else uses: the generator's place before this event.
            key = jax.random.wrap_key_data(jnp.stack([w ^ jnp.uint32(0x9E3779B9) for w in key_words[:2]]))
            key = jax.random.fold_in(key, key_words[2])
            new = self._functions["affect"](*operands["affect"], t, (*y, reaction, jax.random.key_data(key)))
            new = tuple(a.astype(b.dtype) for a, b in zip(new, y, strict=True))
        else:
            new = tuple(leaf + row[reaction] for leaf, row in zip(y, self.rows(), strict=True))
        return tuple(jnp.where(fires, a, b) for a, b in zip(new, y, strict=True))

    def rows(self) -> list:
        """The changes, one array (R, ...) for each leaf of the state, in its dtype."""
        rows, start = [], 0
        for shape, dtype in self.shapes:
            columns = self.changes[:, start : start + prod(shape)]
            rows.append(jnp.asarray(columns.reshape(-1, *shape), dtype))
            start += prod(shape)
        return rows

    def _written_out(self, y: tuple, passed: list, fires: Any) -> tuple:
        """Changes of one reaction turn into those of the next wherever they differ."""
        new = []
        for i, value in enumerate(y):
            column = self.changes[:, i]
            change = jnp.asarray(column[0], value.dtype)
            for past, step in zip(passed, np.diff(column), strict=True):
                if step:
                    change = change + jnp.where(past, jnp.asarray(step, value.dtype), jnp.asarray(0, value.dtype))
            new.append(value + jnp.where(fires, change, jnp.asarray(0, value.dtype)) if np.any(column) else value)
        return tuple(new)


def check_rates(out: Any, changes: Any) -> int:
    """Refuse rates that are not one real vector with an entry for every reaction; their number."""
    real = hasattr(out, "dtype") and (jnp.issubdtype(out.dtype, jnp.floating) or jnp.issubdtype(out.dtype, jnp.integer))
    wanted = None if changes is None else changes.matrix.shape[0]
    if not real or len(out.shape) != 1 or out.shape[0] == 0 or (wanted is not None and out.shape[0] != wanted):
        number = "R" if wanted is None else wanted
        msg = (
            f"`rates(t, y, args)` must return one real vector with a rate for every reaction, shape ({number},)"
            f"{'' if wanted is None else ' like the rows of the stoichiometry'}; got {describe(out)}. "
            "Return, for example, `jnp.stack([...])`."
        )
        raise ValueError(msg)
    return out.shape[0]


def check_bound(out: Any) -> None:
    """Refuse a bound that is not one real number."""
    if getattr(out, "shape", None) != () or not jnp.issubdtype(out.dtype, jnp.floating):
        msg = (
            f"`rate_bound(t, y, args)` must return a real scalar, a bound of the sum of the rates; got {describe(out)}."
        )
        raise ValueError(msg)


def depends_on_time(traced: TracedFunction, leaves: list) -> bool:
    """Whether a traced function uses its time."""
    jaxpr = traced.jaxpr.jaxpr
    _, used = partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars))
    return bool(used[len(jaxpr.invars) - len(leaves) - 1])


def _affected(leaves: list) -> list:
    reaction, key = jax.ShapeDtypeStruct((), jnp.int32), jax.ShapeDtypeStruct((2,), jnp.uint32)
    return [*leaves, reaction, key]


def _traced_slopes(problem: Any, t0: Any) -> TracedFunction:
    def slopes(t, y, held):
        rates, args = held
        real = jax.tree_util.tree_map(lambda leaf: leaf.astype(t.dtype), y)
        flat, unravel = ravel_pytree(real)
        return jax.jacfwd(lambda flat: rates(t, unravel(flat), args).astype(t.dtype))(flat)

    return TracedFunction(slopes, t0, problem.y0, (problem.rates, problem.args))


def _traced_affect(problem: Any, t0: Any) -> TracedFunction:
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)

    def call(t, inputs, held):
        affect, args = held
        *parts, reaction, words = inputs
        y = tree.unflatten(parts)
        out = affect(t, y, args, reaction, jax.random.wrap_key_data(words))
        check_affected(out, problem.y0)
        return out

    example = tuple(jnp.zeros(s.shape, s.dtype) for s in _affected(leaves))
    return TracedFunction(call, t0, example, (problem.affect, problem.args))


def check_affected(out: Any, y0: Any) -> None:
    """Refuse an affect whose result is not like the state."""
    same = jax.tree_util.tree_structure(out) == jax.tree_util.tree_structure(y0)
    pairs = list(zip(jax.tree_util.tree_leaves(out), jax.tree_util.tree_leaves(y0), strict=False))
    if not same or any(jnp.shape(a) != jnp.shape(b) for a, b in pairs):
        msg = (
            f"`affect(t, y, args, reaction, key)` must return a state like `y`; got {describe(out)} for a state of "
            f"{describe(y0)}. Return every number, changed or not."
        )
        raise ValueError(msg)
    for a, b in pairs:
        if not jnp.can_cast(jnp.result_type(a), b.dtype, "same_kind"):
            msg = f"`affect` must keep the state's dtype {b.dtype}; got {jnp.result_type(a)}. Convert one of them."
            raise TypeError(msg)
