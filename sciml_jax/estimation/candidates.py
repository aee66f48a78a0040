"""Libraries of candidate functions for the right-hand side of an unknown law, and their sums and products."""

import abc
from typing import Any, TypeAlias

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, ArrayLike, Float

from ..core.checks import check_instance

Term: TypeAlias = tuple[tuple[str, int], ...]
"""A candidate in symbols: factors with their powers; the empty tuple is the constant 1."""


def multiply_terms(*terms: Term) -> Term:
    """The product, factors in the order of their first appearance: x^2 from x and x."""
    powers: dict[str, int] = {}
    for factor, power in (pair for term in terms for pair in term):
        powers[factor] = powers.get(factor, 0) + power
    return tuple((factor, power) for factor, power in powers.items() if power)


def term_text(term: Term) -> str:
    """The candidate as text, such as `x^2 y`; the constant is `1`."""
    return " ".join(factor if power == 1 else f"{factor}^{power}" for factor, power in term) or "1"


class AbstractLibrary(eqx.Module):
    """Candidate functions of time, state and inputs. `a + b` joins two libraries, `a * b` holds all products.

    Candidates that occur twice are kept once, recognised by their names.
    """

    @abc.abstractmethod
    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """The candidates in symbols, for states and inputs of these names."""

    @abc.abstractmethod
    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The values of all candidates at one time, state and input, in the order of `terms`."""

    def names(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The candidates as text."""
        return tuple(term_text(term) for term in self.terms(tuple(variables), tuple(inputs)))

    def __add__(self, other: Any) -> "AbstractLibrary":
        return LibrarySum(self, other)

    def __mul__(self, other: Any) -> "AbstractLibrary":
        return LibraryProduct(self, other)


def _places(size_of: Any, n: int, m: int) -> list[int]:
    """Positions of the first occurrence of every candidate, for n states and m inputs."""
    variables, inputs = tuple(f"y{i}" for i in range(n)), tuple(f"u{i}" for i in range(m))
    return unique_places(size_of(variables, inputs))


def unique_places(terms: tuple[Term, ...]) -> list[int]:
    """Positions of the first occurrence of every candidate; x y and y x are one."""
    seen: set[frozenset] = set()
    places = []
    for place, term in enumerate(terms):
        if frozenset(term) not in seen:
            seen.add(frozenset(term))
            places.append(place)
    return places


class LibrarySum(AbstractLibrary):
    """The candidates of two libraries."""

    first: AbstractLibrary
    second: AbstractLibrary

    def __init__(self, first: Any, second: Any):
        for library in (first, second):
            check_instance(library, AbstractLibrary, "library", "sj.estimation.polynomials(2)")
        self.first, self.second = first, second

    def _all(self, variables: tuple[str, ...], inputs: tuple[str, ...]) -> tuple[Term, ...]:
        return self.first.terms(variables, inputs) + self.second.terms(variables, inputs)

    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """Those of the first, then those of the second that the first does not hold."""
        terms = self._all(variables, inputs)
        return tuple(terms[place] for place in unique_places(terms))

    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The values, in the order of `terms`."""
        values = jnp.concatenate([self.first.evaluate(t, y, u), self.second.evaluate(t, y, u)])
        places = _places(self._all, y.shape[0], u.shape[0])
        return values if len(places) == values.shape[0] else values[jnp.asarray(places)]


class LibraryProduct(AbstractLibrary):
    """All products of a candidate of one library and a candidate of another."""

    first: AbstractLibrary
    second: AbstractLibrary

    def __init__(self, first: Any, second: Any):
        for library in (first, second):
            check_instance(library, AbstractLibrary, "library", "sj.estimation.polynomials(2)")
        self.first, self.second = first, second

    def _all(self, variables: tuple[str, ...], inputs: tuple[str, ...]) -> tuple[Term, ...]:
        second = self.second.terms(variables, inputs)
        return tuple(multiply_terms(a, b) for a in self.first.terms(variables, inputs) for b in second)

    def terms(self, variables: tuple[str, ...], inputs: tuple[str, ...] = ()) -> tuple[Term, ...]:
        """The products, those of the first candidate first."""
        terms = self._all(variables, inputs)
        return tuple(terms[place] for place in unique_places(terms))

    def evaluate(self, t: ArrayLike, y: Float[Array, "n"], u: Float[Array, "m"]) -> Float[Array, "K"]:
        """The values, in the order of `terms`."""
        first, second = self.first.evaluate(t, y, u), self.second.evaluate(t, y, u)
        values = (first[:, None] * second[None, :]).reshape(-1)
        places = _places(self._all, y.shape[0], u.shape[0])
        return values if len(places) == values.shape[0] else values[jnp.asarray(places)]
