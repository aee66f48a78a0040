"""The three-stage Radau IIA method of order 5."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ..engine.algebraic import mass_reduction
from ..linear_solvers import GMRES, checked_linear_solver
from .one_step import AbstractOneStepMethod, Step
from .radau_coefficients import interpolation_weights
from .radau_control import Attempt, Scratch, decided, error_weights, estimate, start_values
from .radau_kept import prepare, renewed
from .radau_stages import STAGES, added, scaled, solve_stages, stage

MAX_COMPONENTS = 4
"""Numbers of the state up to which it is held as components: complex systems written out take long to compile, a minute
at 8 unknowns, and then save little."""


class RadauIIA5(AbstractOneStepMethod):
    """Radau IIA of order 5, three stages: for stiff problems at high accuracy, and for DAEs up to index 3.

    The collocation polynomial of degree 3 through y fulfils `M p' = f(t, p)` at `t + c_i h`, with the nodes
    `c = ((4 - sqrt 6)/10, (4 + sqrt 6)/10, 1)`; y1 is its end. L-stable (and B-stable), stiffly accurate: algebraic
    equations hold at the end of every step to the accuracy of the iteration. The dense output is that polynomial:
    continuous, of order 4.

    The 3n equations of a step are solved by simplified Newton iterations, for which they fall apart into a real and a
    complex system of n unknowns: three evaluations and about five real substitutions per iteration, two to four
    iterations per step. The iteration starts from the polynomial of the step before. Jacobian and factors are kept
    while the iteration converges fast. Against `Rodas5P`: at rtol 1e-8 a third to all of its steps at 2 to 4 times the
    cost of one (Oregonator, van der Pol, HIRES, Robertson, of 3 to 8 unknowns), so about even there and slower at lower
    accuracy; better beyond, and where the index is 2 or 3. Against `BDF`: a one-step method, so discontinuities cost
    nothing and eigenvalues near the imaginary axis do not matter; but every new Jacobian takes a real and a complex
    factorisation. Not for thousands of unknowns in two or three dimensions. For fixed steps, and where a step is
    recomputed, the Jacobian is new in every step.

    On stiff problems the observed order falls to that of the stages, 3 (measured on the problem of Prothero and
    Robinson; errors there are smaller by the stiffness); at index 2 differential variables have order 5 and algebraic
    ones 3.

    The error estimate is of order 3, an order and a half below the error. So it is weighted with
    `min(1, 20 tau^(1/3))`, tau the relative tolerance `rtol + atol/|y|` of each number, which makes the error
    proportional to about `tau^(5/6)`. The step size is chosen by the method, from the last two errors; of a
    `PIDController` only `dtmin`, `dtmax` and `tstops` count, and `factormin` where something is not finite. An
    iteration that fails with the smallest step ends in `Status.SINGULAR`.

    Derivatives are those of the discrete solution, by the implicit function theorem for all stages together: three
    Jacobians and the factorisation of a real matrix of 3n unknowns (of the pattern's structure where the problem has
    one) per step.

    Parameters
    ----------
    index
        For DAEs of index 2 or 3 in Hessenberg form: for every number of the state, in the order of the concatenated
        leaves, the index of its variable: 1 for differential variables and for algebraic ones of index 1, else 2 or 3.
        The multiplier of a constraint on velocities has index 2; of one on positions 3, and the velocities then have
        2. Errors and corrections of these numbers count `h` or `h^2` times (where h is below one), because they cannot
        be expected smaller, and the error estimate is then not weighted. None: 1, or 2 for all algebraic variables
        (those whose column of the mass matrix vanishes) if the algebraic equations do not determine them at the start.
        The initial value must fulfil the constraint and its hidden derivatives; the latter is not checked.
    linear_solver
        `sj.Direct()` or None.

    Raises
    ------
    ValueError
        For an `index` that is not one of 1, 2, 3 for every number of the state, or without a mass matrix; and for
        `GMRES`, since the systems are complex.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.5, IV.8 and VII.4-VII.6. Hairer, Lubich &
    Roche, The Numerical Solution of Differential-Algebraic Systems by Runge-Kutta Methods (1989). Gustafsson,
    Control-theoretic techniques for stepsize selection in implicit Runge-Kutta methods, ACM TOMS 20 (1994) 496-517.
    """

    index: tuple[int, ...] | None = eqx.field(static=True, default=None, converter=lambda index: _as_index(index))
    linear_solver: Any = eqx.field(default=None, converter=checked_linear_solver)

    order: ClassVar[int] = 5
    error_order: ClassVar[int | None] = 4
    is_implicit: ClassVar[bool] = True
    evaluations_per_step: ClassVar[int] = 5
    carries_f0: ClassVar[bool] = False
    carries_scratch: ClassVar[bool] = True
    solves_mass_matrix: ClassVar[bool] = True
    solves_index_2: ClassVar[bool] = True
    counts_work: ClassVar[bool] = True

    def for_problem(self, problem: Any) -> "RadauIIA5":
        """The method itself; refuses an `index` that does not fit the problem, and `GMRES`."""
        if isinstance(self.linear_solver, GMRES):
            msg = (
                "`RadauIIA5` solves complex linear systems, for which there is `sj.Direct()` only; got "
                f"`linear_solver={self.linear_solver!r}`. Leave it out, or use `sj.BDF(linear_solver=...)`."
            )
            raise ValueError(msg)
        size = sum(int(np.prod(jnp.shape(leaf))) for leaf in jax.tree_util.tree_leaves(problem.y0))
        if self.index is not None and (len(self.index) != size or problem.mass_matrix is None):
            got = f"{len(self.index)} for {size} numbers" if problem.mass_matrix is not None else "no `mass_matrix`"
            msg = (
                "`index` of `RadauIIA5` must have an integer for every number of the state of a problem with a "
                f"`mass_matrix`; got {got}. Give one per number, or leave it out for index 1."
            )
            raise ValueError(msg)
        return self if size <= MAX_COMPONENTS else _RadauOfArrays(self.index, self.linear_solver)

    def begin_scratch(self, system: Any, t0: Any, y0: tuple) -> Scratch:
        """Nothing known about the Jacobian, nor about the solution."""
        one, zero, unknown = jnp.ones_like(t0), jnp.zeros_like(t0), jnp.full_like(t0, jnp.nan)
        shapes = jax.eval_shape(lambda: renewed(system, t0, y0, one))
        kept = jax.tree_util.tree_map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
        nothing = tuple(jnp.zeros_like(leaf) for leaf in y0) * 3
        last = Attempt(unknown, unknown, nothing, zero, zero, zero, zero)
        is_raised = zero
        if self.index is None and system.has_algebraic_equations:
            reduction: Any = mass_reduction(system.mass)
            found = reduction.check(system, t0, y0, system.vector_field(t0, y0))
            is_raised = jnp.where(found.is_singular, one, zero)
        return Scratch(kept._replace(t=unknown, rate=one), last, is_raised)

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`."""
        del f0
        still_a, still_y, h = lax.stop_gradient((ta, y, tb - ta))
        orders, has_gain = self._orders(system, still_y, h)
        kept, work = prepare(system, still_a, still_y, h)
        guess = start_values(system, still_a, lax.stop_gradient(tb), still_y)
        z, solved = solve_stages(system, ta, tb, y, guess, kept, orders)
        z = lax.optimization_barrier(z)
        y1 = added(y, stage(z, 2))
        if system.scratch is None:
            # A step that was accepted before is recomputed for its derivatives.
            return Step(y1, None, None, (y, z), work=work._replace(vector_field=3 * solved.iterations))
        still_z = lax.stop_gradient(z)
        weights = scaled(error_weights(system, still_y, still_z, has_gain), orders)
        error, repeated = estimate(system, still_a, h, still_y, still_z, kept, weights)
        size = system.norm(error, y, y1).astype(h.dtype)
        converged = solved.converged > 0
        scratch, factor = decided(system, kept, (still_a, lax.stop_gradient(tb)), still_z, solved, size)
        return Step(
            y1,
            error,
            None,
            (y, z),
            work=work._replace(vector_field=3 * solved.iterations + 1 + repeated),
            factor=factor,
            scratch=scratch,
            unsolved=~converged & jnp.isfinite(size),
        )

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The collocation polynomial; exact at both ends."""
        y, z = dense
        return linear_combination(y, None, interpolation_weights(fraction), [stage(z, i) for i in STAGES])

    def _orders(self, system: Any, y: tuple, h: Any) -> tuple[tuple | None, Any]:
        """`h^(index - 1)` for every number, like the state, and whether the solution is of higher order than the error.

        It is not, or not much, where an index is above one.
        """
        small = jnp.minimum(jnp.abs(h), 1)
        if self.index is None:
            if system.scratch is None or not system.has_algebraic_equations:
                return None, True
            is_raised = system.scratch.is_raised > 0
            places = _split(_is_algebraic(system.mass, y), y)
            powers = [jnp.where(is_raised & place, small, 1) for place in places]
            return tuple(power.astype(leaf.dtype) for power, leaf in zip(powers, y, strict=True)), ~is_raised
        if max(self.index) == 1:
            return None, True
        places = _split(np.array(self.index), y)
        powers = [jnp.where(place == 1, 1, jnp.where(place == 2, small, small * small)) for place in places]
        return tuple(power.astype(leaf.dtype) for power, leaf in zip(powers, y, strict=True)), False


class _RadauOfArrays(RadauIIA5):
    """The same method with the state held as arrays."""

    holds_components: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """That of the method."""
        return RadauIIA5.__name__


def _as_index(index: Any) -> tuple[int, ...] | None:
    if index is None:
        return None
    values = np.concatenate([np.ravel(leaf) for leaf in jax.tree_util.tree_leaves(index)])
    if values.dtype.kind not in "iu" or not np.all((values >= 1) & (values <= 3)):
        msg = (
            "`index` of `RadauIIA5` must have an integer from 1 to 3 for every number of the state; got "
            f"{index!r}. Give 1 for differential variables, for example `index=(1, 1, 2)`, or leave it out."
        )
        raise ValueError(msg)
    return tuple(int(value) for value in values)


def _split(numbers: Any, y: tuple) -> list:
    """A vector over the concatenated leaves, as the leaves."""
    ends = np.cumsum([leaf.size for leaf in y])
    return [numbers[end - leaf.size : end].reshape(leaf.shape) for end, leaf in zip(ends, y, strict=True)]


def _is_algebraic(mass: Any, y: tuple) -> Any:
    """Which variables have no slope in the equations: those whose column of the mass matrix vanishes."""
    sizes = jnp.zeros(mass.size, jnp.finfo(y[0].dtype).dtype)
    if not mass.columns:
        return sizes == 0
    values = jnp.stack(mass.values) if isinstance(mass.values, tuple) else mass.values
    return sizes.at[np.array(mass.columns, int)].max(jnp.abs(values).astype(sizes.dtype)) == 0
