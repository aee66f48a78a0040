"""Neural ODEs with additional dimensions."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.frozen import Frozen
from ..equations import ODEProblem, Tsit5
from ..networks import Normalise
from .fields import NetworkField
from .model import AbstractModel
from .network_checks import as_count, as_vector, check_network, check_output
from .settings import settings


class AugmentedNeuralODE(AbstractModel):
    """A neural ODE of the state and `extra` more numbers `a`: `d(y, a)/dt = net((y, a))`, `a(t0) = initial(y0)`.

    In the additional dimensions trajectories can pass each other, which those of a `NeuralODE` cannot: maps that turn
    an inner ball inside out are out of its reach, and come at the price of an ever stiffer field. `model(y0, ts)` are
    the states alone, shape (T, n); `model.solve(y0, ts).ys` holds the additional numbers too, shape (T, n + extra).

    Parameters
    ----------
    net
        `net(z) -> dz/dt` for vectors of n + extra numbers.
    extra
        How many numbers are added.
    initial
        Their initial values: None for zeros, or a network `initial(y0) -> (extra,)`, which is trained too.
    method, time, normalise, **options
        As for `NeuralODE`; `normalise` is for the n numbers of the state.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for an `extra` below 1.

    Notes
    -----
    Cost: as a `NeuralODE` of n + extra numbers. Not needed where the data are a flow of their own, as time series of a
    complete state are.

    References
    ----------
    Dupont, Doucet & Teh, Augmented neural ODEs, NeurIPS 2019.
    """

    net: Any
    initial: Any
    normalise: Normalise | None
    extra: int = eqx.field(static=True)
    time: bool = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        net: Any,
        extra: int,
        *,
        initial: Any = None,
        method: Any = Tsit5(),
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        check_network(net, "net", "net(t, z)" if time else "net(z)")
        if initial is not None:
            check_network(initial, "initial", "initial(y0)")
        self.net = net
        self.initial = initial
        self.normalise = normalise
        self.extra = as_count(extra, "extra")
        self.time = bool(time)
        self.settings = settings("AugmentedNeuralODE", method, options)

    def augment(self, y0: Float[Array, " n"]) -> Float[Array, " n_extra"]:
        """The initial state with its additional numbers."""
        y0 = as_vector(y0, "y0")
        if self.initial is None:
            more = jnp.zeros(self.extra, y0.dtype)
        else:
            seen = y0 if self.normalise is None else self.normalise(y0)
            check_output(self.initial, (seen,), jnp.zeros(self.extra), "initial", "the additional numbers")
            more = jnp.asarray(self.initial(seen), y0.dtype)
        return jnp.concatenate([y0, more])

    def problem(self, y0: Float[Array, " n"], t0: Any, t1: Any) -> ODEProblem:
        """The `sj.ODEProblem` that a call solves."""
        start = self.augment(y0)
        field = NetworkField(self.net, self.time, self._widened())
        check_output(field, (t0, start), start, "net", "the derivative of the state and the additional numbers")
        return ODEProblem(field, start, t0, t1)

    def observed(self, ys: Float[Array, "*T n_extra"]) -> Any:
        """The states without the additional numbers."""
        return ys[..., : -self.extra]

    def _widened(self) -> Normalise | None:
        """The scaling of the state, and none of the additional numbers."""
        if self.normalise is None:
            return None
        shift, scale = self.normalise.shift, self.normalise.scale
        zeros = jnp.zeros(self.extra, shift.dtype)
        return Normalise(
            jnp.concatenate([jnp.atleast_1d(shift), zeros]), jnp.concatenate([jnp.atleast_1d(scale), zeros + 1])
        )
