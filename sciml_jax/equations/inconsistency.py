"""Why a differential-algebraic problem cannot start, in words: found on the host, after a failure."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..core.status import Status
from ..core.tree import is_concrete
from .engine.flat import concatenate, split_like
from .mass_matrix import as_mass_matrix

MAX_LISTED = 3
"""Equations that a message names."""


def explain(problem: Any) -> tuple[Status | None, str]:
    """Which equation of `M y' = f` is in the way and by how much: a status and a sentence; None and "" for neither.

    For problems with concrete values and up to a thousand unknowns, with one dense Jacobian.
    """
    if not is_concrete((problem.y0, problem.t0, problem.args, problem.mass_matrix)):
        return None, ""
    mass = as_mass_matrix(problem.mass_matrix, problem.y0)
    if mass is None or mass.size > 1000:
        return None, ""
    if hasattr(problem, "at_consistent_start"):
        y0 = jax.jit(lambda: problem.at_consistent_start().y0)()
        problem = eqx.tree_at(lambda p: p.y0, problem, y0)
    matrix = np.zeros((mass.size, mass.size))
    matrix[list(mass.rows), list(mass.columns)] = np.asarray(mass.values, float)
    f, jacobian = (np.asarray(part, float) for part in _linearised(problem))
    null = _left_null_space(matrix)
    names = _entry_names(problem.y0)
    structural = _structural(matrix, null, jacobian, names)
    if structural:
        return Status.SINGULAR, structural
    rows = np.vstack([_row_basis(matrix), null @ jacobian])
    if np.linalg.matrix_rank(rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True), 1e-300)) < mass.size:
        return Status.SINGULAR, (
            "at the initial values the algebraic equations do not determine the algebraic variables: their Jacobian "
            "with respect to these is singular, so the index is above one."
        )
    return Status.INCONSISTENT, _residuals(null, f, rows, names)


def _linearised(problem):
    leaves, tree = jax.tree_util.tree_flatten(problem.y0)

    def field(flat):
        y = jax.tree_util.tree_unflatten(tree, split_like(flat, tuple(leaves)))
        return concatenate(jax.tree_util.tree_leaves(problem.vector_field(jnp.asarray(problem.t0), y, problem.args)))

    flat = concatenate(leaves)
    return jax.jit(lambda flat: (field(flat), jax.jacfwd(field)(flat)))(flat)


def _row_basis(matrix):
    _, sizes, rows = np.linalg.svd(matrix)
    return rows[: _rank(sizes)]


def _rank(sizes):
    return int(np.sum(sizes > 10 * len(sizes) * np.finfo(float).eps * max(sizes.max(), 1e-300)))


def _left_null_space(matrix):
    """Rows of zeros by themselves, then what combinations are left."""
    zero = ~np.any(matrix, axis=1)
    rest = matrix[~zero] / np.abs(matrix[~zero]).max(axis=1, keepdims=True)
    own = np.eye(len(matrix))[zero]
    if not len(rest):
        return own
    scale = 1 / np.abs(matrix[~zero]).max(axis=1)
    vectors, sizes, _ = np.linalg.svd(rest)
    rank = _rank(sizes)
    combined = np.zeros((len(rest) - rank, len(matrix)))
    combined[:, ~zero] = vectors[:, rank:].T * scale
    return np.vstack([own, combined])


def _structural(matrix, null, jacobian, names):
    """Empty equations, unknowns in no equation, algebraic equations without an algebraic variable."""
    lines = []
    appears = np.any(matrix, axis=0) | np.any(jacobian, axis=0)
    lines += [f"the unknown {names[j]} appears in no equation" for j in np.flatnonzero(~appears)]
    kernel = _left_null_space(matrix.T).T
    for vector in null:
        gradient = vector @ jacobian
        label = _label(vector)
        size = np.abs(vector) @ np.abs(jacobian)
        if not np.any(np.abs(gradient) > 1e-12 * np.maximum(size, 1e-300)):
            lines.append(f"{label} contains no unknown")
        elif not np.any(np.abs(gradient @ kernel) > 1e-12 * (size @ np.abs(kernel)) + 1e-300):
            lines.append(f"{label} is algebraic and contains no algebraic variable, so the index is above one")
    more = f"; and {len(lines) - MAX_LISTED} more" if len(lines) > MAX_LISTED else ""
    return f"at the initial values {'; '.join(lines[:MAX_LISTED])}{more}." if lines else ""


def _residuals(null, f, rows, names):
    values = null @ f
    right = np.concatenate([np.zeros(len(rows) - len(null)), -values])
    correction = np.linalg.solve(rows, right)
    order = np.argsort(-np.abs(values))[:MAX_LISTED]
    parts = [f"{_label(null[i])} is {values[i]:.3g} instead of 0" for i in order if values[i] != 0]
    j = int(np.argmax(np.abs(correction)))
    if not parts:
        return ""
    return f"{'; '.join(parts)}. A Newton step would change {names[j]} by {correction[j]:.3g}."


def _label(vector):
    """The equation, or the combination of equations, that a null vector stands for."""
    used = np.flatnonzero(np.abs(vector) > 1e-12 * np.abs(vector).max())
    if len(used) == 1:
        return f"equation {used[0]}"
    return f"the combination of equations {', '.join(str(i) for i in used)} that is free of derivatives"


def _entry_names(y0):
    names = []
    for path, leaf in jax.tree_util.tree_flatten_with_path(y0)[0]:
        prefix = f"y{jax.tree_util.keystr(path)}"
        names += [prefix + (f"[{', '.join(map(str, i))}]" if leaf.ndim else "") for i in np.ndindex(leaf.shape)]
    return names
