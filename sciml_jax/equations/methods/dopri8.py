"""Prince and Dormand's method of order 8."""

from typing import ClassVar

import diffrax

from .continuous_extension import AbstractContinuousRungeKutta, Extension
from .explicit_runge_kutta import Tableau, from_diffrax

# fmt: off
_EXTENSION = Extension(
    c=(0.1, 0.3, 0.6, 0.7),
    a=(
        (
            0.05875295140288673, 0.0, 0.0, 0.0, 0.0, 0.007304237965479984, 0.04168487580222235, 0.014041688568540937,
            -0.03460149154061401, 0.007145261938222739, 0.015777062116738537, -0.0071462401412124765,
            0.006520826943867544, -0.00947917305613234,
        ),
        (
            0.04070436605898915, 0.0, 0.0, 0.0, 0.0, -0.030177484227693147, 0.20969862416546622, 0.16333754201510328,
            -0.1549630679988731, 0.05610251938838057, -0.0013517554131595722, 0.01762966923559335,
            -0.005635176737520196, -0.011899290540622547, 0.016554054054333665,
        ),
        (
            0.06035685203078903, 0.0, 0.0, 0.0, 0.0, -0.08779132083555607, 0.37854845443352414, 0.5712650205964263,
            -0.38062122813255217, 0.20074555980755307, -0.0226875280091932, 0.03879316607800973, -0.04889654353728126,
            0.020017297296882924, -0.12972972972860752, 0.0,
        ),
        (
            0.0349057971331125, 0.0, 0.0, 0.0, 0.0, -0.11673605775929094, 0.24098765387498047, 0.6854034490631131,
            -0.4576372326128205, 0.30195650446150973, -0.007011012487611379, -0.00030050006469301005,
            -0.025703365122511396, 0.027580709458982694, 0.016554054055224567, 0.0, 0.0,
        ),
    ),
    weights=(
        (
            -1.6326973765597153, 0.0, 0.0, 0.0, 0.0, -0.21147985925568413, 1.6404988140354284, 0.6530284471999608,
            0.7755651250264484, -1.8401876443121443, -1.308501206855789, 2.3333430419510854, -2.4451991953695518,
            2.0356298550413388, 0.0, 1.0553866933995888, -1.6853372031278013e-09, -1.0553866926158904,
        ),
        (
            1.586824248542717, 0.0, 0.0, 0.0, 0.0, -2.4749412866896883, -3.4681936392322683, -0.5573509568058734,
            -0.03513060418503389, -2.2921106102143867, -0.9972138118418297, 1.9070587885124972, -1.8115207957223287,
            1.4243943193644046, 0.0, 2.3670286821909325, 11.452241713592535, -7.101086047511682,
        ),
        (
            -1.7009394872307855, 0.0, 0.0, 0.0, 0.0, -0.819012457322728, 6.310134442996116, 2.5244881829545163,
            2.96993250951796, -7.071944828382122, -5.03327039012402, 8.976453243585787, -9.40643223204142,
            3.2505910166331926, 0.0, -7.3877068560478225, -6.90355328458736e-10, 7.387706856151706,
        ),
        (
            1.2030105157459872, 0.0, 0.0, 0.0, 0.0, -8.345402156734277, -6.1057879183068025, 0.1446892261117212,
            2.124713475517805, -12.469891753844237, -6.890935339928063, 12.69078447672301, -12.714840857285973,
            3.168937414520343, 0.0, 14.256978142316223, -7.6145224178821715, 20.55226719304643,
        ),
    ),
)
# fmt: on


class Dopri8(AbstractContinuousRungeKutta):
    """Prince-Dormand 8(7), "RK8(7)13M": order 8, first same as last, dense output of order 7.

    Thirteen evaluations per step, four more in a step in which something is saved. For `rtol` of 1e-8 to 1e-13 on
    smooth problems; `Vern8` does as well, and its dense output has order 8. Not to be confused with Hairer's DOP853, an
    8(5,3) triple. Not for stiff problems.

    The authors give no dense output. This one was made by bootstrapping (Enright et al.): stages and `f(t1, y1)` admit
    order 5 between the steps; a stage on that interpolant raises it to 6, three stages on the next one to 7. Where the
    order conditions leave freedom, the weights are the smallest ones; the nodes 0.1, 0.3, 0.6, 0.7 were chosen for a
    small error of order 8. (Diffrax's interpolant for the same method has order 5.)

    References
    ----------
    Prince & Dormand, High order embedded Runge-Kutta formulae, J. Comput. Appl. Math. 7 (1981) 67-75.
    Enright, Jackson, Nørsett & Thomsen, Interpolants for Runge-Kutta formulas, ACM Trans. Math. Softw. 12 (1986)
    193-218.
    """

    tableau: ClassVar[Tableau] = from_diffrax(diffrax.Dopri8.tableau)
    extension: ClassVar[Extension] = _EXTENSION
    order: ClassVar[int] = 8
    error_order: ClassVar[int | None] = 8
    evaluations_per_step: ClassVar[int] = 13
