"""Observations: what was measured, when, of what, and how exactly. Shared by everything that fits a model."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from .callables import as_callable
from .data_checks import (
    as_components,
    as_mask,
    as_noise,
    as_times,
    check_columns,
    check_experiments,
    check_finite,
    check_unknown_y0,
)


class Data(eqx.Module):
    """Measured values `ys[e, t, c]`: of component c at time t in experiment e.

    Parameters
    ----------
    ts
        Times in the order of integration, repeated ones allowed: shape (T,), or (E, T) where experiments were measured
        at different times. None for values without a time, such as those of a steady state; then T = 1.
    ys
        Values, shape (T, C); (T,) for one series; (E, T, C) for E experiments. Or a pytree like the state with leaves
        (T, ...), whose components are counted leaf by leaf. NaN is allowed where `mask` says that nothing was measured.
    observed
        Which components of the state the series are: None for all of them, in the order of the state's flattened
        leaves; a sequence of C indices into that order; or a function `(t, y, args) -> values`, C numbers in any
        structure.
    mask
        True where a value was measured, of the shape of `ys`. None: everywhere.
    noise
        Standard deviation of a measurement error, known in absolute terms: a scalar, one per series (C,), or one per
        value in the shape of `ys`. None: unknown and the same for all values.
    y0
        The initial state of each experiment, a pytree like the state with leaves (E, ...) (without E for a single
        experiment). None: that of the problem.
    unknown_y0
        `(lower, upper)`, pytrees like the state of one experiment: its initial state is not known, only bounds for it,
        and it is estimated, separately in each experiment.
    inputs
        What was done differently in each experiment (doses, temperatures): a pytree with leaves (E, ...), (without E
        for a single experiment), handed to the model beside the parameters.

    Attributes
    ----------
    ts, ys, mask, noise
        Always of shapes (E, T), (E, T, C), (E, T, C), (E, T, C) (noise may be None). Unmeasured values are 0.
    components, observe
        What `observed` was: indices or None, and a function or None.
    size
        How many values were measured, a NumPy integer where the mask is concrete.

    Raises
    ------
    ValueError
        For shapes that do not fit, NaN or infinite values that no mask covers, unsorted times, noise that is not
        positive, crossed bounds, nothing measured.
    TypeError
        For complex values and masks that are not boolean.

    Notes
    -----
    A frozen pytree: an argument of `jit` and `vmap`. Traced values are not looked at. Experiments with different
    numbers of times: `join_experiments`.
    """

    ts: Float[Array, "experiments time"]
    ys: Float[Array, "experiments time series"]
    mask: Bool[Array, "experiments time series"]
    noise: Float[Array, "experiments time series"] | None
    y0: PyTree
    unknown_y0: tuple | None
    inputs: PyTree
    observe: Callable | None
    components: tuple[int, ...] | None = eqx.field(static=True)
    has_times: bool = eqx.field(static=True)

    def __init__(
        self,
        ts: Any,
        ys: PyTree,
        *,
        observed: Sequence[int] | Callable | None = None,
        mask: PyTree = None,
        noise: Any = None,
        y0: PyTree = None,
        unknown_y0: tuple | None = None,
        inputs: PyTree = None,
    ):
        values = _columns(ys, "ys")
        single = values.ndim == 2
        values = values[None] if single else values
        check_columns(values)
        self.has_times = ts is not None
        self.ts = as_times(ts, values)
        measured = as_mask(None if mask is None else _columns(mask, "mask"), values)
        check_finite(values, measured)
        self.mask = measured
        # A NaN under a mask would make gradients NaN: it is not kept.
        self.ys = jnp.where(measured, values, 0)
        self.noise = None if noise is None else as_noise(_noise_columns(noise, ys), self.ys, self.mask)
        self.observe = as_callable(observed, "observed", "t", "y", "args") if callable(observed) else None
        self.components = None if callable(observed) else as_components(observed, values.shape[2])
        lift = (lambda leaf: jnp.asarray(leaf)[None]) if single else jnp.asarray
        self.y0 = None if y0 is None else jax.tree.map(lift, y0)
        self.inputs = None if inputs is None else jax.tree.map(lift, inputs)
        check_experiments(self.y0, "y0", values.shape[0])
        check_experiments(self.inputs, "inputs", values.shape[0])
        self.unknown_y0 = None if unknown_y0 is None else check_unknown_y0(unknown_y0)

    @property
    def num_experiments(self) -> int:
        """E."""
        return self.ys.shape[0]

    @property
    def size(self) -> Any:
        """The number of measured values."""
        concrete = not isinstance(self.mask, jax.core.Tracer)
        return np.sum(np.asarray(self.mask)) if concrete else jnp.sum(self.mask)

    @property
    def scale(self) -> Float[Array, "experiments time series"]:
        """What residuals are divided by: the noise, or 1 where it is not known."""
        return jnp.ones_like(self.ys) if self.noise is None else self.noise

    def until(self, horizon: Any) -> "Data":
        """The same without what was measured later than `horizon`: it is masked, shapes stay."""
        late = jnp.abs(self.ts - self.ts[:, :1]) > jnp.abs(horizon - self.ts[:, :1])
        return eqx.tree_at(lambda data: data.mask, self, self.mask & ~late[:, :, None])

    def residuals(self, predictions: PyTree) -> Float[Array, " size"]:
        """`(prediction - measured) / noise`, shape (E T C,), 0 where nothing was measured.

        Parameters
        ----------
        predictions
            As `ys`: shape (E, T, C), or without the axes that `ys` was given without.
        """
        predictions = _columns(predictions, "predictions")
        if predictions.size != self.ys.size:
            msg = (
                f"predictions must have the shape of the measured values, {self.ys.shape} (experiments, times, series);"
                f" got {predictions.shape}. Return one value per time and series, or pass `observed=`."
            )
            raise ValueError(msg)
        difference = (predictions.reshape(self.ys.shape) - self.ys) / self.scale
        return jnp.where(self.mask, difference, 0).ravel()


def _columns(tree: PyTree, name: str) -> Array:
    """Shape (T, C) or (E, T, C) from an array or a pytree with leaves (T, ...)."""
    leaves = jax.tree.leaves(tree)
    if len(leaves) == 1 and leaves[0] is tree or isinstance(tree, (list, tuple, int, float)) and _is_nested(tree):
        array = jnp.asarray(tree)
        array = array.astype(float) if jnp.issubdtype(array.dtype, jnp.integer) else array
        return array[:, None] if array.ndim == 1 else array
    if not leaves:
        msg = f"`{name}` must be an array or a pytree of arrays; got {tree!r}. Pass shape (T, C)."
        raise ValueError(msg)
    arrays = [jnp.asarray(leaf) for leaf in leaves]
    lengths = {array.shape[0] if array.ndim else None for array in arrays}
    if len(lengths) > 1 or None in lengths:
        msg = (
            f"leaves of `{name}` must have the times in front, alike for all; got shapes "
            f"{[array.shape for array in arrays]}. Give every leaf the shape (T, ...)."
        )
        raise ValueError(msg)
    return jnp.concatenate([array.reshape(array.shape[0], -1) for array in arrays], axis=1)


def _is_nested(tree: Any) -> bool:
    """Whether lists and tuples of Python numbers stand for one array."""
    return all(isinstance(leaf, (int, float, bool)) for leaf in jax.tree.leaves(tree))


def _noise_columns(noise: Any, ys: PyTree) -> Array:
    """Noise as an array that broadcasts to (E, T, C)."""
    leaves = jax.tree.leaves(noise)
    if len(leaves) == 1 and leaves[0] is noise or _is_nested(noise):
        noise = jnp.asarray(noise, float) if _is_nested(noise) else jnp.asarray(noise)
        same = noise.ndim == 1 and noise.shape == jnp.shape(jax.tree.leaves(ys)[0]) and len(jax.tree.leaves(ys)) == 1
        return noise[:, None] if same else noise
    return _columns(noise, "noise")
