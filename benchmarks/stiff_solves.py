"""One stiff solve to its end: us against Diffrax Kvaerno5, LSODA (numbalsoda) and CVODE, at equal achieved error.

Robertson to 1e5, HIRES, Oregonator, van der Pol with mu = 1000, pollution, from the zoo with its reference values.
Every method runs at half-decade tolerances, all in turn in every round; ratios are read off the curves at the error
that our Rodas5P typically reaches at rtol 1e-4, 1e-6 and 1e-8 (see _curves.py). An error is the largest `|e| /
(|reference| + atol/rtol)` of a component. Right-hand sides of LSODA and CVODE are compiled by numba, and no Python
runs inside their solves; their Jacobians are difference quotients. "best" is a peer against our best method there.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _common import compile_timed, interleaved, table
from _curves import error_at, read_at
from _peers import diffrax_end, our_end, our_methods
from _rows import arguments, folder, load, measure, print_ratios
from _stiff_problems import compiled_runs, problems

jax.config.update("jax_enable_x64", True)

OURS = ("Rodas5P", "BDF", "Rodas4", "Rosenbrock23", "RadauIIA5", "TRBDF2", "KenCarp4")
TARGETS = (1e-4, 1e-6, 1e-8)


def programs_of(stiff, quick: bool) -> tuple[dict, dict]:
    """Name -> `fn(rtol) -> zero-argument call` of the JAX methods, and the seconds that each took to compile."""
    names = OURS[:2] if quick else OURS
    ends = {name: our_end(method) for name, method in our_methods(*names).items()}
    ends["Diffrax Kvaerno5"] = diffrax_end(diffrax.Kvaerno5())
    parameters, calls, seconds = stiff.zoo.problem.args, {}, {}
    for name, end in ends.items():
        # The parameters are operands: constants would let XLA fold part of the work away.
        solve = lambda p, rtol, end=end: end(stiff.problem(p), rtol, rtol * stiff.floor)
        program, seconds[name] = compile_timed(solve, parameters, jnp.asarray(1e-6))
        calls[name] = lambda rtol, program=program: functools.partial(program, parameters, jnp.asarray(rtol))
    return calls, seconds


def error_of(stiff, call) -> float:
    """The error of a solve; NaN, and left out, where it gives up, as CVODE does at some tolerances."""
    try:
        return float(stiff.error(call()))
    except RuntimeError as failure:
        print(f"left out: {failure}", flush=True)
        return float("nan")


def figures_of(name: str, quick: bool) -> dict:
    stiff = problems()[name]
    calls_at, compile_seconds = programs_of(stiff, quick)
    for peer, run in compiled_runs(stiff).items():
        calls_at[peer] = lambda rtol, run=run: functools.partial(run, rtol)
    points: dict[str, list] = {method: [] for method in calls_at}
    for rtol in 10.0 ** -np.arange(3.0, 10.75, 1.5 if quick else 0.5):
        calls = {method: of(rtol) for method, of in calls_at.items()}
        errors = {method: error_of(stiff, call) for method, call in calls.items()}
        calls = {method: call for method, call in calls.items() if np.isfinite(errors[method])}
        slow = {method: call for method, call in calls.items() if method.startswith("Diffrax")}
        fast = {method: call for method, call in calls.items() if method not in slow}
        seconds = interleaved(fast, rounds=3 if quick else 41) | interleaved(slow, rounds=1 if quick else 3)
        for method in calls:
            points[method].append({"rtol": float(rtol), "error": errors[method], "seconds": seconds[method]})
    compared_ = compared(points)
    fastest = compared_["at"]["1e-06"]["fastest"]
    compared_["ratios"]["ten seconds over the compile time of our best"] = 10.0 / compile_seconds[fastest]
    return {"compile_seconds": compile_seconds, "curves": points, **compared_}


def compared(points: dict) -> dict:
    """Seconds of every method at the target errors, and the ratios of the table of aims."""
    at, ratios = {}, {}
    for rtol in TARGETS:
        error = error_at(points["ours Rodas5P"], rtol)
        seconds = {method: read_at(found, error, "seconds") for method, found in points.items()}
        ours = {method: s for method, s in seconds.items() if method.startswith("ours") and s is not None}
        fastest = min(ours, key=lambda method: ours[method])
        at[f"{rtol:.0e}"] = {"error": error, "seconds": seconds, "fastest": fastest}
        for peer, theirs in seconds.items():
            if not peer.startswith("ours"):
                ratios[f"best against {peer}, rtol {rtol:.0e}"] = None if theirs is None else theirs / ours[fastest]
    return {"at": at, "ratios": ratios}


def main():
    rows = {name: functools.partial(figures_of, name) for name in problems()}
    args = arguments(__doc__, rows)
    kept = measure("stiff_solves", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        print(f"{row}: seconds to compile " + ", ".join(f"{m} {s:.1f}" for m, s in figures["compile_seconds"].items()))
        for rtol, found in figures["at"].items():
            print(f"{row}, error {found['error']:.1e} (our Rodas5P at rtol {rtol}); our best: {found['fastest']}")
            table([(f"  {m}", "-" if s is None else f"{s * 1e6:.1f} us") for m, s in found["seconds"].items()])
    print_ratios(kept)
    from _plots import curves

    picture = folder(args.quick) / "stiff_solves.png"
    panels = {row: figures["curves"] for row, figures in kept.items()}
    processor = next(iter(load("stiff_solves", args.quick).values()))["machine"]["processor"]
    curves(picture, panels, f"One stiff solve, float64, {processor}")


if __name__ == "__main__":
    main()
