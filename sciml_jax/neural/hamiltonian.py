"""Hamiltonian neural networks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ..core.frozen import Frozen
from ..core.tree import describe
from ..equations import HamiltonianProblem, Solution, Tsit5
from ..networks import Normalise
from .network_checks import as_times, as_vector, check_network, check_output
from .settings import settings


class HamiltonianNN(eqx.Module):
    """A network as the energy: `dq/dt = dH/dp`, `dp/dt = -dH/dq` with `H(q, p) = net((q, p))`.

    Trajectories keep the learned energy, whatever the weights. `hnn(y0, ts)`: with y0 = (q, p) in one vector of 2 n
    numbers, the states (T, 2 n); with a pair of vectors (n,), the pair (qs, ps), each (T, n).

    Parameters
    ----------
    net
        `net(x) -> energy` for x = (q, p) of shape (2 n,); with `kinetic` the potential energy, `net(q)`. The energy has
        shape () or (1,). Its activation must be smooth, since the equations are its derivatives: tanh, softplus, sin.
    kinetic
        `kinetic(p) -> energy`, known (`lambda p: p @ p / 2`) or a network: then `H = kinetic(p) + net(q)` is separable
        and the symplectic methods (`sj.VelocityVerlet()`, `sj.Yoshida6()`, with `dt0=`) keep its energy over any time.
    method, **options
        As for `NeuralODE`; `sj.Vern7()` for long trajectories.
    normalise
        A `Normalise` of (q, p) in one vector: the network sees scaled numbers, the equations stay Hamilton's.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for ReLU activations, whose second derivative vanishes, an odd number of numbers, and an energy
        that is no scalar.

    Notes
    -----
    Cost: three evaluations of the network per evaluation of the field. With measured derivatives train on
    `hnn.derivative(y)` directly, without a solve. Not for systems with friction or forcing: see `Universal`.

    References
    ----------
    Greydanus, Dzamba & Yosinski, Hamiltonian neural networks, NeurIPS 2019.
    """

    net: Any
    kinetic: Any
    normalise: Normalise | None
    settings: Frozen

    def __init__(
        self,
        net: Any,
        *,
        kinetic: Any = None,
        method: Any = Tsit5(),
        normalise: Normalise | None = None,
        **options: Any,
    ):
        for part, name in ((net, "net"), (kinetic, "kinetic")):
            if part is not None or name == "net":
                check_network(part, name, f"{name}(x)")
                _check_smooth(part, name)
        self.net = net
        self.kinetic = kinetic
        self.normalise = normalise
        self.settings = settings("HamiltonianNN", method, options)

    def energy(self, y: Any) -> Float[Array, ""]:
        """`H` at one state, a vector (2 n,) or a pair of vectors."""
        q, p = _halves(y)[0]
        return Energy(self.net, self.kinetic, self.normalise)(q, p)

    def derivative(self, y: Any) -> Any:
        """`dy/dt` at one state, shaped like it."""
        (q, p), joined = _halves(y)
        dq, dp = jax.grad(lambda q, p: self.energy((q, p)), argnums=(0, 1))(q, p)
        return jnp.concatenate([dp, -dq]) if joined else (dp, -dq)

    def problem(self, y0: Any, t0: Any, t1: Any) -> HamiltonianProblem:
        """The `sj.HamiltonianProblem` that a call solves, of the pair (q, p)."""
        q, p = _halves(y0)[0]
        energy = Energy(self.net, self.kinetic, self.normalise)
        check_output(energy, (q, p), jax.ShapeDtypeStruct((), q.dtype), "net", "the energy, one number")
        return HamiltonianProblem(energy, q, p, t0, t1)

    def solve(self, y0: Any, ts: Float[Array, " T"]) -> Solution:
        """The solution in pairs (q, p); arguments as in a call."""
        ts = as_times(ts)
        return self.settings.value.solve(self.problem(y0, ts[0], ts[-1]), ts)

    def __call__(self, y0: Any, ts: Float[Array, " T"]) -> Any:
        """States at `ts`, in the form of `y0`."""
        qs, ps = self.solve(y0, ts).ys
        return jnp.concatenate([qs, ps], axis=-1) if _halves(y0)[1] else (qs, ps)


class Energy(eqx.Module):
    """`(q, p, args) -> H`."""

    net: Any
    kinetic: Any
    normalise: Normalise | None

    def __call__(self, q: Any, p: Any, args: Any = None) -> Any:
        """The energy, a scalar."""
        del args
        x, half = jnp.concatenate([q, p]), q.shape[0]
        if self.normalise is not None:
            x = self.normalise(x)
        if self.kinetic is None:
            return _scalar(self.net(x), q.dtype)
        # Each term from its own half, so that methods for separable systems see that they are independent.
        if self.normalise is None:
            return _scalar(self.kinetic(p), q.dtype) + _scalar(self.net(q), q.dtype)
        shift, scale = (jnp.broadcast_to(part, (2 * half,)) for part in (self.normalise.shift, self.normalise.scale))
        q, p = (q - shift[:half]) / scale[:half], (p - shift[half:]) / scale[half:]
        return _scalar(self.kinetic(p), x.dtype) + _scalar(self.net(q), x.dtype)


def _scalar(value: Any, dtype: Any) -> Any:
    value = jnp.asarray(value).astype(dtype)
    return value[0] if value.shape == (1,) else value


def _halves(y: Any) -> tuple[tuple[Any, Any], bool]:
    """(q, p), and whether they came in one vector."""
    if isinstance(y, (tuple, list)) and len(y) == 2 and np.ndim(y[0]) == 1:
        q, p = as_vector(y[0], "q0"), as_vector(y[1], "p0")
        if q.shape != p.shape:
            msg = f"Coordinates and momenta come in pairs; got {describe(q)} and {describe(p)}. Give both n numbers."
            raise ValueError(msg)
        return (q, p), False
    y = as_vector(y, "y0")
    if y.shape[0] % 2:
        msg = (
            f"`y0` must hold as many coordinates as momenta, 2 n numbers; got {describe(y)}. Pass (q, p) in one vector."
        )
        raise ValueError(msg)
    half = y.shape[0] // 2
    return (y[:half], y[half:]), True


def _check_smooth(net: Any, name: str) -> None:
    rough = (jax.nn.relu, jax.nn.leaky_relu, jax.nn.relu6, jax.nn.hard_tanh, jax.nn.hard_sigmoid)
    is_layer = lambda node: isinstance(node, eqx.nn.Lambda)
    for leaf in jax.tree_util.tree_leaves(net, is_leaf=is_layer):
        held = leaf.fn if is_layer(leaf) else leaf
        if any(held is function for function in rough):
            msg = (
                f"`{name}` must be smooth, because its derivatives are the equations; got the activation "
                f"`{getattr(held, '__name__', held)}`, whose second derivative is zero. Use "
                "`eqx.nn.MLP(..., activation=jnp.tanh)` or `jax.nn.softplus`."
            )
            raise ValueError(msg)
