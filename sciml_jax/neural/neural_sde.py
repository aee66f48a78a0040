"""Neural stochastic differential equations."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

from ..core.frozen import Frozen
from ..core.tree import describe
from ..equations import SDEProblem, Solution
from ..networks import Normalise
from .fields import NetworkField
from .model import as_state
from .network_checks import as_count, as_times, check_network, check_output
from .settings import settings


class NeuralSDE(eqx.Module):
    """Networks as drift and diffusion: `dy = drift(y) dt + diffusion(y) dW`.

    `sde(y0, ts, key=key)` is one path at the times `ts`, shape (T, n); sample with `jax.vmap` over keys. The same key
    gives the same Brownian path, whatever the weights: derivatives by the weights are those of the path.

    Parameters
    ----------
    drift
        `drift(y) -> (n,)`, a network.
    diffusion
        `diffusion(y)`: shape (n,) for "diagonal" and "scalar" noise; with `motions=m` an (n, m) matrix, or its n m
        numbers in rows. A network, or a function of constants.
    noise
        "diagonal", "scalar", "general" or "additive", as in `sj.SDEProblem`; an additive diffusion must not use `y`.
    motions
        The number of Brownian motions of "general" noise (and of "additive" noise with a matrix).
    interpretation
        "ito" or "stratonovich".
    method
        None: what `sj.SDEProblem` takes by default. For training in bulk a fixed step is cheapest:
        `sj.EulerMaruyama()` (any noise) with `dt0=`.
    time, normalise, **options
        As for `NeuralODE`; `time` is for both networks.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for times that decrease, a missing key, "general" noise without `motions`.

    Notes
    -----
    Save times are stepped on. Fit moments or a distance of distributions (maximum mean discrepancy) of many paths: the
    likelihood of a path under two different diffusions is not comparable. Where the state is observed without error
    and often, the transition densities of `EulerMaruyama` are a better objective than any simulation.

    References
    ----------
    Kidger, Foster, Li & Lyons, Neural SDEs as infinite-dimensional GANs, ICML 2021. Li, Wong, Chen & Duvenaud, Scalable
    gradients for stochastic differential equations, AISTATS 2020.
    """

    drift: NetworkField
    diffusion: "DiffusionField"
    noise: str = eqx.field(static=True)
    interpretation: str = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        drift: Any,
        diffusion: Any,
        *,
        noise: str = "diagonal",
        motions: int | None = None,
        interpretation: str = "ito",
        method: Any = None,
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        call = "(t, y)" if time else "(y)"
        check_network(drift, "drift", f"drift{call}")
        check_network(diffusion, "diffusion", f"diffusion{call}")
        if noise == "general" and motions is None:
            msg = '`noise="general"` needs `motions`, the number of Brownian motions; got None. Pass `motions=m`.'
            raise ValueError(msg)
        if motions is not None and noise not in ("general", "additive"):
            msg = (
                f'`motions` is for `noise="general"` or "additive"; got {noise!r}. Drop it: the noise fixes the number.'
            )
            raise ValueError(msg)
        motions = None if motions is None else as_count(motions, "motions")
        self.drift = NetworkField(drift, bool(time), normalise)
        self.diffusion = DiffusionField(diffusion, bool(time), normalise, motions)
        self.noise = noise
        self.interpretation = interpretation
        self.settings = settings("NeuralSDE", method, options)

    def problem(self, y0: PyTree, t0: Any, t1: Any) -> SDEProblem:
        """The `sj.SDEProblem` that a call solves."""
        check_output(self.drift, (t0, y0), y0, "drift", "the drift of the state")
        check_diffusion(self.diffusion, t0, y0)
        kinds = {"noise": self.noise, "interpretation": self.interpretation}
        return SDEProblem(self.drift, self.diffusion, y0, t0, t1, **kinds)

    def solve(self, y0: PyTree, ts: Float[Array, " T"], *, key: Any) -> Solution:
        """The solution on the Brownian path of a key; `ts` as in a call."""
        ts = as_times(ts, forward=True)
        return self.settings.value.solve(self.problem(as_state(y0), ts[0], ts[-1]), ts, key=key)

    def __call__(self, y0: PyTree, ts: Float[Array, " T"], *, key: Any) -> Any:
        """States at `ts`, leaves (T, ...)."""
        return self.solve(y0, ts, key=key).ys


class DiffusionField(eqx.Module):
    """`(t, y, args) -> scale * net((y - shift) / scale)`, with an axis of motions behind where there are some."""

    net: Any
    time: bool = eqx.field(static=True)
    normalise: Normalise | None
    motions: int | None = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, args: Any = None) -> Any:
        """The diffusion."""
        del args
        seen = y if self.normalise is None else self.normalise(y)
        out = self.net(t, seen) if self.time else self.net(seen)
        like = jax.tree_util.tree_leaves(y)[0]
        if self.motions is not None:
            shaped = lambda o, x: jnp.reshape(o, (*jnp.shape(x), self.motions)).astype(x.dtype)
            out = jax.tree_util.tree_map(shaped, out, y)
            if self.normalise is not None:
                out = jax.tree_util.tree_map(lambda o, s: o * jnp.asarray(s, o.dtype)[..., None], out, self._scale(y))
            return out
        out = jax.tree_util.tree_map(lambda o: jnp.asarray(o).astype(like.dtype), out)
        return out if self.normalise is None else self.normalise.stretch(out)

    def _scale(self, y: Any) -> Any:
        assert self.normalise is not None
        return jax.tree_util.tree_map(lambda s, x: jnp.broadcast_to(s, jnp.shape(x)), self.normalise.scale, y)


def check_diffusion(field: DiffusionField, t0: Any, y0: Any) -> None:
    """Refuse a diffusion of the wrong width."""
    more = () if field.motions is None else (field.motions,)
    expected = jax.tree_util.tree_map(lambda x: jax.ShapeDtypeStruct((*x.shape, *more), x.dtype), y0)
    try:
        check_output(field, (t0, y0), expected, "diffusion", "the diffusion of the state")
    except ValueError as error:
        msg = f"{error} For a state of {describe(y0)} it needs {describe(expected)}, or those numbers in one row."
        raise ValueError(msg) from error
