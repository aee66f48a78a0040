"""Checks of the options that samplers share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.tree import describe, is_concrete
from .draws import Draws
from .posterior import Posterior


def check_posterior(post: Any) -> None:
    """Refuse what `posterior` has not made."""
    if not isinstance(post, Posterior):
        msg = (
            f"samplers take a `Posterior`; got {type(post).__name__}. Make one: sj.inference.posterior(priors, "
            "log_likelihood)."
        )
        raise TypeError(msg)


def check_probability(value: Any, name: str) -> None:
    """Refuse what is not strictly between 0 and 1."""
    if not isinstance(value, (int, float)) or not 0 < value < 1:
        msg = f"`{name}` must be a number between 0 and 1; got {value!r}. The default is a good start."
        raise ValueError(msg)


def check_positive_number(value: Any, name: str) -> None:
    """Refuse what is not positive where it is concrete."""
    if not is_concrete(value):
        return
    number = np.asarray(value)  # of NumPy, because inside jit even a concrete array's comparison is traced
    if number.ndim != 0 or number.dtype.kind not in "fiu" or not np.isfinite(number) or number <= 0:
        msg = f"`{name}` must be a positive number; got {value!r}. The default is a good start."
        raise ValueError(msg)


def as_size(value: Any, name: str, lowest: int) -> int:
    """A Python integer from `lowest` on."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < lowest:
        msg = f"`{name}` must be an integer of at least {lowest}; got {value!r}. Pass, for example, {name}=1000."
        raise (ValueError if isinstance(value, (int, np.integer)) else TypeError)(msg)
    return int(value)


DENSE_UP_TO, WARMUP_PER_PARAMETER = 32, 20


def choose_dense(dense_mass: bool | None, post: Any, num_warmup: Any, inverse_mass: Any) -> bool:
    """Whether to adapt a full mass matrix; None: for few parameters, where the warmup has draws enough for it."""
    check_posterior(post)
    if dense_mass is not None:
        return bool(dense_mass)
    if inverse_mass is not None:
        return jnp.ndim(inverse_mass) == 2
    return post.dim <= DENSE_UP_TO and as_size(num_warmup, "num_warmup", 0) >= WARMUP_PER_PARAMETER * post.dim


def inverse_mass_of(value: Any, post: Any, dense: bool) -> Array | None:
    """The first inverse mass matrix, of the shape that the adaptation keeps."""
    check_posterior(post)
    if value is None:
        return None
    value, dim = jnp.asarray(value), post.dim
    if dense and value.shape == (dim,):
        value = jnp.diag(value)
    if value.shape != ((dim, dim) if dense else (dim,)):
        msg = (
            f"`inverse_mass` must have the shape ({dim},), variances of unconstrained parameters, or ({dim}, {dim}) "
            f"with `dense_mass=True`; got {value.shape} and dense_mass={dense}."
        )
        raise ValueError(msg)
    return value


def given_starts(init: Any, post: Posterior, num_chains: int) -> Float[Array, "chains dim"] | None:
    """Positions from what the user gave: parameters or positions, for all chains or for each."""
    if init is None:
        return None
    if isinstance(init, Draws):
        return _spread_over(init, post, num_chains)
    if not isinstance(init, dict):
        positions = jnp.asarray(init)
        if positions.shape not in ((post.dim,), (num_chains, post.dim)):
            msg = (
                f"`init` positions must have the shape ({post.dim},) or ({num_chains}, {post.dim}), chains in front; "
                f"got {positions.shape}. To start from parameters pass a dict like the priors."
            )
            raise ValueError(msg)
        return jnp.broadcast_to(positions, (num_chains, post.dim))
    struct = post.prior.struct
    if jax.tree.structure(init) != jax.tree.structure(struct):
        msg = f"`init` must hold a value for every prior, {describe(struct)}; got {describe(init)}. Nest it alike."
        raise ValueError(msg)
    leaves, shapes = jax.tree.leaves(init), [leaf.shape for leaf in jax.tree.leaves(struct)]
    if [np.shape(leaf) for leaf in leaves] == shapes:
        return jnp.broadcast_to(post.unconstrain(init), (num_chains, post.dim))
    if [np.shape(leaf) for leaf in leaves] == [(num_chains, *shape) for shape in shapes]:
        return jax.vmap(post.unconstrain)(jax.tree.map(jnp.asarray, init))
    msg = (
        f"`init` must have the shapes of the priors, {describe(struct)}, or those with a leading axis of {num_chains} "
        f"chains; got {describe(init)}."
    )
    raise ValueError(msg)


def _spread_over(draws: Draws, post: Posterior, num_chains: int) -> Float[Array, "chains dim"]:
    """Evenly spaced ones of another method's draws, of the same parameters."""
    flat = jnp.reshape(draws.positions, (-1, draws.positions.shape[-1]))
    if draws.posterior.names != post.names or flat.shape[1] != post.dim:
        msg = (
            f"draws as `init` must be of the same parameters, {list(post.names)} ({post.dim} unconstrained); got "
            f"{list(draws.posterior.names)} ({flat.shape[1]}). Pass draws of this posterior, or a dict of parameters."
        )
        raise ValueError(msg)
    places = (np.arange(num_chains) + 0.5) * (flat.shape[0] / num_chains)
    return flat[places.astype(int)]
