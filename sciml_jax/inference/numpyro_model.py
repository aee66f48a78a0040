"""A NumPyro model as priors and a likelihood."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.callables import as_callable
from .priors import AbstractPrior, bijection


class ModelPrior(AbstractPrior):
    """The latent sites of a NumPyro model, in the order that it samples them."""

    model: Callable
    args: tuple
    kwargs: dict
    sites: tuple = eqx.field(static=True)
    shapes: tuple = eqx.field(static=True)
    free_shapes: tuple = eqx.field(static=True)
    dtypes: tuple = eqx.field(static=True)
    dim: int = eqx.field(static=True)

    def __init__(self, model: Callable, args: tuple, kwargs: dict):
        self.model, self.args, self.kwargs = as_callable(model, "model"), args, kwargs
        found: list = []

        def look(key):
            latent = _latent(self._trace(key))
            for name, site in latent.items():
                shape = bijection(site["fn"]).inverse_shape(jnp.shape(site["value"]))
                found.append((name, jnp.shape(site["value"]), tuple(shape), jnp.result_type(site["value"])))

        jax.eval_shape(look, jax.random.key(0))
        if not found:
            msg = (
                "a NumPyro model must sample at least one continuous parameter; got one without. Add "
                "numpyro.sample('theta', ...)."
            )
            raise ValueError(msg)
        self.sites, self.shapes, self.free_shapes, self.dtypes = (tuple(part) for part in zip(*found, strict=True))
        self.dim = sum(int(np.prod(shape)) for shape in self.free_shapes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the sites."""
        return self.sites

    @property
    def struct(self) -> dict:
        """Shapes and dtypes of the parameters."""
        return {
            name: jax.ShapeDtypeStruct(shape, dtype)
            for name, shape, dtype in zip(self.sites, self.shapes, self.dtypes, strict=True)
        }

    def constrain(self, position: Float[Array, " dim"]) -> tuple[dict, Float[Array, ""]]:
        """Parameters, and log |determinant| of their derivative by the position."""
        from numpyro import handlers

        pieces = self._pieces(position)
        volume = [jnp.zeros((), position.dtype)]

        def substitute(site):
            if site["name"] not in pieces or site["type"] != "sample":
                return None
            transform, piece = bijection(site["fn"]), pieces[site["name"]]
            value = transform(piece)
            volume.append(jnp.sum(transform.log_abs_det_jacobian(piece, value)))
            return value

        with handlers.block():
            trace = handlers.trace(handlers.substitute(_seeded(self.model), substitute_fn=substitute)).get_trace(
                *self.args, **self.kwargs
            )
        return {name: trace[name]["value"] for name in self.sites}, sum(volume[1:], start=volume[0])

    def unconstrain(self, params: dict) -> Float[Array, " dim"]:
        """The position of some parameters."""
        trace = _substituted(self.model, self.args, self.kwargs, self._complete(params))
        return jnp.concatenate(
            [jnp.ravel(bijection(trace[name]["fn"]).inv(trace[name]["value"])) for name in self.sites]
        )

    def log_prob(self, params: dict) -> Float[Array, ""]:
        """Log density of the parameters, in their own space."""
        trace = _substituted(self.model, self.args, self.kwargs, self._complete(params))
        return _total(trace[name] for name in self.sites)

    def sample(self, key: Any) -> dict:
        """A draw of the parameters."""
        trace = self._trace(key)
        return {name: trace[name]["value"] for name in self.sites}

    def _trace(self, key: Any) -> dict:
        from numpyro import handlers

        with handlers.block():
            return handlers.trace(handlers.seed(self.model, key)).get_trace(*self.args, **self.kwargs)

    def _pieces(self, position: Array) -> dict:
        ends = np.cumsum([int(np.prod(shape)) for shape in self.free_shapes])
        parts = jnp.split(position, ends[:-1])
        return {n: part.reshape(s) for n, part, s in zip(self.sites, parts, self.free_shapes, strict=True)}

    def _complete(self, params: dict) -> dict:
        missing = [name for name in self.sites if name not in params]
        if missing:
            msg = f"parameters must hold all sites of the model; missing {missing}, got {list(params)}. Add them."
            raise ValueError(msg)
        return {name: jnp.asarray(params[name]) for name in self.sites}


class ModelLikelihood(eqx.Module):
    """The observed sites and factors of a NumPyro model, a function of its latent sites."""

    model: Callable
    args: tuple
    kwargs: dict

    def __call__(self, params: dict) -> Float[Array, ""]:
        """The log-likelihood."""
        return _total(_observed(_substituted(self.model, self.args, self.kwargs, params)).values())

    def pointwise(self, params: dict) -> dict:
        """Log-likelihoods of the observed values by site, in their shapes."""
        trace = _observed(_substituted(self.model, self.args, self.kwargs, params))
        return {name: _log_prob(site) for name, site in trace.items()}

    def sample(self, key: Any, params: dict) -> dict:
        """New observations by site."""
        from numpyro import handlers

        trace = _observed(_substituted(self.model, self.args, self.kwargs, params))
        names = [name for name, site in trace.items() if not _is_factor(site)]
        del handlers
        keys = jax.random.split(key, max(len(names), 1))
        return {n: trace[n]["fn"].sample(k, trace[n]["kwargs"].get("sample_shape", ())) for n, k in zip(names, keys)}

    @property
    def observed(self) -> dict:
        """The observed values by site."""
        from numpyro import handlers

        with handlers.block():
            trace = handlers.trace(_seeded(self.model)).get_trace(*self.args, **self.kwargs)
        return {name: site["value"] for name, site in _observed(trace).items() if not _is_factor(site)}


def _seeded(model: Callable) -> Callable:
    from numpyro import handlers

    return handlers.seed(model, jax.random.key(0))


def _substituted(model: Callable, args: tuple, kwargs: dict, params: dict) -> dict:
    from numpyro import handlers

    with handlers.block():
        return handlers.trace(handlers.substitute(_seeded(model), data=params)).get_trace(*args, **kwargs)


def _latent(trace: dict) -> dict:
    sites = {name: site for name, site in trace.items() if site["type"] == "sample" and not site["is_observed"]}
    for name, site in sites.items():
        if getattr(site["fn"].support, "is_discrete", False):
            msg = (
                f"parameters must be continuous, because samplers here use gradients; the model samples {name!r} from "
                f"{type(site['fn']).__name__}. Sum over it inside the model, or use NumPyro's enumeration."
            )
            raise ValueError(msg)
    params = [name for name, site in trace.items() if site["type"] == "param"]
    if params:
        msg = f"a model must not have `numpyro.param` sites; got {params}. Sample them from a prior."
        raise ValueError(msg)
    return sites


def _observed(trace: dict) -> dict:
    return {name: site for name, site in trace.items() if site["type"] == "sample" and site["is_observed"]}


def _is_factor(site: dict) -> bool:
    from numpyro.distributions import Unit

    return isinstance(site["fn"], Unit)


def _log_prob(site: dict) -> Array:
    found = site["fn"].log_prob(site["value"])
    return found if site["scale"] is None else site["scale"] * found


def _total(sites: Any) -> Array:
    return sum((jnp.sum(_log_prob(site)) for site in sites), start=jnp.zeros(()))
