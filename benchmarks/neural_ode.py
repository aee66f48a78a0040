"""Gradient of a neural ODE: us against Diffrax's default adjoint and torchdiffeq, with the share of the peak reached.

dy/dt = MLP(y) with two hidden layers of 64 (tanh), y in R^2, a batch of 256, 30 saved times on [0, 3], float32, the
gradient of the mean squared distance to a target by the 4,482 weights. Two ways to batch: `vmap` over solves (every
member steps by itself) and one solve whose state is the batch (one step size for all, the only way of torchdiffeq).
All have the same weights and data, and the tolerance at which the saved states have the error of ours at rtol 1e-4.

torchdiffeq runs in a Python of its own: give it by `--torch-python` or the variable TORCH_PYTHON; without one it is
left out.
"""

import functools
import json
import math
import os
import subprocess
import tempfile
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from _common import interleaved, table
from _curves import error_at, read_at
from _peak import matmul_peak
from _rows import arguments, folder, measure, print_ratios

import sciml_jax as sj

jax.config.update("jax_enable_x64", True)

RTOL, ATOL_OVER_RTOL, WIDTH, DIM, END = 1e-4, 1e-2, 64, 2, 3.0


def setup(quick: bool) -> dict:
    """The network, initial states, times and target; weights scaled so that trajectories turn a few times."""
    batch, times = (16, 5) if quick else (256, 30)
    net = eqx.nn.MLP(DIM, DIM, WIDTH, 2, activation=jnp.tanh, dtype=jnp.float32, key=jax.random.key(0))
    net = eqx.tree_at(lambda n: [layer.weight for layer in n.layers], net, [2.5 * x.weight for x in net.layers])
    y0 = jax.random.normal(jax.random.key(1), (batch, DIM), jnp.float32)
    ts = jnp.linspace(0.0, END, times + 1, dtype=jnp.float32)[1:]
    target = jax.random.normal(jax.random.key(2), (times, batch, DIM), jnp.float32)
    return {"net": net, "y0": y0, "ts": ts, "target": target}


def field_one(t, y, net):
    return net(y)


def field_batch(t, y, net):
    return jax.vmap(net)(y)


def our_states(field, net, y0, ts, rtol):
    problem = sj.ODEProblem(field, y0, 0.0, END, net)
    # A bound that the loosest and the tightest tolerance here stay under; the record is that long.
    solution = sj.solve(problem, sj.Tsit5(), saveat=ts, rtol=rtol, atol=rtol * ATOL_OVER_RTOL, max_steps=1024)
    return solution.ys, solution.stats.num_vector_field, solution.stats.num_accepted


def diffrax_states(field, net, y0, ts, rtol):
    controller = diffrax.PIDController(rtol=rtol, atol=rtol * ATOL_OVER_RTOL)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(field), diffrax.Tsit5(), 0.0, END, None, y0, net, saveat=diffrax.SaveAt(ts=ts),
        stepsize_controller=controller, max_steps=1024, throw=False,
    )  # fmt: skip
    return solution.ys, 6 * solution.stats["num_steps"] + 2, solution.stats["num_accepted_steps"]


def solves() -> dict:
    """Name -> `fn(net, y0, ts, rtol) -> (states (T, batch, DIM), evaluations, accepted steps)`."""

    def per_member(states):
        return lambda net, y0, ts, rtol: jax.vmap(
            lambda start: states(field_one, net, start, ts, rtol), out_axes=(1, 0, 0)
        )(y0)

    def as_one(states):
        return lambda net, y0, ts, rtol: states(field_batch, net, y0, ts, rtol)

    return {
        "ours vmap": per_member(our_states),
        "ours one state": as_one(our_states),
        "Diffrax vmap": per_member(diffrax_states),
        "Diffrax one state": as_one(diffrax_states),
    }


def relative(value, reference) -> float:
    value, reference = np.asarray(value, np.float64), np.asarray(reference, np.float64)
    return float(np.sqrt(np.mean((value - reference) ** 2)) / np.sqrt(np.mean(reference**2)))


def reference_states(data) -> np.ndarray:
    """The states in float64 at tight tolerances."""
    net, y0, ts = jax.tree_util.tree_map(
        lambda x: x.astype(jnp.float64) if eqx.is_array(x) else x, (data["net"], data["y0"], data["ts"])
    )
    return np.asarray(jax.jit(lambda y0, ts: solves()["Diffrax one state"](net, y0, ts, 1e-11)[0])(y0, ts))


