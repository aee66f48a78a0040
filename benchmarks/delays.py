"""Mackey-Glass to t = 500: us against JiTCDDE (compiled) and ddeint, at equal achieved error; and 100 parameter sets.

`y' = 0.2 y(t - 17) / (1 + y(t - 17)^10) - 0.1 y` from y = 1.2. Each runs at the loosest tolerance (ddeint: number of
points) that reaches the error of our solve at rtol 1e-8; a peer that is not installed has no figure. Errors are those
of y(500), against `Vern7` at rtol 1e-12. The sets run at rtol 1e-5.
"""

import contextlib
import functools
import tempfile
import time

import jax
import jax.numpy as jnp
import numpy as np
from _common import compile_timed, timed
from _rows import arguments, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

try:
    import jitcdde
except ImportError:
    jitcdde = None
try:
    import ddeint
except ImportError:
    ddeint = None

ARGS = (0.2, 0.1, 17.0)
SETS = 100


def field(t, y, past, args):
    beta, gamma, tau = args
    late = past(t - tau)
    return beta * late / (1 + late**10) - gamma * y


def history(t):
    return jnp.asarray(1.2)


@functools.partial(jax.jit, static_argnums=(3, 4))
def ours(args, rtol, t1, method, max_steps):
    problem = sj.DDEProblem(field, history, 0.0, t1, args, lags=(args[2],))
    return sj.solve(problem, method, rtol=rtol, atol=1e-2 * rtol, max_steps=max_steps).y1


def theirs_jitcdde(t1):
    """`rtol -> (y, seconds)`; compiled once."""
    from symengine import Integer

    beta, gamma, tau = ARGS
    late = jitcdde.y(0, jitcdde.t - tau)
    system = jitcdde.jitcdde([beta * late / (1 + late ** Integer(10)) - gamma * jitcdde.y(0)], verbose=False)
    # It builds in the current directory, whose project it would take for its own.
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        system.compile_C(simplify=False)

    def solve(rtol):
        system.purge_past()
        system.constant_past([1.2], time=0.0)
        system.set_integration_parameters(rtol=rtol, atol=1e-2 * rtol, first_step=0.1)
        start = time.perf_counter()
        system.step_on_discontinuities()
        value = system.integrate(t1)[0]
        return value, time.perf_counter() - start

    return solve


def theirs_ddeint(t1):
    """`number of points -> (y, seconds)`."""
    beta, gamma, tau = ARGS

    def model(y, t):
        late = y(t - tau)
        return beta * late / (1 + late**10) - gamma * y(t)

    def solve(points):
        start = time.perf_counter()
        value = ddeint.ddeint(model, lambda t: 1.2, np.linspace(0.0, t1, int(points)))[-1]
        return float(np.ravel(value)[0]), time.perf_counter() - start

    return solve


def at_equal_error(solve, settings, reference, target):
    """The time of the first setting that is accurate enough, and its error; else of the last."""
    for setting in settings:
        value, seconds = solve(setting)
        error = abs(value - reference) / abs(reference)
        if error <= target:
            seconds = min([seconds, *(solve(setting)[1] for _ in range(4))])
            return {"setting": float(setting), "seconds": seconds, "error": error, "reached": True}
    return {"setting": float(setting), "seconds": seconds, "error": error, "reached": False}


def mackey_glass(quick):
    t1 = 50.0 if quick else 500.0
    reference = float(ours(ARGS, 1e-12, t1, sj.Vern7(), 16384))
    _, compiling = compile_timed(lambda args: ours(args, 1e-8, t1, sj.Tsit5(), 8192), ARGS)
    call = lambda: ours(ARGS, 1e-8, t1, sj.Tsit5(), 8192)
    figures = {"ours": {"setting": 1e-8, "seconds": timed(call, 41), "compile_seconds": compiling}}
    target = abs(float(call()) - reference) / abs(reference)
    figures["ours"]["error"] = target
    ratios = {}
    if jitcdde is not None:
        rtols = 10.0 ** -np.arange(4.0, 13.0, 0.5)
        figures["jitcdde"] = at_equal_error(theirs_jitcdde(t1), rtols, reference, target)
    if ddeint is not None:
        points = (t1 * np.array([4, 16])).astype(int)
        figures["ddeint"] = at_equal_error(theirs_ddeint(t1), points, reference, target)
    for peer in set(figures) - {"ours"}:
        ratios[f"{peer} over ours, one solve"] = figures[peer]["seconds"] / figures["ours"]["seconds"]
    return {**figures, "ratios": ratios}


def parameter_sets(quick):
    t1, sets = (50.0, 8) if quick else (500.0, SETS)
    shifts = jnp.linspace(0.9, 1.1, sets)
    many = (ARGS[0] * shifts, jnp.full(sets, ARGS[1]), ARGS[2] * shifts[::-1])
    solve = lambda args: ours(args, 1e-5, t1, sj.Tsit5(), 4096)
    batch, single = jax.jit(jax.vmap(solve)), jax.jit(solve)
    lanes = [jax.tree_util.tree_map(lambda leaf, i=i: leaf[i], many) for i in range(sets)]
    together = timed(lambda: batch(many), 9)
    one_by_one = timed(lambda: [single(args) for args in lanes], 3)
    largest = float(jnp.max(jnp.abs(batch(many) - jnp.stack([single(args) for args in lanes]))))
    return {
        "sets": sets,
        "together_seconds": together,
        "one_by_one_seconds": one_by_one,
        "largest_difference": largest,
        "ratios": {"one by one over together": one_by_one / together},
    }


ROWS = {"mackey_glass": mackey_glass, "parameter_sets": parameter_sets}

if __name__ == "__main__":
    print_ratios(measure("delays", ROWS, arguments(__doc__, ROWS)))
