"""One small solve, forward and reverse gradient: us against Diffrax and compiled LSODA, at equal achieved error.

Lotka-Volterra with 101 saved times at rtol 1e-8 (Tsit5 against Diffrax's Tsit5 with its default adjoint), and Robertson
to 1e5 at rtol 1e-6, atol 1e-10 (Rodas5P against Diffrax's Kvaerno5 and numbalsoda). A peer runs at the loosest
tolerance that reaches our achieved error; compile times are those of the same programs.
"""

import functools
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _common import compile_timed, interleaved, keep, match_error, relative_error, table
from scipy.integrate import solve_ivp

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

try:
    import numba
    from numbalsoda import lsoda, lsoda_sig
except ImportError:
    numba = None


def lotka_volterra(t, y, p):
    a, b, c, d = p
    return jnp.stack([a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]])


def robertson(t, y, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([-r1 + r3, r1 - r3 - r2, r2])


def diffrax_solve(field, solver, y0, t1, args, saveat, rtol, atol):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(field), solver, 0.0, t1, None, y0, args, saveat=saveat,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol), max_steps=4096,
    )  # fmt: skip


def lotka_volterra_figures():
    y0, p, ts = jnp.ones(2), jnp.array([1.5, 1.0, 3.0, 1.0]), jnp.linspace(0.0, 10.0, 101)
    field = lambda t, y: np.asarray([p_[0] * y[0] - p_[1] * y[0] * y[1], -p_[2] * y[1] + p_[3] * y[0] * y[1]])
    p_ = np.asarray(p)
    reference = solve_ivp(
        field, (0, 10), np.ones(2), "DOP853", t_eval=np.linspace(0, 10, 101), rtol=3e-14, atol=1e-16
    ).y.T

    def ours(p, rtol, atol):
        return sj.solve(sj.ODEProblem(lotka_volterra, y0, 0.0, 10.0, p), sj.Tsit5(), saveat=ts, rtol=rtol, atol=atol).ys

    def theirs(p, rtol, atol):
        saveat = diffrax.SaveAt(ts=ts)
        return diffrax_solve(lotka_volterra, diffrax.Tsit5(), y0, 10.0, p, saveat, rtol, atol).ys

    gradient = lambda solve: jax.grad(lambda p, rtol, atol: solve(p, rtol, atol).sum())
    programs = {"ours": ours, "diffrax": theirs, "ours gradient": gradient(ours), "diffrax gradient": gradient(theirs)}
    built = {name: compile_timed(fn, p, 1e-8, 1e-10) for name, fn in programs.items()}
    runs = {name: compiled for name, (compiled, _) in built.items()}
    error = lambda name, rtol: relative_error(runs[name](p, rtol, rtol * 1e-2), reference)
    target = error("ours", 1e-8)
    matched = match_error(lambda rtol: error("diffrax", rtol), target)
    rtols = {"ours": 1e-8, "diffrax": matched, "ours gradient": 1e-8, "diffrax gradient": matched}
    # Tolerances as arrays: converting Python floats takes longer than a solve.
    arrays = {name: (p, jnp.asarray(rtol), jnp.asarray(rtol * 1e-2)) for name, rtol in rtols.items()}
    seconds = interleaved({name: (lambda name=name: runs[name](*arrays[name])) for name in runs}, rounds=201)
    exact = np.array([8.30536266, -159.48429272, 75.20350821, -339.19509277])
    return {
        "seconds": seconds,
        "compile_seconds": {name: built[name][1] for name in built},
        "rtol": rtols,
        "error": {"ours": target, "diffrax": error("diffrax", matched)},
        "gradient_error": {
            name: relative_error(runs[name](p, rtols[name], rtols[name] * 1e-2), exact)
            for name in runs
            if "grad" in name
        },
        "ratios": {
            "forward": seconds["diffrax"] / seconds["ours"],
            "gradient": seconds["diffrax gradient"] / seconds["ours gradient"],
            "compile forward": built["diffrax"][1] / built["ours"][1],
            "compile gradient": built["diffrax gradient"][1] / built["ours gradient"][1],
        },
    }


