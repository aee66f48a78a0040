"""The exponential time differencing Runge-Kutta method of order 4, for semilinear problems."""

from typing import Any, ClassVar

import equinox as eqx
from jax import lax

from ...numerics.combine import linear_combination
from ..problem import ODEProblem
from ..split import Linear, Split
from .one_step import AbstractOneStepMethod, Step
from .operator_functions import checked_split, functions_of


class ETDRK4(AbstractOneStepMethod):
    """Exponential time differencing, order 4: `dy/dt = L y + N(t, y)` with the linear part solved exactly.

    For stiff linear and soft nonlinear parts: Fourier spectral methods for Kuramoto-Sivashinsky, Allen-Cahn,
    Korteweg-de Vries, Burgers, Gray-Scott. Steps are limited by the accuracy of `N`, not by L. Over a step h,

        y(s) = e^(sz) y + h s (phi_1(sz) N_1 + s phi_2(sz) p_1 + 2 s^2 phi_3(sz) p_2),   z = h L, y1 = y(1),

    with `N_1 + p_1 s + p_2 s^2` through `N_1`, the mean of `N_2` and `N_3` at 1/2, and `N_4`, the values of N at
    Runge-Kutta's four stages (Cox & Matthews). That is the solution within the step too: the dense output (order 4)
    follows fast decaying modes, where a polynomial would overshoot. The error estimate (h^4) is the difference to the
    same formula with N interpolated at 0, 3/4 and 1, one evaluation more.

    The vector field must be `sj.Split(N, sj.Linear(L))`. In place of `Linear` there may be any function whose Jacobian
    does not depend on the state; its matrix is then formed. Not for stiff nonlinear parts (`Rodas5P`, `KenCarp4`), and
    not for stiff boundary forcing, where the order drops to about two, as with every method of its kind.

    Notes
    -----
    Five evaluations of N per step (four with fixed steps). The functions phi_k are computed anew in every step, since h
    changes. With a diagonal `L` that is one exponential and about a hundred products per number of the state, less than
    the transforms of a pseudo-spectral N. With a matrix it is some `10 + 4 log2 |hL|` products of n x n matrices, and
    again for each saved time: up to a few hundred unknowns; they also lose `log10 |hL|` digits. A better choice is to
    transform to coordinates in which L is diagonal. `SaveAt(dense=True)` keeps a matrix for each of `max_steps`.

    Complex states (Fourier coefficients) are as good as real ones. States are held as arrays: for a handful of unknowns
    `Rodas5P` is faster.

    References
    ----------
    Cox & Matthews, Exponential time differencing for stiff systems, J. Comput. Phys. 176 (2002) 430-455.
    Kassam & Trefethen, Fourth-order time-stepping for stiff PDEs, SIAM J. Sci. Comput. 26 (2005) 1214-1233.
    Hochbruck & Ostermann, Exponential integrators, Acta Numerica 19 (2010) 209-286 (order reduction).
    """

    order: ClassVar[int] = 4
    error_order: ClassVar[int | None] = 4
    evaluations_per_step: ClassVar[int] = 5
    holds_components: ClassVar[bool] = False
    needs_split: ClassVar[bool] = True

    def for_problem(self, problem: Any) -> AbstractOneStepMethod:
        """The method for a diagonal or for a matrix."""
        part = checked_split(problem, self.name).implicit
        return _Prepared(functions_of(part, problem, self.name), isinstance(part, Linear))

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Steps are those of the method that `for_problem` returns."""
        raise NotImplementedError

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """Likewise."""
        raise NotImplementedError


class _Prepared(ETDRK4):
    """The method for one kind of linear part."""

    linear: Any
    is_whole: bool = eqx.field(static=True)
    """Whether the linear part is all of the implicit one, so that the explicit one is `N`."""

    @property
    def name(self) -> str:
        """How messages call the method."""
        return "ETDRK4"

    def for_problem(self, problem: Any) -> AbstractOneStepMethod:
        """The method for another problem."""
        return ETDRK4().for_problem(problem)

    def subproblems(self, problem: Any) -> dict:
        """Both parts, to be evaluated."""
        field = problem.vector_field
        if not isinstance(field, Split):
            return {}
        part = lambda function: ODEProblem(function, problem.y0, problem.t0, problem.t1, problem.args)
        parts = {"explicit": field.explicit, "implicit": field.implicit}
        return {name: (part(function), self) for name, function in parts.items()}

    def step(self, system: Any, ta: Any, tb: Any, y: tuple, f0: tuple | None = None) -> Step:
        """Advance `y` from `ta` to `tb`; cost: five evaluations of N and the functions of `h L`."""
        h, operator = tb - ta, self.linear.operator(system.part("implicit"), ta, y)
        apply, rest = self.linear.apply, lambda t, state: self._rest(system, operator, t, state)
        quarter = self.linear.phis(h / 4, operator)
        half = self.linear.doubled(quarter)
        full = self.linear.doubled(half)
        n1 = rest(ta, y) if f0 is None else _minus(f0, apply(operator, y))
        polynomial = n1, *self._stages(rest, ta, tb, half, y, n1)
        y1 = lax.optimization_barrier(self._flow(full, h, 1.0, y, polynomial))
        n6 = rest(tb, y1)
        at_half = self._flow(half, h, 0.5, y, polynomial)
        late = self._flow(quarter, h, 0.25, at_half, _seen_from_half(polynomial))
        n5 = rest(ta + 0.75 * h, lax.optimization_barrier(late))
        # The polynomial through N at 0, 3/4 and 1.
        q1 = linear_combination(None, None, (-7 / 3, 16 / 3, -3.0), [n1, n5, n6])
        q2 = linear_combination(None, None, (4 / 3, -16 / 3, 4.0), [n1, n5, n6])
        slope, bend = (_minus(a, b) for a, b in zip(polynomial[1:], (q1, q2), strict=True))
        error = linear_combination(None, h, (1.0, 2.0), [apply(full[2], slope), apply(full[3], bend)])
        f1 = linear_combination(n6, None, (1.0,), [apply(operator, y1)])
        return Step(y1, error, f1, (h, operator, y, polynomial))

    def _stages(self, rest: Any, ta: Any, tb: Any, half: tuple, y: tuple, n1: tuple) -> tuple[tuple, tuple]:
        """The coefficients of s and s^2 in the polynomial for N, from the values at the stages."""
        h, middle, apply = tb - ta, ta + 0.5 * (tb - ta), self.linear.apply

        def stage(t, start, n):
            y_stage = linear_combination(start, 0.5 * h, (1.0,), [apply(half[1], n)])
            y_stage = lax.optimization_barrier(y_stage)
            return y_stage, rest(t, y_stage)

        start = apply(half[0], y)
        y2, n2 = stage(middle, start, n1)
        _, n3 = stage(middle, start, n2)
        _, n4 = stage(tb, apply(half[0], y2), linear_combination(None, None, (2.0, -1.0), [n3, n1]))
        p1 = linear_combination(None, None, (-3.0, 2.0, 2.0, -1.0), [n1, n2, n3, n4])
        return p1, linear_combination(None, None, (2.0, -2.0, -2.0, 2.0), [n1, n2, n3, n4])

    def interpolate(self, dense: Any, fraction: Any) -> tuple:
        """The formula of the step for a part of it; its error behaves as h^4."""
        h, operator, y, polynomial = dense
        return self._flow(self.linear.phis(fraction * h, operator), h, fraction, y, polynomial)

    def _flow(self, phis: tuple, h: Any, s: Any, y: tuple, polynomial: tuple) -> tuple:
        """`y(s)`, from the functions at `s z`."""
        terms = [self.linear.apply(phi, p) for phi, p in zip(phis[1:], polynomial, strict=True)]
        return linear_combination(self.linear.apply(phis[0], y), h * s, (1.0, s, 2 * s * s), terms)

    def _rest(self, system: Any, operator: Any, t: Any, y: tuple) -> tuple:
        """`N(t, y)`."""
        if self.is_whole:
            return system.part("explicit").vector_field(t, y)
        # What the product with the matrix leaves: a constant, and a dependence on time.
        return _minus(system.vector_field(t, y), self.linear.apply(operator, y))


def _seen_from_half(polynomial: tuple) -> tuple:
    """The same polynomial in powers of s - 1/2."""
    p0, p1, p2 = polynomial
    return linear_combination(p0, None, (0.5, 0.25), [p1, p2]), linear_combination(p1, None, (1.0,), [p2]), p2


def _minus(a: tuple, b: tuple) -> tuple:
    return tuple(x - y for x, y in zip(a, b, strict=True))
