"""Thousands of parameter sets: our `parallel.ensemble` and plain `jax.vmap(solve)` against Diffrax `vmap`, gradsolve.

lorenz_forward    10,000 values of rho in 0..56, t to 20, rtol 1e-6
lorenz_gradient   the same, t to 2, gradient of each final state's sum with respect to its rho
van_der_pol       2,000 values of mu in 1..300 (evenly spaced in the logarithm), t to 100, rtol 1e-6: Rodas5P, Kvaerno5

All on one device. Peers run at the tolerance at which their median error over a sample is that of ours at rtol 1e-6;
Lorenz is compared at t = 5, because nothing is left of the digits at t = 20. gradsolve is timed twice: as installed,
which is pure JAX, and, where its `warp` extra is installed, by its compiled kernel, which it has for problems that it
knows by name.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _common import table, timed
from _curves import error_at, read_at
from _peers import (
    GradsolveProblem,
    diffrax_end,
    gradsolve,
    gradsolve_end,
    gradsolve_gradient_parts,
    lorenz_rho,
    our_end,
    warp,
)
from _rows import arguments, folder, measure, print_ratios

import sciml_jax as sj
from sciml_jax import parallel

jax.config.update("jax_enable_x64", True)

RTOL = 1e-6
START = (1.0, 0.0, 0.0)
GRADSOLVE = {"gradsolve": ("lorenz by rho", "tsit5_replay")}
if warp is not None:
    GRADSOLVE["gradsolve, fused kernel"] = ("diffeqgpu_lorenz", "auto")


def lorenz_problem(rho, t1: float):
    return sj.ODEProblem(lorenz_rho, jnp.asarray(START), 0.0, t1, rho[None])


def van_der_pol(t, y, mu):
    return jnp.stack([y[1], mu * (1.0 - y[0] * y[0]) * y[1] - y[0]])


def vdp_problem(mu, t1: float):
    return sj.ODEProblem(van_der_pol, jnp.array([2.0, 0.0]), 0.0, t1, mu)


def matched(ends: dict, problem_of, members, t1: float, reference, quick: bool, more: dict | None = None) -> dict:
    """Name -> the tolerance at which the median error over the sample is that of "ours" at RTOL.

    `more`: name -> `fn(rtol) -> states` for peers that are no JAX functions.
    """
    rtols = 10.0 ** -np.arange(4.0, 8.75, 1.5 if quick else 0.5)
    runs = dict(more or {})
    for name, end in ends.items():
        program = jax.jit(jax.vmap(lambda m, rtol, end=end: end(problem_of(m, t1), rtol, rtol), (0, None)))
        runs[name] = lambda rtol, program=program: program(members, jnp.asarray(rtol))
    points = {}
    for name, run in runs.items():
        errors = [median_error(run(rtol), reference) for rtol in rtols]
        points[name] = [{"rtol": float(r), "error": e} for r, e in zip(rtols, errors, strict=True)]
    error = error_at(points["ours"], RTOL)
    found = {name: read_at(of, error, "rtol") or RTOL for name, of in points.items()}
    return {"error": error, "rtol": {**found, "ours": RTOL}}


def median_error(value, reference) -> float:
    """Median over members of the largest error relative to the largest component of all."""
    value, reference = np.asarray(value), np.asarray(reference)
    return float(np.median(np.max(np.abs(value - reference), axis=1)) / np.max(np.abs(reference)))


def match_lorenz(t1: float, quick: bool) -> dict:
    sample = jnp.linspace(0.0, 56.0, 8 if quick else 64)
    ends = {"ours": our_end(sj.Tsit5()), "Diffrax": diffrax_end(diffrax.Tsit5())}
    exact = diffrax_end(diffrax.Dopri8())
    reference = jax.jit(jax.vmap(lambda m: exact(lorenz_problem(m, t1), 1e-13, 1e-13)))(sample)
    more = {}
    for name, (problem_name, engine) in GRADSOLVE.items() if gradsolve is not None else ():
        more[name] = functools.partial(gradsolve_lorenz, problem_name, engine, np.asarray(sample), t1)
    return matched(ends, lorenz_problem, sample, t1, reference, quick, more)


def gradsolve_lorenz(name: str, engine: str, rho: np.ndarray, t1: float, rtol: float) -> np.ndarray:
    problem = GradsolveProblem(name, lorenz_rho, 3, t1)
    return gradsolve_end(problem, np.tile(START, (len(rho), 1)), rho[:, None], rtol, rtol, engine)


def lorenz_forward(quick: bool) -> dict:
    count, t1 = (200, 4.0) if quick else (10_000, 20.0)
    rho = jnp.linspace(0.0, 56.0, count)
    found = match_lorenz(5.0, quick)
    rtols = found["rtol"]

    def ours(member):
        return sj.solve(lorenz_problem(member, t1), sj.Tsit5(), rtol=RTOL, atol=RTOL, max_steps=16384)

    ends = {"ours vmap": our_end(sj.Tsit5()), "Diffrax vmap": diffrax_end(diffrax.Tsit5())}
    seconds, one = {}, [jax.devices()[0]]
    for name, end in ends.items():
        rtol = jnp.asarray(rtols["Diffrax" if name.startswith("Diffrax") else "ours"])
        run = jax.jit(jax.vmap(lambda m, rtol, end=end: end(lorenz_problem(m, t1), rtol, rtol), (0, None)))
        seconds[name] = timed(functools.partial(run, rho, rtol), rounds=2 if name.startswith("Diffrax") else 5)
    run = lambda: parallel.ensemble(ours, np.asarray(rho), devices=one)
    seconds["ours ensemble"] = timed(lambda: run().status, rounds=5)
    steps = int(np.sum(run().values.stats.num_steps))
    for name, (problem_name, engine) in GRADSOLVE.items() if gradsolve is not None else ():
        call = functools.partial(gradsolve_lorenz, problem_name, engine, np.asarray(rho), t1, rtols[name])
        seconds[name] = timed(call, rounds=3 if "fused" in name else 1)
    per_step = {name: s / steps * 1e9 for name, s in seconds.items()}
    ratios = against(seconds, ("ours ensemble", "ours vmap"))
    return {
        **found,
        "members": count,
        "our_steps": steps,
        "seconds": seconds,
        "ns_per_our_step": per_step,
        "ratios": ratios,
    }


def against(seconds: dict, ours: tuple) -> dict:
    """Every peer's time over each of ours."""
    peers = [name for name in seconds if not name.startswith("ours")]
    return {f"{mine} against {peer}": seconds[peer] / seconds[mine] for mine in ours for peer in peers}