def compiled_lsoda():
    """LSODA on Robertson with a compiled right-hand side, called from compiled code; returns `fn(rtol, atol) -> y1`."""

    @numba.cfunc(lsoda_sig)
    def rhs(t, u, du, p):
        r1, r2, r3 = 0.04 * u[0], 3e7 * u[1] * u[1], 1e4 * u[1] * u[2]
        du[0] = -r1 + r3
        du[1] = r1 - r3 - r2
        du[2] = r2

    address = rhs.address
    start, times = np.array([1.0, 0.0, 0.0]), np.array([0.0, 1e5])

    @numba.njit
    def run(rtol, atol):
        states, _ = lsoda(address, start, times, np.zeros(1), rtol, atol)
        return states[-1]

    return run


def robertson_figures():
    y0, k = jnp.array([1.0, 0.0, 0.0]), jnp.array([0.04, 3e7, 1e4])
    reference = np.array([1.786592114210e-2, 7.274751468437e-8, 9.821340061104e-1])

    def ours(k, rtol, atol):
        return sj.solve(sj.ODEProblem(robertson, y0, 0.0, 1e5, k), sj.Rodas5P(), rtol=rtol, atol=atol).y1

    def theirs(k, rtol, atol):
        saveat = diffrax.SaveAt(t1=True)
        return diffrax_solve(robertson, diffrax.Kvaerno5(), y0, 1e5, k, saveat, rtol, atol).ys[-1]

    gradient = lambda solve: jax.grad(lambda k, rtol, atol: solve(k, rtol, atol)[0])
    programs = {"ours": ours, "diffrax": theirs, "ours gradient": gradient(ours), "diffrax gradient": gradient(theirs)}
    built = {name: compile_timed(fn, k, 1e-6, 1e-10) for name, fn in programs.items()}
    runs: dict[str, Any] = {
        name: (lambda rtol, fn=compiled: fn(k, rtol, rtol * 1e-4)) for name, (compiled, _) in built.items()
    }
    lsoda_run = None if numba is None else compiled_lsoda()
    if lsoda_run is not None:
        runs["lsoda"] = lambda rtol: lsoda_run(rtol, rtol * 1e-4)
    error = lambda name, rtol: relative_error(runs[name](rtol), reference)
    target = error("ours", 1e-6)
    matched = {
        name: match_error(lambda rtol, name=name: error(name, rtol), target)
        for name in runs
        if name in ("diffrax", "lsoda")
    }
    rtols = {"ours": 1e-6, "ours gradient": 1e-6, "diffrax gradient": matched["diffrax"], **matched}
    calls: dict[str, Any] = {}
    for name, (compiled, _) in built.items():
        arguments = (k, jnp.asarray(rtols[name]), jnp.asarray(rtols[name] * 1e-4))
        calls[name] = functools.partial(compiled, *arguments)
    if lsoda_run is not None:
        calls["lsoda"] = functools.partial(lsoda_run, rtols["lsoda"], rtols["lsoda"] * 1e-4)
    seconds = interleaved(calls, rounds=101)
    return {
        "seconds": seconds,
        "compile_seconds": {name: built[name][1] for name in built},
        "rtol": rtols,
        "error": {name: error(name, rtols[name]) for name in ("ours", *matched)},
        "ratios": {
            **{f"forward against {name}": seconds[name] / seconds["ours"] for name in matched},
            "gradient": seconds["diffrax gradient"] / seconds["ours gradient"],
            "compile forward": built["diffrax"][1] / built["ours"][1],
            "compile gradient": built["diffrax gradient"][1] / built["ours gradient"][1],
        },
    }


def main():
    figures = {"lotka_volterra": lotka_volterra_figures(), "robertson": robertson_figures()}
    rows = [("problem", "quantity", "value")]
    for problem, found in figures.items():
        rows += [(problem, f"seconds, {name}", f"{value:.3g}") for name, value in found["seconds"].items()]
        rows += [
            (problem, f"compile seconds, {name}", f"{value:.2f}") for name, value in found["compile_seconds"].items()
        ]
        rows += [(problem, f"error, {name}", f"{value:.2e}") for name, value in found["error"].items()]
        rows += [(problem, f"rtol, {name}", f"{value:.2e}") for name, value in found["rtol"].items()]
        rows += [(problem, f"times faster: {name}", f"{value:.2f}") for name, value in found["ratios"].items()]
    table(rows)
    keep("single_solves", figures)


if __name__ == "__main__":
    main()