def gradient_row(quick: bool, torch_python: str | None) -> dict:
    data = setup(quick)
    arrays, static = eqx.partition(data["net"], eqx.is_array)
    reference = reference_states(data)
    forward, gradient = {}, {}
    for name, solve in solves().items():
        states = lambda w, rtol, solve=solve: solve(eqx.combine(w, static), data["y0"], data["ts"], rtol)
        loss = lambda w, rtol, states=states: jnp.mean((states(w, rtol)[0] - data["target"]) ** 2)
        forward[name], gradient[name] = jax.jit(states), jax.jit(jax.grad(loss))
    rtols = 10.0 ** -np.arange(2.0, 6.0, 0.5)
    points = {}
    for name, run in forward.items():
        errors = [relative(run(arrays, jnp.float32(rtol))[0], reference) for rtol in rtols]
        points[name] = [{"rtol": float(r), "error": e} for r, e in zip(rtols, errors, strict=True)]
    error = error_at(points["ours vmap"], RTOL)
    matched = {name: read_at(of, error, "rtol") or RTOL for name, of in points.items()}
    calls = {name: functools.partial(gradient[name], arrays, jnp.float32(matched[name])) for name in gradient}
    seconds: dict[str, float | None] = {**interleaved(calls, rounds=3 if quick else 21)}
    work = {name: operations(forward[name](arrays, jnp.float32(matched[name])), data) for name in forward}
    peak = matmul_peak(jnp.float32, len(data["y0"]), WIDTH, WIDTH, quick)
    figures = {
        "error": error,
        "rtol": matched,
        "seconds": seconds,
        "operations": work,
        "peak_operations_per_second": peak,
        "share_of_peak": {name: work[name] / s / peak["large"] for name, s in seconds.items() if s},
        "share_of_peak_at_this_size": {name: work[name] / s / peak["this size"] for name, s in seconds.items() if s},
    }
    if torch_python:
        found = torch_figures(torch_python, data, reference, quick)
        figures["torchdiffeq"] = found
        rtol = read_at(found["rows"], error, "rtol") or RTOL
        for kind in ("direct", "adjoint"):
            seconds[f"torchdiffeq {kind}"] = read_at(
                [{**row, "seconds": row[kind]} for row in found["rows"]], error, "seconds"
            )
        matched["torchdiffeq"] = rtol
    figures["ratios"] = ratios_of(seconds)
    return figures


def operations(solved, data) -> float:
    """Floating-point operations of one gradient that cannot be avoided: products and sums of the matrix products.

    Every evaluation of the forward pass once, and for the 6 stages of each accepted step the two products of the
    backward pass (by the input and by the weights); recomputation, tanh and the solver's own sums are overhead.
    """
    _, evaluations, accepted = solved
    batch = len(data["y0"])
    of_one = 2 * sum(layer.weight.size for layer in data["net"].layers)
    members = batch if np.ndim(evaluations) == 0 else 1
    return float(members * of_one * (np.sum(evaluations) + 2 * 6 * np.sum(accepted)))


def torch_figures(python: str, data: dict, reference: np.ndarray, quick: bool) -> dict:
    """Errors and seconds of torchdiffeq over tolerances, from a process of that Python."""
    layers = data["net"].layers
    weights = {f"weight{i}": np.asarray(layer.weight) for i, layer in enumerate(layers)}
    weights |= {f"bias{i}": np.asarray(layer.bias) for i, layer in enumerate(layers)}
    ts = np.concatenate([np.zeros(1, np.float32), np.asarray(data["ts"])])
    # torchdiffeq returns the initial state first; give it the same row everywhere.
    first = np.asarray(data["y0"])[None]
    arrays = {"y0": first[0], "ts": ts, "reference": np.concatenate([first, reference])}
    arrays["target"] = np.concatenate([first, np.asarray(data["target"])])
    rtols = [1e-2, 1e-3, 1e-4] if quick else [1e-2, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5]
    task = {"rtols": rtols, "atol_over_rtol": ATOL_OVER_RTOL, "rounds": 1 if quick else 5}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        np.savez(place / "data.npz", **{**arrays, **weights})  # pyright: ignore[reportArgumentType]
        (place / "task.json").write_text(json.dumps(task))
        script = Path(__file__).parent / "_torch_neural_ode.py"
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run([python, str(script), str(place)], check=True, env=clean, timeout=1800)
        return json.loads((place / "result.json").read_text())


def ratios_of(seconds: dict) -> dict[str, float]:
    best = lambda prefix: min((s for name, s in seconds.items() if name.startswith(prefix) and s), default=math.nan)
    found = {
        "vmap against Diffrax vmap": seconds["Diffrax vmap"] / seconds["ours vmap"],
        "one state against Diffrax one state": seconds["Diffrax one state"] / seconds["ours one state"],
        "best against Diffrax's best": best("Diffrax") / best("ours"),
    }
    theirs = best("torchdiffeq")
    if not math.isnan(theirs):
        found["best against torchdiffeq's best"] = theirs / best("ours")
    return found


def main():
    python = None
    rows = {"gradient": lambda quick: gradient_row(quick, python)}
    args = arguments(__doc__, rows, torch_python="a Python that has torch and torchdiffeq")
    python = args.torch_python or os.environ.get("TORCH_PYTHON")
    kept = measure("neural_ode", rows, args)
    if not kept:
        return
    found = kept["gradient"]
    share = found["share_of_peak"]
    lines = [
        (n, f"{s * 1e3:.2f} ms", f"{share[n]:.1%}" if n in share else "") for n, s in found["seconds"].items() if s
    ]
    table([("method", "gradient", "share of the peak"), *lines])
    print_ratios(kept)
    from _plots import bars

    panel = {name: s * 1e3 for name, s in found["seconds"].items() if s}
    title = "Gradient of a neural ODE, equal error of the states, float32"
    bars(folder(args.quick) / "neural_ode.png", {"MLP 2x64, batch 256, 30 times": panel}, "milliseconds", title)


if __name__ == "__main__":
    main()
