"""Continuous normalising flows."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.scipy.stats
from jaxtyping import Array, Float

from ..core.checks import check_instance, check_interval
from ..core.frozen import Frozen
from ..core.tree import describe
from ..equations import ODEProblem, Solution, Tsit5
from ..equations.keys import as_key
from ..networks import Normalise
from .fields import apply
from .network_checks import as_count, check_network, check_output
from .settings import settings
from .trace_estimators import AbstractTrace, ExactTrace


class FlowCosts(eqx.Module):
    """What regularises a flow: integrals along the path of one sample, each divided by n."""

    kinetic: Float[Array, "..."]
    """`1/n` times the integral of `|f|^2`: the price of long ways."""
    jacobian: Float[Array, "..."]
    """`1/n` times the integral of the squared Frobenius norm of `df/dz`, estimated as the trace is."""


class FFJORD(eqx.Module):
    """A density by a flow: `dz/dt = f(t, z)` carries samples of a base density at t0 to samples of the data at t1.

    `log p(x) = log p_base(z(t0)) - integral of tr(df/dz)`, along the path that ends in x. `flow.log_prob(x)` has shape
    () for x of shape (n,) and (B,) for (B, n); `flow.sample(key=0, count=B)` draws. `flow(x)` is `log_prob`.

    Parameters
    ----------
    net
        `net(z) -> dz/dt` for vectors of n numbers; `net(t, z)` with `time=True`.
    dim
        n.
    trace
        `ExactTrace()` for n up to about ten; `Hutchinson(samples)` above, with a key for every evaluation.
    base
        An object with `log_prob(z) -> ()` and `sample(key) -> (n,)`; None is the standard normal.
    t0, t1
        The ends of the flow's time.
    method, time, normalise, **options
        As for `NeuralODE`; `normalise` scales data before the flow, and densities take that into account.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for data that are not (n,) or (B, n), and a missing key.

    Notes
    -----
    Cost of a log density: an ODE of n + 1 numbers whose field costs n (or `samples`) Jacobian-vector products. Training
    maximises `flow.log_prob(batch, key=key).mean()`; adding multiples of the `FlowCosts` of `log_prob_and_costs` keeps
    the paths straight and the solves short. A smooth activation (tanh, softplus) keeps the trace smooth.

    References
    ----------
    Grathwohl, Chen, Bettencourt, Sutskever & Duvenaud, FFJORD, ICLR 2019. Finlay, Jacobsen, Nurbekyan & Oberman, How to
    train your neural ODE, ICML 2020 (the regularisers).
    """

    net: Any
    trace: AbstractTrace
    base: Any
    t0: Any
    t1: Any
    normalise: Normalise | None
    dim: int = eqx.field(static=True)
    time: bool = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        net: Any,
        dim: int,
        *,
        trace: AbstractTrace = ExactTrace(),
        base: Any = None,
        t0: float = 0.0,
        t1: float = 1.0,
        method: Any = Tsit5(),
        time: bool = False,
        normalise: Normalise | None = None,
        **options: Any,
    ):
        check_network(net, "net", "net(t, z)" if time else "net(z)")
        check_instance(trace, AbstractTrace, "trace", "sj.neural.Hutchinson()")
        check_interval(t0, t1)
        if base is not None and not (hasattr(base, "log_prob") and hasattr(base, "sample")):
            msg = (
                f"`base` must have `log_prob(z)` and `sample(key)`; got {type(base).__name__}. Pass None for the "
                "standard normal."
            )
            raise TypeError(msg)
        self.net, self.trace, self.base, self.normalise = net, trace, base, normalise
        self.t0, self.t1 = t0, t1
        self.dim = as_count(dim, "dim")
        self.time = bool(time)
        self.settings = settings("FFJORD", method, options)

    def log_prob(self, x: Float[Array, "*B n"], *, key: Any = None) -> Float[Array, "*B"]:
        """The log density at x; `key` for a random trace (a batch splits it)."""
        return self._mapped(x, key, costs=False)[0]

    __call__ = log_prob

    def log_prob_and_costs(self, x: Float[Array, "*B n"], *, key: Any = None) -> tuple[Any, FlowCosts]:
        """The log density at x and the regularisers of its path."""
        return self._mapped(x, key, costs=True)

    def solve(self, x: Float[Array, " n"], *, key: Any = None, costs: bool = False) -> Solution:
        """The solve from one x, at t1, back to the base, at t0, with its status; states are dicts, "z" and "trace"."""
        x = self._checked(x)
        key = as_key(key, "Hutchinson") if self.trace.needs_key else None
        z = x if self.normalise is None else self.normalise(x)
        field = FlowField(self.net, self.time, self.trace, self.trace.probes(key, z), costs)
        check_output(lambda t, z: field.velocity(t)(z), (self.t1, z), z, "net", "the derivative of z")
        zeros = dict.fromkeys(("trace", "kinetic", "jacobian") if costs else ("trace",), jnp.zeros((), z.dtype))
        return self.settings.value.solve(ODEProblem(field, {"z": z, **zeros}, self.t1, self.t0), None)

    def sample(self, count: int | None = None, *, key: Any) -> Float[Array, "*B n"]:
        """One sample (n,), or `count` of them (count, n)."""
        key = as_key(key, "FFJORD.sample")
        if count is None:
            return self._drawn(key)
        return jax.vmap(self._drawn)(jax.random.split(key, as_count(count, "count")))

    def _drawn(self, key: Any) -> Any:
        # In the dtype of the weights, where there are any.
        kinds = [leaf.dtype for leaf in jax.tree_util.tree_leaves(self.net) if eqx.is_inexact_array(leaf)]
        dtype = jnp.result_type(*kinds) if kinds else jnp.result_type(float)
        z = jax.random.normal(key, (self.dim,), dtype) if self.base is None else self.base.sample(key)
        problem = ODEProblem(VelocityField(self.net, self.time), z, self.t0, self.t1)
        z = self.settings.value.solve(problem, None).y1
        return z if self.normalise is None else self.normalise.inverse(z)

    def _mapped(self, x: Any, key: Any, *, costs: bool) -> Any:
        """What `_one` returns, for one sample or a batch."""
        x = self._checked(x)
        if not self.trace.needs_key:
            one = lambda x: self._one(x, None, costs)
            return one(x) if x.ndim == 1 else jax.vmap(one)(x)
        key = as_key(key, "Hutchinson")
        if x.ndim == 1:
            return self._one(x, key, costs)
        return jax.vmap(lambda x, key: self._one(x, key, costs))(x, jax.random.split(key, x.shape[0]))

    def _one(self, x: Any, key: Any, costs: bool) -> tuple[Any, FlowCosts | None]:
        # Integrated from t1 to t0: the integral of the trace comes with the opposite sign.
        end = self.solve(x, key=key, costs=costs).y1
        z = end["z"]
        base = jnp.sum(jax.scipy.stats.norm.logpdf(z)) if self.base is None else self.base.log_prob(z)
        density = base + end["trace"]
        if self.normalise is not None:
            density = density - self.normalise.log_volume(x)
        if not costs:
            return density, None
        return density, FlowCosts(*(jnp.abs(end[name]) / self.dim for name in ("kinetic", "jacobian")))

    def _checked(self, x: Any) -> Any:
        x = jnp.asarray(x)
        if x.ndim not in (1, 2) or x.shape[-1] != self.dim or not jnp.issubdtype(x.dtype, jnp.floating):
            msg = (
                f"Data must be one sample ({self.dim},) or a batch (B, {self.dim}) of floats; got {describe(x)}. "
                f"`dim` is {self.dim}: put the samples on the first axis."
            )
            raise ValueError(msg)
        return x


class VelocityField(eqx.Module):
    """`(t, z, args) -> dz/dt`."""

    net: Any
    time: bool = eqx.field(static=True)

    def __call__(self, t: Any, z: Any, args: Any = None) -> Any:
        """The velocity."""
        del args
        return apply(self.net, self.time, t, z)


class FlowField(eqx.Module):
    """The field of z, of the integral of the trace and of those of the costs."""

    net: Any
    time: bool = eqx.field(static=True)
    trace: AbstractTrace
    probes: Any
    costs: bool = eqx.field(static=True)

    def velocity(self, t: Any) -> Any:
        """`z -> dz/dt` at one time."""
        return lambda z: apply(self.net, self.time, t, z)

    def __call__(self, t: Any, state: dict, args: Any = None) -> dict:
        """The derivative of the state."""
        del args
        dz, trace, frobenius = self.trace.evaluate(self.velocity(t), state["z"], self.probes)
        costs = {"kinetic": jnp.sum(dz**2), "jacobian": frobenius} if self.costs else {}
        return {"z": dz, "trace": trace, **costs}
