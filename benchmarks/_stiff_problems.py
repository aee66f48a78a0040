"""The stiff problems of the benchmarks: the zoo's, with right-hand sides compiled by numba for other codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from _cvode import compiled_field, cvode, library

import sciml_jax as sj

try:
    import numba
    from numbalsoda import lsoda, lsoda_sig
except ImportError:
    numba = None

MAX_STEPS = 1_000_000


def robertson_compiled(t, u, du, p):
    r0, r1, r2 = p[0] * u[0], p[1] * u[1] * u[1], p[2] * u[1] * u[2]
    du[0] = r2 - r0
    du[1] = r0 - r1 - r2
    du[2] = r1


def hires_compiled(t, u, du, p):
    du[0] = -p[0] * u[0] + p[1] * u[1] + p[5] * u[2] + p[9]
    du[1] = p[0] * u[0] - (p[1] + p[2]) * u[1]
    du[2] = -(p[0] + p[5]) * u[2] + p[1] * u[3] + p[4] * u[4]
    du[3] = p[2] * u[1] + p[0] * u[2] - (p[1] + p[3]) * u[3]
    du[4] = -(p[0] + p[4]) * u[4] + p[1] * (u[5] + u[6])
    binding = p[6] * u[5] * u[7]
    unbinding = binding - (p[1] + p[7] + p[8]) * u[6]
    du[5] = -binding + p[3] * u[3] + p[0] * u[4] - p[1] * u[5] + p[7] * u[6]
    du[6] = unbinding
    du[7] = -unbinding


def oregonator_compiled(t, u, du, p):
    du[0] = p[0] * (u[1] + u[0] * (1.0 - p[1] * u[0] - u[1]))
    du[1] = (u[2] - (1.0 + u[0]) * u[1]) / p[0]
    du[2] = p[2] * (u[0] - u[2])


def van_der_pol_compiled(t, u, du, p):
    du[0] = u[1]
    du[1] = p[0] * (1.0 - u[0] * u[0]) * u[1] - u[0]


def pollution_compiled(t, u, du, p):
    r1, r2, r3, r4, r5 = p[0] * u[0], p[1] * u[1] * u[3], p[2] * u[4] * u[1], p[3] * u[6], p[4] * u[6]
    r6, r7, r8, r9 = p[5] * u[6] * u[5], p[6] * u[8], p[7] * u[8] * u[5], p[8] * u[10] * u[1]
    r10, r11, r12, r13 = p[9] * u[10] * u[0], p[10] * u[12], p[11] * u[9] * u[1], p[12] * u[13]
    r14, r15, r16, r17 = p[13] * u[0] * u[5], p[14] * u[2], p[15] * u[3], p[16] * u[3]
    r18, r19, r20, r21 = p[17] * u[15], p[18] * u[15], p[19] * u[16] * u[5], p[20] * u[18]
    r22, r23, r24, r25 = p[21] * u[18], p[22] * u[0] * u[3], p[23] * u[18] * u[0], p[24] * u[19]
    du[0] = -r1 - r10 - r14 - r23 - r24 + r2 + r3 + r9 + r11 + r12 + r22 + r25
    du[1] = -r2 - r3 - r9 - r12 + r1 + r21
    du[2] = -r15 + r1 + r17 + r19 + r22
    du[3] = -r2 - r16 - r17 - r23 + r15
    du[4] = -r3 + 2.0 * r4 + r6 + r7 + r13 + r20
    du[5] = -r6 - r8 - r14 - r20 + r3 + 2.0 * r18
    du[6] = -r4 - r5 - r6 + r13
    du[7] = r4 + r5 + r6 + r7
    du[8] = -r7 - r8
    du[9] = -r12 + r7 + r9
    du[10] = -r9 - r10 + r8 + r11
    du[11] = r9
    du[12] = -r11 + r10
    du[13] = -r13 + r12
    du[14] = r14
    du[15] = -r18 - r19 + r16
    du[16] = -r20
    du[17] = r20
    du[18] = -r21 - r22 - r24 + r23 + r25
    du[19] = -r25 + r24


@dataclass(frozen=True)
class Stiff:
    """A stiff problem of the zoo, its compiled twin, and `atol / rtol`: the size below which nothing counts."""

    zoo: sj.zoo.ZooProblem
    compiled: Callable
    floor: float

    @property
    def end(self) -> float:
        return float(self.zoo.problem.t1)

    def problem(self, parameters) -> sj.ODEProblem:
        known = self.zoo.problem
        return sj.ODEProblem(known.vector_field, known.y0, known.t0, known.t1, parameters)

    def error(self, value, reference=None):
        """The largest `|error| / (|reference| + floor)` over the components: what the tolerances weigh."""
        reference = self.zoo.references[self.end] if reference is None else reference
        return np.max(np.abs(np.asarray(value) - reference) / (np.abs(reference) + self.floor), axis=-1)


def problems() -> dict[str, Stiff]:
    """Name -> problem."""
    return {
        "robertson": Stiff(sj.zoo.robertson(), robertson_compiled, 1e-7),
        "hires": Stiff(sj.zoo.hires(), hires_compiled, 1e-4),
        "oregonator": Stiff(sj.zoo.oregonator(), oregonator_compiled, 1.0),
        "van_der_pol": Stiff(sj.zoo.van_der_pol(1000.0), van_der_pol_compiled, 1e-3),
        "pollution": Stiff(sj.zoo.pollution(), pollution_compiled, 1e-4),
    }


def lsoda_many(stiff: Stiff) -> Callable | None:
    """`fn(parameters (members, m), rtol) -> states (members, n)` by numbalsoda, one after another, all compiled."""
    if numba is None:
        return None
    address = numba.cfunc(lsoda_sig)(stiff.compiled).address
    y0, times, floor = np.asarray(stiff.zoo.problem.y0), np.array([0.0, stiff.end]), stiff.floor

    @numba.njit
    def run(parameters, rtol):
        states = np.empty((parameters.shape[0], y0.size))
        for i in range(parameters.shape[0]):
            states[i] = lsoda(address, y0, times, parameters[i], rtol, rtol * floor, MAX_STEPS)[0][-1]
        return states

    return run


def compiled_runs(stiff: Stiff) -> dict[str, Callable]:
    """Name -> `fn(rtol) -> y1`: LSODA and CVODE, right-hand sides compiled, no Python inside a solve."""
    runs, parameters = {}, np.asarray(stiff.zoo.problem.args)
    many = lsoda_many(stiff)
    if many is not None:
        one = parameters[None]
        runs["numbalsoda LSODA"] = lambda rtol: many(one, rtol)[0]
    sundials = library()
    if sundials is not None:
        y0 = np.asarray(stiff.zoo.problem.y0)
        rhs = compiled_field(sundials, stiff.compiled, y0.size, parameters.size)
        solve = cvode(sundials, rhs, y0, [(stiff.end, parameters)])
        runs["CVODE"] = lambda rtol: solve(rtol, rtol * stiff.floor)
    return runs
