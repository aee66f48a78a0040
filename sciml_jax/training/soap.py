"""Adam in the eigenbasis of Shampoo's preconditioner."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import lax
from jaxtyping import Array, Int, PyTree


class _Rotation(NamedTuple):
    """Mean outer products of one side of a matrix and their approximate eigenvectors; empty: not rotated."""

    moments: Any
    basis: Any


class _LeafState(NamedTuple):
    first: Any
    second: Any
    left: _Rotation
    right: _Rotation


class ScaleBySoapState(NamedTuple):
    """The number of steps and one record per leaf."""

    count: Int[Array, ""]
    leaves: tuple[_LeafState, ...]


def soap(
    learning_rate: Any,
    b1: float = 0.95,
    b2: float = 0.95,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    precondition_every: int = 10,
    max_rotated_size: int = 4096,
) -> optax.GradientTransformationExtraArgs:
    r"""Adam in the eigenbasis of Shampoo's preconditioner: second-order steps that are safe in float32.

    For a weight matrix with gradient G, running means $L$ of $G G^T$ and $R$ of $G^T G$ have approximate eigenvectors
    $Q_L, Q_R$; Adam runs on $Q_L^T G Q_R$ and its step is rotated back,
    $\Delta W = -\eta\, Q_L\, \mathrm{Adam}(Q_L^T G Q_R)\, Q_R^T$. Vectors and scalars are moved by Adam itself.

    Parameters
    ----------
    learning_rate
        $\eta$, a number or an Optax schedule; 1e-3 to 3e-3 with a decay suits physics-informed networks.
    b1, b2
        Decay of the mean gradient; of its squares and of $L$ and $R$.
    eps
        Added to the root of the mean squares.
    weight_decay
        Decoupled, as in AdamW.
    precondition_every
        Steps between updates of the eigenvectors, one step of power iteration each.
    max_rotated_size
        A side of a matrix longer than this is not rotated.

    Returns
    -------
    An Optax transformation. Its first step only measures: parameters do not move.

    Raises
    ------
    TypeError, ValueError
        For complex parameters and for settings out of range.

    Notes
    -----
    Memory per (m, n) matrix: 2 m n as Adam, and 2 m^2 + 2 n^2. Arrays with more axes count as matrices of their first
    axis against the rest. Under `vmap` the eigenvectors are updated at every step and discarded, so choose
    `precondition_every=1` or train one lane after the other. For small deterministic problems in float64 `ss_broyden`
    goes deeper.

    References
    ----------
    Vyas et al.: SOAP: improving and stabilizing Shampoo using Adam, ICLR 2025. Wang et al.: Gradient alignment in
    physics-informed neural networks: a second-order optimization perspective, NeurIPS 2025.
    """
    decay = [optax.add_decayed_weights(weight_decay)] if weight_decay else []
    scale = scale_by_soap(b1, b2, eps, precondition_every, max_rotated_size)
    return optax.with_extra_args_support(optax.chain(scale, *decay, optax.scale_by_learning_rate(learning_rate)))


def scale_by_soap(
    b1: float = 0.95,
    b2: float = 0.95,
    eps: float = 1e-8,
    precondition_every: int = 10,
    max_rotated_size: int = 4096,
) -> optax.GradientTransformation:
    """The direction of `soap` (whose arguments see), without sign, learning rate and weight decay.

    Returns
    -------
    An Optax transformation.

    Raises
    ------
    TypeError, ValueError
        As `soap`.
    """
    if not (0 <= b1 < 1 and 0 <= b2 < 1 and eps > 0 and precondition_every >= 1):
        msg = (
            "`soap` needs 0 <= b1, b2 < 1, eps > 0 and precondition_every >= 1; got "
            f"b1={b1}, b2={b2}, eps={eps}, precondition_every={precondition_every}. The defaults are a good start."
        )
        raise ValueError(msg)

    def init(params: PyTree) -> ScaleBySoapState:
        leaves = jax.tree_util.tree_leaves(params)
        return ScaleBySoapState(jnp.int32(0), tuple(_empty(jnp.asarray(leaf), max_rotated_size) for leaf in leaves))

    def update(updates: PyTree, state: Any, params: PyTree | None = None) -> tuple[PyTree, Any]:
        gradients, structure = jax.tree_util.tree_flatten(updates)
        settings = (b1, b2, eps, precondition_every)
        pairs = [_step(g, leaf, state.count, settings) for g, leaf in zip(gradients, state.leaves, strict=True)]
        moved = jax.tree_util.tree_unflatten(structure, [step for step, _ in pairs])
        return moved, ScaleBySoapState(state.count + 1, tuple(leaf for _, leaf in pairs))

    return optax.GradientTransformation(init, update)


def _as_matrix(leaf: Array) -> Array:
    # QR and eigendecompositions exist from single precision on.
    wide = leaf.astype(jnp.promote_types(leaf.dtype, jnp.float32))
    return wide.reshape(leaf.shape[0], -1) if leaf.ndim >= 2 else wide.reshape(1, -1)


def _empty(leaf: Array, largest: int) -> _LeafState:
    if not jnp.issubdtype(leaf.dtype, jnp.floating):
        msg = f"`soap` needs real floating-point parameters; got {leaf.dtype}. Split complex ones into two real arrays."
        raise TypeError(msg)
    zeros = jnp.zeros_like(_as_matrix(leaf))
    sides = [n if leaf.ndim >= 2 and 1 < n <= largest else 0 for n in zeros.shape]
    left, right = (_Rotation(jnp.zeros((n, n), zeros.dtype), jnp.eye(n, dtype=zeros.dtype)) for n in sides)
    return _LeafState(zeros, zeros, left, right)


def _step(gradient: Array, state: _LeafState, count: Array, settings: tuple) -> tuple[Array, _LeafState]:
    """Adam in the present basis, then the basis of the next step."""
    b1, b2, eps, every = settings
    g = _as_matrix(gradient)
    is_first = count == 0
    blend = lambda old, new, decay: jnp.where(is_first, old, decay * old + (1 - decay) * new)
    rotated = _rotate(g, state.left.basis, state.right.basis)
    first = blend(state.first, g, b1)
    second = blend(state.second, rotated**2, b2)
    steps = jnp.maximum(count, 1).astype(g.dtype)
    mean = _rotate(first, state.left.basis, state.right.basis) / (1 - b1**steps)
    adam = mean / (jnp.sqrt(second / (1 - b2**steps)) + eps)
    move = _rotate(adam, state.left.basis.T, state.right.basis.T)
    left = _Rotation(b2 * state.left.moments + (1 - b2) * _outer(g, state.left.basis), state.left.basis)
    right = _Rotation(b2 * state.right.moments + (1 - b2) * _outer(g.T, state.right.basis), state.right.basis)
    which = jnp.where(is_first, 2, jnp.where(count % every == 0, 1, 0))
    left, second = _turn(left, second, which)
    right, second = _turn(right, second.T, which)
    move = jnp.where(is_first, jnp.zeros_like(move), move)
    return move.reshape(gradient.shape).astype(gradient.dtype), _LeafState(first, second.T, left, right)


def _rotate(matrix: Array, left: Array, right: Array) -> Array:
    matrix = left.T @ matrix if left.size else matrix
    return matrix @ right if right.size else matrix


def _outer(g: Array, basis: Array) -> Array:
    return g @ g.T if basis.size else jnp.zeros_like(basis)


def _turn(side: _Rotation, second: Array, which: Array) -> tuple[_Rotation, Array]:
    """The basis as it is (0), after a power iteration (1), or the eigenvectors (2); rows of `second` go along."""
    if not side.basis.size:
        return side, second

    def keep(basis: Array, second: Array) -> tuple[Array, Array]:
        return basis, second

    def iterate(basis: Array, second: Array) -> tuple[Array, Array]:
        # In the order of the eigenvalues, or the columns of QR would mix directions of unlike sizes.
        order = jnp.argsort(-jnp.sum(basis * (side.moments @ basis), axis=0))
        return jnp.linalg.qr(side.moments @ basis[:, order])[0], second[order]

    def decompose(basis: Array, second: Array) -> tuple[Array, Array]:
        del basis
        return jnp.linalg.eigh(side.moments)[1][:, ::-1], second

    basis, second = lax.switch(which, (keep, iterate, decompose), side.basis, second)
    return _Rotation(side.moments, basis), second
