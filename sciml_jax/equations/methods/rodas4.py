"""Hairer and Wanner's Rosenbrock method of order 4."""

from typing import ClassVar

from .rosenbrock import AbstractRosenbrock, RosenbrockTableau

_LAST = (1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950)

_TABLEAU = RosenbrockTableau(
    gamma=0.25,
    c=(0.0, 0.386, 0.21, 0.63, 1.0, 1.0),
    a=(
        (),
        (1.544,),
        (0.9466785280815826, 0.2557011698983284),
        (3.314825187068521, 2.896124015972201, 0.9986419139977817),
        _LAST,
        (*_LAST, 1.0),
    ),
    coupling=(
        (),
        (-5.6688,),
        (-2.430093356833875, -0.2063599157091915),
        (-0.1073529058151375, -9.594562251023355, -20.47028614809616),
        (7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160),
        (8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054),
    ),
    d=(0.25, -0.1043, 0.1035, -0.03620000000000023, 0, 0),
    dense=(
        (10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662),
        (-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872),
    ),
)


class Rodas4(AbstractRosenbrock):
    """Rodas4 (RODAS): order 4, L-stable, stiffly accurate, six stages, dense output of order 3. For stiff problems.

    One Jacobian, one factorisation and six solves per step, no Newton iteration; `mass_matrix=` of index 1. The error
    is estimated by an embedded, likewise stiffly accurate solution of order 3. Fewer solves than `Rodas5P` and so
    cheaper at `rtol` of 1e-3 to 1e-5; below that take `Rodas5P`, and for a non-stiff problem `Tsit5`. On problems with
    a stiff forcing (Prothero-Robinson) its order falls, where `Rodas5P` was built to keep more. The state must be real.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.7 and VI.4, and their code RODAS.
    """

    tableau: ClassVar[RosenbrockTableau] = _TABLEAU
    order: ClassVar[int] = 4
    error_order: ClassVar[int | None] = 4
    evaluations_per_step: ClassVar[int] = 6
