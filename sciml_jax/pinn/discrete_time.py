"""The discrete-time method: one large implicit Runge-Kutta step whose stages are networks in space."""

import dataclasses
import os
from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np

from ..core.checkpoint import load_checkpoint
from ..core.frozen import Frozen
from ..core.method import AbstractMethod
from ..equations.keys import as_key
from ..training.checks import as_count
from .data_conditions import Data
from .discrete_solution import KIND, DiscreteTimeSolution, with_stages
from .gauss_stages import gauss_stages
from .hard_conditions import HardConditions
from .marching_network import FromConditions
from .marching_windows import held_orders, split_conditions
from .pinn import PINN
from .problem import PDEProblem
from .solution_file import empty_solution, filled, held_arrays, read_metadata
from .stage_problem import StageCondition, StageNetwork, StageParts, StageResidual, Step, check_first_order, without
from .trial_function import make_trial_function


class DiscreteTimePINN(AbstractMethod):
    r"""One implicit Runge-Kutta step of order 2 q over all of the time, with networks in space as its stages.

    A network takes a point in space to the q stages $U_i$ and the end $u_1$, and is trained so that

    .. math:: U_i = u_0 + h \sum_j a_{ij} N[U_j], \qquad u_1 = u_0 + h \sum_j b_j N[U_j]

    hold at collocation points in space, with the coefficients of Gauss-Legendre collocation. The problem is the same as
    for `sj.pinn.PINN()`: a residual $M u_t - N[u]$ in space and time, from which N is found by solving for $u_t$.

    Parameters
    ----------
    num_stages
        q: the error in time falls like $h^{2q}$, so that dozens of stages take one step over all of the time.
    method
        The `sj.pinn.PINN(...)` that trains the stages; None: `PINN(width=24, depth=2, num_points=300,
        num_steps=200)`.
    time
        Name of the time coordinate.

    Raises
    ------
    TypeError, ValueError
        For counts out of range; when solving, for residuals that are not linear in first time derivatives, problems
        without initial values, with unknown parameters, or with conditions other than on walls at all times.

    Notes
    -----
    No collocation points in time are needed. A point gives (q + 1) m equations for m unknown functions and costs
    q evaluations of the residual, so steps cost `N (q m)^2` evaluations of the network beside the `N q m n^2`
    multiplications for n weights. Dirichlet conditions on faces and periodic coordinates hold exactly at all stages.

    Not for solutions whose regions of steep change move far within the step: each stage is a network output, and all
    share one hidden layer. Use several steps, or `sj.pinn.TimeMarching`.

    References
    ----------
    Raissi, Perdikaris & Karniadakis, Physics-informed neural networks, JCP 378 (2019), section 3.2.
    """

    problem_types: ClassVar[tuple[type, ...]] = (PDEProblem,)

    method: PINN
    num_stages: int = eqx.field(static=True)
    time: str = eqx.field(static=True)

    def __init__(self, num_stages: int = 32, method: PINN | None = None, *, time: str = "t"):
        self.num_stages = as_count(num_stages, "num_stages")
        self.method = PINN(width=24, depth=2, num_points=300, num_steps=200) if method is None else method
        if not isinstance(self.method, PINN):
            msg = f"`method` must be a `sj.pinn.PINN(...)`; got {type(method).__name__}. Pass one, or None."
            raise TypeError(msg)
        self.time = time

    def solve(self, problem: Any, *, key: Any = None, rtol: Any = None, progress: Any = None) -> DiscreteTimeSolution:
        """Train the stages; see `sj.solve` and the class."""
        key_net, key_train = jax.random.split(as_key(key, "DiscreteTimePINN"))
        derived, method, stages = self._derived(problem, key_net)
        solved = method.solve(derived, key=key_train, rtol=rtol, progress=progress)
        return with_stages(problem, solved, stages.to_legendre)

    def load(self, path: str | os.PathLike, problem: PDEProblem) -> DiscreteTimeSolution:
        """Read what `sol.save(path)` wrote; see `sj.pinn.load_solution`."""
        metadata = read_metadata(path, KIND)
        derived, method, stages = self._derived(problem, jax.random.key(0))
        system = method.system(derived, jax.random.key(0))
        empty = empty_solution(system, metadata["stats"], metadata["history"])
        held, _ = load_checkpoint(path, held_arrays(empty))
        return with_stages(problem, filled(empty, held), stages.to_legendre)

    def _derived(self, problem: PDEProblem, key: Any) -> tuple[PDEProblem, PINN, Any]:
        """The problem in space, the method with the network of the stages, and the coefficients."""
        split = split_conditions(problem, self.time, hard=self.method.hard, method=self.name)
        axis = problem.domain.names.index(self.time)
        self._check(problem, split, axis)
        space: Any = without(problem.domain, self.time)
        stages, low, high = gauss_stages(self.num_stages), problem.domain.lower[axis], problem.domain.upper[axis]
        times = low + (high - low) * np.append(stages.nodes, 1.0)
        step = Step(times, (high - low) * np.vstack([stages.matrix, stages.weights]), axis, problem.num_outputs)
        residual = StageResidual(problem, FromConditions(split.initial, problem.num_outputs, 1), low, step)
        conditions = [StageCondition(condition, step, condition.weight) for condition in split.soft]
        count = (self.num_stages + 1) * problem.num_outputs
        derived = PDEProblem(space, residual, conditions, problem.params, num_outputs=count)
        trial = make_trial_function(derived, self.method.network, (self.method.width, self.method.depth), None, key)
        domain: Any = problem.domain
        walls = HardConditions(domain, split.walls, problem.num_outputs) if split.walls else None
        parts = StageParts(trial.embedding.held, walls, step, problem.params)
        network = StageNetwork(trial.net, Frozen(parts))
        return derived, dataclasses.replace(self.method, network=network, hard=False), stages

    def _check(self, problem: PDEProblem, split: Any, axis: int) -> None:
        held: Any = held_orders(split.initial, problem.num_outputs)
        if len(held) > 1 or not all(held[0]):
            msg = (
                "`DiscreteTimePINN` needs the initial value of every unknown function and no velocities; got "
                f"{held}. Write the problem as a system of first order."
            )
            raise ValueError(msg)
        if any(isinstance(condition, Data) for condition in split.soft):
            msg = "`DiscreteTimePINN` takes no measurements, which lie between its stages; got some. Use `PINN()`."
            raise ValueError(msg)
        if problem.domain.dim < 2:
            msg = "`DiscreteTimePINN` needs a coordinate in space; got time alone. Use `sj.ODEProblem` and its methods."
            raise ValueError(msg)
        check_first_order(problem, axis)
