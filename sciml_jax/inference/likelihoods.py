"""Likelihoods of measured values around the predictions of a plain function of the parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PyTree

from ..core.callables import as_callable
from ..core.method import AbstractSolution
from ..core.tree import describe, is_concrete
from .noise_families import MAX_CENSORED_COUNT, AbstractNoise, NegativeBinomial
from .observed import Observed


class AbstractLikelihood(eqx.Module):
    """A log-likelihood that can also say how single values contribute and draw new ones."""

    def __add__(self, other: "AbstractLikelihood") -> "JointLikelihood":
        """The likelihood of both sets of independent measurements."""
        if not isinstance(other, AbstractLikelihood):
            return NotImplemented
        return JointLikelihood((*_parts(self), *_parts(other)))


class Likelihood(AbstractLikelihood):
    """The log-likelihood of measured values, a function of the parameters; made by `gaussian` and its like."""

    predict: Callable
    noise: AbstractNoise
    shape: dict
    data: Observed

    def __call__(self, params: PyTree) -> Float[Array, ""]:
        """The log-likelihood; minus infinity, with a zero derivative, where the prediction failed."""
        terms, failed = self._terms(params)
        total = sum(jnp.sum(leaf) for leaf in jax.tree.leaves(terms))
        return jnp.where(failed, -jnp.inf, total)

    def pointwise(self, params: PyTree) -> PyTree:
        """The log-likelihood of every value, in the structure of the data, 0 where nothing was measured."""
        terms, failed = self._terms(params)
        return jax.tree.map(lambda term, m: jnp.where(failed & m, -jnp.inf, term), terms, self.data.mask)

    def predictions(self, params: PyTree) -> PyTree:
        """What `predict` returns, in the structure and shapes of the data."""
        return self.data.match(_outputs(self.predict(params))[0])

    def sample(self, key: Any, params: PyTree) -> PyTree:
        """New measurements in the structure of the data, without censoring; NaN where the prediction failed."""
        mus, treedef = jax.tree.flatten(self.predictions(params))
        shapes = self._shapes(params)
        drawn = []
        for mu, shape, own in zip(mus, shapes, jax.random.split(key, len(mus))):
            good = self._possible(mu, shape)
            drawn.append(jnp.where(good, self.noise.sample(own, jnp.where(good, mu, 1), **shape), jnp.nan))
        return jax.tree.unflatten(treedef, drawn)

    @property
    def observed(self) -> PyTree:
        """The measured values, NaN where nothing was measured."""
        return jax.tree.map(lambda y, m: jnp.where(m, y, jnp.nan), self.data.ys, self.data.mask)

    @property
    def mask(self) -> PyTree:
        """Where values were measured."""
        return self.data.mask

    def _terms(self, params: PyTree) -> tuple[PyTree, Bool[Array, ""]]:
        outputs, failed = _outputs(self.predict(params))
        mus = jax.tree.leaves(self.data.match(outputs))
        ys, treedef = jax.tree.flatten(self.data.ys)
        masks = jax.tree.leaves(self.data.mask)
        marks = [[None] * len(ys) if m is None else jax.tree.leaves(m) for m in (self.data.left, self.data.right)]
        terms = []
        for y, mu, mask, shape, left, right in zip(ys, mus, masks, self._shapes(params), *marks, strict=True):
            if not jnp.issubdtype(mu.dtype, jnp.floating):
                msg = f"predictions must be real floating-point arrays; got {describe(mu)}. Return floats."
                raise TypeError(msg)
            good = self._possible(mu, shape)
            failed = failed | jnp.any(mask & ~good)
            safe = {name: jnp.where(good, value, 1) for name, value in shape.items()}
            term = self._term(y, jnp.where(good, mu, 1), safe, left, right)
            terms.append(jnp.where(mask & good, term, 0))
        return jax.tree.unflatten(treedef, terms), failed

    def _term(self, y: Array, mu: Array, shape: dict, left: Any, right: Any) -> Array:
        term = self.noise.log_prob(y, mu, **shape)
        for mark, tail in ((left, self.noise.log_below), (right, self.noise.log_above)):
            if mark is not None:
                term = jnp.where(mark, tail(y, mu, **shape), term)
        return term

    def _possible(self, mu: Array, shape: dict) -> Bool[Array, "..."]:
        good = jnp.isfinite(mu) & self.noise.supports(jnp.where(jnp.isfinite(mu), mu, 1))
        for value in shape.values():
            good = good & jnp.isfinite(value) & (value > 0)
        return good

    def _shapes(self, params: PyTree) -> list[dict]:
        """The parameters of the noise for every leaf of the data."""
        count = len(jax.tree.leaves(self.data.ys))
        given = {name: value(params) if callable(value) else value for name, value in self.shape.items()}
        if callable(self.shape.get("scale")):
            self.data.check_series_vary(given["scale"])
        trees = {name: jax.tree.leaves(self.data.spread(value, name)) for name, value in given.items()}
        return [{name: leaves[i] for name, leaves in trees.items()} for i in range(count)]


class JointLikelihood(AbstractLikelihood):
    """The sum of log-likelihoods of independent measurements."""

    parts: tuple

    def __call__(self, params: PyTree) -> Float[Array, ""]:
        """The log-likelihood."""
        return jnp.sum(jnp.stack([part(params) for part in self.parts]))

    def pointwise(self, params: PyTree) -> tuple:
        """The log-likelihood of every value, by part."""
        return tuple(part.pointwise(params) for part in self.parts)

    def predictions(self, params: PyTree) -> tuple:
        """The predictions, by part."""
        return tuple(part.predictions(params) for part in self.parts)

    def sample(self, key: Any, params: PyTree) -> tuple:
        """New measurements, by part."""
        return tuple(part.sample(k, params) for part, k in zip(self.parts, jax.random.split(key, len(self.parts))))

    @property
    def observed(self) -> tuple:
        """The measured values, by part."""
        return tuple(part.observed for part in self.parts)

    @property
    def mask(self) -> tuple:
        """Where values were measured, by part."""
        return tuple(part.mask for part in self.parts)


def _parts(likelihood: AbstractLikelihood) -> tuple:
    return likelihood.parts if isinstance(likelihood, JointLikelihood) else (likelihood,)


def _outputs(returned: Any) -> tuple[PyTree, Array]:
    """What was predicted, and whether a solve says that it failed."""
    failed = jnp.zeros((), bool)
    is_solution = lambda node: isinstance(node, AbstractSolution)
    nodes, treedef = jax.tree.flatten(returned, is_leaf=is_solution)
    for i, node in enumerate(nodes):
        if is_solution(node):
            failed = failed | jnp.any((node.status != 0) & (node.status != 1))
            nodes[i] = node.ys if hasattr(node, "ys") else node.y1
    return jax.tree.unflatten(treedef, nodes), failed


def make_likelihood(
    predict: Any, data: Any, noise: AbstractNoise, shape: dict, mask: Any, left: Any, right: Any
) -> Likelihood:
    """Check what the noise helpers were given and put it together."""
    predict = as_callable(predict, "predict", "params")
    observed = Observed(data, mask, left, right, noise)
    entries = {}
    if callable(shape.get("df")) and not (left is None and right is None):
        msg = (
            "with censored data `df` must be a number, because its derivative in the tails is not known; got a "
            "function of the parameters. Pass, for example, df=4.0."
        )
        raise ValueError(msg)
    for name, value in shape.items():
        if callable(value):
            if observed.is_constant() and name == "scale":
                msg = (
                    "to infer `scale`, the data must vary; got data that are all the same (zero variance), for which "
                    "the likelihood grows without bound as the scale goes to zero. Pass a known `scale=` number."
                )
                raise ValueError(msg)
            entries[name] = as_callable(value, name, "params")
        else:
            entries[name] = _positive(value, name)
            observed.spread(entries[name], name)
    if isinstance(noise, NegativeBinomial):
        highest = observed.highest_censored()
        if highest > MAX_CENSORED_COUNT:
            msg = f"censored counts must be at most {MAX_CENSORED_COUNT}; got {highest}. Use lognormal for more."
            raise ValueError(msg)
        noise = NegativeBinomial(highest)
    return Likelihood(predict, noise, entries, observed)


def _positive(value: Any, name: str) -> PyTree:
    if value is None:
        msg = f"`{name}` must be given: a number, an array, or a function of the parameters; got None."
        raise ValueError(msg)
    value = jax.tree.map(jnp.asarray, jnp.asarray(value) if _is_numbers(value) else value)
    if is_concrete(value):
        bad = [float(np.min(leaf)) for leaf in jax.tree.leaves(value) if not np.all(np.asarray(leaf) > 0)]
        if bad or not all(np.all(np.isfinite(leaf)) for leaf in jax.tree.leaves(value)):
            msg = f"`{name}` must be positive and finite; got {value}. For noise-free data pass a small number."
            raise ValueError(msg)
    return value


def _is_numbers(value: Any) -> bool:
    leaves = jax.tree.leaves(value)
    return bool(leaves) and all(isinstance(leaf, (int, float)) for leaf in leaves)
