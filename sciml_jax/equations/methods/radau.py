"""The three-stage Radau IIA method of order 5."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ...numerics.combine import linear_combination
from ..engine.algebraic import mass_reduction
from ..linear_solvers import GMRES, checked_linear_solver
from .implicit_stage import as_arrays
from .one_step import AbstractOneStepMethod, Step, Work
from .radau_coefficients import COMPLEX_SHIFT, ERROR, REAL_SHIFT, interpolation_weights
from .radau_stages import MAX_ITERATIONS, STAGES, added, scaled, solve_stages, stage, stage_times

SAFETY = 0.9
"""The step is shorter than the error estimate allows by this."""

MOST, LEAST = 8.0, 0.2
"""Bounds on the change of the step size at once."""

GAIN = 1.2
"""While the Jacobian stays good the step size is kept, and with it the factors, unless it can grow by this much."""

SLOW = 1e-3
"""A rate of convergence beyond which the next step has a new Jacobian."""

MAX_COMPONENTS = 4
"""Numbers of the state up to which it is held as components: complex systems written out take long to compile, a minute
at 8 unknowns, and then save little."""

EQUAL = 0.011
"""Relative change of the step size that the factors survive: a step stretched to end on a target."""


class Kept(NamedTuple):
    """The linear algebra that attempts hand on."""

    jacobian: Any
    real: Any
    """Factors of `r/h M - J`."""
    complex: Any
    """Factors of `(a + ib)/h M - J`."""
    h: Any
    """The signed step size of the factors."""
    t: Any
    """Where the Jacobian was evaluated; NaN before the first evaluation."""
    rate: Any
    """The rate of convergence of the last iteration; one where none is known."""
    renews: Any
    """One if the next step is to have a new Jacobian."""


class Attempt(NamedTuple):
    """What the last attempt leaves: a start for the iteration, and what the next step size is predicted from."""

    ta: Any
    """NaN before the first attempt."""
    tb: Any
    stages: tuple
    solved: Any
    """One if these are the stages of a solution."""
    error: Any
    """The error norm."""
    accepted_h: Any
    """Size and error norm of the accepted step before; zero where there is none."""
    accepted_error: Any


class Scratch(NamedTuple):
    """What an attempt hands on."""

    kept: Kept
    last: Attempt
    is_raised: Any
    """One if the algebraic equations do not determine the algebraic variables: then their index is two."""


class RadauIIA5(AbstractOneStepMethod):
    """Radau IIA of order 5, three stages: for stiff problems at high accuracy, and for DAEs up to index 3.

    The collocation polynomial of degree 3 through y fulfils `M p' = f(t, p)` at `t + c_i h`, with the nodes
    `c = ((4 - sqrt 6)/10, (4 + sqrt 6)/10, 1)`; y1 is its end. L-stable (and B-stable), stiffly accurate: algebraic
    equations hold at the end of every step to the accuracy of the iteration. The dense output is that polynomial:
    continuous, of order 4.

    The 3n equations of a step are solved by simplified Newton iterations, for which they fall apart into a real and a
    complex system of n unknowns: three evaluations and about five real substitutions per iteration, two to four
    iterations per step. The iteration starts from the polynomial of the step before. Jacobian and factors are kept while
    the iteration converges fast. Against `Rodas5P`: fewer steps, but 2 to 3 times the work per step for small systems;
    better from `rtol` 1e-7 on, for oscillating stiff modes, for very nonlinear problems, and where the index is 2 or 3.
    Against `BDF`: a one-step method, so discontinuities cost nothing and eigenvalues near the imaginary axis do not
    matter; but every new Jacobian takes a real and a complex factorisation. Not for thousands of unknowns in two or
    three dimensions. For fixed steps, and where a step is recomputed, the Jacobian is new in every step.

    On stiff problems the observed order falls to that of the stages, 3 (measured on the problem of Prothero and
    Robinson; errors there are smaller by the stiffness); at index 2 differential variables have order 5 and algebraic
    ones 3.

    The error estimate is of order 3, an order and a half below the error. So it is weighted with
    `min(1, 10 tau^(1/3))`, tau the relative tolerance `rtol + atol/|y|` of each number, which makes the error
    proportional to about `tau^(5/6)`. The step size is chosen by the method, from the last two errors; of a
    `PIDController` only `dtmin`, `dtmax` and `tstops` count, and `factormin` where something is not finite. An iteration
    that fails with the smallest step ends in `Status.SINGULAR`.

    Derivatives are those of the discrete solution, by the implicit function theorem for all stages together: three
    Jacobians and the factorisation of a real matrix of 3n unknowns (of the pattern's structure where the problem has
    one) per step.

    Parameters
    ----------
    index
        For DAEs of index 2 or 3 in Hessenberg form: for every number of the state, in the order of the concatenated
        leaves, the index of its variable: 1 for differential variables and for algebraic ones of index 1, else 2 or 3.
        A tensor force or a Lagrange multiplier of a constraint on velocities has index 2; of one on positions 3, and
        the velocities then have 2. Errors and corrections of these numbers count `h` or `h^2` times (at most once),
        because they cannot be expected smaller. None: all are 1. The initial value must be consistent with the
        constraint and its hidden derivatives.
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
        """This method; refuses an `index` that does not fit the problem, and `GMRES`."""
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
        shapes = jax.eval_shape(lambda: _renewed(system, t0, y0, one))
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
        kept, work = _prepare(system, still_a, still_y, h)
        guess = _guess(system, still_a, lax.stop_gradient(tb), still_y)
        z, solved = solve_stages(system, ta, tb, y, guess, kept, orders)
        z = lax.optimization_barrier(z)
        y1 = added(y, stage(z, 2))
        still_z = lax.stop_gradient(z)
        weights = scaled(_weights(system, still_y, still_z, has_gain), orders)
        error, repeated = _estimate(system, still_a, h, still_y, still_z, kept, weights)
        size = system.norm(error, y, y1).astype(h.dtype)
        converged = solved.converged > 0
        scratch, factor = _decided(system, kept, (still_a, lax.stop_gradient(tb)), still_z, solved, size)
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
    values = jnp.stack(mass.values) if isinstance(mass.values, tuple) else mass.values
    sizes = jnp.zeros(mass.size, jnp.finfo(y[0].dtype).dtype)
    return sizes.at[np.array(mass.columns, int)].max(jnp.abs(values).astype(sizes.dtype)) == 0


