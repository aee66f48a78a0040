"""Priors by name: NumPyro distributions in nested dicts, and functions of the parameters that they depend on."""

import abc
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from ..core.callables import Function, as_callable


class AbstractPrior(eqx.Module):
    """What a `Posterior` asks of its priors: parameters <-> unconstrained vectors, densities, draws."""

    dim: eqx.AbstractVar[int]

    @abc.abstractmethod
    def constrain(self, position: Float[Array, " dim"]) -> tuple[dict, Float[Array, ""]]:
        """Parameters, and log |determinant| of their derivative by the position."""

    @abc.abstractmethod
    def unconstrain(self, params: dict) -> Float[Array, " dim"]:
        """The position of some parameters."""

    @abc.abstractmethod
    def log_prob(self, params: dict) -> Float[Array, ""]:
        """Log density of the parameters, in their own space."""

    @abc.abstractmethod
    def sample(self, key: Any) -> dict:
        """A draw of the parameters."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """A name for every entry of `shapes`, nested ones with dots."""

    @property
    @abc.abstractmethod
    def struct(self) -> dict:
        """Shapes and dtypes of the parameters."""


class NamedPriors(AbstractPrior):
    """Distributions by name, in the order that their dependencies allow.

    The position is the concatenation of the unconstrained values in the order of the names as they were given.
    """

    entries: tuple
    """Distributions, or callables of the parameters that are known by then."""
    paths: tuple = eqx.field(static=True)
    order: tuple = eqx.field(static=True)
    shapes: tuple = eqx.field(static=True)
    free_shapes: tuple = eqx.field(static=True)
    dtypes: tuple = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(self, priors: Mapping[str, Any]):
        flat = _flatten(priors)
        self.paths = tuple(path for path, _ in flat)
        self.entries = tuple(_as_entry(entry, path) for path, entry in flat)
        self.order, found = _resolve(self.entries, self.paths)
        self.shapes = tuple(shape for shape, _, _ in found)
        self.free_shapes = tuple(free for _, free, _ in found)
        self.dtypes = tuple(dtype for _, _, dtype in found)
        self.dim = sum(int(np.prod(free)) for free in self.free_shapes)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the parameters, nested ones with dots."""
        return tuple(".".join(path) for path in self.paths)

    @property
    def struct(self) -> dict:
        """Shapes and dtypes of the parameters."""
        tree: dict = {}
        for path, shape, dtype in zip(self.paths, self.shapes, self.dtypes, strict=True):
            _put(tree, path, jax.ShapeDtypeStruct(shape, dtype))
        return _in_order(tree, self.paths)

    def constrain(self, position: Float[Array, " dim"]) -> tuple[dict, Float[Array, ""]]:
        """Parameters, and log |determinant| of their derivative by the position."""
        pieces = self._pieces(position)
        volume = jnp.zeros((), position.dtype)
        params: dict = {}
        for i in self.order:
            transform = bijection(self._distribution(i, params))
            value = transform(pieces[i])
            volume = volume + jnp.sum(transform.log_abs_det_jacobian(pieces[i], value))
            _put(params, self.paths[i], value)
        return _in_order(params, self.paths), volume

    def unconstrain(self, params: dict) -> Float[Array, " dim"]:
        """The position of some parameters."""
        pieces: list = [None] * len(self.paths)
        for i in self.order:
            transform = bijection(self._distribution(i, params))
            pieces[i] = jnp.ravel(transform.inv(jnp.asarray(_get(params, self.paths[i]), self.dtypes[i])))
        return jnp.concatenate(pieces)

    def log_prob(self, params: dict) -> Float[Array, ""]:
        """Log density of the parameters, in their own space."""
        terms = [self.term(i, params) for i in self.order]
        return sum(terms[1:], start=terms[0])

    def term(self, i: int, params: dict) -> Float[Array, ""]:
        """Log density of one parameter, given the others."""
        return jnp.sum(self._distribution(i, params).log_prob(_get(params, self.paths[i])))

    def sample(self, key: Any) -> dict:
        """A draw of the parameters."""
        params: dict = {}
        for i, own in zip(self.order, jax.random.split(key, len(self.order))):
            _put(params, self.paths[i], self._distribution(i, params).sample(own))
        return _in_order(params, self.paths)

    def _distribution(self, i: int, params: dict) -> Any:
        entry = self.entries[i]
        return entry if _is_distribution(entry) else entry(params)

    def _pieces(self, position: Array) -> list:
        if position.shape != (self.dim,):
            msg = (
                f"a position must have the shape ({self.dim},), one number for every unconstrained parameter; got "
                f"{position.shape}. For many positions use jax.vmap."
            )
            raise ValueError(msg)
        ends = np.cumsum([int(np.prod(shape)) for shape in self.free_shapes])
        parts = jnp.split(position, ends[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.free_shapes, strict=True)]


def bijection(distribution: Any) -> Any:
    """NumPyro's map from unconstrained values onto the support of a distribution."""
    from numpyro.distributions import biject_to

    return biject_to(distribution.support)


def _is_distribution(value: Any) -> bool:
    from numpyro.distributions import Distribution

    return isinstance(value, Distribution)


