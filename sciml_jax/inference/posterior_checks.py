"""Whether a likelihood fits its priors, found by tracing it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ..core.tree import describe
from .priors import AbstractPrior, NamedPriors

_MODES = ("auto", "forward", "reverse")


def check_gradient(gradient: Any) -> None:
    """Refuse modes that are none."""
    if gradient not in _MODES:
        msg = f"`gradient` must be one of {_MODES}; got {gradient!r}. Leave it out to choose by parameter count."
        raise ValueError(msg)


def check_likelihood(prior: AbstractPrior, likelihood: Callable) -> None:
    """Trace the likelihood at the priors' shapes: its names, shapes and result, and what it depends on."""
    struct = prior.struct
    try:
        closed, out = jax.make_jaxpr(likelihood, return_shape=True)(struct)
    except KeyError as error:
        msg = (
            f"the likelihood must ask only for parameters that have a prior; it asks for {error}, and the priors are "
            f"{list(prior.names)}. Add a prior or correct the name."
        )
        raise ValueError(msg) from error
    except (TypeError, ValueError, IndexError) as error:
        msg = (
            f"the likelihood must work with parameters of the priors' shapes, {describe(struct)}; it raised "
            f"{type(error).__name__}: {error}"
        )
        raise (TypeError if isinstance(error, TypeError) else ValueError)(msg) from error
    _check_result(out)
    used = _used(closed.jaxpr)
    if not any(used):
        msg = (
            "the likelihood must depend on the parameters; this one is constant (no parameter enters its result), so "
            "the posterior would be the prior. Check that predict uses its argument."
        )
        raise ValueError(msg)
    unused = _unused_names(prior, used)
    if unused:
        msg = (
            f"every prior must enter the likelihood or another prior; {unused} do not. Correct the name, leave them "
            "out, or pass `check=False` to sample them all the same."
        )
        raise ValueError(msg)


def _check_result(out: Any) -> None:
    ok = hasattr(out, "shape") and out.shape == () and jnp.issubdtype(out.dtype, jnp.floating)
    if not ok:
        msg = (
            f"`log_likelihood` must return a real scalar; got {describe(out)}. Sum the log-likelihoods of the "
            "observations (for a prediction, wrap it: sj.inference.gaussian(predict, data, scale=...))."
        )
        raise ValueError(msg)


def _used(jaxpr: Any) -> list[bool]:
    """For every input of a program, whether the output depends on it."""
    needed = {var for var in jaxpr.outvars if not hasattr(var, "val")}
    for equation in reversed(jaxpr.eqns):
        if any(var in needed for var in equation.outvars):
            needed.update(var for var in equation.invars if not hasattr(var, "val"))
    return [var in needed for var in jaxpr.invars]


def _unused_names(prior: AbstractPrior, used: list[bool]) -> list[str]:
    if not isinstance(prior, NamedPriors):
        return []
    marks = jax.tree.unflatten(jax.tree.structure(prior.struct), used)
    parents = _parents(prior)
    return [
        name
        for name, path in zip(prior.names, prior.paths, strict=True)
        if not _at(marks, path) and name not in parents
    ]


def _parents(prior: NamedPriors) -> set[str]:
    """The parameters on which the density of another one depends."""
    found: set[str] = set()
    for i in prior.order:
        density = jax.make_jaxpr(lambda params, i=i: prior.term(i, params))(prior.struct)
        marks = jax.tree.unflatten(jax.tree.structure(prior.struct), _used(density.jaxpr))
        found |= {n for n, p in zip(prior.names, prior.paths, strict=True) if _at(marks, p) and p != prior.paths[i]}
    return found


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for key in path:
        tree = tree[key]
    return tree
