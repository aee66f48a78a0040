"""Neural ordinary differential equations."""

from typing import Any

from jaxtyping import PyTree

from ..core.frozen import Frozen
from ..equations import ODEProblem, Tsit5
from ..networks import Normalise
from .fields import NetworkField
from .model import AbstractModel
from .network_checks import check_network, check_output
from .settings import settings


class NeuralODE(AbstractModel):
    """A network as a vector field: `dy/dt = net(y)`, or `net(t, y)` with `time=True`.

    `node(y0, ts)` are the states at `ts`, shape (T, n), the first of them `y0`; `node.solve(y0, ts)` is the whole
    solution with its status. Map over initial states with `jax.vmap(node, in_axes=(0, None))`.

    Parameters
    ----------
    net
        `net(y) -> dy/dt`, shaped like the state: an Equinox module or any function; the state may be a pytree.
    method
        How to solve: `sj.Tsit5()`, `sj.Rodas5P()` where the equation becomes stiff, any method for ODEs.
    time
        Whether the network takes the time first, `net(t, y)`.
    normalise
        A `Normalise`: the network then sees `z = (y - shift) / scale` and returns `dz/dt`; states stay in their units.
    **options
        `rtol`, `atol`, `dt0`, `max_steps`, `controller`, `events`, `adjoint`, `on_failure` of `sj.solve`. The arrays in
        `method` and options (times of events, say) are not trained.

    Raises
    ------
    TypeError, ValueError
        For a network that is not callable, unknown options; at the call, for widths that do not fit the state and
        times that are not sorted.
    SolveError
        If the solve fails with concrete values and `on_failure` is "raise". Inside `jit` and `grad` states that were
        not reached are NaN, which ends a training with a status; `solve` returns the solution's status.

    Notes
    -----
    Cost: the network 6 times per step of `Tsit5`. Training needs few digits: `rtol=1e-3` halves the steps of the
    default (1e-6 in float64, 1e-4 in float32). `max_steps` bounds the steps (4096); what a gradient stores grows with
    the steps taken for one trajectory, and is a segment of them in a batch. A flow cannot let trajectories cross: see
    `AugmentedNeuralODE`. Where most of the equation is known, see `Universal`.

    References
    ----------
    Chen, Rubanova, Bettencourt & Duvenaud, Neural ordinary differential equations, NeurIPS 2018.

    Examples
    --------
    >>> net = eqx.nn.MLP(2, 2, 64, 2, activation=jnp.tanh, key=jax.random.key(0))
    >>> node = sj.neural.NeuralODE(net, method=sj.Tsit5())
    >>> ys = node(jnp.array([2.0, 0.0]), jnp.linspace(0.0, 1.0, 11))
    """

    field: NetworkField
    settings: Frozen

    def __init__(
        self, net: Any, *, method: Any = Tsit5(), time: bool = False, normalise: Normalise | None = None, **options: Any
    ):
        check_network(net, "net", "net(t, y)" if time else "net(y)")
        self.field = NetworkField(net, bool(time), normalise)
        self.settings = settings("NeuralODE", method, options)

    @property
    def net(self) -> Any:
        """The network."""
        return self.field.net

    def problem(self, y0: PyTree, t0: Any, t1: Any) -> ODEProblem:
        """The `sj.ODEProblem` that a call solves."""
        check_output(self.field, (t0, y0), y0, "net", "the derivative of the state")
        return ODEProblem(self.field, y0, t0, t1)
