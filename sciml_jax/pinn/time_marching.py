"""Time marching: one network after the other, each for a window of time."""

import dataclasses
import os
from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array

from ..core.checkpoint import load_checkpoint
from ..core.frozen import Frozen
from ..core.method import AbstractMethod
from ..equations.keys import as_key
from ..training.checks import as_count
from .marching_network import FromConditions, FromWindow, WindowNetwork, WindowParts
from .marching_solution import KIND, MarchingSolution, join
from .marching_windows import Split, held_orders, split_conditions, window_bounds, window_problem, window_walls
from .pinn import PINN
from .problem import PDEProblem
from .solution_file import empty_solution, filled, held_arrays, read_metadata
from .trial_function import make_trial_function


class TimeMarching(AbstractMethod):
    r"""Split the time of a problem into windows and train one network for each, one after the other.

    Window k reaches from $T_k$ to $T_{k+1} + \delta$ and starts exactly from the values that window k - 1 has at $T_k$:

    .. math:: u_k(t, x) = H_k(t, x) + \psi\!\left(\frac{t - T_k}{h}\right) [u_{k-1}(T_k, x) - H_k(T_k, x)],

    with the network and the conditions on walls in $H_k$, and $\psi$ falling smoothly from one to zero. On the overlap
    $[T_k, T_k + \delta]$ both windows solve the equation and are blended with four continuous derivatives. What is
    found late cannot spoil what was found early, and every network has less to represent.

    Parameters
    ----------
    method
        The `sj.pinn.PINN(...)` of every window; None takes its defaults.
    num_windows
        Into how many equal windows time is split.
    overlap
        $\delta$ as a share of a window, at least 0.01 and below 1.
    time
        Name of the time coordinate.
    warm_start
        Whether a window's network starts from the weights of the one before; else from fresh ones, which were better
        where solutions change much within a window.

    Raises
    ------
    TypeError, ValueError
        For counts and shares out of range; when solving, for problems without initial values, with unknown parameters,
        with conditions that cannot be cut into windows (integrals, whole boundaries, last times), and a missing key.

    Notes
    -----
    Takes initial values of first and second order in time, measurements, and any conditions on walls. Costs
    `num_windows` times a training of `method`; windows share one compiled program, but for the first. A call of the
    solution evaluates every window. The options `rtol` and `progress` are those of `PINN`, for every window.

    Not for problems in which later times determine earlier ones (elliptic equations, final conditions).

    References
    ----------
    Wight & Zhao, Solving Allen-Cahn and Cahn-Hilliard equations using the adaptive physics informed neural networks,
    arXiv:2007.04542. Krishnapriyan et al., Characterizing possible failure modes in physics-informed neural networks,
    NeurIPS 2021. Penwarden et al., A unified scalable framework for causal sweeping strategies for physics-informed
    neural networks, JCP 493 (2023).
    """

    problem_types: ClassVar[tuple[type, ...]] = (PDEProblem,)

    method: PINN
    num_windows: int = eqx.field(static=True)
    overlap: float = eqx.field(static=True)
    time: str = eqx.field(static=True)
    warm_start: bool = eqx.field(static=True)

    def __init__(
        self,
        method: PINN | None = None,
        num_windows: int = 5,
        *,
        overlap: float = 0.1,
        time: str = "t",
        warm_start: bool = False,
    ):
        self.method = PINN() if method is None else method
        if not isinstance(self.method, PINN):
            msg = f"`method` must be a `sj.pinn.PINN(...)`; got {type(method).__name__}. Pass one, or None."
            raise TypeError(msg)
        self.num_windows = as_count(num_windows, "num_windows")
        if not 0.01 <= overlap < 1:
            msg = f"`overlap` must be a share of a window, from 0.01 to below 1; got {overlap!r}. Use 0.1."
            raise ValueError(msg)
        self.overlap, self.time, self.warm_start = float(overlap), time, bool(warm_start)

    def solve(self, problem: Any, *, key: Any = None, rtol: Any = None, progress: Any = None) -> MarchingSolution:
        """Train window by window; see `sj.solve` and the class."""
        key = as_key(key, "TimeMarching")
        split = split_conditions(problem, self.time, hard=self.method.hard, method=self.name)
        windows: list[Any] = []
        bounds = window_bounds(problem.domain, self.time, self.num_windows, self.overlap)
        for number, window in enumerate(bounds):
            before = windows[-1].network if windows else None
            key_net, key_train = jax.random.split(jax.random.fold_in(key, number))
            part, method = self._window(problem, split, window, before, key_net)
            windows.append(method.solve(part, key=key_train, rtol=rtol, progress=progress))
        return self._join(problem, windows, bounds)

    def load(self, path: str | os.PathLike, problem: PDEProblem) -> MarchingSolution:
        """Read what `sol.save(path)` wrote; see `sj.pinn.load_solution`."""
        metadata = read_metadata(path, KIND)
        if len(metadata["stats"]) != self.num_windows:
            msg = (
                f"The file holds {len(metadata['stats'])} windows; the method has {self.num_windows}. Pass the method "
                "that solved the problem."
            )
            raise ValueError(msg)
        split = split_conditions(problem, self.time, hard=self.method.hard, method=self.name)
        bounds = window_bounds(problem.domain, self.time, self.num_windows, self.overlap)
        empty: list[Any] = []
        for number, window in enumerate(bounds):
            before = empty[-1].network if empty else None
            part, method = self._window(problem, split, window, before, jax.random.key(number))
            system = method.system(part, jax.random.key(number))
            empty.append(empty_solution(system, metadata["stats"][number], metadata["history"][number]))
        held, _ = load_checkpoint(path, tuple(held_arrays(one) for one in empty))
        return self._join(problem, [filled(one, arrays) for one, arrays in zip(empty, held)], bounds)

    def _window(
        self, problem: PDEProblem, split: Split, window: tuple[Array, Array, Array], before: Any, key: Any
    ) -> tuple[PDEProblem, PINN]:
        """The problem of a window and the method with the network that starts where the window before has got to."""
        begin, end, length = window
        part = window_problem(problem, split, self.time, (begin, end))
        sizes = (self.method.width, self.method.depth)
        trial = make_trial_function(part, self.method.network, sizes, None, key)
        held = held_orders(split.initial, problem.num_outputs)
        if before is None:
            start: Any = FromConditions(split.initial, problem.num_outputs, len(held))
        else:
            parts = before.parts.held
            # Nothing of the window before last is left at this time; without it windows do not grow.
            start = FromWindow(dataclasses.replace(before, parts=Frozen(dataclasses.replace(parts, start=_nothing))))
        net = before.net if before is not None and self.warm_start else trial.net
        walls = window_walls(problem, split, self.time, (begin, end))
        parts = WindowParts(trial.embedding.held, walls, start, begin, length, problem.params)
        axis = problem.domain.names.index(self.time)
        network = WindowNetwork(net, Frozen(parts), problem.num_outputs, held, axis)
        return part, dataclasses.replace(self.method, network=network, hard=False)

    def _join(self, problem: PDEProblem, windows: list, bounds: list) -> MarchingSolution:
        begins = jnp.stack([begin for begin, _, _ in bounds])
        axis = problem.domain.names.index(self.time)
        return join(problem, windows, begins, self.overlap * bounds[0][2], axis)


def _nothing(z: Array, params: Any) -> Array:
    """Stands where a start is never looked at."""
    del z, params
    return jnp.zeros(())
