"""One small non-stiff solve to its end: seconds against achieved error for us, Diffrax, SciPy, numbalsoda.

Lorenz to t = 10, Lotka-Volterra to t = 10, Pleiades to t = 3, from the zoo with its reference values. Every method runs
at half-decade tolerances (atol = rtol), all methods in turn in every round. Ratios are read off the curves at the error
that our Tsit5 typically reaches at rtol 1e-6 and at rtol 1e-10 (see _curves.py), so a method is compared at equal
achieved error, whatever tolerance that takes.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from _common import interleaved, table
from _curves import error_at, read_at
from _peers import diffrax_end, our_end, our_methods
from _problems import compiled_runs, problems, scipy_runs
from _rows import arguments, folder, load, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

OURS = ("Tsit5", "Dopri8", "Vern7", "Vern9")
TARGETS = (1e-6, 1e-10)


def runs_of(small) -> dict:
    """Name -> `fn(rtol) -> zero-argument call`, tolerances already converted to what the method takes."""
    y0, args = small.zoo.problem.y0, small.zoo.problem.args
    ends = {name: our_end(method) for name, method in our_methods(*OURS).items()}
    ends |= {"Diffrax Tsit5": diffrax_end(diffrax.Tsit5()), "Diffrax Dopri8": diffrax_end(diffrax.Dopri8())}

    def of_jax(end):
        # The parameters are operands: constants would let XLA fold part of the work away.
        program = jax.jit(lambda y0, args, rtol: end(with_values(small, y0, args), rtol, rtol))
        return lambda rtol: functools.partial(program, y0, args, jnp.asarray(rtol))

    def of_python(run):
        return lambda rtol: functools.partial(run, rtol, rtol)

    return {
        **{name: of_jax(end) for name, end in ends.items()},
        **{name: of_python(run) for name, run in (compiled_runs(small) | scipy_runs(small)).items()},
    }


def with_values(small, y0, args):
    known = small.zoo.problem
    return sj.ODEProblem(known.vector_field, y0, known.t0, known.t1, args)


def error_of(small, value) -> float:
    """Largest error of a component against the largest component: small components do not dominate."""
    return float(np.max(np.abs(np.asarray(value) - small.reference)) / np.max(np.abs(small.reference)))


def curves_of(name: str, quick: bool) -> dict:
    small = problems()[name]
    runs = runs_of(small)
    rtols = 10.0 ** -np.arange(3.0, 13.25, 0.5 if not quick else 1.5)
    points: dict[str, list] = {method: [] for method in runs}
    for rtol in rtols:
        calls = {method: run(rtol) for method, run in runs.items()}
        errors = {method: error_of(small, call()) for method, call in calls.items()}
        slow = {method: call for method, call in calls.items() if method.startswith("SciPy")}
        fast = {method: call for method, call in calls.items() if method not in slow}
        seconds = interleaved(fast, rounds=5 if quick else 61) | interleaved(slow, rounds=1 if quick else 3)
        for method in runs:
            points[method].append({"rtol": float(rtol), "error": errors[method], "seconds": seconds[method]})
    return {"empty_call_seconds": empty_call(small, quick), "curves": points, **compared(points)}


def empty_call(small, quick: bool) -> float:
    """Seconds of a compiled function that does nothing with the same operands: the floor of a call through JAX."""
    known = small.zoo.problem
    program, rtol = jax.jit(lambda y0, args, rtol: y0), jnp.asarray(1e-6)
    return interleaved({"empty": lambda: program(known.y0, known.args, rtol)}, rounds=5 if quick else 201)["empty"]


def compared(points: dict) -> dict:
    """Seconds of every method at the target errors, and the ratios of the table of aims."""
    at, ratios = {}, {}
    for rtol in TARGETS:
        error = error_at(points["ours Tsit5"], rtol)
        seconds = {method: read_at(found, error, "seconds") for method, found in points.items()}
        at[f"{rtol:.0e}"] = {"error": error, "seconds": seconds}
        best = lambda prefix, seconds=seconds: min(
            (s for method, s in seconds.items() if s is not None and method.startswith(prefix)), default=None
        )
        pairs = {
            "Tsit5 against Diffrax Tsit5": (seconds["Diffrax Tsit5"], seconds["ours Tsit5"]),
            "best against Diffrax's best": (best("Diffrax"), best("ours")),
            "best against numbalsoda's best": (best("numbalsoda"), best("ours")),
            "best against SciPy's best": (best("SciPy"), best("ours")),
        }
        if "ours Vern9" in seconds:
            pairs["Vern9 against Diffrax's best"] = (best("Diffrax"), seconds["ours Vern9"])
            pairs["Vern9 against Diffrax Tsit5"] = (seconds["Diffrax Tsit5"], seconds["ours Vern9"])
        for what, (theirs, ours) in pairs.items():
            ratios[f"{what}, rtol {rtol:.0e}"] = None if theirs is None or ours is None else theirs / ours
    return {"at": at, "ratios": ratios}


def main():
    rows = {name: functools.partial(curves_of, name) for name in ("lorenz", "lotka_volterra", "pleiades")}
    args = arguments(__doc__, rows)
    kept = measure("work_precision", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        print(f"{row}: an empty JAX call takes {figures['empty_call_seconds'] * 1e6:.1f} us")
        for rtol, found in figures["at"].items():
            print(f"{row}, error {found['error']:.1e} (our Tsit5 at rtol {rtol})")
            table([(f"  {m}", "-" if s is None else f"{s * 1e6:.1f} us") for m, s in found["seconds"].items()])
    print_ratios(kept)
    from _plots import curves

    picture = folder(args.quick) / "work_precision.png"
    panels = {row: figures["curves"] for row, figures in kept.items()}
    processor = next(iter(load("work_precision", args.quick).values()))["machine"]["processor"]
    curves(picture, panels, f"One solve, float64, {processor}")


if __name__ == "__main__":
    main()
