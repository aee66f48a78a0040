"""Seconds to trace, lower and compile a solve, its reverse gradient and the vmapped gradient: us against Diffrax.

Tsit5 with 101 saved times at rtol 1e-6, the gradient of the sum of what is saved; the vmapped gradient is over 64 sets
of parameters. The shortest of several, since other work on the machine only adds; nothing is taken from a cache.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
from _common import compile_timed, table
from _problems import problems
from _rows import arguments, folder, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

RTOL = 1e-6


def ours(problem, ts):
    return sj.solve(problem, sj.Tsit5(), saveat=ts, rtol=RTOL, atol=RTOL).ys


def theirs(problem, ts):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(problem.vector_field), diffrax.Tsit5(), problem.t0, problem.t1, None, problem.y0, problem.args,
        saveat=diffrax.SaveAt(ts=ts), stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=RTOL), throw=False,
    ).ys  # fmt: skip


def figures_of(row: str, quick: bool) -> dict:
    known = problems()[row].zoo.problem
    ts = jnp.linspace(known.t0, known.t1, 101)
    lanes = jnp.broadcast_to(known.args, (64, *known.args.shape))
    seconds = {}
    for name, solve in {"ours": ours, "Diffrax": theirs}.items():
        run = lambda p, solve=solve: solve(sj.ODEProblem(known.vector_field, known.y0, known.t0, known.t1, p), ts)
        gradient = jax.grad(lambda p, run=run: run(p).sum())
        work = {"solve": (run, known.args), "gradient": (gradient, known.args)}
        work["vmapped gradient"] = (jax.vmap(gradient), lanes)
        for what, (fn, p) in work.items():
            seconds[f"{name} {what}"] = min(compile_timed(fn, p)[1] for _ in range(1 if quick else 4))
    whats = ("solve", "gradient", "vmapped gradient")
    ratios = {f"compile {what}": seconds[f"Diffrax {what}"] / seconds[f"ours {what}"] for what in whats}
    return {"seconds": seconds, "ratios": ratios}


def main():
    rows = {name: functools.partial(figures_of, name) for name in ("lorenz", "lotka_volterra", "pleiades")}
    args = arguments(__doc__, rows)
    kept = measure("compile_times", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        table([(row, name, f"{s:.2f} s") for name, s in figures["seconds"].items()])
    print_ratios(kept)
    from _plots import bars

    panels = {row: figures["seconds"] for row, figures in kept.items()}
    picture = folder(args.quick) / "compile_times.png"
    bars(picture, panels, "seconds to compile", "Compile times, Tsit5, 101 saved times")


if __name__ == "__main__":
    main()
