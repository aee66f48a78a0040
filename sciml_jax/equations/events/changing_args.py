"""Events that change parameters: the parameters that may change become part of the state, with zero derivative."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ...core.tree import describe, is_inexact
from ..options import default_tolerances
from ..problem import ODEProblem
from ..saveat import SaveAt
from .abstract import Trigger


class Changing:
    """How a problem, whose events change `args`, is solved with `(y, p)` as its state.

    Parameters
    ----------
    problem
        The problem as it was given.
    returns_args
        Which events return `(y, args)`.
    """

    def __init__(self, problem: ODEProblem, returns_args: list[bool]):
        self.returns_args = returns_args
        leaves, self.treedef = jax.tree_util.tree_flatten(problem.args)
        self.moves = [is_inexact(leaf) or isinstance(leaf, (float, complex)) for leaf in leaves]

    def moving(self, args: Any) -> tuple:
        """The leaves of `args` that may change."""
        leaves = jax.tree_util.tree_leaves(args)
        return tuple(jnp.asarray(leaf) for leaf, moves in zip(leaves, self.moves, strict=True) if moves)

    def merged(self, p: tuple, args: Any) -> Any:
        """`args` with those leaves replaced."""
        supply = iter(p)
        leaves = jax.tree_util.tree_leaves(args)
        new = [next(supply) if moves else leaf for leaf, moves in zip(leaves, self.moves, strict=True)]
        return jax.tree_util.tree_unflatten(self.treedef, new)


class _OfBoth(eqx.Module):
    """A function of `(t, y, args)` as one of `(t, (y, p), args)`."""

    function: Any
    changing: Changing = eqx.field(static=True)

    def __call__(self, t: Any, state: tuple, args: Any) -> Any:
        return self.function(t, state[0], self.changing.merged(state[1], args))


class _Field(_OfBoth):
    """The vector field, or another function with values like the state, of `(y, p)`: zero for `p`."""

    def __call__(self, t: Any, state: tuple, args: Any) -> Any:
        return super().__call__(t, state, args), jax.tree_util.tree_map(jnp.zeros_like, state[1])


class _Diffusion(_OfBoth):
    """The diffusion of `(y, p)`: zero for `p`."""

    def __call__(self, t: Any, state: tuple, args: Any) -> Any:
        out = super().__call__(t, state, args)
        first, like = (jax.tree_util.tree_leaves(tree)[0] for tree in (out, state[0]))
        columns = jnp.shape(first)[jnp.ndim(like) :]  # one for every motion, where it is a matrix
        return out, tuple(jnp.zeros((*leaf.shape, *columns), leaf.dtype) for leaf in state[1])

    def split(self, state: tuple) -> tuple:
        """What of the state must not take part where noise is additive, and how to put it back."""
        return state[0], lambda y: (y, state[1])


class _Affect(_OfBoth):
    """An affect on `(y, p)`."""

    returns_args: bool = eqx.field(static=True)

    def __call__(self, t: Any, state: tuple, args: Any) -> Any:
        out = super().__call__(t, state, args)
        if not self.returns_args:
            return out, state[1]
        new = self.changing.moving(out[1])
        return out[0], tuple(a.astype(b.dtype) for a, b in zip(new, state[1], strict=True))


class _Jacobian(_OfBoth):
    """The Jacobian of `(y, p)`: the parameters do not move inside a step, so that their columns count for nothing."""

    def __call__(self, t: Any, state: tuple, args: Any) -> Any:
        inner = super().__call__(t, state, args)
        size = inner.shape[0] + sum(leaf.size for leaf in state[1])
        return jnp.zeros((size, size), inner.dtype).at[: inner.shape[0], : inner.shape[1]].set(inner)


def _state(t: Any, y: Any, args: Any) -> Any:
    del t, args
    return y


def find_changing(problem: Any, triggers: tuple) -> Changing | None:
    """How to solve a problem whose events return `(y, args)`; None where none does."""
    returns = [_returns_args(trigger, problem) for trigger in triggers]
    if not any(returns):
        return None
    is_plain = type(problem) is ODEProblem or _is_noisy(problem)
    if not is_plain or problem.sparsity is not None:
        what = "a `sparsity`" if is_plain else f"a `{type(problem).__name__}`"
        msg = (
            "An `affect` that returns `(y, args)` needs a plain `ODEProblem` or `SDEProblem` without `sparsity`; got "
            f"{what}. Make what changes part of the state, with a derivative of zero."
        )
        raise ValueError(msg)
    return Changing(problem, returns)


def _is_noisy(problem: Any) -> bool:
    return getattr(problem, "diffusion", None) is not None


def _returns_args(trigger: Trigger, problem: Any) -> bool:
    if trigger.affect is None:
        return False
    out = eqx.filter_eval_shape(trigger.affect, jnp.asarray(problem.t0, float), problem.y0, problem.args)
    structure = jax.tree_util.tree_structure
    if structure(out) == structure(problem.y0) or not (isinstance(out, tuple) and len(out) == 2):
        return False
    if structure(out[1]) != structure(problem.args) or structure(out[0]) != structure(problem.y0):
        msg = (
            "`affect(t, y, args)` must return the state, or `(y, args)` with the structures of both; got "
            f"{describe(out)} for a state of {describe(problem.y0)} and args of {describe(problem.args)}."
        )
        raise ValueError(msg)
    shapes = [[np.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (out[1], problem.args)]
    if shapes[0] != shapes[1]:
        msg = (
            "`affect(t, y, args) -> (y, args)` must keep the shapes of `args`; got "
            f"{describe(out[1])} for {describe(problem.args)}."
        )
        raise ValueError(msg)
    return True


def extended(changing: Changing, problem: Any, triggers: tuple, saveat: SaveAt, rtol: Any, atol: Any) -> tuple:
    """The problem, events, what is saved and the tolerances for the state `(y, p)`."""
    p = changing.moving(problem.args)
    whole = lambda function: _OfBoth(function, changing)
    jacobian = None if problem.jacobian is None else _Jacobian(problem.jacobian, changing)
    field = _Field(problem.vector_field, changing)
    size = sum(leaf.size for leaf in jax.tree_util.tree_leaves(problem.y0))
    more = sum(leaf.size for leaf in p)
    larger: Any
    if _is_noisy(problem):
        parts = (field, _Diffusion(problem.diffusion, changing), (problem.y0, p))
        larger = eqx.tree_at(lambda q: (q.drift, q.diffusion, q.y0), problem, parts)
    else:
        larger = ODEProblem(field, (problem.y0, p), problem.t0, problem.t1, problem.args, jacobian=jacobian)
    if problem.mass_matrix is not None:
        mass = _with_identity(problem.mass_matrix, more)
        larger = eqx.tree_at(lambda q: q.mass_matrix, larger, mass, is_leaf=lambda leaf: leaf is None)
    renew = lambda function: None if function is None else whole(function)
    changed = tuple(
        eqx.tree_at(
            lambda q: (q.condition, q.affect, q.observe, q.limit, q.outside),
            trigger,
            (
                renew(trigger.condition),
                None if trigger.affect is None else _Affect(trigger.affect, changing, returns),
                whole(_state if trigger.observe is None else trigger.observe),
                renew(trigger.limit),
                None if trigger.outside is None else _Field(trigger.outside, changing),
            ),
            is_leaf=lambda leaf: leaf is None,
        )
        for trigger, returns in zip(triggers, changing.returns_args, strict=True)
    )
    fn = whole(_state if saveat.fn is None else saveat.fn)
    saveat = eqx.tree_at(lambda s: s.fn, saveat, fn, is_leaf=lambda leaf: leaf is None)
    # The error is a mean over all numbers, and those of the parameters have none.
    factor = (size / (size + more)) ** 0.5
    tolerances = [_spread(value, which, factor, problem.y0, p) for which, value in enumerate((rtol, atol))]
    return larger, changed, saveat, *tolerances


def _spread(value: Any, which: int, factor: float, y0: Any, p: tuple) -> Any:
    leaves, treedef = jax.tree_util.tree_flatten(y0)
    if value is None:
        value = [default_tolerances(leaf)[which] for leaf in leaves]
    elif jax.tree_util.treedef_is_leaf(jax.tree_util.tree_structure(value)):
        value = [value] * len(leaves)
    else:
        value = jax.tree_util.tree_leaves(value)
    scaled = jax.tree_util.tree_unflatten(treedef, [factor * v for v in value])
    return scaled, tuple(1.0 for _ in p)


def _with_identity(mass: Any, more: int) -> Any:
    if mass.ndim == 1:
        return jnp.concatenate([mass, jnp.ones(more, mass.dtype)])
    size = mass.shape[0]
    larger = jnp.eye(size + more, dtype=mass.dtype)
    return larger.at[:size, :size].set(mass)


class _FirstOf(eqx.Module):
    """The dense output of `(y, p)` as one of `y`."""

    dense: Any

    def evaluate(self, t: Any) -> Any:
        return self.dense.evaluate(t)[0]


def restored(solution: Any) -> Any:
    """The solution of `(y, p)` as that of `y`."""
    dense = None if solution.dense is None else _FirstOf(solution.dense)
    parts = lambda s: (s.y1, s.dense)
    return eqx.tree_at(parts, solution, (solution.y1[0], dense), is_leaf=lambda leaf: leaf is None)
