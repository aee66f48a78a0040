"""The posterior density of a model's parameters: what every method in this folder works on."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ..core.callables import as_callable
from ..core.tree import is_concrete
from ..equations.keys import as_key
from .numpyro_model import ModelLikelihood, ModelPrior
from .posterior_checks import check_gradient, check_likelihood
from .priors import AbstractPrior, NamedPriors
from .safe_gradient import safe_scalar

FORWARD_UP_TO, FORWARD_INSTEAD_UP_TO = 3, 32
"""Unconstrained parameters up to which `gradient="auto"` differentiates forwards; and where reverse is impossible."""


class Posterior(eqx.Module):
    r"""An unnormalised posterior density on an unconstrained vector.

    $\log p(u \mid y) = \log \pi(\theta) + \log \ell(\theta) + \log |\det \partial\theta / \partial u| + c$, where
    $\theta$ = `constrain(u)`. Made by `posterior`; a frozen pytree, hence an argument of `jit` and `vmap`.

    Attributes
    ----------
    prior
        The priors: names, transforms, densities.
    likelihood
        The log-likelihood as it was given, a function of the parameters.
    gradient
        "forward" or "reverse": how `jax.grad(post.log_density)` differentiates the likelihood.
    """

    prior: AbstractPrior
    likelihood: Callable
    gradient: str = eqx.field(static=True)

    @property
    def dim(self) -> int:
        """The number of unconstrained parameters."""
        return self.prior.dim

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the parameters, nested ones with dots."""
        return self.prior.names

    def log_density(self, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Log density of an unconstrained vector, Jacobian included, without the normalising constant.

        Where the likelihood fails (a solve that did not arrive, NaN), minus infinity; its derivative is then that of
        the prior, hence finite.
        """
        return self.log_prior_density(position) + self.log_likelihood_at(position)

    def log_prior_density(self, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Log density of the prior on the unconstrained space, Jacobian included."""
        params, volume = self.prior.constrain(position)
        return self.prior.log_prob(params) + volume

    def log_likelihood_at(self, position: Float[Array, " dim"]) -> Float[Array, ""]:
        """Log-likelihood of an unconstrained vector; minus infinity, with a zero derivative, where it fails."""
        position = jnp.asarray(position)
        return safe_scalar(
            lambda u: self.likelihood(self.prior.constrain(u)[0]), position, forward=self.gradient == "forward"
        )

    def log_prior(self, params: dict) -> Float[Array, ""]:
        """Log density of the prior at parameters, in their own space (no Jacobian)."""
        return self.prior.log_prob(params)

    def log_likelihood(self, params: dict) -> Float[Array, ""]:
        """Log-likelihood of parameters; minus infinity where it fails."""
        value = self.likelihood(params)
        return jnp.where(jnp.isnan(value) | (value == jnp.inf), -jnp.inf, value)

    def constrain(self, position: Float[Array, " dim"]) -> dict:
        """Parameters of an unconstrained vector."""
        return self.prior.constrain(position)[0]

    def unconstrain(self, params: dict) -> Float[Array, " dim"]:
        """The unconstrained vector of parameters, which must lie inside the supports of their priors."""
        return self.prior.unconstrain(params)

    def sample_prior(self, key: Any) -> dict:
        """A draw of the parameters from the priors; for many, `jax.vmap` over keys."""
        return self.prior.sample(as_key(key, "sample_prior"))

    def failed(self, position: Float[Array, " dim"]) -> Bool[Array, ""]:
        """Whether the likelihood cannot be evaluated there: a failed solve, or a log-likelihood that is not finite."""
        return ~jnp.isfinite(self.likelihood(self.constrain(position)))

    def initial_position(self, key: Any, tries: int = 32) -> Float[Array, " dim"]:
        """A start for a chain: of `tries` draws from the prior, the one with the highest finite log-likelihood.

        By likelihood and not by density, so that chains of a hierarchical model do not all start in its neck. Improper
        priors are replaced by uniform draws from (-2, 2) in the unconstrained space.

        Raises
        ------
        ValueError
            Where values are concrete and no try has a finite density. Inside `jit` such a try is returned.
        """
        keys = jax.random.split(as_key(key, "initial_position"), tries)
        positions, density = initial_candidates(self, keys)
        best = jnp.argmax(density)
        if is_concrete(density) and not bool(jnp.isfinite(density[best])):
            msg = (
                f"a start must have a finite density; none of {tries} draws from the priors has (the solve fails or "
                "the likelihood is zero). Tighten the priors, pass `init=` parameters that work, or look at "
                "post.log_likelihood(post.sample_prior(0))."
            )
            raise ValueError(msg)
        return positions[best]


def prior_positions(post: Posterior, keys: Any) -> Float[Array, "tries dim"]:
    """Positions drawn from the prior; improper ones by uniform draws from (-2, 2)."""

    def one(key):
        try:
            return post.unconstrain(post.prior.sample(key))
        except NotImplementedError:
            return jax.random.uniform(key, (post.dim,), minval=-2.0, maxval=2.0)

    return jax.vmap(one)(keys)


def initial_candidates(post: Posterior, keys: Any) -> tuple[Float[Array, "tries dim"], Float[Array, " tries"]]:
    """Positions drawn from the prior and their log-likelihoods, minus infinity where the density is not finite."""

    def one(position):
        fit = post.log_likelihood(post.constrain(position))
        usable = jnp.isfinite(fit) & jnp.isfinite(post.log_prior_density(position)) & jnp.all(jnp.isfinite(position))
        return position, jnp.where(usable, fit, -jnp.inf)

    return jax.vmap(one)(prior_positions(post, keys))


def posterior(
    priors: Mapping[str, Any] | Callable,
    log_likelihood: Any = None,
    *args: Any,
    gradient: str = "auto",
    check: bool = True,
    **kwargs: Any,
) -> Posterior:
    r"""Join priors and a likelihood: $p(\theta \mid y) \propto \ell(\theta)\,\pi(\theta)$.

    Parameters
    ----------
    priors
        NumPyro distributions by name, in dicts nested as the parameters are to be nested. A vector is a distribution
        with a batch or event shape. A prior that depends on other parameters is a function of them,
        `lambda p: dist.Normal(p["mu"], p["tau"])`, which may look up any of them, at the top of the nested dict.
        Or a NumPyro model, which then is the whole posterior; further arguments are its own.
    log_likelihood
        Parameters (as nested as the priors) to the log-likelihood of the data, a scalar: one of `gaussian`,
        `lognormal`, `student_t`, `poisson`, `negative_binomial`, a sum of those, or a function of your own. NaN stands
        for "cannot be evaluated".
    gradient
        "forward": the likelihood is differentiated by one tangent per unconstrained parameter; "reverse": by one
        cotangent. "auto": forward up to 3 parameters, and up to 32 where the likelihood has no reverse mode (a loop of
        unknown length that is not one of our solvers).
    check
        Whether to trace the likelihood now and refuse one that no parameter enters, and priors that nothing uses.

    Returns
    -------
    A `Posterior`, which all methods take.

    Raises
    ------
    TypeError, ValueError
        For what is no distribution, discrete priors, functions of unknown parameters, a likelihood that asks for other
        names or shapes than the priors have, that is not a real scalar, or that is constant.

    Notes
    -----
    Transforms and their Jacobians are NumPyro's `biject_to(distribution.support)`. A failed solve inside the
    likelihood (pass `on_failure="return"` to `sj.solve`) has zero likelihood; see `Posterior.log_density`.

    References
    ----------
    Carpenter et al., Stan: a probabilistic programming language, J. Statistical Software 76 (2017), on transforms.
    """
    check_gradient(gradient)
    if isinstance(priors, Mapping):
        if args or kwargs:
            msg = "with a dict of priors there are no further arguments; got some. They belong to a NumPyro model."
            raise TypeError(msg)
        if log_likelihood is None:
            msg = "`posterior(priors, log_likelihood)` needs a likelihood; got none. Pass a function of the parameters."
            raise TypeError(msg)
        prior: AbstractPrior = NamedPriors(priors)
        likelihood = as_callable(log_likelihood, "log_likelihood", "params")
    elif callable(priors) and not isinstance(priors, type):
        model_args = () if log_likelihood is None and not args else (log_likelihood, *args)
        prior = ModelPrior(priors, model_args, kwargs)
        likelihood = ModelLikelihood(prior.model, model_args, kwargs)
    else:
        msg = (
            "`priors` must be a dict of NumPyro distributions by name, or a NumPyro model; got "
            f"{type(priors).__name__}. Write dict(theta=dist.Normal(0.0, 1.0))."
        )
        raise TypeError(msg)
    if check:
        check_likelihood(prior, likelihood)
    if gradient == "auto":
        gradient = _chosen_gradient(prior, likelihood)
    return Posterior(prior, likelihood, gradient)


def _chosen_gradient(prior: AbstractPrior, likelihood: Callable) -> str:
    """Forward for few parameters, else reverse where there is one."""
    if prior.dim <= FORWARD_UP_TO:
        return "forward"
    if prior.dim > FORWARD_INSTEAD_UP_TO:
        return "reverse"
    try:
        jax.eval_shape(jax.grad(lambda u: likelihood(prior.constrain(u)[0])), jnp.zeros(prior.dim))
    except (ValueError, TypeError, NotImplementedError):
        return "forward"
    return "reverse"
