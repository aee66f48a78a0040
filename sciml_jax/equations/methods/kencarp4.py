"""Kennedy and Carpenter's method of order 4 for stiff and for split vector fields."""

from typing import Any, ClassVar

from ..problem import ODEProblem
from ..split import Split
from .diagonally_implicit import AbstractDiagonallyImplicit, DiagonallyImplicitTableau
from .euler import Euler
from .one_step import AbstractOneStepMethod

CAUTION = 12.0
"""The estimate of the local error counts so many times.

With it the global errors on the Oregonator and the other stiff problems of the zoo stay about ten tolerances; without
it, in half the steps, they reach 130.
"""

_DELTA = (0.17551092675030353, -0.3290443872820298, 0.0837188227170569, 0.07350793501290158, -0.09290014164305949)

_TABLEAU = DiagonallyImplicitTableau(
    gamma=0.25,
    c=(0.0, 0.5, 83 / 250, 31 / 50, 17 / 20, 1.0),
    a=(
        (),
        (0.25,),
        (8611 / 62500, -1743 / 31250),
        (5012029 / 34652500, -654441 / 2922500, 174375 / 388108),
        (15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912),
        (82889 / 524892, 0.0, 15625 / 83664, 69875 / 102672, -2260 / 8211),
    ),
    # The published weights of f, here and in the dense output, as weights of the stages: the first one's f drops out.
    error=tuple(CAUTION * weight for weight in _DELTA),
    dense=(
        (13.505049623599515, -14.213062320102942, -0.6551100398245004, 7.295667675183714, -7.828937420740548),
        (-29.440721319338568, 35.22411374148863, 8.317595362477547, -18.912221072136866, 13.944433684075316),
    ),
    explicit=(
        (),
        (0.5,),
        (13861 / 62500, 6889 / 62500),
        (-116923316275 / 2393684061468, -2731218467317 / 15368042101831, 9408046702089 / 11113171139209),
        (
            -451086348788 / 2902428689909,
            -2682348792572 / 7519795681897,
            12662868775082 / 11960479115383,
            3355817975965 / 11060851509271,
        ),
        (
            647845179188 / 3216320057751,
            73281519250 / 8382639484533,
            552539513391 / 3454668386233,
            3354512671639 / 8306763924573,
            4040 / 17871,
        ),
    ),
)


class KenCarp4(AbstractDiagonallyImplicit):
    """ARK4(3)6L[2]SA: order 4, L-stable, five implicit stages with one matrix; implicit-explicit on an `sj.Split`.

    For a plain vector field all of it is solved implicitly. For `sj.Split(explicit, implicit)` the implicit part alone
    is, and the explicit part is evaluated once for each of the six stages: for `y' = advection + diffusion` or
    `transport + reaction`, where one part is stiff with a Jacobian that is cheap to solve with (banded, block-diagonal,
    constant) and the other is not stiff but would spoil that. The step is then limited by the stability of the explicit
    part: along the imaginary axis up to `h |lambda|` of about 4.

    Each stage takes two to three evaluations by simplified Newton iterations; Jacobian and factorisation are kept from
    step to step while they serve. For `rtol` of 1e-3 to 1e-7. For a few unknowns `Rodas5P` needs fewer evaluations and
    is faster; for large problems at moderate accuracy `BDF` solves one system per step in place of five. For non-stiff
    problems take `Tsit5`. The state must be real.

    Stage order 2: on Prothero & Robinson's problem with `h |lambda|` above 1000 the order of the error falls from 4 to
    2, to about `5e-3 h^2/|lambda|`. The estimate, of order 4 like the local error of the embedded method, is multiplied
    by 12, which keeps the global error on the stiff problems of the zoo within ten tolerances. Dense output of order 4
    (the paper's), from stage values alone, continuous.

    Solves `M y' = f` with a constant, possibly singular `mass_matrix` (index 1) if the vector field is not split. In a
    split one, `ODEProblem(jacobian=...)` is not used, `sparsity=` is taken for the pattern of the implicit part, and
    `stats.num_vector_field` counts the implicit part. With `sj.FixedStep()` every step has its own Jacobian and the
    iterations go on to rounding, so the tolerances play no part. An iteration that fails with the smallest step ends in
    `Status.SINGULAR`. Derivatives are those of the discrete solution, from the implicit function theorem; they cost one
    Jacobian and factorisation per stage and step.

    Parameters
    ----------
    linear_solver
        `sj.Direct()`, `sj.GMRES(...)` or None for `Direct`.

    Raises
    ------
    ValueError
        For a split vector field with a mass matrix.

    References
    ----------
    Kennedy & Carpenter, Additive Runge-Kutta schemes for convection-diffusion-reaction equations, Appl. Numer. Math. 44
    (2003) 139-181.
    """

    tableau: ClassVar[DiagonallyImplicitTableau] = _TABLEAU
    order: ClassVar[int] = 4
    error_order: ClassVar[int | None] = 4
    evaluations_per_step: ClassVar[int] = 10
    newton_accuracy: ClassVar[float] = 0.005

    def for_problem(self, problem: Any) -> AbstractOneStepMethod:
        """The additive method for an `sj.Split`, this one for any other vector field."""
        is_split = isinstance(getattr(problem, "vector_field", None), Split)
        return _Additive(self.linear_solver) if is_split else KenCarp4(self.linear_solver)


class _Additive(KenCarp4):
    """The method for a split vector field, whose last stage is not the solution."""

    carries_f0: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """How messages call the method."""
        return "KenCarp4"

    def subproblems(self, problem: Any) -> dict:
        """Both parts; the explicit one is only evaluated."""
        field = problem.vector_field
        if not isinstance(field, Split):
            return {}
        if problem.mass_matrix is not None:
            msg = (
                "`KenCarp4` solves an `sj.Split` without a mass matrix only; got `mass_matrix`. Pass the sum of the "
                "parts as a plain function, all of which is then solved implicitly."
            )
            raise ValueError(msg)
        point = problem.y0, problem.t0, problem.t1, problem.args
        implicit = ODEProblem(field.implicit, *point, sparsity=problem.sparsity)
        return {"implicit": (implicit, self), "explicit": (ODEProblem(field.explicit, *point), Euler())}

    def parts(self, system: Any) -> tuple[Any, Any]:
        """The systems of both parts."""
        return system.part("implicit"), system.part("explicit")