def _shifts(h: Any, y: tuple) -> tuple[Any, Any]:
    """The real and the complex shift, in the precision of the state."""
    inverse = (1.0 / h).astype(jnp.finfo(jnp.result_type(*y)).dtype)
    return REAL_SHIFT * inverse, lax.complex(COMPLEX_SHIFT.real * inverse, COMPLEX_SHIFT.imag * inverse)


def _factorised(linear: Any, h: Any, y: tuple) -> tuple[Any, Any]:
    real, pair = _shifts(h, y)
    return linear.factorise(real), linear.factorise(pair)


def _renewed(system: Any, ta: Any, y: tuple, h: Any) -> Kept:
    linear = system.linearise(ta, y)
    zero = jnp.zeros_like(ta)
    return Kept(as_arrays(linear.jacobian), *_factorised(linear, h, y), h, ta, zero + 1, zero)


def _prepare(system: Any, ta: Any, y: tuple, h: Any) -> tuple[Kept, Work]:
    """Jacobian and factors for a step of size `h` from `(ta, y)`, from the scratch as far as that is still good."""
    one, zero = jnp.ones_like(ta), jnp.zeros_like(ta)
    if system.scratch is None or system.has_fixed_steps:
        return _renewed(system, ta, y, h), Work(zero, one, 2 * one)
    kept = system.scratch.kept
    is_stale = jnp.isnan(kept.t) | (kept.renews > 0) & (kept.t != ta)
    changes = is_stale | ~(jnp.abs(h / kept.h - 1) <= EQUAL)

    def keep(system, ta, y, h, kept, is_stale):
        del system, ta, y, h, is_stale
        return kept

    def renew(system, ta, y, h, kept, is_stale):
        fresh = lambda system, ta, y, jacobian: as_arrays(system.linearise(ta, y).jacobian)
        old = lambda system, ta, y, jacobian: jacobian
        jacobian = system.choose(is_stale, fresh, old, ta, y, kept.jacobian)
        factors = _factorised(system.with_jacobian(jacobian), h, y)
        return Kept(jacobian, *factors, h, jnp.where(is_stale, ta, kept.t), kept.rate, jnp.zeros_like(kept.renews))

    new = system.choose(changes, renew, keep, ta, y, h, kept, is_stale)
    return new, Work(zero, jnp.where(is_stale, one, zero), jnp.where(changes, 2 * one, zero))


def _guess(system: Any, ta: Any, tb: Any, y: tuple) -> tuple:
    """The stages on the polynomial of the last attempt: the step before, or this one when it was longer."""
    nothing = tuple(jnp.zeros_like(leaf) for leaf in y) * 3
    if system.scratch is None:
        return nothing
    last = system.scratch.last
    known = last.solved > 0
    at = lambda t: interpolation_weights((t - last.ta) / jnp.where(known, last.tb - last.ta, 1))
    start, stages = at(ta), [stage(last.stages, i) for i in STAGES]
    found = ()
    for t in stage_times(ta, tb):
        weights = [jnp.where(known, b - a, 0) for a, b in zip(start, at(t), strict=True)]
        found += linear_combination(None, None, weights, stages)
    return tuple(jnp.where(known, a, b) for a, b in zip(found, nothing, strict=True))


