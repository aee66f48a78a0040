"""The coordinates in which bounded parameters are moved."""
# ruff: noqa: ARG002 - all transforms share one signature

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from ..core.tree import is_concrete


class AbstractTransform(eqx.Module):
    """A monotone map from a parameter `x` within its bounds to the coordinate `u` that a minimiser moves."""

    def check(self, lower: Any, upper: Any) -> None:
        """Refuse bounds that do not suit; they may be traced."""

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """`u` from `x`, elementwise."""
        raise NotImplementedError

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """`x` from `u`, elementwise."""
        raise NotImplementedError

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """The bounds of `u`."""
        return self.forward(lower, lower, upper), self.forward(upper, lower, upper)

    def spread(self, unit: Array, lower: Array, upper: Array) -> Array:
        """Points `x` from numbers in (0, 1), uniform in `u`. For finite bounds."""
        low, high = self.bounds(lower, upper)
        return self.inverse(low + unit * (high - low), lower, upper)


class Identity(AbstractTransform):
    """`u = x`: for parameters of any sign whose size is known."""

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return x

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return u


SMALLEST_START = 1e-4
"""Where starts begin for `Log`, in units of the upper bound, if the lower bound is 0."""


class Log(AbstractTransform):
    """`u = log x`: for rates and other positive parameters, which may be wrong by powers of ten.

    A lower bound of 0 becomes minus infinity; random starts then begin four powers of ten below the upper bound.

    Raises
    ------
    ValueError
        For negative lower bounds.
    """

    def check(self, lower: Any, upper: Any) -> None:
        """See `AbstractTransform`."""
        if is_concrete(lower) and np.any(np.asarray(lower) < 0):
            msg = f"`Log()` needs lower bounds of 0 or more; got {np.min(lower)}. Use `Identity()` for that parameter."
            raise ValueError(msg)

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        # A start at 0 would never leave it.
        smallest = 1e-12 * jnp.where(jnp.isfinite(upper), upper, 1)
        return jnp.log(jnp.maximum(x, smallest))

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """See `AbstractTransform`."""
        return jnp.log(lower), jnp.log(upper)

    def spread(self, unit: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        low, high = jnp.log(jnp.where(lower > 0, lower, SMALLEST_START * upper)), jnp.log(upper)
        return jnp.clip(jnp.exp(low + unit * (high - low)), lower, upper)

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        # The logarithm of a bound and back may differ by rounding.
        return jnp.clip(jnp.exp(u), lower, upper)


class Logit(AbstractTransform):
    """`u = log((x - lower) / (upper - x))`: no bounds are left, and the parameter never reaches one.

    For fractions and for parameters that are well inside. Where the best value is a bound, convergence is slow: use
    `Identity()` there.

    Raises
    ------
    ValueError
        For infinite bounds.
    """

    def check(self, lower: Any, upper: Any) -> None:
        """See `AbstractTransform`."""
        if is_concrete((lower, upper)) and not np.all(np.isfinite(np.asarray([lower, upper]))):
            msg = "`Logit()` needs finite bounds on both sides; got infinite ones. Pass bounds, or use `Log()`."
            raise ValueError(msg)

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        # A start on a bound would never leave it.
        inside = jnp.clip((x - lower) / (upper - lower), 1e-6, 1 - 1e-6)
        return jnp.log(inside) - jnp.log1p(-inside)

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return lower + (upper - lower) * jax.nn.sigmoid(u)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """See `AbstractTransform`."""
        return jnp.full_like(lower, -jnp.inf), jnp.full_like(upper, jnp.inf)

    def spread(self, unit: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`; uniform in `x`."""
        return lower + unit * (upper - lower)


class Mixed(AbstractTransform):
    """One transform for each parameter, counted over the flattened leaves.

    Parameters
    ----------
    transforms
        As many as there are parameters.
    """

    transforms: tuple[AbstractTransform, ...]

    def check(self, lower: Any, upper: Any) -> None:
        """See `AbstractTransform`."""
        if len(self.transforms) != lower.shape[0]:
            msg = f"one transform for each of the {lower.shape[0]} parameters is needed; got {len(self.transforms)}."
            raise ValueError(msg)
        for i, transform in enumerate(self.transforms):
            transform.check(lower[i], upper[i])

    def _each(self, name: str, x: Array, lower: Array, upper: Array) -> Array:
        return jnp.stack([getattr(t, name)(x[i], lower[i], upper[i]) for i, t in enumerate(self.transforms)])

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return self._each("forward", x, lower, upper)

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return self._each("inverse", u, lower, upper)

    def spread(self, unit: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return self._each("spread", unit, lower, upper)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """See `AbstractTransform`."""
        pairs = [t.bounds(lower[i], upper[i]) for i, t in enumerate(self.transforms)]
        return jnp.stack([low for low, _ in pairs]), jnp.stack([high for _, high in pairs])


def as_transform(transform: Any) -> AbstractTransform:
    """A transform, or several as `Mixed`; None is `Identity()`."""
    if transform is None:
        return Identity()
    if isinstance(transform, AbstractTransform):
        return transform
    found = jax.tree.leaves(transform, is_leaf=lambda leaf: isinstance(leaf, AbstractTransform))
    if not found or not all(isinstance(leaf, AbstractTransform) for leaf in found):
        msg = (
            "`transform` must be an instance such as `Identity()`, `Log()` or `Logit()`, or one for each parameter; "
            "got "
            f"{transform!r}."
        )
        raise TypeError(msg)
    return Mixed(tuple(found))


class Leading(AbstractTransform):
    """A transform of the first `count` parameters; the others are moved as they are.

    Parameters
    ----------
    transform
        That of the first ones.
    count
        How many they are.
    """

    transform: AbstractTransform
    count: int = eqx.field(static=True)

    def check(self, lower: Any, upper: Any) -> None:
        """See `AbstractTransform`."""
        self.transform.check(lower[: self.count], upper[: self.count])

    def _first(self, name: str, x: Array, lower: Array, upper: Array) -> Array:
        first = getattr(self.transform, name)(x[: self.count], lower[: self.count], upper[: self.count])
        return jnp.concatenate([first, x[self.count :]])

    def forward(self, x: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return self._first("forward", x, lower, upper)

    def inverse(self, u: Array, lower: Array, upper: Array) -> Array:
        """See `AbstractTransform`."""
        return self._first("inverse", u, lower, upper)

    def bounds(self, lower: Array, upper: Array) -> tuple[Array, Array]:
        """See `AbstractTransform`."""
        low, high = self.transform.bounds(lower[: self.count], upper[: self.count])
        return jnp.concatenate([low, lower[self.count :]]), jnp.concatenate([high, upper[self.count :]])
