"""The list of samplers that the laws run over. A new sampler joins by one line here, and inherits every law."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpyro.distributions as dist

from sciml_jax import inference

DATA = jnp.array([[0.9, -0.3], [1.4, 0.2], [0.5, -0.8]])
SPREAD = 1.5
BOUND = 0.7
"""Where the prediction fails: at about 70 % of the first parameter's posterior without failures."""


class ListedSampler(NamedTuple):
    """A sampler and how it is called."""

    name: str
    run: Callable[..., inference.Draws]
    """`(posterior, key=) -> Draws`, short."""
    shape: tuple[int, int]
    """Chains and draws of that call."""
    bound: float = jnp.inf
    """Predictions fail where the first parameter is larger."""
    is_representative: bool = False
    """Whether the laws run by default."""

    def posterior(self, data: Any = DATA, spread: Any = SPREAD) -> inference.Posterior:
        """Of two means, measured three times."""
        bound = self.bound
        predict = lambda p: jnp.where(p["x"][0] < bound, p["x"], jnp.nan) * jnp.ones((3, 1))
        priors = {"x": dist.Normal(jnp.zeros(2), spread)}
        return inference.posterior(priors, inference.gaussian(predict, data, scale=0.5), check=False)


CHAIN = {"num_warmup": 10, "num_samples": 20, "num_chains": 2}

SAMPLERS = (
    ListedSampler("nuts", lambda post, **o: inference.nuts(post, **CHAIN, **o), (2, 20), BOUND),
    ListedSampler("hmc", lambda post, **o: inference.hmc(post, num_steps=4, **CHAIN, **o), (2, 20), BOUND, True),
    ListedSampler("metropolis", lambda post, **o: inference.metropolis(post, **CHAIN, **o), (2, 20), BOUND, True),
    ListedSampler(
        "smc", lambda post, **o: inference.smc(post, num_particles=32, num_moves=2, max_stages=4, **o), (1, 32), BOUND
    ),
    ListedSampler("chees", lambda post, **o: inference.chees(post, **CHAIN, max_leapfrog=20, **o), (2, 20), BOUND),
    ListedSampler("mclmc", lambda post, **o: inference.mclmc(post, **(CHAIN | {"num_warmup": 100}), **o), (2, 20)),
    ListedSampler("sgld", lambda post, **o: inference.sgld(post, **CHAIN, **o), (2, 20)),
    ListedSampler("laplace", lambda post, **o: inference.laplace(post, num_samples=20, num_starts=2, **o), (1, 20)),
    ListedSampler("pathfinder", lambda post, **o: inference.pathfinder(post, num_samples=20, **o), (1, 20)),
    ListedSampler("advi", lambda post, **o: inference.advi(post, num_steps=20, num_samples=20, **o), (1, 20)),
)
