"""Neural differential-algebraic equations."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from ..core.callables import as_callable
from ..core.frozen import Frozen
from ..core.tree import describe
from ..equations import DAEProblem, ODEProblem, Solution
from .fields import NetworkField
from .model import as_state
from .network_checks import as_times, as_vector, check_network, check_output
from .settings import settings


class NeuralDAE(eqx.Module):
    """A network for the differential equations, algebraic equations beside them.

    With a constraint: `dy/dt = net((y, z))`, `0 = constraint(t, y, z)`; `dae((y0, z0), ts)` are the pairs (ys, zs), of
    shapes (T, n) and (T, m); `z0` is a guess, replaced by the solution near it. With a mass matrix:
    `M dy/dt = net(y)`; `dae(y0, ts)` are the states, shape (T, n), and `y0` must satisfy the algebraic rows.

    Parameters
    ----------
    net
        With a constraint `net(x) -> (n,)` for x = (y, z) in one vector of n + m numbers; with a mass matrix
        `net(y) -> (n,)`. With `time=True` the time comes first.
    constraint
        `constraint(t, y, z) -> (m,)`: conservation laws, closures; known, or a module with weights of its own, which
        are trained. Its derivative by z must be regular (index one).
    mass_matrix
        (n, n), constant and possibly singular, not trained.
    method, **options
        As for `NeuralODE`; the method must solve algebraic equations. None: `sj.Rodas5P()`, beyond 100 unknowns
        `sj.BDF()`.

    Raises
    ------
    TypeError, ValueError, SolveError
        As `NeuralODE`; for both or none of `constraint` and `mass_matrix`.

    Notes
    -----
    Cost: every step factorises a Jacobian of n + m unknowns. Where the constraint can be solved for z by hand, put that
    into the vector field of a `Universal` instead. A solve ends with `Status.SINGULAR` where the index is above one and
    with `Status.INCONSISTENT` where no z is found.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), VI.1. Koch et al., Learning neural
    differential-algebraic equations via operator splitting, arXiv:2403.12938 (2024).
    """

    net: Any
    constraint: Any
    mass_matrix: Frozen | None
    time: bool = eqx.field(static=True)
    settings: Frozen

    def __init__(
        self,
        net: Any,
        constraint: Callable | None = None,
        *,
        mass_matrix: Any = None,
        method: Any = None,
        time: bool = False,
        **options: Any,
    ):
        check_network(net, "net", "net(t, x)" if time else "net(x)")
        if (constraint is None) == (mass_matrix is None):
            got = "neither" if constraint is None else "both"
            msg = (
                f"`NeuralDAE` takes a `constraint(t, y, z)` or a `mass_matrix`; got {got}. Without algebraic equations "
                "use `NeuralODE`."
            )
            raise ValueError(msg)
        self.net = net
        self.constraint = None if constraint is None else as_callable(constraint, "constraint", "t", "y", "z")
        self.mass_matrix = None if mass_matrix is None else Frozen(jnp.asarray(mass_matrix))
        self.time = bool(time)
        self.settings = settings("NeuralDAE", method, options)

    def problem(self, y0: Any, t0: Any, t1: Any) -> ODEProblem:
        """The `sj.DAEProblem`, or `sj.ODEProblem` with a mass matrix, that a call solves."""
        if self.mass_matrix is not None:
            field = NetworkField(self.net, self.time)
            check_output(field, (t0, y0), y0, "net", "the right-hand side of the state")
            return ODEProblem(field, y0, t0, t1, mass_matrix=self.mass_matrix.value)
        y, z = _as_pair(y0)
        differential = DifferentialPart(self.net, self.time)
        check_output(differential, (t0, y, z, None), y, "net", "the derivative of y, from y and z in one vector")
        algebraic = AlgebraicPart(self.constraint)
        check_output(algebraic, (t0, y, z, None), z, "constraint", "one equation for every number of z")
        return DAEProblem(differential, algebraic, y, z, t0, t1)

    def solve(self, y0: Any, ts: Float[Array, " T"]) -> Solution:
        """The solution; arguments as in a call."""
        ts = as_times(ts)
        return self.settings.value.solve(self.problem(as_state(y0), ts[0], ts[-1]), ts)

    def __call__(self, y0: Any, ts: Float[Array, " T"]) -> Any:
        """States at `ts`: a pair (ys, zs) with a constraint, ys with a mass matrix."""
        return self.solve(y0, ts).ys


class DifferentialPart(eqx.Module):
    """`(t, y, z, args) -> net((y, z))`."""

    net: Any
    time: bool = eqx.field(static=True)

    def __call__(self, t: Any, y: Any, z: Any, args: Any = None) -> Any:
        """The derivative of `y`."""
        del args
        x = jnp.concatenate([y, z])
        return jnp.asarray(self.net(t, x) if self.time else self.net(x)).astype(y.dtype)


class AlgebraicPart(eqx.Module):
    """`(t, y, z, args) -> constraint(t, y, z)`."""

    constraint: Any

    def __call__(self, t: Any, y: Any, z: Any, args: Any = None) -> Any:
        """What is zero along the solution."""
        del args
        return jnp.asarray(self.constraint(t, y, z)).astype(z.dtype)


def _as_pair(y0: Any) -> tuple[Any, Any]:
    if not (isinstance(y0, (tuple, list)) and len(y0) == 2):
        msg = (
            f"With a constraint the initial state is a pair `(y0, z0)`, z0 a guess; got {describe(y0)}. Pass both as "
            "vectors."
        )
        raise ValueError(msg)
    return as_vector(y0[0], "y0"), as_vector(y0[1], "z0")
