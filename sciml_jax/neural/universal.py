"""Universal differential equations: what is known, and networks for what is not."""

import inspect
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
from jaxtyping import PyTree

from ..core.callables import as_callable
from ..core.frozen import Frozen, value_of
from ..core.tree import describe
from ..equations import ODEProblem, Tsit5
from .fields import apply
from .model import AbstractModel
from .network_checks import check_network, check_output
from .settings import settings


class Universal(AbstractModel):
    """Known terms with networks among them.

    Added: `dy/dt = known(t, y, params) + net(y)`. Anywhere: `dy/dt = known(t, y, params, net)`, where the known part
    calls the network wherever a term is missing. `model(y0, ts)` are the states at `ts`, leaves (T, ...).

    Parameters
    ----------
    known
        `known(t, y, params) -> dy/dt`, to which the network is added, or `known(t, y, params, net) -> dy/dt`. Which of
        the two follows from its number of arguments.
    net
        A network; for a `known` of four arguments any pytree of networks, a dict say.
    params
        The parameters of the known terms, any pytree. Floating arrays are trained, Python numbers are not.
    train_params
        False: `params` are constants (an `sj.training.Frozen`).
    train_net
        False: the network is a constant, to fit `params` alone first.
    method, time, **options
        As for `NeuralODE`; `time` is about a network that is added, `net(t, y)`.

    Raises
    ------
    TypeError, ValueError, SolveError
        For a `known` that takes neither three nor four arguments; as `NeuralODE`.

    Notes
    -----
    `model.params` and `model.net` are the trained parts, `model.missing(y)` what an added network contributes; sparse
    regression on it (`sj.estimation.sindy`) gives its law. A network that starts small, with its last layer scaled
    down, starts from the known model. Stiff known parts: `method=sj.Rodas5P()` (small states) or `sj.BDF()`.

    References
    ----------
    Rackauckas et al., Universal differential equations for scientific machine learning, arXiv:2001.04385 (2020).

    Examples
    --------
    Lotka-Volterra without its interactions:

    >>> known = lambda t, y, p: jnp.stack([p[0] * y[0], -p[1] * y[1]])
    >>> model = sj.neural.Universal(known, net, jnp.array([1.3, 1.8]), train_params=False)
    >>> ys = model(jnp.array([0.44, 4.6]), jnp.linspace(0.0, 3.0, 31))
    """

    field: "UniversalField"
    settings: Frozen

    def __init__(
        self,
        known: Callable,
        net: Any,
        params: PyTree = None,
        *,
        train_params: bool = True,
        train_net: bool = True,
        method: Any = Tsit5(),
        time: bool = False,
        **options: Any,
    ):
        added = _adds(known)
        names = ("t", "y", "params") if added else ("t", "y", "params", "net")
        known = as_callable(known, "known", *names)
        if added:
            check_network(net, "net", "net(t, y)" if time else "net(y)")
        params = params if train_params else Frozen(params)
        self.field = UniversalField(known, net if train_net else Frozen(net), params, added, bool(time))
        self.settings = settings("Universal", method, options)

    @property
    def net(self) -> Any:
        """The network, or the pytree of networks."""
        return value_of(self.field.net)

    @property
    def params(self) -> Any:
        """The parameters of the known terms."""
        return value_of(self.field.params)

    def missing(self, y: PyTree, t: Any = 0.0) -> Any:
        """What an added network contributes to `dy/dt` at one state."""
        if not self.field.added:
            msg = (
                "`missing(y)` is what an added network contributes; got a model whose known part calls its network "
                "itself. Call `model.net` with what the known part gives it."
            )
            raise TypeError(msg)
        return apply(self.net, self.field.time, t, y)

    def problem(self, y0: PyTree, t0: Any, t1: Any) -> ODEProblem:
        """The `sj.ODEProblem` that a call solves."""
        check_output(self.field, (t0, y0), y0, "known", "with the network the derivative of the state")
        return ODEProblem(self.field, y0, t0, t1)


class UniversalField(eqx.Module):
    """`(t, y, args) -> dy/dt`."""

    known: Callable
    net: Any
    params: Any
    added: bool = eqx.field(static=True)
    time: bool = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, args: Any = None) -> Any:
        """The derivative of `y`."""
        del args
        net, params = value_of(self.net), value_of(self.params)
        if not self.added:
            return self.known(t, y, params, net)
        known, more = self.known(t, y, params), apply(net, self.time, t, y)
        _check_alike(known, more)
        return jax.tree_util.tree_map(lambda k, m: k + m, known, more)


def _adds(known: Any) -> bool:
    """Whether `known` takes `(t, y, params)`, rather than the network as a fourth argument."""
    try:
        signature = inspect.signature(known)
    except (TypeError, ValueError):
        return True
    for arguments, answer in (((None,) * 3, True), ((None,) * 4, False)):
        try:
            signature.bind(*arguments)
        except TypeError:
            continue
        return answer
    msg = (
        "`known` is called with (t, y, params), and the network added to it, or with (t, y, params, net); got one that "
        f"takes {signature}. Give it three or four arguments."
    )
    raise TypeError(msg)


def _check_alike(known: Any, more: Any) -> None:
    trees = [jax.tree_util.tree_structure(tree) for tree in (known, more)]
    shapes = [[jax.numpy.shape(leaf) for leaf in jax.tree_util.tree_leaves(tree)] for tree in (known, more)]
    if trees[0] != trees[1] or shapes[0] != shapes[1]:
        msg = (
            f"`known` and `net` are added, so they must return the same shapes; got {describe(known)} and "
            f"{describe(more)}. Take the network as a fourth argument, `known(t, y, params, net)`, to use it elsewhere."
        )
        raise ValueError(msg)
