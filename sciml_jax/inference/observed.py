"""Measured values in the form that likelihoods use: a pytree of arrays with masks and marks of censoring."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PyTree

from ..core.data import Data
from ..core.tree import describe, is_concrete
from .noise_families import AbstractNoise


class Observed(eqx.Module):
    """Values with a mask, True where measured, and with marks where only a bound was measured.

    All are pytrees of one structure: one array, or one for every experiment.
    """

    ys: PyTree
    mask: PyTree
    left: PyTree
    right: PyTree
    components: tuple[int, ...] | None = eqx.field(static=True)

    def __init__(self, data: Any, mask: Any, left: Any, right: Any, noise: AbstractNoise):
        if isinstance(data, Data):
            if mask is not None:
                msg = "a `Data` has its mask already; got another one. Pass it to Data(..., mask=)."
                raise ValueError(msg)
            data, mask, self.components = data.ys, data.mask, data.components
        else:
            self.components = None
        ys = as_arrays(data)
        if not jax.tree.leaves(ys):
            msg = f"`data` must hold at least one array; got {data!r}. Pass an array, or a list of them."
            raise ValueError(msg)
        self.mask = jax.tree.map(lambda y: jnp.ones(y.shape, bool), ys) if mask is None else _marks(mask, ys, "mask")
        self.left, self.right = (
            None if value is None else _marks(value, ys, name)
            for name, value in (("left_censored", left), ("right_censored", right))
        )
        _check_values(ys, self.mask, noise)
        self.ys = jax.tree.map(lambda y, m: jnp.where(m, y, 1), ys, self.mask)

    def match(self, predictions: PyTree) -> PyTree:
        """Predictions in the structure and shapes of the data."""
        ys, treedef = jax.tree.flatten(self.ys)
        found = jax.tree.leaves(predictions)
        shapes = [y.shape for y in ys]
        if len(found) == len(ys):
            found = [self._fitted(jnp.asarray(p), y) for p, y in zip(found, ys, strict=True)]
        if [p.shape for p in found] != shapes:
            msg = (
                f"predictions must have the shapes of the data, {shapes if len(shapes) > 1 else shapes[0]}; got "
                f"{describe(predictions)}. Return one prediction for every measured value (a list of arrays for a list "
                "of experiments)."
            )
            raise ValueError(msg)
        return jax.tree.unflatten(treedef, found)

    def _fitted(self, prediction: Array, y: Array) -> Array:
        if prediction.ndim == 0:
            return jnp.broadcast_to(prediction, y.shape)
        if self.components is not None and prediction.shape[-1] > y.shape[-1]:
            prediction = prediction[..., jnp.asarray(self.components)]
        # `Data` puts axes of experiments and series around what was given without them.
        return prediction.reshape(y.shape) if prediction.shape == _squeezed(y.shape, prediction.ndim) else prediction

    def spread(self, value: Any, name: str) -> PyTree:
        """A parameter of the noise for every value: a number, one per series, or in the structure of the data."""
        ys = self.ys
        if jax.tree.structure(value) == jax.tree.structure(ys):
            return jax.tree.map(lambda v, y: _broadcast(v, y, name), value, ys)
        return jax.tree.map(lambda y: _broadcast(value, y, name), ys)

    def is_constant(self) -> bool:
        """Whether all measured values are known to be the same."""
        if not is_concrete((self.ys, self.mask)):
            return False
        pairs = zip(jax.tree.leaves(self.ys), jax.tree.leaves(self.mask), strict=True)
        measured = np.concatenate([np.asarray(y)[np.asarray(m)] for y, m in pairs])
        return measured.size > 1 and bool(np.all(measured == measured[0]))

    def check_series_vary(self, scale: Any) -> None:
        """Refuse an inferred scale of its own for a series whose values are all the same."""
        if not is_concrete((self.ys, self.mask)) or len(jax.tree.leaves(scale)) != 1:
            return
        shape = np.shape(jax.tree.leaves(scale)[0])
        pairs = zip(jax.tree.leaves(self.ys), jax.tree.leaves(self.mask), strict=True)
        leaves = [(np.asarray(y), np.asarray(m)) for y, m in pairs]
        if len(shape) != 1 or shape[0] < 2 or any(y.ndim < 2 or y.shape[-1] != shape[0] for y, _ in leaves):
            return
        series = [np.concatenate([y[..., i][m[..., i]] for y, m in leaves]) for i in range(shape[0])]
        same = [i for i, values in enumerate(series) if values.size > 2 and np.all(values == values[0])]
        if same:
            msg = (
                f"to infer a `scale` for every series, each must vary; got series {same} whose values are all the same "
                "(zero variance), for which the likelihood grows without bound as the scale goes to zero. Infer one "
                "scale for all series, or pass a known one for these."
            )
            raise ValueError(msg)

    def highest_censored(self) -> int:
        """The largest censored count, 0 where nothing is."""
        marks = [m for m in (self.left, self.right) if m is not None]
        if not marks:
            return 0
        if not is_concrete((self.ys, marks)):
            msg = (
                "censored counts must be concrete, because their number of terms is; got traced data. Use student_t or "
                "gaussian, or pass the data from outside jit."
            )
            raise ValueError(msg)
        bounds = [
            np.max(np.where(np.asarray(m), np.asarray(y), 0))
            for mark in marks
            for y, m in zip(jax.tree.leaves(self.ys), jax.tree.leaves(mark), strict=True)
        ]
        return int(max(bounds))


def as_arrays(data: Any) -> PyTree:
    """Lists of numbers as one array, lists of arrays as several, in floating point."""
    leaves = jax.tree.leaves(data)
    if leaves and all(isinstance(leaf, (int, float, bool)) for leaf in leaves):
        data = jnp.asarray(data)
    return jax.tree.map(_as_float, data)


def _as_float(leaf: Any) -> Array:
    array = jnp.asarray(leaf)
    if jnp.issubdtype(array.dtype, jnp.complexfloating):
        msg = f"`data` must be real; got {array.dtype}. Split it into real and imaginary parts."
        raise TypeError(msg)
    return array if jnp.issubdtype(array.dtype, jnp.floating) else array.astype(float)


def _squeezed(shape: tuple, ndim: int) -> tuple:
    """The shape without leading ones, and then trailing ones, down to `ndim` axes."""
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    while len(shape) > ndim and shape[-1] == 1:
        shape = shape[:-1]
    return shape


def _marks(value: Any, ys: PyTree, name: str) -> PyTree:
    value = value if jax.tree.structure(value) == jax.tree.structure(ys) else as_bools(value)

    def one(v, y):
        v = jnp.asarray(v)
        if v.dtype != bool or not _fits(v.shape, y.shape):
            msg = (
                f"`{name}` must be boolean and broadcast to the data's shape {y.shape}; got {v.dtype}{list(v.shape)}. "
                "Pass, for example, jnp.isfinite(data) for a mask."
            )
            raise ValueError(msg)
        return jnp.broadcast_to(v, y.shape)

    if jax.tree.structure(value) == jax.tree.structure(ys):
        return jax.tree.map(one, value, ys)
    return jax.tree.map(lambda y: one(value, y), ys)


def as_bools(value: Any) -> Any:
    """Lists of Python booleans as one array."""
    leaves = jax.tree.leaves(value)
    return jnp.asarray(value) if leaves and all(isinstance(leaf, bool) for leaf in leaves) else value


def _broadcast(value: Any, y: Array, name: str) -> Array:
    value = jnp.asarray(value)
    if not _fits(value.shape, y.shape):
        msg = (
            f"`{name}` must broadcast to the data's shape {y.shape}; got {value.shape}. Pass a number, one per series "
            "(the last axis), or one per value."
        )
        raise ValueError(msg)
    return jnp.broadcast_to(value, y.shape)


def _fits(shape: tuple, target: tuple) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == target
    except ValueError:
        return False


def _check_values(ys: PyTree, mask: PyTree, noise: AbstractNoise) -> None:
    if not is_concrete((ys, mask)):
        return
    pairs = list(zip(jax.tree.leaves(ys), jax.tree.leaves(mask), strict=True))
    measured = np.concatenate([np.asarray(y)[np.asarray(m)] for y, m in pairs])
    bad = int(np.sum(~np.isfinite(measured)))
    if measured.size == 0 or bad:
        found = f"{bad} NaN or infinite values" if measured.size else "nothing that the mask leaves"
        msg = f"measured values must be finite, and there must be some; got {found}. Pass `mask=jnp.isfinite(data)`."
        raise ValueError(msg)
    kind = type(noise).__name__
    if noise.positive and np.any(measured <= 0):
        msg = (
            f"{kind} noise needs positive data; got {int(np.sum(measured <= 0))} values that are not. Mark values "
            "below a detection limit with `left_censored=` and put the limit in their place, or use another noise."
        )
        raise ValueError(msg)
    if noise.counts and np.any((measured < 0) | (measured != np.round(measured))):
        msg = f"{kind} noise needs counts, integers from 0; got other values, such as {measured.min()}. Use gaussian."
        raise ValueError(msg)
