"""A bouncing ball of ten impacts, and its gradient: what events cost beside as many plain steps, and beside Diffrax.

Free fall from 50 m, restitution 0.9, without and with air drag (nonlinear, so that steps are limited by accuracy); rtol
and atol 1e-8, float64, Tsit5. The plain steps are the same equation without events, its step bounded so that it takes
as many as the solve with events attempts (retaken steps included). Diffrax stops at an event and cannot go on: its ball
is a `scan` of solves from impact to impact, with Newton's method for the root. The gradient is that of the position at
the end by (height, gravity, restitution, drag). Times are of compiled calls.
"""

import functools

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import optimistix
from _common import interleaved, table
from _rows import arguments, folder, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

IMPACTS = 10
RTOL = 1e-8
DRAGS = {"free fall": 0.0, "air drag": 0.02}
HEIGHT, GRAVITY, RESTITUTION = 50.0, 9.8, 0.9


def fall(t, y, args):
    """(height, speed) with quadratic drag."""
    return jnp.stack([y[1], -args[1] - args[3] * y[1] * jnp.abs(y[1])])


def reflect(t, y, args):
    """A bounce."""
    return jnp.stack([jnp.zeros_like(y[0]), -args[2] * y[1]])


BOUNCE = sj.Event(lambda t, y, args: y[0], reflect, direction=-1, max_triggers=16)


def ours(args, t1):
    """The ball up to t1: the solution."""
    problem = sj.ODEProblem(fall, jnp.stack([args[0], 0.0 * args[0]]), 0.0, t1, args)
    return sj.solve(problem, sj.Tsit5(), events=[BOUNCE], rtol=RTOL, atol=RTOL, max_steps=256)


def plain(args, t1, dtmax):
    """The same equation without a floor."""
    problem = sj.ODEProblem(fall, jnp.stack([args[0], 0.0 * args[0]]), 0.0, t1, args)
    return sj.solve(problem, sj.Tsit5(), rtol=RTOL, atol=RTOL, max_steps=256, controller=sj.PIDController(dtmax=dtmax))


def by_restarts(args, t1):
    """Diffrax: from impact to impact, the state at t1."""
    event = diffrax.Event(
        lambda t, y, args, **kwargs: y[0], optimistix.Newton(1e-10, 1e-10, optimistix.rms_norm), direction=False
    )
    term, solver = diffrax.ODETerm(fall), diffrax.Tsit5()
    control = diffrax.PIDController(rtol=RTOL, atol=RTOL)

    def arc(place, _):
        t, y = place
        sol = diffrax.diffeqsolve(
            term, solver, t, t1, None, y, args, stepsize_controller=control, max_steps=64, event=event
        )
        t, y = sol.ts[-1], sol.ys[-1]
        return (t, jnp.where(t < t1, reflect(t, y, args), y)), None

    start = jnp.zeros(()), jnp.stack([args[0], 0.0 * args[0]])
    # One arc more than impacts; where t1 is reached the others have no length.
    (_, y), _ = jax.lax.scan(arc, start, None, length=IMPACTS + 1)
    return y


def end_between_impacts(args) -> float:
    """A time half-way between the last impact and the next."""
    problem = sj.ODEProblem(fall, jnp.stack([args[0], 0.0 * args[0]]), 0.0, 100.0, args)
    stop = sj.Event(lambda t, y, args: y[0], reflect, direction=-1, max_triggers=IMPACTS)
    sol = sj.solve(problem, sj.Tsit5(), events=[stop], rtol=RTOL, atol=RTOL, on_failure="status")
    ts = np.asarray(sol.events[0].ts)
    return float(ts[-1] + 0.4 * (ts[-1] - ts[-2]))


def figures_of(name: str, quick: bool) -> dict:
    args = jnp.array([HEIGHT, GRAVITY, RESTITUTION, DRAGS[name]])
    t1 = end_between_impacts(args)
    sol = ours(args, t1)
    steps = int(sol.stats.num_steps)
    dtmax = t1 / (steps - 4)
    programs = {
        "events": lambda args: ours(args, t1).y1[0],
        "plain steps": lambda args: plain(args, t1, dtmax).y1[0],
        "Diffrax restarts": lambda args: by_restarts(args, t1)[0],
    }
    forward = {key: functools.partial(jax.jit(program), args) for key, program in programs.items()}
    gradient = {key: functools.partial(jax.jit(jax.grad(program)), args) for key, program in programs.items()}
    rounds = 3 if quick else 41
    seconds = {"value": interleaved(forward, rounds=rounds), "gradient": interleaved(gradient, rounds=rounds)}
    ratios = {}
    for what, found in seconds.items():
        ratios[f"{what}: as many plain steps against events (aim: above 0.33)"] = found["plain steps"] / found["events"]
        ratios[f"{what}: Diffrax restarts against events"] = found["Diffrax restarts"] / found["events"]
    ours_, theirs = gradient["events"](), gradient["Diffrax restarts"]()
    return {
        "impacts": int(sol.events[0].count),
        "steps": steps,
        "plain steps": int(plain(args, t1, dtmax).stats.num_steps),
        "difference of the values": float(abs(forward["events"]() - forward["Diffrax restarts"]())),
        "difference of the gradients": float(jnp.max(jnp.abs(ours_ - theirs) / jnp.abs(ours_))),
        "seconds": seconds,
        "ratios": ratios,
    }


def main():
    rows = {name.replace(" ", "_"): functools.partial(figures_of, name) for name in DRAGS}
    args = arguments(__doc__, rows)
    kept = measure("events", rows, args)
    if not kept:
        return
    for row, figures in kept.items():
        print(f"{row}: {figures['impacts']} impacts, {figures['steps']} steps, {figures['plain steps']} plain steps")
        for what, found in figures["seconds"].items():
            table([(f"  {what}", "microseconds"), *((f"  {name}", f"{s * 1e6:.1f}") for name, s in found.items())])
    print_ratios(kept)
    from _plots import bars

    panels = {
        f"{row.replace('_', ' ')}, {what}": {name: s * 1e6 for name, s in found.items()}
        for row, figures in kept.items()
        for what, found in figures["seconds"].items()
    }
    bars(folder(args.quick) / "events.png", panels, "microseconds", "A ball of ten impacts, Tsit5, rtol 1e-8, float64")


if __name__ == "__main__":
    main()