def lorenz_gradient(quick: bool) -> dict:
    count, t1 = (200, 1.0) if quick else (10_000, 2.0)
    rho = jnp.linspace(0.0, 56.0, count)
    found = match_lorenz(t1, quick)
    rtols = found["rtol"]

    def loss(member, rtol):
        solution = sj.solve(lorenz_problem(member, t1), sj.Tsit5(), rtol=rtol, atol=rtol)
        return solution.y1.sum(), solution

    gradient = jax.grad(loss, has_aux=True)
    theirs = diffrax_end(diffrax.Tsit5(), max_steps=4096)
    programs = {
        "ours vmap": jax.vmap(lambda m, rtol: gradient(m, rtol)[0], (0, None)),
        "Diffrax vmap": jax.vmap(jax.grad(lambda m, rtol: theirs(lorenz_problem(m, t1), rtol, rtol).sum()), (0, None)),
    }
    seconds, values = {}, {}
    for name, program in programs.items():
        rtol = jnp.asarray(rtols["Diffrax" if name.startswith("Diffrax") else "ours"])
        run = functools.partial(jax.jit(program), rho, rtol)
        seconds[name], values[name] = timed(run, rounds=3), np.asarray(run())

    def member_gradient(member):
        value, solution = gradient(member, RTOL)
        # The solution goes along for its status and its steps, by which `ensemble` reports and sorts.
        return value, solution

    one = [jax.devices()[0]]
    run = lambda: parallel.ensemble(member_gradient, np.asarray(rho), devices=one)
    seconds["ours ensemble"] = timed(lambda: run().status, rounds=5)
    values["ours ensemble"] = run().values[0]
    for name, (problem_name, engine) in GRADSOLVE.items() if gradsolve is not None else ():
        problem = GradsolveProblem(problem_name, lorenz_rho, 3, t1)
        y0 = np.tile(START, (count, 1))
        parts = gradsolve_gradient_parts(problem, y0, np.asarray(rho)[:, None], rtols[name], rtols[name], engine)
        seconds[name] = timed(parts[0]) + timed(parts[1])
        values[name] = np.asarray(parts[1]())[:, 0]
    scale = np.max(np.abs(values["Diffrax vmap"]))
    spread = {n: float(np.median(np.abs(v - values["Diffrax vmap"])) / scale) for n, v in values.items()}
    ratios = against(seconds, ("ours ensemble", "ours vmap"))
    return {**found, "members": count, "seconds": seconds, "median_difference_to_diffrax": spread, "ratios": ratios}


