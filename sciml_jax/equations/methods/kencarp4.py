"""Kennedy and Carpenter's method of order 4 for stiff and for split vector fields."""

from typing import ClassVar

from .diagonally_implicit import AbstractDiagonallyImplicit, DiagonallyImplicitTableau

_B = (82889 / 524892, 0.0, 15625 / 83664, 69875 / 102672, -2260 / 8211)

_TABLEAU = DiagonallyImplicitTableau(
    gamma=0.25,
    c=(0.0, 0.5, 83 / 250, 31 / 50, 17 / 20, 1.0),
    a=(
        (),
        (0.25,),
        (8611 / 62500, -1743 / 31250),
        (5012029 / 34652500, -654441 / 2922500, 174375 / 388108),
        (15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912),
        _B,
    ),
    error=(0.17551092675030353, -0.3290443872820298, 0.0837188227170569, 0.07350793501290158, -0.09290014164305949),
    # The published weights of f at the stages, as weights of the stages themselves: that of the first one vanishes.
    dense=(
        (13.505049623599515, -14.213062320102942, -0.6551100398245004, 7.295667675183714, -7.828937420740548),
        (-29.440721319338568, 35.22411374148863, 8.317595362477547, -18.912221072136866, 13.944433684075316),
    ),
)


class KenCarp4(AbstractDiagonallyImplicit):
    """KenCarp4"""

    tableau: ClassVar[DiagonallyImplicitTableau] = _TABLEAU
    order: ClassVar[int] = 4
    error_order: ClassVar[int | None] = 4
    evaluations_per_step: ClassVar[int] = 10
