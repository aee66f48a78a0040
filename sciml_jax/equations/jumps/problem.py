"""Jump problems: a state that changes at random times."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree

from ...core.callables import as_callable
from ...core.checks import check_finite_tree, check_interval
from ...core.tree import describe
from .changes import Changes, as_changes, as_dependencies


class JumpProblem(eqx.Module):
    """A state that jumps: reaction `j` fires with rate `rates(t, y, args)[j]` and adds row `j` of `stoichiometry`.

    A Markov jump process: in a short time `h` reaction `j` fires with probability `rates[j] h + o(h)`. Between jumps
    the state rests, or follows `base`. Reaction networks, epidemics, queues, ion channels; with `base` hybrid models
    and jump-diffusions.

    Parameters
    ----------
    rates
        `rates(t, y, args) -> (R,)`: the rates (propensities) of R reactions, real and not negative. For mass action
        count combinations: two molecules of the same kind react with `k y (y - 1) / 2` (`sj.MassAction` does so).
    stoichiometry
        What a reaction changes, shape (R, n) for a state of n numbers in the order of its flattened leaves; known when
        tracing. Integers where the state is integer. None with `affect`.
    y0
        Initial state: any pytree of integer or float arrays; integers stay integers.
    t0, t1
        The ends of the interval, `t0 < t1`.
    args
        Any pytree, handed to `rates`, `rate_bound` and `affect`.
    base
        An `ODEProblem` or `SDEProblem` whose equation the (float) state follows between jumps; its own `y0`, `t0` and
        `t1` play no part. It keeps its `args`, or gets those of this problem where it has none.
    rate_bound
        A bound of the sum of the rates, a number or `(t, y, args) -> bound`, that holds from `t` to the next jump.
        Exact methods need it where the rates depend on time.
    dependencies
        Which rates depend on which numbers of the state, shape (R, n), for `sj.GroupedDirect`; None reads it off the
        program of `rates`.
    affect
        `affect(t, y, args, reaction, key) -> y`, in place of `stoichiometry`: the state after reaction `reaction` (an
        integer array) fired; `key` is for random sizes. The number of reactions is the length of the rates.

    Raises
    ------
    TypeError, ValueError
        For states that are not real, shapes that do not match, fractional changes of integer states, `t1 <= t0`.

    Notes
    -----
    A frozen pytree: it can be an argument of `jit` and `vmap`. A negative rate or a total above `rate_bound` ends a
    solve with `Status.BAD_RATE`, a rate that is NaN or infinite with `Status.NON_FINITE`. Counts that leave the range
    of their integer dtype wrap around silently: 32 bits hold two billion.

    Examples
    --------
    Birth with rate 1000, death with rate 10 per individual:

    >>> rates = lambda t, y, args: jnp.stack([1000.0, 10.0 * y[0]])
    >>> problem = sj.JumpProblem(rates, [[1], [-1]], jnp.array([0]), 0.0, 1.0)
    >>> sol = sj.solve(problem, key=0, saveat=jnp.linspace(0.0, 1.0, 11))
    """

    rates: Callable
    changes: Changes | None = eqx.field(static=True)
    """`stoichiometry`, as a constant of the program."""
    y0: PyTree
    t0: Any
    t1: Any
    args: PyTree
    base: Any
    rate_bound: Callable | Any
    dependencies: Changes | None = eqx.field(static=True)
    affect: Callable | None

    def __init__(
        self,
        rates: Callable,
        stoichiometry: Any,
        y0: PyTree,
        t0: Any,
        t1: Any,
        args: PyTree = None,
        *,
        base: Any = None,
        rate_bound: Any = None,
        dependencies: Any = None,
        affect: Callable | None = None,
    ):
        check_counts(y0, "y0")
        check_interval(t0, t1)
        check_forward(t0, t1)
        self.rates = as_callable(rates, "rates", "t", "y", "args")
        self.y0 = jax.tree_util.tree_map(jnp.asarray, y0)
        check_finite_tree(self.y0, "y0")
        self.t0 = float(t0) if isinstance(t0, int) else t0
        self.t1 = float(t1) if isinstance(t1, int) else t1
        self.args = args
        _check_affect(stoichiometry, affect)
        self.affect = None if affect is None else as_callable(affect, "affect", "t", "y", "args", "reaction", "key")
        self.changes = None if stoichiometry is None else as_changes(stoichiometry, self.y0)
        self.dependencies = None if dependencies is None else as_dependencies(dependencies, self.changes)
        if callable(rate_bound):
            rate_bound = as_callable(rate_bound, "rate_bound", "t", "y", "args")
        self.rate_bound = float(rate_bound) if isinstance(rate_bound, int) else rate_bound
        self.base = base
        if base is not None:
            _check_base(base, self.y0)

    @property
    def stoichiometry(self) -> np.ndarray | None:
        """What every reaction changes, shape (R, n); None with `affect`."""
        return None if self.changes is None else self.changes.matrix

    def default_method(self) -> Any:
        """The method behind `method=None`: `Gillespie`, or `IntegratedHazard` with a `base`."""
        if self.base is not None:
            from .hazard import IntegratedHazard

            return IntegratedHazard()
        from .gillespie import Gillespie

        return Gillespie()


def check_counts(tree: Any, name: str) -> None:
    """Refuse a state that is empty or has leaves that are not signed integers or real floats."""
    leaves = jax.tree_util.tree_leaves(tree)
    if not leaves or all(np.size(leaf) == 0 for leaf in leaves):
        msg = f"`{name}` must hold at least one number; got {describe(tree)}. Pass an array or a pytree of arrays."
        raise ValueError(msg)
    for leaf in leaves:
        dtype = jnp.result_type(leaf) if isinstance(leaf, (int, float, complex, bool)) else getattr(leaf, "dtype", None)
        if dtype is None or not (jnp.issubdtype(dtype, jnp.signedinteger) or jnp.issubdtype(dtype, jnp.floating)):
            received = type(leaf).__name__ if dtype is None else np.dtype(dtype).name
            msg = (
                f"`{name}` must have signed integer or float leaves, which jumps can add to and take from; got a leaf "
                f"of type {received}. Convert it, for example with `jnp.asarray(..., dtype=int)`."
            )
            raise TypeError(msg)


def check_forward(t0: Any, t1: Any) -> None:
    """Refuse, where it is known, an interval that runs backwards."""
    try:
        backwards = bool(float(t1) < float(t0))
    except TypeError:  # traced
        return
    if backwards:
        msg = f"`t1` must lie after `t0`: random jumps have no backward solve; got t0 = {t0}, t1 = {t1}. Swap them."
        raise ValueError(msg)


def _check_affect(stoichiometry: Any, affect: Any) -> None:
    if (stoichiometry is None) == (affect is None):
        got = "neither" if affect is None else "both"
        msg = (
            f"A jump is described by `stoichiometry` or by `affect`; got {got}. Pass `stoichiometry` of shape (R, n), "
            "or None and `affect=`."
        )
        raise ValueError(msg)


def _check_base(base: Any, y0: Any) -> None:
    if not hasattr(base, "y0") or not (hasattr(base, "vector_field") or hasattr(base, "drift")):
        msg = f"`base` must be an `ODEProblem` or an `SDEProblem`; got {type(base).__name__}. Wrap the equation in one."
        raise TypeError(msg)
    if getattr(base, "mass_matrix", None) is not None:
        msg = "`base` must be an equation without algebraic parts; got one with a `mass_matrix`. Eliminate them."
        raise ValueError(msg)
    for leaf in jax.tree_util.tree_leaves(y0):
        if not jnp.issubdtype(leaf.dtype, jnp.floating):
            msg = (
                f"With `base` the state must be float, because it also moves continuously; got {describe(y0)}. "
                "Convert `y0`, for example with `.astype(float)`."
            )
            raise TypeError(msg)
    same = jax.tree_util.tree_structure(base.y0) == jax.tree_util.tree_structure(y0)
    pairs = zip(jax.tree_util.tree_leaves(base.y0), jax.tree_util.tree_leaves(y0), strict=False)
    if not same or any(jnp.shape(a) != jnp.shape(b) for a, b in pairs):
        msg = (
            f"`base` must have a state like `y0`; got {describe(base.y0)} for a `y0` of {describe(y0)}. Give both "
            "problems the same state."
        )
        raise ValueError(msg)