def vdp_reference(mus: np.ndarray, t1: float) -> np.ndarray:
    from scipy.integrate import solve_ivp

    field = lambda t, y, mu: [y[1], mu * (1.0 - y[0] * y[0]) * y[1] - y[0]]
    run = lambda mu: solve_ivp(field, (0, t1), [2.0, 0.0], "LSODA", args=(mu,), rtol=1e-12, atol=1e-12).y[:, -1]
    return np.stack([run(mu) for mu in mus])


def van_der_pol_row(quick: bool) -> dict:
    count, t1, sampled = (40, 5.0, 6) if quick else (2_000, 100.0, 24)
    mus = jnp.asarray(np.geomspace(1.0, 300.0, count))
    sample = mus[:: count // sampled]
    ends = {"ours": our_end(sj.Rodas5P()), "Diffrax": diffrax_end(diffrax.Kvaerno5())}
    found = matched(ends, vdp_problem, sample, t1, vdp_reference(np.asarray(sample), t1), quick)
    rtol = found["rtol"]["Diffrax"]

    def ours(mu):
        return sj.solve(vdp_problem(mu, t1), sj.Rodas5P(), rtol=RTOL, atol=RTOL, max_steps=16384)

    seconds, one = {}, [jax.devices()[0]]
    run = lambda: parallel.ensemble(ours, np.asarray(mus), devices=one)
    seconds["ours ensemble"] = timed(lambda: run().status)
    outcome = run()
    vmapped = jax.jit(jax.vmap(lambda mu: ours(mu).y1))
    seconds["ours vmap"] = timed(lambda: vmapped(mus))
    theirs = jax.vmap(lambda mu, rtol: ends["Diffrax"](vdp_problem(mu, t1), rtol, rtol), (0, None))
    compiled = jax.jit(theirs).lower(mus, jnp.asarray(rtol)).compile()
    # Minutes: once, compiled before.
    seconds["Diffrax vmap"] = timed(lambda: compiled(mus, jnp.asarray(rtol)), rounds=1, warm=False)
    steps = outcome.values.stats.num_steps
    return {
        **found,
        "members": count,
        "failures": len(outcome.failures),
        "steps": {"largest": int(np.max(steps)), "mean": float(np.mean(steps))},
        "seconds": seconds,
        "ratios": against(seconds, ("ours ensemble", "ours vmap")),
    }


def main():
    rows = {
        "lorenz_forward": lorenz_forward,
        "lorenz_gradient": lorenz_gradient,
        "van_der_pol": van_der_pol_row,
    }
    args = arguments(__doc__, rows)
    kept = measure("ensembles", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        print(f"{row}: {figures['members']} members")
        table([(f"  {name}", f"{s:.4g} s", f"{s / figures['members'] * 1e6:.4g} us a member")
               for name, s in figures["seconds"].items()])  # fmt: skip
    print_ratios(kept)
    from _plots import bars

    panels = {
        f"{row} ({figures['members']})": {name: s / figures["members"] * 1e6 for name, s in figures["seconds"].items()}
        for row, figures in kept.items()
    }
    if panels:
        picture = folder(args.quick) / "ensembles.png"
        bars(picture, panels, "microseconds per member", "Ensembles on one CPU device, equal error, float64")


if __name__ == "__main__":
    main()
