"""Reverse gradient of one small non-stiff solve: us against Diffrax's default adjoint, and gradsolve.

The problems of `work_precision.py`; the sum of the final state differentiated by 4 (Lotka-Volterra), 6 (Lorenz) and 21
(Pleiades) parameters. Tolerances are matched so that every method's final state has the error that our Tsit5 typically
reaches at rtol 1e-6 and at rtol 1e-10; the error of the gradients is reported beside. gradsolve's time includes
recording the steps, which a gradient at new parameters needs, and leaves out the compilation of each new replay.
"""

import functools

import diffrax
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from _common import interleaved, table
from _curves import error_at, read_at
from _peers import GradsolveProblem, diffrax_end, gradsolve, gradsolve_gradient_parts, our_end, our_methods
from _problems import Small, problems
from _rows import arguments, folder, measure, print_ratios
from work_precision import error_of

jax.config.update("jax_enable_x64", True)

OURS = ("Tsit5", "Dopri8", "Vern7", "Vern9")
TARGETS = (1e-6, 1e-10)


def ends() -> dict:
    """Name -> `fn(problem, rtol, atol) -> y1`."""
    theirs = {"Diffrax Tsit5": diffrax_end(diffrax.Tsit5()), "Diffrax Dopri8": diffrax_end(diffrax.Dopri8())}
    return {**{name: our_end(method) for name, method in our_methods(*OURS).items()}, **theirs}


def parameters_of(small: Small):
    known = small.zoo.problem
    return small.parameters(known.y0, known.args)


def programs(small: Small) -> tuple[dict, dict]:
    """Name -> compiled `fn(parameters, rtol)` for the final state, and for the gradient of its sum."""
    forward, gradient = {}, {}
    for name, end in ends().items():
        solve = lambda p, rtol, end=end: end(small.problem(p), rtol, rtol)
        forward[name] = jax.jit(solve)
        gradient[name] = jax.jit(jax.grad(lambda p, rtol, solve=solve: jnp.sum(solve(p, rtol))))
    return forward, gradient


def gradsolve_seconds(small: Small, rtol: float, reference, rounds: int) -> tuple[float, float]:
    """Seconds of one gradient through its front door (record, then differentiate the replay), and its error."""
    known = small.zoo.problem
    problem = GradsolveProblem("ours", known.vector_field, known.y0.shape[0], float(known.t1))
    y0, args = np.asarray(known.y0)[None], np.asarray(known.args)[None]
    record, replay, _ = gradsolve_gradient_parts(problem, y0, args, rtol, rtol, "tsit5_replay")
    seconds = interleaved({"record": record, "replay": replay}, rounds=rounds)
    return sum(seconds.values()), difference(replay()[0], reference)


def difference(value, reference) -> float:
    """Largest difference relative to the largest entry of the reference gradient, over flattened parameters."""
    value, reference = (np.asarray(jax.flatten_util.ravel_pytree(x)[0]) for x in (value, reference))
    return float(np.max(np.abs(value - reference)) / np.max(np.abs(reference)))


def matched_rtols(small: Small, forward: dict, quick: bool) -> dict[str, dict]:
    """Target -> {"error", "rtol": name -> the tolerance at which it typically has that error}."""
    p = parameters_of(small)
    points: dict[str, list] = {}
    for name, program in forward.items():
        rtols = 10.0 ** -np.arange(4.0, 12.75, 1.0 if quick else 0.25)
        errors = [error_of(small, program(p, jnp.asarray(rtol))) for rtol in rtols]
        points[name] = [{"rtol": float(r), "error": e} for r, e in zip(rtols, errors, strict=True)]
    found = {}
    for target in TARGETS:
        error = error_at(points["ours Tsit5"], target)
        rtols = {name: read_at(of, error, "rtol") for name, of in points.items()}
        found[f"{target:.0e}"] = {"error": error, "rtol": {name: r for name, r in rtols.items() if r is not None}}
    return found


def figures_of(row: str, quick: bool) -> dict:
    small = problems()[row]
    forward, gradient = programs(small)
    p = parameters_of(small)
    tightest = "ours Vern9" if "ours Vern9" in gradient else "Diffrax Dopri8"
    reference = gradient[tightest](p, jnp.asarray(1e-13))
    figures: dict = {"parameters": int(jax.flatten_util.ravel_pytree(p)[0].size), "at": {}, "ratios": {}}
    for target, matched in matched_rtols(small, forward, quick).items():
        calls = {name: functools.partial(gradient[name], p, jnp.asarray(r)) for name, r in matched["rtol"].items()}
        seconds = interleaved(calls, rounds=3 if quick else 41)
        errors = {name: difference(call(), reference) for name, call in calls.items()}
        # Its y0 is fixed and its parameters are one vector per member: what depends on args alone can be stated.
        if gradsolve is not None and row == "lotka_volterra":
            # The same method and error norm as ours, so the same tolerance.
            found = gradsolve_seconds(small, matched["rtol"]["ours Tsit5"], reference, 1 if quick else 11)
            seconds["gradsolve"], errors["gradsolve"] = found
        figures["at"][target] = {**matched, "seconds": seconds, "gradient_error": errors}
        figures["ratios"] |= ratios_of(target, seconds)
    return figures


def ratios_of(target: str, seconds: dict) -> dict:
    best = lambda prefix: min(s for name, s in seconds.items() if name.startswith(prefix))
    found = {
        f"Tsit5 against Diffrax Tsit5, rtol {target}": seconds["Diffrax Tsit5"] / seconds["ours Tsit5"],
        f"best against Diffrax's best, rtol {target}": best("Diffrax") / best("ours"),
    }
    if "gradsolve" in seconds:
        found[f"best against gradsolve, rtol {target}"] = seconds["gradsolve"] / best("ours")
    return found


def main():
    rows = {name: functools.partial(figures_of, name) for name in ("lorenz", "lotka_volterra", "pleiades")}
    args = arguments(__doc__, rows)
    kept = measure("gradients", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        for target, found in figures["at"].items():
            print(f"{row}: {figures['parameters']} parameters, forward error {found['error']:.1e} (rtol {target})")
            lines = [(n, f"{s * 1e6:.1f} us", f"{found['gradient_error'][n]:.1e}") for n, s in found["seconds"].items()]
            table([("  method", "seconds", "error of the gradient"), *lines])
    print_ratios(kept)
    from _plots import bars

    panels = {
        f"{row}, rtol {target}": {name: s * 1e6 for name, s in found["seconds"].items()}
        for row, figures in kept.items()
        for target, found in figures["at"].items()
    }
    picture = folder(args.quick) / "gradients.png"
    bars(picture, panels, "microseconds", "Reverse gradient of one solve, equal error of the final state, float64")


if __name__ == "__main__":
    main()