def _estimate(system: Any, ta: Any, h: Any, y: tuple, z: tuple, kept: Kept, weights: tuple) -> tuple[tuple, Any]:
    """The weighted error, and whether it took a second evaluation.

    The estimate of a first or repeated step does not vanish for very stiff components unless it is filtered twice.
    """
    error = _filtered(system, ta, h, y, z, kept, y)
    zero = jnp.zeros_like(h)
    if system.scratch is None or system.has_fixed_steps:
        return scaled(error, weights), zero
    last = system.scratch.last
    is_special = jnp.isnan(last.ta) | (last.ta == ta)
    repeats = is_special & (system.norm(scaled(error, weights), y, added(y, stage(z, 2))) >= 1)

    def once(system, ta, h, y, z, kept, error):
        del system, ta, h, y, z, kept
        return error

    def twice(system, ta, h, y, z, kept, error):
        return _filtered(system, ta, h, y, z, kept, added(y, error))

    error = system.choose(repeats, twice, once, ta, h, y, z, kept, error)
    return scaled(error, weights), jnp.where(repeats, zero + 1, zero)


def _filtered(system, ta, h, y, z, kept, at):
    """`(r/h M - J)^-1 (f(ta, at) + M sum_i e_i z_i / h)`."""
    coupled = system.mass_product(linear_combination(None, 1.0 / h, ERROR, [stage(z, i) for i in STAGES]))
    return system.with_jacobian(kept.jacobian).solve(kept.real, added(system.vector_field(ta, at), coupled))


def _weights(system: Any, y: tuple, z: tuple, has_gain: Any) -> tuple:
    """`min(1, 10 tau^(1/3))` for every number; one where the solution has no higher order than the estimate."""
    last = stage(z, 2)
    out = []
    sizes = [jnp.maximum(jnp.maximum(jnp.abs(a), jnp.abs(a + b)), jnp.abs(b)) for a, b in zip(y, last, strict=True)]
    for tolerance, size in zip(system.tolerances(tuple(sizes)), sizes, strict=True):
        # Few digits are enough.
        relative = jnp.log((tolerance / jnp.maximum(size, tolerance)).astype(jnp.float32))
        weight = jnp.minimum(1.0, 10 * jnp.exp(relative / 3)).astype(size.dtype)
        out.append(jnp.where(has_gain, weight, 1))
    return tuple(out)


def _decided(system: Any, kept: Kept, ends: tuple, z: tuple, solved: Any, error: Any) -> tuple[Scratch | None, Any]:
    """What is handed on, and the next size over this one."""
    if system.scratch is None:
        return None, jnp.ones_like(error)
    (ta, tb), last = ends, system.scratch.last
    h, one, zero = tb - ta, jnp.ones_like(error), jnp.zeros_like(error)
    converged, is_fresh = solved.converged > 0, kept.t == ta
    # Whether the last attempt was accepted shows in where this one starts.
    went_on = last.tb == ta
    before_h = jnp.where(went_on, last.tb - last.ta, last.accepted_h)
    before_error = jnp.where(went_on, last.error, last.accepted_error)
    count = solved.iterations.astype(h.dtype)
    caution = SAFETY * (2 * MAX_ITERATIONS + 1) / (2 * MAX_ITERATIONS + jnp.maximum(count, 1))
    logarithm = jnp.log(jnp.clip(error, 1e-30, 1e30).astype(jnp.float32)).astype(h.dtype)
    allowed = caution * jnp.exp(-logarithm / 4)
    floor = jnp.log(jnp.clip(before_error, 1e-2, 1e30).astype(jnp.float32)).astype(h.dtype)
    has_before = before_h != 0
    predicted = SAFETY * h / jnp.where(has_before, before_h, one) * jnp.exp(floor / 4 - logarithm / 2)
    accepted = error <= 1
    allowed = jnp.where(accepted & has_before, jnp.minimum(allowed, predicted), allowed)
    # Right after a failure the size does not grow.
    repeats = last.ta == ta
    changed = jnp.clip(allowed, LEAST, jnp.where(accepted, jnp.where(repeats, 1.0, MOST), SAFETY))
    is_slow = (count > 2) & (solved.rate > SLOW)
    stays = accepted & ~is_slow & (changed >= 1) & (changed < GAIN)
    unsolved = jnp.where(is_fresh, 0.5, one)
    factor = jnp.where(converged, jnp.where(stays, one, changed), unsolved)
    renews = jnp.where(converged, is_slow, ~is_fresh)
    kept = kept._replace(
        rate=jnp.where(converged, solved.rate, one).astype(kept.rate.dtype), renews=jnp.where(renews, one, zero)
    )
    attempt = Attempt(ta, tb, z, jnp.where(converged, one, zero), error, before_h, before_error)
    return Scratch(kept, attempt, system.scratch.is_raised), factor
