"""The 2-D Brusselator, 2 x N x N unknowns, to t = 11.5 at rtol = atol = 1e-5: us, SciPy's BDF, CVODE with Krylov.

Ours: `BDF` with GMRES and the diffusion (by Fourier or by lines) as preconditioner, and with a direct solve. SciPy's
BDF gets the same sparsity pattern and a right-hand side that numba has compiled; CVODE is compiled throughout (see
_cvode.py) and runs GMRES without a preconditioner and with ours, compiled too. All stop at the jump of the forcing, t
= 1.1. SciPy, CVODE without a preconditioner and the direct solve end at N = 64.

Errors at the end are relative to the largest component, against our BDF at rtol 1e-9, whose deviation from CVODE at
1e-9 is kept as well. Every code also runs at rtol 1e-4 and 1e-6, so that seconds are read off at our error at 1e-5.
The row "growth" measures nothing: it is the exponent of our time in the number of unknowns, from the rows that are
kept.
"""

import functools
import os
import time

import jax
import jax.numpy as jnp
import numpy as np
from _common import table, timed
from _curves import read_at
from _cvode import compiled_field, compiled_preconditioner, cvode, library
from _rows import arguments, folder, load, measure, print_ratios

import sciml_jax as sj
from sciml_jax.zoo.brusselator_2d import SWITCH_TIME, heated

jax.config.update("jax_enable_x64", True)

SIZES = (16, 32, 64, 128)
RTOLS = (1e-4, 1e-5, 1e-6)
END = 11.5
OURS = "ours BDF, GMRES + Fourier"


def ours(size: int) -> dict:
    """Name -> `fn(rtol) -> y1`."""
    problem = sj.zoo.brusselator_2d(size).problem
    diffusion = 10.0 * (size - 1) ** 2
    fourier = sj.FourierDiffusion((2, size, size), diffusion=diffusion)
    lines = sj.LineADI((2, size, size), field_axis=0, diffusion=diffusion, periodic=True)
    methods = {
        OURS: sj.BDF(linear_solver=sj.GMRES(fourier)),
        "ours BDF, GMRES + lines": sj.BDF(linear_solver=sj.GMRES(lines)),
    }
    if size <= 64:
        methods["ours BDF, direct"] = sj.BDF()
    controller = sj.PIDController(tstops=jnp.array([SWITCH_TIME]))

    def run_of(method):
        def solve(y0, rtol):
            pattern = problem.sparsity if method.linear_solver is None else None
            own = sj.ODEProblem(problem.vector_field, y0, 0.0, END, problem.args, sparsity=pattern)
            return sj.solve(own, method, rtol=rtol, atol=rtol, controller=controller, max_steps=4096).y1

        program = jax.jit(solve).lower(problem.y0, jnp.asarray(1e-5)).compile()
        return lambda rtol: program(problem.y0, jnp.asarray(rtol))

    return {name: run_of(method) for name, method in methods.items()}


def field_compiled(t, u, du, p):
    """As in the zoo; p = (A, B, diffusion, forcing, size, where the forcing acts, constants of `fourier_compiled`)."""
    n = int(p[4])
    points = n * n
    for i in range(n):
        for j in range(n):
            k = i * n + j
            up, down = ((i + 1) % n) * n + j, ((i - 1) % n) * n + j
            right, left = i * n + (j + 1) % n, i * n + (j - 1) % n
            a, b = u[k], u[points + k]
            spread_a = u[up] + u[down] + u[right] + u[left] - 4.0 * a
            spread_b = u[points + up] + u[points + down] + u[points + right] + u[points + left] - 4.0 * b
            made = a * a * b
            du[k] = p[1] + made - (p[0] + 1.0) * a + p[3] * p[5 + k] + p[2] * spread_a
            du[points + k] = p[0] * a - made + p[2] * spread_b


