"""A problem with a trial function as equations for one vector: the weights and the unknown parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.frozen import is_trained
from .problem_checks import as_row
from .sharded import spread
from .trial_function import TrialFunction

HELD = 2**26
"""Numbers of derivatives that are held at once where their lengths alone are needed."""


class Term(NamedTuple):
    """One group of equations: `row(vector, item)` at every item, with its factors."""

    row: Callable
    items: PyTree
    factors: Array
    """(N,): by what the rows are multiplied, the root of weight over number included."""


class ResidualSystem(eqx.Module):
    """The differential equation and the conditions that are not built in, as functions of a vector."""

    problem: Any
    template: Any
    """(trial function, unknown parameters), which the vector replaces."""
    conditions: tuple[Any, ...]

    @property
    def start(self) -> Float[Array, " n"]:
        """The vector of the template."""
        return _flat(self.template)[0]

    def weights(self, vector: Float[Array, " n"]) -> PyTree:
        """The trained arrays of a vector in their own shapes; an optimiser may treat matrices as matrices."""
        template = self.unpack(vector)
        return eqx.filter(template, is_trained(template))

    def unpack(self, vector: Float[Array, " n"]) -> tuple[TrialFunction, PyTree]:
        """The trial function and unknown parameters of a vector."""
        return _flat(self.template)[1](vector)

    def function(self, vector: Float[Array, " n"]) -> tuple[Callable, PyTree]:
        """`u(z)` and all parameters of a vector."""
        trial, unknown = self.unpack(vector)
        params = self.problem.all_params(unknown)
        return (lambda z: trial(z, params)), params

    def residual(self, vector: Float[Array, " n"], z: Float[Array, " d"]) -> Float[Array, " k"]:
        """The residual of the differential equation at a point."""
        u, params = self.function(vector)
        # Constants of another precision in the residual do not change that of the training.
        return as_row(self.problem.residual(u, z, params)).astype(vector.dtype)

    def condition_rows(self) -> list[Callable]:
        """For every condition `row(vector, item)`."""

        def row_of(condition: Any) -> Callable:
            def row(vector: Array, item: Any) -> Array:
                u, params = self.function(vector)
                return condition.row(u, item, params).astype(vector.dtype)

            return row

        return [row_of(condition) for condition in self.conditions]

    def magnitude(self, vector: Float[Array, " n"], points: Float[Array, "m d"]) -> Float[Array, " m"]:
        """The norm of the residual at points."""
        return jax.vmap(lambda z: jnp.linalg.norm(self.residual(vector, z)))(points)

    def draw_items(self, key: Any, n: int) -> list[PyTree]:
        """Fresh items of every condition, about n each."""
        keys = [jax.random.fold_in(key, number) for number in range(len(self.conditions))]
        return [condition.draw(k, n) for condition, k in zip(self.conditions, keys)]


def _flat(template: Any) -> tuple[Array, Callable]:
    trained, rest = eqx.partition(template, is_trained(template))
    vector, unravel = jax.flatten_util.ravel_pytree(trained)
    return vector, lambda vector: eqx.combine(unravel(vector), rest)


def linearise(term: Term, vector: Float[Array, " n"]) -> tuple[Float[Array, " r"], Float[Array, "r n"]]:
    """The rows of a term and their derivatives, multiplied by their factors."""

    def one(item: Any, factor: Array) -> tuple[Array, Array]:
        value, pull = jax.vjp(lambda vector: term.row(vector, item), vector)
        (jacobian,) = jax.vmap(pull)(jnp.eye(value.shape[0], dtype=value.dtype))
        return factor * value, factor * jacobian

    values, jacobians = jax.vmap(one)(term.items, term.factors)
    return values.reshape(-1), jacobians.reshape(-1, vector.shape[0])


def rows(terms: list[Term], vector: Float[Array, " n"]) -> Float[Array, " r"]:
    """All rows, multiplied by their factors."""
    parts = [jax.vmap(lambda item, f, t=t: f * t.row(vector, item))(t.items, t.factors) for t in terms]
    return jnp.concatenate([part.reshape(-1) for part in parts])


class Normal(NamedTuple):
    """The normal equations of the linearised rows."""

    matrix: Array
    gradient: Array
    cost: Array


def normal_equations(terms: list[Term], vector: Float[Array, " n"]) -> Normal:
    """`J^T J`, `J^T r` and `r^T r`, one term after the other."""
    size = vector.shape[0]
    total = Normal(jnp.zeros((size, size), vector.dtype), jnp.zeros_like(vector), jnp.zeros((), vector.dtype))
    for term in terms:
        r, jacobian = linearise(term, vector)
        part = Normal(gram(jacobian), jacobian.T @ r, jnp.dot(r, r))
        total = jax.tree_util.tree_map(jnp.add, total, part)
    return total


def gram(jacobian: Float[Array, "r n"], parts: int = 4) -> Float[Array, "n n"]:
    """`J^T J` from the blocks on and above its diagonal, which is five eighths of the work for four parts."""
    size = jacobian.shape[1]
    edges = [size * part // parts for part in range(parts + 1)]
    columns = [jacobian[:, low:high] for low, high in zip(edges[:-1], edges[1:])]
    blocks: list[list[Array]] = [[] for _ in columns]
    for i, left in enumerate(columns):
        for j, right in enumerate(columns):
            blocks[i].append(blocks[j][i].T if j < i else left.T @ right)
    return jnp.block(blocks)


class Balance(NamedTuple):
    """How equations are weighed against each other."""

    rows: float = 1.0
    """How strongly rows with large derivatives are damped."""
    terms: Any = None
    """(1 + conditions,): weights of the equation and of every condition; None balances them."""
    causal: Any = None
    """`(residuals, times) -> factors` of squared residuals; None for none."""
    time: int = 0
    """The axis of time."""
    mesh: Any = None
    """The devices over which points are spread; None for one."""


def balanced_terms(
    system: ResidualSystem, vector: Array, points: Array, items: list, balance: Balance = Balance()
) -> list[Term]:
    r"""The terms of a system with their factors.

    A row of the differential equation with the derivative J_i by the vector gets the factor
    `1 / (1 + rows |J_i| / median |J|)`, so that steep parts, where rows are large, do not outweigh the rest.
    Conditions without a weight get the one that gives their derivatives the same mean square as the equation's.
    """
    points, items = spread(points, balance.mesh), spread(items, balance.mesh)
    sizes = _sizes(system.residual, vector, points)
    factors = 1.0 / (1.0 + balance.rows * sizes / jnp.maximum(jnp.median(sizes), jnp.finfo(sizes.dtype).tiny))
    if balance.causal is not None:
        factors = factors * jnp.sqrt(balance.causal(system.magnitude(vector, points), points[:, balance.time]))
    strength = jnp.mean((factors * sizes) ** 2)
    own = 1.0 if balance.terms is None else balance.terms[0]
    terms = [Term(system.residual, points, factors * jnp.sqrt(own / points.shape[0]))]
    for number, (condition, row, item) in enumerate(zip(system.conditions, system.condition_rows(), items)):
        count = jax.tree_util.tree_leaves(item)[0].shape[0]
        if condition.weight is not None:
            weight = jnp.asarray(condition.weight, vector.dtype)
        elif balance.terms is not None:
            weight = balance.terms[number + 1]
        else:
            squares = jnp.mean(_sizes(row, vector, item) ** 2)
            weight = strength / jnp.maximum(squares, jnp.finfo(squares.dtype).tiny)
        terms.append(Term(row, item, jnp.full((count,), 1.0, vector.dtype) * jnp.sqrt(weight / count)))
    return terms


def _sizes(row: Callable, vector: Array, items: PyTree) -> Array:
    """The norms of the derivatives of a row at all items, in parts where all derivatives would not fit."""
    count = jax.tree_util.tree_leaves(items)[0].shape[0]
    one = lambda item: _size(row, vector, item)
    if count * vector.size <= HELD:
        return jax.vmap(one)(items)
    return jax.lax.map(one, items, batch_size=max(1, HELD // vector.size))


def _size(row: Callable, vector: Array, item: Any) -> Array:
    """The norm of the derivative of a row by the vector."""
    value, pull = jax.vjp(lambda vector: row(vector, item), vector)
    (jacobian,) = jax.vmap(pull)(jnp.eye(value.shape[0], dtype=value.dtype))
    return jnp.sqrt(jnp.sum(jacobian**2))


def term_residuals(system: ResidualSystem, vector: Array, points: Array, items: list) -> tuple[Array, ...]:
    """The residuals of the equation and of every condition, flat, without factors."""
    everything = [(system.residual, points), *zip(system.condition_rows(), items)]
    return tuple(jax.vmap(lambda item, row=row: row(vector, item))(held).reshape(-1) for row, held in everything)
