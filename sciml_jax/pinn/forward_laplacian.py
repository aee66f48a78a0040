"""The Laplacian in one forward pass."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core
from jaxtyping import Array, Float

_CALLS = frozenset(("jit", "pjit", "closed_call"))


class _Carried(NamedTuple):
    """A value on the way through a function, with its derivatives (k, ...) and its Laplacian."""

    value: Any
    slopes: Any
    laplacian: Any


def laplacian(function: Callable[[Array], Any], z: Float[Array, " d"], axes: Sequence[int] | None = None) -> Any:
    r"""$\sum_{i \in \mathrm{axes}} \partial_i^2 f(z)$ in one forward pass.

    Value, gradient and Laplacian go through the function together, operation by operation:
    $\Delta (g \circ h) = Dg\, \Delta h + \sum_i D^2 g [\partial_i h, \partial_i h]$. A layer costs one product with the
    d first derivatives and one with the Laplacian, instead of one with d first and d second derivatives.

    Parameters
    ----------
    function
        `function(z) -> value`, an array or a pytree of arrays; anything that JAX differentiates twice in forward mode.
    z
        The point, shape (d,).
    axes
        Coordinates that count, for a Laplacian in space of a function of space and time; all if None.

    Returns
    -------
    A value like `function(z)`.

    Raises
    ------
    ValueError
        For a point of another rank, or an axis that does not exist.

    Notes
    -----
    About d + 2 evaluations; a loop over second directional derivatives takes 2 d + 1 in Taylor mode and 3 d + 1 nested.
    Memory: the d derivatives of one layer; for hundreds of coordinates use `stochastic_laplacian`.

    References
    ----------
    Li et al.: A computational framework for neural network-based variational Monte Carlo with forward Laplacian, Nature
    Machine Intelligence 6 (2024).
    """
    return value_gradient_laplacian(function, z, axes)[2]


def value_gradient_laplacian(
    function: Callable[[Array], Any], z: Float[Array, " d"], axes: Sequence[int] | None = None
) -> tuple[Any, Any, Any]:
    r"""$f$, its derivatives along `axes` and $\sum_{i \in \mathrm{axes}} \partial_i^2 f$: what `laplacian` has at hand.

    Parameters
    ----------
    function, z, axes
        As for `laplacian`.

    Returns
    -------
    Three values like `function(z)`, the second with an axis of length `len(axes)` in front.

    Raises
    ------
    ValueError
        As `laplacian`.
    """
    z = jnp.asarray(z)
    axes = _check_axes(z, axes)
    structures = []

    def leaves(z: Array) -> list:
        found, structure = jax.tree_util.tree_flatten(function(z))
        structures.append(structure)
        return [jnp.asarray(leaf) for leaf in found]

    closed = jax.make_jaxpr(leaves)(z)
    slopes = jnp.eye(z.shape[0], dtype=z.dtype)[jnp.asarray(axes)]
    start = _Carried(z, slopes, jnp.zeros_like(z))
    found = [_filled(out, len(axes)) for out in _evaluate(closed.jaxpr, closed.consts, [start])]
    rows = [[getattr(out, name) for out in found] for name in _Carried._fields]
    value, gradient, total = (jax.tree_util.tree_unflatten(structures[-1], row) for row in rows)
    return value, gradient, total


def _evaluate(jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Any]) -> list:
    """The outputs of a traced function; what depends on the point is `_Carried`."""
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, arguments, strict=True))
    read = lambda var: var.val if isinstance(var, core.Literal) else known[var]
    for eqn in jaxpr.eqns:
        inputs = [read(var) for var in eqn.invars]
        if eqn.primitive.name in _CALLS:
            inner = eqn.params["jaxpr"]
            outputs = _evaluate(inner.jaxpr, inner.consts, inputs)
        else:
            outputs = _push(_as_function(eqn), inputs)
        known.update(zip(eqn.outvars, outputs, strict=True))
    return [read(var) for var in jaxpr.outvars]


def _as_function(eqn: Any) -> Callable[..., list]:
    def apply(*inputs: Any) -> list:
        outputs = eqn.primitive.bind(*inputs, **eqn.primitive.get_bind_params(eqn.params))
        return list(outputs) if eqn.primitive.multiple_results else [outputs]

    return apply


def _push(apply: Callable[..., list], inputs: list) -> list:
    """One operation."""
    moving = [i for i, value in enumerate(inputs) if isinstance(value, _Carried)]
    if not moving:
        return apply(*inputs)
    plain = apply(*(value.value if isinstance(value, _Carried) else value for value in inputs))
    smooth = [k for k, out in enumerate(plain) if jnp.issubdtype(out.dtype, jnp.inexact)]

    def function(*values: Any) -> list:
        complete = list(inputs)
        for i, value in zip(moving, values, strict=True):
            complete[i] = value
        outputs = apply(*complete)
        return [outputs[k] for k in smooth]

    values = tuple(inputs[i].value for i in moving)

    def twice(*directions: Any) -> tuple[list, list]:
        slope = lambda *at: jax.jvp(function, at, directions)[1]
        return jax.jvp(slope, values, directions)

    slopes, curvatures = jax.vmap(twice)(*(inputs[i].slopes for i in moving))
    linear = jax.jvp(function, values, tuple(inputs[i].laplacian for i in moving))[1]
    outputs = list(plain)
    for k, slope, curvature, part in zip(smooth, slopes, curvatures, linear, strict=True):
        outputs[k] = _Carried(plain[k], slope, part + jnp.sum(curvature, axis=0))
    return outputs


def _filled(out: Any, count: int) -> _Carried:
    if isinstance(out, _Carried):
        return out
    out = jnp.asarray(out)
    return _Carried(out, jnp.zeros((count, *out.shape), out.dtype), jnp.zeros_like(out))


def _check_axes(z: Array, axes: Sequence[int] | None) -> tuple[int, ...]:
    if z.ndim != 1:
        msg = f"`z` must be one point of shape (d,); got shape {z.shape}. Map over points with `jax.vmap`."
        raise ValueError(msg)
    axes = tuple(range(z.shape[0])) if axes is None else tuple(axes)
    if not axes or any(not -z.shape[0] <= axis < z.shape[0] for axis in axes):
        msg = f"`axes` must name coordinates of a point of {z.shape[0]}; got {axes}. Count from 0."
        raise ValueError(msg)
    return axes