def _flatten(priors: Any, above: tuple = ()) -> list[tuple[tuple[str, ...], Any]]:
    if not isinstance(priors, Mapping):
        return [(above, priors)]
    if not priors:
        where = f" under {'.'.join(above)!r}" if above else ""
        msg = f"`priors` must name at least one parameter; got an empty dict{where}. Pass dict(theta=dist.Normal())."
        raise ValueError(msg)
    wrong = [key for key in priors if not isinstance(key, str)]
    if wrong:
        msg = f"names of priors must be strings; got {wrong[0]!r}. Write dict(theta=dist.Normal(0.0, 1.0))."
        raise TypeError(msg)
    return [found for key, value in priors.items() for found in _flatten(value, (*above, key))]


def _as_entry(entry: Any, path: tuple[str, ...]) -> Any:
    name = ".".join(path)
    if _is_distribution(entry):
        _check_continuous(entry, name)
        return entry
    if isinstance(entry, type) or not callable(entry):
        what = f"the class {entry.__name__}" if isinstance(entry, type) else f"{entry!r} ({type(entry).__name__})"
        msg = (
            f"every prior must be a NumPyro distribution, or a function of the parameters that it depends on which "
            f"returns one; got {what} for {name!r}. Write dist.Normal(0.0, 1.0) or keep known values out of the priors."
        )
        raise TypeError(msg)
    return as_callable(entry, f"priors[{name!r}]", "params")


def _check_continuous(distribution: Any, name: str) -> None:
    if distribution.support is not None and getattr(distribution.support, "is_discrete", False):
        msg = (
            f"priors must be continuous, because samplers here use gradients; got {type(distribution).__name__} for "
            f"{name!r}. Sum over the values of a discrete parameter inside the likelihood (jax.nn.logsumexp)."
        )
        raise ValueError(msg)


def _resolve(entries: tuple, paths: tuple) -> tuple[tuple[int, ...], list]:
    """An order in which every function finds its parents, and (shape, unconstrained shape, dtype) of every entry."""
    order: list[int] = []
    found: dict[int, tuple] = {}
    known: dict = {}
    missing: dict[int, Any] = {}
    while len(order) < len(entries):
        before = len(order)
        for i, entry in enumerate(entries):
            if i in found:
                continue
            try:
                found[i], struct = _describe(entry, known, ".".join(paths[i]))
            except KeyError as error:
                missing[i] = error
                continue
            _put(known, paths[i], struct)
            order.append(i)
        if len(order) == before:
            asks = "; ".join(f"{'.'.join(paths[i])!r} asks for {missing[i]}" for i in missing if i not in found)
            msg = (
                f"functions among the priors must depend on named parameters without a circle; {asks}, and only "
                f"{['.'.join(paths[i]) for i in order]} can be resolved. Add the missing prior or correct the name."
            )
            raise ValueError(msg) from next(iter(missing.values()))
    return tuple(order), [found[i] for i in range(len(entries))]


def _describe(entry: Any, known: dict, name: str) -> tuple[tuple, jax.ShapeDtypeStruct]:
    kept: list = []

    def draw(known):
        distribution = entry if _is_distribution(entry) else entry(known)
        if not _is_distribution(distribution):
            msg = (
                f"a function among the priors must return a NumPyro distribution; {name!r} returned "
                f"{type(distribution).__name__}. Return, for example, dist.Normal(params['mu'], 1.0)."
            )
            raise TypeError(msg)
        _check_continuous(distribution, name)
        try:
            free = bijection(distribution).inverse_shape(distribution.shape())
        except NotImplementedError as error:
            msg = (
                f"a prior's support must have a bijection from unconstrained values; {type(distribution).__name__} "
                f"({name!r}) has none: {error}. Use another distribution."
            )
            raise ValueError(msg) from None
        kept.append((distribution.shape(), free))
        try:
            return distribution.sample(jax.random.key(0))
        except NotImplementedError:  # improper ones have no draws
            return jnp.zeros(distribution.shape())

    struct = jax.eval_shape(draw, known)
    shape, free = kept[-1]
    return (tuple(shape), tuple(free), struct.dtype), struct


def _put(tree: dict, path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        tree = tree.setdefault(key, {})
    tree[path[-1]] = value


def _get(tree: dict, path: tuple[str, ...]) -> Any:
    whole = tree
    for key in path:
        if not isinstance(tree, Mapping) or key not in tree:
            msg = f"parameters must hold {'.'.join(path)!r}; got {_keys(whole)}. Pass a value for every prior."
            raise ValueError(msg)
        tree = tree[key]
    return tree


def _keys(tree: Any) -> str:
    return f"the names {list(tree)}" if isinstance(tree, Mapping) else type(tree).__name__


def _in_order(tree: dict, paths: tuple) -> dict:
    """The same with names in the order that the user gave them."""
    ordered: dict = {}
    for path in paths:
        _put(ordered, path, _get(tree, path))
    return ordered


def plain_functions(entries: tuple) -> list[Callable | PyTree]:
    """The functions among the priors."""
    return [entry for entry in entries if isinstance(entry, Function)]
