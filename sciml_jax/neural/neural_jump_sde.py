"""Neural jump stochastic differential equations."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.frozen import Frozen
from ..core.tree import describe
from ..equations import IntegratedHazard, JumpProblem, ODEProblem, SDEProblem, Solution
from ..networks import Normalise
from .fields import NetworkField
from .network_checks import as_count, as_times, as_vector, check_network, check_output
from .neural_sde import DiffusionField, check_diffusion
from .settings import settings


class NeuralJumpSDE(eqx.Module):
    """Networks for drift, diffusion, rates of jumps and their sizes.

    `dy = drift(y) dt + diffusion(y) dW + sum_r jump(y)_r dN_r`, where `N_r` jumps with the rate `intensity(y)_r`, and
    `jump` sees the state before the jump. `model(y0, ts, key=key)` is one path, shape (T, n); sample with `jax.vmap`
    over keys.

    Parameters
    ----------
    drift
        `drift(y) -> (n,)`.
    diffusion
        `diffusion(y)` as for `NeuralSDE`; None for no noise between jumps (a neural jump ODE).
    intensity
        `intensity(y) -> (R,)`, or () for one kind of jump: rates, not negative. End it with `jax.nn.softplus`.
    jump
        `jump(y)`: what the R kinds of jumps add, (R, n) or its numbers in rows.
    noise, motions, interpretation
        As for `NeuralSDE`.
    max_jumps
        Length of the log of jumps, `model.solve(...).events[0]`, and their bound; None: no log, no bound.
    method
        The method between jumps; None as `sj.IntegratedHazard` chooses.
    time, normalise, **options
        As for `NeuralODE`; `time` is for all networks, `normalise` for all but `intensity`'s result.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralSDE`. A negative rate ends the solve with a status.

    Notes
    -----
    Exact in distribution up to the integration's error: a jump comes where the integrated rate reaches an exponential
    number. Derivatives are those of a path, the random numbers held fixed; they contain that jumps move with the
    weights, but not that a path may gain or lose one, nor that another kind might have jumped: for an expectation over
    many jumps they are biased. Cost: some steps for every jump.

    References
    ----------
    Jia & Benson, Neural jump stochastic differential equations, NeurIPS 2019.
    """

    drift: NetworkField
    diffusion: DiffusionField | None
    intensity: Any
    jump: Any
    noise: str = eqx.field(static=True)
    interpretation: str = eqx.field(static=True)
    time: bool = eqx.field(static=True)
    max_jumps: int | None = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        drift: Any,
        diffusion: Any,
        intensity: Any,
        jump: Any,
        *,
        noise: str = "diagonal",
        motions: int | None = None,
        interpretation: str = "ito",
        max_jumps: int | None = None,
        method: Any = None,
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        call = "(t, y)" if time else "(y)"
        for net, name in ((drift, "drift"), (diffusion, "diffusion"), (intensity, "intensity"), (jump, "jump")):
            if net is not None or name != "diffusion":
                check_network(net, name, f"{name}{call}")
        if options.get("events"):
            msg = "`NeuralJumpSDE` uses events for its jumps; got `events`. Put other events into an `sj.JumpProblem`."
            raise TypeError(msg)
        motions = None if motions is None else as_count(motions, "motions")
        self.drift = NetworkField(drift, bool(time), normalise)
        self.diffusion = None if diffusion is None else DiffusionField(diffusion, bool(time), normalise, motions)
        self.intensity, self.jump = intensity, jump
        self.noise, self.interpretation = noise, interpretation
        self.time = bool(time)
        self.max_jumps = max_jumps
        hazard = IntegratedHazard(method, max_jumps)
        self.settings = settings("NeuralJumpSDE", hazard, options)

    def problem(self, y0: Float[Array, " n"], t0: Any, t1: Any) -> JumpProblem:
        """The `sj.JumpProblem` that a call solves."""
        y0 = as_vector(y0, "y0")
        check_output(self.drift, (t0, y0), y0, "drift", "the drift of the state")
        if self.diffusion is None:
            base: Any = ODEProblem(self.drift, y0, t0, t1)
        else:
            check_diffusion(self.diffusion, t0, y0)
            kinds = {"noise": self.noise, "interpretation": self.interpretation}
            base = SDEProblem(self.drift, self.diffusion, y0, t0, t1, **kinds)
        normalise = self.drift.normalise
        rates = JumpRates(self.intensity, self.time, normalise)
        jumps = JumpSizes(self.jump, self.time, normalise, _number(rates, t0, y0))
        return JumpProblem(rates, None, y0, t0, t1, base=base, affect=jumps)

    def solve(self, y0: Float[Array, " n"], ts: Float[Array, " T"], *, key: Any) -> Solution:
        """The solution for a key; `events[0]` logs the jumps where `max_jumps` is given."""
        ts = as_times(ts, forward=True)
        return self.settings.value.solve(self.problem(y0, ts[0], ts[-1]), ts, key=key)

    def __call__(self, y0: Float[Array, " n"], ts: Float[Array, " T"], *, key: Any) -> Any:
        """States at `ts`, shape (T, n)."""
        return self.solve(y0, ts, key=key).ys


class JumpRates(eqx.Module):
    """`(t, y, args) -> rates (R,)`."""

    net: Any
    time: bool = eqx.field(static=True)
    normalise: Normalise | None

    def __call__(self, t: Any, y: Any, args: Any = None) -> Any:
        """The rates."""
        del args
        seen = y if self.normalise is None else self.normalise(y)
        rates = jnp.atleast_1d(jnp.asarray(self.net(t, seen) if self.time else self.net(seen)).astype(y.dtype))
        # NaN is what ends a solve with a status; a negative rate would only lead away from the next jump.
        return jnp.where(rates >= 0, rates, jnp.nan)


class JumpSizes(eqx.Module):
    """`(t, y, args, reaction, key) -> the state after a jump`."""

    net: Any
    time: bool = eqx.field(static=True)
    normalise: Normalise | None
    kinds: int = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, args: Any, reaction: Any, key: Any) -> Any:
        """The state after kind `reaction` has jumped."""
        del args, key
        seen = y if self.normalise is None else self.normalise(y)
        out = jnp.asarray(self.net(t, seen) if self.time else self.net(seen))
        if out.size != self.kinds * y.size:
            msg = (
                f"`jump` must return what each of the {self.kinds} kinds of jumps adds, shape ({self.kinds}, "
                f"{y.size}), or those numbers in rows; got {describe(out)}. Give the network {self.kinds * y.size} "
                "outputs."
            )
            raise ValueError(msg)
        rows = out.reshape(self.kinds, y.size).astype(y.dtype)
        # A sum instead of an index: nothing is gathered in a batch.
        chosen = jnp.where(jnp.arange(self.kinds)[:, None] == reaction, rows, 0).sum(axis=0)
        return y + (chosen if self.normalise is None else self.normalise.stretch(chosen))


def _number(rates: JumpRates, t0: Any, y0: Any) -> int:
    """How many kinds of jumps there are."""
    out = eqx.filter_eval_shape(rates, t0, y0)
    if out.ndim != 1:
        msg = f"`intensity` must return one rate, or a vector of R; got {describe(out)}. Flatten it."
        raise ValueError(msg)
    return out.shape[0]