def fourier_compiled(gamma, r, z, p):
    """`(I - gamma D)^-1 r`, both species as one complex transform; powers of two only, frequencies bit-reversed."""
    n = int(p[4])
    eigenvalues, turns = p[5 + n * n : 5 + n * n + n], p[5 + n * n + n :]
    x = np.empty((n, n), np.complex128)
    for i in range(n):
        for j in range(n):
            x[i, j] = r[i * n + j] + 1j * r[n * n + i * n + j]
    length = n
    while length > 1:
        half = length // 2
        for start in range(0, n, length):
            for k in range(half):
                w = turns[2 * k * (n // length)] - 1j * turns[2 * k * (n // length) + 1]
                i, l = start + k, start + k + half
                for j in range(n):
                    x[i, j], x[l, j] = x[i, j] + x[l, j], (x[i, j] - x[l, j]) * w
                for j in range(n):
                    x[j, i], x[j, l] = x[j, i] + x[j, l], (x[j, i] - x[j, l]) * w
        length = half
    for i in range(n):
        for j in range(n):
            x[i, j] /= (1.0 + gamma * p[2] * (eigenvalues[i] + eigenvalues[j])) * (n * n)
    length = 2
    while length <= n:
        half = length // 2
        for start in range(0, n, length):
            for k in range(half):
                w = turns[2 * k * (n // length)] + 1j * turns[2 * k * (n // length) + 1]
                i, l = start + k, start + k + half
                for j in range(n):
                    x[i, j], x[l, j] = x[i, j] + x[l, j] * w, x[i, j] - x[l, j] * w
                for j in range(n):
                    x[j, i], x[j, l] = x[j, i] + x[j, l] * w, x[j, i] - x[j, l] * w
        length *= 2
    for i in range(n):
        for j in range(n):
            z[i * n + j], z[n * n + i * n + j] = x[i, j].real, x[i, j].imag


def transform_constants(size: int) -> np.ndarray:
    """Eigenvalues of the second difference in bit-reversed order, then cosines and sines in pairs."""
    bits = size.bit_length() - 1
    reversed_ = np.array([int(f"{k:0{bits}b}"[::-1], 2) for k in range(size)])
    turns = 2.0 * np.pi * np.arange(size // 2) / size
    eigenvalues = 2.0 - 2.0 * np.cos(2.0 * np.pi * reversed_ / size)
    return np.concatenate([eigenvalues, np.stack([np.cos(turns), np.sin(turns)], axis=1).ravel()])


def phases(size: int) -> list:
    """(end, parameters) before and after the jump of the forcing."""
    where = heated(size).ravel().astype(float)
    rates, constants = [3.4, 1.0, 10.0 * (size - 1) ** 2], transform_constants(size)
    values = lambda forcing: np.concatenate([rates, [forcing, size], where, constants])
    return [(SWITCH_TIME, values(0.0)), (END, values(5.0))]


def cvode_runs(size: int) -> dict:
    """Name -> `fn(rtol) -> y1`."""
    sundials = library()
    if sundials is None:
        return {}
    y0, parts = np.asarray(sj.zoo.brusselator_2d(size).problem.y0).ravel(), phases(size)
    counts = y0.size, parts[0][1].size
    rhs = compiled_field(sundials, field_compiled, *counts)
    fourier = compiled_preconditioner(sundials, fourier_compiled, *counts)
    plain = cvode(sundials, rhs, y0, parts, "gmres")
    preconditioned = cvode(sundials, rhs, y0, parts, "gmres", fourier)
    return {
        "CVODE, GMRES": lambda rtol: plain(rtol, rtol),
        "CVODE, GMRES + Fourier": lambda rtol: preconditioned(rtol, rtol),
    }


def scipy_run(size: int):
    """`fn(rtol) -> y1`: SciPy's BDF with the sparsity pattern."""
    import numba
    from scipy.integrate import solve_ivp
    from scipy.sparse import coo_matrix

    inner, known = numba.njit(field_compiled), sj.zoo.brusselator_2d(size).problem
    pattern: sj.SparsityPattern = known.sparsity
    places = coo_matrix((np.ones(pattern.nnz), (pattern.rows, pattern.cols)), pattern.shape).tocsc()

    def run(rtol):
        y, t = np.asarray(known.y0).ravel(), 0.0
        for end, p in phases(size):

            def field(t, y, p=p):
                out = np.empty_like(y)
                inner(t, y, out, p)
                return out

            y, t = solve_ivp(field, (t, end), y, "BDF", rtol=rtol, atol=rtol, jac_sparsity=places).y[:, -1], end
        return y

    return run


def figures_of(size: int, quick: bool) -> dict:
    size = 8 if quick else size
    runs = ours(size) | cvode_runs(size)
    if size <= 64:
        runs["SciPy BDF, sparse"] = scipy_run(size)
    else:
        runs.pop("CVODE, GMRES", None)  # minutes
    flat = lambda run, rtol: np.asarray(run(rtol)).ravel()
    reference = flat(runs[OURS], 1e-9)
    scale = np.max(np.abs(reference))
    checked = {
        name: float(np.max(np.abs(flat(run, 1e-9) - reference)) / scale)
        for name, run in runs.items()
        if name == "CVODE, GMRES + Fourier"
    }
    points: dict[str, list] = {name: [] for name in runs}
    for rtol in RTOLS:
        for name, run in runs.items():
            start = time.perf_counter()
            value = flat(run, rtol)
            seconds = time.perf_counter() - start
            if seconds < 3.0:
                seconds = timed(lambda run=run, rtol=rtol: run(rtol), 1 if quick else 5, warm=False)
            error = float(np.max(np.abs(value - reference)) / scale)
            points[name].append({"rtol": rtol, "error": error, "seconds": seconds})
    error = points[OURS][1]["error"]
    at = {"error": error, "seconds": {name: read_at(of, error, "seconds") for name, of in points.items()}}
    best = min(s for name, s in at["seconds"].items() if s is not None and name.startswith("ours"))
    same = {name: of[1]["seconds"] for name, of in points.items()}
    ratios = {}
    for name in (name for name in runs if not name.startswith("ours")):
        theirs = at["seconds"][name]
        ratios[f"best against {name}"] = None if theirs is None else theirs / best
        ratios[f"best against {name}, same rtol"] = same[name] / min(s for n, s in same.items() if n.startswith("ours"))
    cvodes = [ratio for name, ratio in ratios.items() if "CVODE" in name and "same" not in name and ratio is not None]
    ratios["best against the better CVODE"] = min(cvodes, default=None)
    threads = {"OPENBLAS_NUM_THREADS": os.environ.get("OPENBLAS_NUM_THREADS", "not set")}
    return {
        "unknowns": 2 * size**2,
        "deviation at 1e-9": checked,
        "curves": points,
        "at": at,
        "ratios": ratios,
        **threads,
    }


def growth(quick: bool) -> dict:
    """The exponent of the time of our GMRES at rtol 1e-5 in the number of unknowns."""
    kept = {row: value["figures"] for row, value in load("brusselator", quick).items() if row != "growth"}
    found = {f["unknowns"]: f["curves"][OURS][1]["seconds"] for f in kept.values()}
    if len(found) < 2:
        return {"seconds": found, "ratios": {"1.3 over the exponent": None}}
    exponent = float(np.polyfit(np.log(list(found)), np.log(list(found.values())), 1)[0])
    return {"seconds": found, "exponent": exponent, "ratios": {"1.3 over the exponent": 1.3 / exponent}}


def main():
    rows = {f"2 x {size} x {size}": functools.partial(figures_of, size) for size in SIZES} | {"growth": growth}
    args = arguments(__doc__, rows)
    kept = measure("brusselator", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        if row == "growth":
            continue
        print(f"{row}, at a relative error of {figures['at']['error']:.1e}, and at rtol 1e-5")
        for name, points in figures["curves"].items():
            seconds = figures["at"]["seconds"][name]
            same = points[RTOLS.index(1e-5)]
            read = "-" if seconds is None else f"{seconds:.3g} s"
            table([(f"  {name:<28}", read, f"{same['seconds']:.3g} s", f"error {same['error']:.1e}")])
    print_ratios(kept)
    from _plots import bars

    panels = {row: figures["at"]["seconds"] for row, figures in kept.items() if row != "growth"}
    bars(folder(args.quick) / "brusselator.png", panels, "seconds", "2-D Brusselator to t = 11.5, equal error, float64")


if __name__ == "__main__":
    main()
