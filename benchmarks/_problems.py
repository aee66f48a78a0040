"""The small problems of the single-solve benchmarks, in JAX (from the zoo) and compiled by numba for other codes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import sciml_jax as sj

try:
    import numba
    from numbalsoda import dop853, lsoda, lsoda_sig
except ImportError:
    numba = None


def lorenz_compiled(t, u, du, p):
    du[0] = p[0] * (u[1] - u[0])
    du[1] = u[0] * (p[1] - u[2]) - u[1]
    du[2] = u[0] * u[1] - p[2] * u[2]


def lotka_volterra_compiled(t, u, du, p):
    du[0] = p[0] * u[0] - p[1] * u[0] * u[1]
    du[1] = -p[2] * u[1] + p[3] * u[0] * u[1]


def pleiades_compiled(t, u, du, p):
    for i in range(7):
        ax = 0.0
        ay = 0.0
        for j in range(7):
            if i != j:
                dx = u[j] - u[i]
                dy = u[7 + j] - u[7 + i]
                r2 = dx * dx + dy * dy
                pull = p[j] / (r2 * np.sqrt(r2))
                ax += pull * dx
                ay += pull * dy
        du[i] = u[14 + i]
        du[7 + i] = u[21 + i]
        du[14 + i] = ax
        du[21 + i] = ay


@dataclass(frozen=True)
class Small:
    """A problem of the zoo with its compiled twin, and the parameters that its gradient is taken by."""

    zoo: sj.zoo.ZooProblem
    compiled: Callable
    parameters: Callable
    """(y0, args) -> the parameters, a pytree of arrays."""
    insert: Callable
    """(parameters, y0, args) -> (y0, args)."""

    @property
    def reference(self) -> np.ndarray:
        return self.zoo.references[float(self.zoo.problem.t1)]

    def problem(self, parameters=None) -> sj.ODEProblem:
        known = self.zoo.problem
        y0, args = known.y0, known.args
        if parameters is not None:
            y0, args = self.insert(parameters, y0, args)
        return sj.ODEProblem(known.vector_field, y0, known.t0, known.t1, args)


def problems() -> dict[str, Small]:
    """Lorenz by (args, y0): 6 numbers; Lotka-Volterra by args: 4; Pleiades by the masses and positions: 21."""
    both = (lambda y0, args: (args, y0), lambda p, y0, args: (p[1], p[0]))
    args_only = (lambda y0, args: args, lambda p, y0, args: (y0, p))
    positions = (lambda y0, args: (args, y0[:14]), lambda p, y0, args: (y0.at[:14].set(p[1]), p[0]))
    return {
        "lorenz": Small(sj.zoo.lorenz(10.0), lorenz_compiled, *both),
        "lotka_volterra": Small(sj.zoo.lotka_volterra(10.0), lotka_volterra_compiled, *args_only),
        "pleiades": Small(sj.zoo.pleiades(3.0), pleiades_compiled, *positions),
    }


def compiled_runs(small: Small) -> dict[str, Callable]:
    """Name -> `fn(rtol, atol) -> y1` for numbalsoda's LSODA and DOP853; called from Python, all inside compiled."""
    if numba is None:
        return {}
    address = numba.cfunc(lsoda_sig)(small.compiled).address
    known = small.zoo.problem
    y0, p = np.asarray(known.y0), np.asarray(known.args)
    times = np.array([float(known.t0), float(known.t1)])

    @numba.njit
    def run_lsoda(rtol, atol):
        return lsoda(address, y0, times, p, rtol, atol, 1_000_000)[0][-1]

    @numba.njit
    def run_dop853(rtol, atol):
        return dop853(address, y0, times, p, rtol, atol, 1_000_000)[0][-1]

    return {"numbalsoda LSODA": run_lsoda, "numbalsoda DOP853": run_dop853}


def scipy_runs(small: Small) -> dict[str, Callable]:
    """Name -> `fn(rtol, atol) -> y1` for SciPy's DOP853 and LSODA, their right-hand side compiled where numba is."""
    from scipy.integrate import solve_ivp

    known = small.zoo.problem
    y0, p = np.asarray(known.y0), np.asarray(known.args)
    span = (float(known.t0), float(known.t1))
    inner = numba.njit(small.compiled) if numba is not None else small.compiled

    def field(t, y):
        out = np.empty_like(y)
        inner(t, y, out, p)
        return out

    def run(method):
        return lambda rtol, atol: solve_ivp(field, span, y0, method, rtol=rtol, atol=atol).y[:, -1]

    return {"SciPy DOP853": run("DOP853"), "SciPy LSODA": run("LSODA")}
