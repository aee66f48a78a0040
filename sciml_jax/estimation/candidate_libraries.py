"""The libraries of candidates that one starts from: polynomials, sines and cosines, functions of one's own."""

import itertools
import re
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..core.callables import as_callable
from ..core.checks import check_positive
from .candidates import AbstractLibrary, Term, multiply_terms


class Polynomials(AbstractLibrary):
    """Monomials of the states and inputs up to a total degree; see `polynomials`."""

    degree: int = eqx.field(static=True)
    constant: bool = eqx.field(static=True)
    interactions: bool = eqx.field(static=True)

    def _choices(self, count: int) -> list[tuple[int, ...]]:
        lowest = 0 if self.constant else 1
        degrees = range(lowest, self.degree + 1)
        if not self.interactions:
            return [(i,) * d for d in degrees for i in (range(count) if d else range(1))]
        return [c for d in degrees for c in itertools.combinations_with_replacement(range(count), d)]

    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """By degree, then in the order of the variables: 1, x, y, x^2, x y, y^2, ..."""
        names = variables + inputs
        factors = [tuple(((names[i], 1),) for i in choice) for choice in self._choices(len(names))]
        return tuple(multiply_terms(*choice) for choice in factors)

    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The monomials, each by multiplications."""
        z = jnp.concatenate([y, u])
        known: dict[tuple[int, ...], Any] = {(): jnp.ones((), z.dtype)}

        def monomial(choice: tuple[int, ...]) -> Any:
            if choice not in known:
                known[choice] = monomial(choice[:-1]) * z[choice[-1]]
            return known[choice]

        return jnp.stack([monomial(choice) for choice in self._choices(z.shape[0])])


class Fourier(AbstractLibrary):
    """Sines and cosines of the states and inputs, or of time; see `fourier`."""

    order: int = eqx.field(static=True)
    frequency: float = eqx.field(static=True)
    time: bool = eqx.field(static=True)

    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """For every variable sin and cos of the first multiple, then of the next."""
        names = ("t",) if self.time else variables + inputs
        scales = [self.frequency * k for k in range(1, self.order + 1)]
        argument = lambda name, scale: name if scale == 1 else f"{scale:g} {name}"
        return tuple(
            ((f"{wave}({argument(name, scale)})", 1),) for name in names for scale in scales for wave in ("sin", "cos")
        )

    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The values, in the order of `terms`."""
        z = jnp.asarray(t, y.dtype)[None] if self.time else jnp.concatenate([y, u])
        angles = z[:, None] * self.frequency * jnp.arange(1, self.order + 1, dtype=y.dtype)
        return jnp.stack([jnp.sin(angles), jnp.cos(angles)], axis=-1).reshape(-1)


class Custom(AbstractLibrary):
    """Functions of one's own, by name; see `custom`."""

    labels: tuple[str, ...] = eqx.field(static=True)
    functions: tuple[Callable, ...]

    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """In the order given; a name with `{}` stands for one candidate of every variable."""
        found: list[str] = []
        for label in self.labels:
            found += [label.replace("{}", v) for v in variables + inputs] if "{}" in label else [label]
        return tuple(((name, 1),) for name in found)

    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The values, in the order of `terms`."""
        values: list[Any] = []
        for label, function in zip(self.labels, self.functions):
            if "{}" in label:
                values += [function(entry) for entry in (*y, *u)]
            else:
                values.append(function(t, y, u))
        shapes = {label: jnp.shape(value) for label, value in zip(self.labels, values) if jnp.shape(value) != ()}
        if shapes:
            msg = f"a candidate must return one number; got shapes {shapes}. Make each entry a candidate of its own."
            raise ValueError(msg)
        return jnp.stack([jnp.asarray(value, y.dtype) for value in values])


def polynomials(degree: int, *, constant: bool = True, interactions: bool = True) -> Polynomials:
    """All monomials of states and inputs up to a total degree.

    Parameters
    ----------
    degree
        The highest total degree, at least 1 (0: the constant alone). Of n variables there are `(n + degree)! / (n!
        degree!)` monomials: 10 of three variables up to degree 2, 56 up to degree 5.
    constant
        Whether 1 is among them.
    interactions
        Whether products of different variables are.

    Returns
    -------
    Polynomials
        A library for `sindy`; `+` joins it with others, `*` multiplies them. High degrees of large values make columns
        that look alike (`LawStatus.ILL_CONDITIONED`): scale the data first.

    Raises
    ------
    ValueError
        For a degree that is not an integer from 0 on, or a library that would be empty.
    """
    if isinstance(degree, bool) or not isinstance(degree, int) or degree < 0 or (degree == 0 and not constant):
        msg = f"`degree` must be an integer of at least 1 (0 for the constant alone); got {degree!r}. Pass 2 or 3."
        raise ValueError(msg)
    return Polynomials(degree, bool(constant), bool(interactions))


def fourier(order: int = 1, *, frequency: float = 1.0, time: bool = False) -> Fourier:
    """Sines and cosines: `sin(k w x)` and `cos(k w x)` for k = 1, ..., order and every state and input x.

    Parameters
    ----------
    order
        The highest multiple k, at least 1.
    frequency
        The base frequency w, in radians per unit of the variable.
    time
        Whether the argument is time, for laws with a periodic forcing, instead of the states and inputs.

    Raises
    ------
    ValueError
        For an order below 1 or a frequency that is not positive.
    """
    if isinstance(order, bool) or not isinstance(order, int) or order < 1:
        msg = f"`order` must be an integer of at least 1; got {order!r}. Pass 1 for sin and cos of each variable."
        raise ValueError(msg)
    check_positive(frequency, "frequency")
    return Fourier(order, float(frequency), bool(time))


def custom(functions: Mapping[str, Callable]) -> Custom:
    """Candidates of one's own.

    Parameters
    ----------
    functions
        Name to function. A name with `{}`, such as `"exp(-{})"`, makes one candidate of every state and input x from
        `f(x)`. Any other name, such as `"cos(t)"` or `"x/(1+x)"`, makes one candidate from `f(t, y, u)`: time, state
        (n,) and inputs (m,), an array of shape (0,) where there are none. Each returns one number.

    Raises
    ------
    ValueError, TypeError
        For no functions, names that are not text, values that are not callable, or functions that return more than one
        number.

    Examples
    --------
    >>> library = polynomials(3) + custom({"cos(t)": lambda t, y, u: jnp.cos(t), "exp(-{})": lambda x: jnp.exp(-x)})
    """
    if not isinstance(functions, Mapping) or not functions or not all(isinstance(name, str) for name in functions):
        msg = f'`functions` must be a dict of names to functions; got {functions!r}. Pass `{{"sin({{}})": jnp.sin}}`.'
        raise ValueError(msg)
    labels = tuple(re.sub(r"\s+", " ", name.strip()) for name in functions)
    held = [
        as_callable(fn, name, *(("x",) if "{}" in name else ("t", "y", "u")))
        for name, fn in zip(labels, functions.values())
    ]
    return Custom(labels, tuple(held))
