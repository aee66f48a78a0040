"""Training a neural ODE: `sj.neural` and `sj.training` against Diffrax with Optax, and torchdiffeq.

Diffrax's own example (its documentation, "Neural ODE"): 256 trajectories in the plane at 100 times on [0, 10], a
network 2-64-64-2 with softplus, batches of 32, AdaBelief at 3e-3, 500 steps on the first tenth of the times and 500 on
all of them, `Tsit5` with rtol 1e-3 and atol 1e-6, float32. Row "oscillators" has the data of that example, whose
published loss is 0.00115; row "spiral" those of the spiral of the course, y' = A y with A = [[-0.1, 2], [-2, -0.1]].

All have the same initial weights (three seeds) and the same batches in the same order; the optimiser amplifies
rounding, so losses agree for a hundred steps and in kind later. Diffrax runs as its example does: a jitted
step, called from Python, compiled for both lengths, every trajectory with steps of its own. Ours solves a batch
together, with rtol 3e-4, because the error estimate is then a mean over the batch, and is one program for both lengths:
the shorter horizon repeats its last time and masks what it repeats; "ours under vmap" is the same with steps for every
trajectory. torchdiffeq (dopri5, one step size for the batch) takes a few steps of each stage, from the weights that we
have there, with Adam. It runs in a Python of its own: give it by `--torch-python` or the variable TORCH_PYTHON.
"""

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from _common import table
from _rows import arguments, measure, print_ratios

import sciml_jax as sj

RTOL, ATOL, WIDTH, DEPTH, BATCH, RATE = 1e-3, 1e-6, 64, 2, 32, 3e-3
PUBLISHED = 0.00115
TOGETHER_RTOL = 3e-4  # as the estimate of a batch is a mean, so that the losses fall like those of single solves
SEEDS = (0, 1, 2)  # of the initial weights


# --- data: trajectories (256, 100, 2), times (100,), and which trajectories are in the batch of every step ---


def oscillator(t, y, args):
    x = y / (1 + y)
    return jnp.stack([x[1], -x[0]])


def spiral(t, y, args):
    return jnp.array([[-0.1, 2.0], [-2.0, -0.1]], y.dtype) @ y


FIELDS = {"oscillators": (oscillator, -0.6, 1.0), "spiral": (spiral, -1.0, 1.0)}


def make_data(name: str, quick: bool):
    field, low, high = FIELDS[name]
    y0 = jax.random.uniform(jax.random.key(5678), (64 if quick else 256, 2), minval=low, maxval=high)
    ts = jnp.linspace(0.0, 10.0, 100)
    states = lambda y: sj.solve(sj.ODEProblem(field, y, 0.0, 10.0), sj.Tsit5(), saveat=ts, rtol=1e-6).ys
    ys = np.asarray(jax.vmap(states)(y0))
    steps = 20 if quick else 500
    rng = np.random.default_rng(0)
    rows = np.stack([rng.choice(len(ys), BATCH, replace=False) for _ in range(2 * steps)])
    return ts, ys, rows.reshape(2, steps, BATCH)


def make_network(seed: int):
    return eqx.nn.MLP(2, 2, WIDTH, DEPTH, activation=jax.nn.softplus, key=jax.random.key(seed))


# --- ours ---


def our_loss(node, batch, key):
    ts, mask, ys = batch["ts"][0], batch["mask"][0], batch["ys"]
    found = node.together(ys[:, 0], ts)
    return jnp.sum(mask[:, None] * (found - ys) ** 2) / (ys.shape[0] * jnp.sum(mask) * 2)


class Batches(eqx.Module):
    """The batch of every step: its trajectories, the times and which of them count."""

    ys: jax.Array
    ts: jax.Array
    mask: jax.Array
    rows: jax.Array

    def __call__(self, step):
        alike = lambda x: jnp.broadcast_to(x, (BATCH, *x.shape))
        return {"ys": self.ys[self.rows[step]], "ts": alike(self.ts), "mask": alike(self.mask)}


def our_loss_apart(node, batch, key):
    ts, mask, ys = batch["ts"][0], batch["mask"][0], batch["ys"]
    found = jax.vmap(node, in_axes=(0, None))(ys[:, 0], ts)
    return jnp.sum(mask[:, None] * (found - ys) ** 2) / (ys.shape[0] * jnp.sum(mask) * 2)


def our_training(data, optimizer, seed, loss_fn=our_loss, rtol=TOGETHER_RTOL):
    """Both stages; the networks after each, the losses and the seconds."""
    ts, ys, rows = data
    node = sj.neural.NeuralODE(make_network(seed), method=sj.Tsit5(), rtol=rtol, atol=ATOL, dt0=float(ts[1] - ts[0]))
    losses, nodes, seconds = [], [], []
    for stage, length in enumerate((len(ts) // 10, len(ts))):
        place = jnp.arange(len(ts))
        held = jnp.where(place < length, ts, ts[length - 1])
        batches = Batches(jnp.asarray(ys), held, (place < length).astype(ys.dtype), jnp.asarray(rows[stage]))
        result = sj.training.fit(
            loss_fn, node, optimizer=optimizer, num_steps=len(rows[stage]), batches=batches, progress=False
        )
        node = result.params
        nodes.append(node)
        losses.append(result.losses)
        seconds.append(result.elapsed)
    return nodes, np.concatenate(losses), seconds


# --- Diffrax and Optax, as in Diffrax's example ---


class DiffraxModel(eqx.Module):
    """The model of the example."""

    net: eqx.nn.MLP

    def __call__(self, ts, y0):
        term = diffrax.ODETerm(lambda t, y, args: self.net(y))
        controller = diffrax.PIDController(rtol=RTOL, atol=ATOL)
        saveat = diffrax.SaveAt(ts=ts)
        return diffrax.diffeqsolve(
            term, diffrax.Tsit5(), ts[0], ts[-1], ts[1] - ts[0], y0, stepsize_controller=controller, saveat=saveat
        ).ys


def diffrax_step(optimizer):
    """A step of the training, to be called from Python."""

    def loss_of(model, ti, yi):
        return jnp.mean((yi - jax.vmap(model, in_axes=(None, 0))(ti, yi[:, 0])) ** 2)

    @eqx.filter_jit
    def make_step(ti, yi, model, state):
        loss, gradient = eqx.filter_value_and_grad(loss_of)(model, ti, yi)
        updates, state = optimizer.update(gradient, state)
        return loss, eqx.apply_updates(model, updates), state

    return make_step


def diffrax_training(data, optimizer, seed, make_step):
    """Both stages; the model, the losses and the seconds."""
    ts, ys, rows = data
    model, losses, seconds = DiffraxModel(make_network(seed)), [], []
    for stage, length in enumerate((len(ts) // 10, len(ts))):
        state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
        began = time.perf_counter()
        for chosen in rows[stage]:
            loss, model, state = make_step(ts[:length], jnp.asarray(ys[chosen, :length]), model, state)
            losses.append(loss)
        jax.block_until_ready(model.net.layers[0].weight)
        seconds.append(time.perf_counter() - began)
    return model, np.array([float(loss) for loss in losses]), seconds


# --- torchdiffeq ---


def torch_seconds(python: str, nets, data, quick: bool) -> dict:
    """Seconds per step of both stages."""
    ts, ys, rows = data
    arrays = {"ts": np.asarray(ts), "rows": rows[:, :40], "ys": ys}
    for stage, net in enumerate(nets):
        for i, layer in enumerate(net.layers):
            arrays |= {f"weight{stage}_{i}": np.asarray(layer.weight), f"bias{stage}_{i}": np.asarray(layer.bias)}
    task = {"rtol": RTOL, "atol": ATOL, "rate": RATE, "steps": 2 if quick else 40}
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        np.savez(place / "data.npz", **arrays)  # pyright: ignore[reportArgumentType]
        (place / "task.json").write_text(json.dumps(task))
        script = Path(__file__).parent / "_torch_spiral.py"
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        subprocess.run([python, str(script), str(place)], check=True, env=clean, timeout=1800)
        return json.loads((place / "result.json").read_text())


# --- the rows ---


def trained(train) -> tuple[dict, list]:
    """Seconds of both stages, of compiling, and the losses over the seeds; and what the first seed returned."""
    jax.clear_caches()
    cold = train(SEEDS[0])
    warm = [train(seed) for seed in SEEDS]
    seconds = np.mean([one[2] for one in warm], axis=0)
    lowest = [float(np.min(means_of(one[1]))) for one in warm]
    found = {
        "seconds": seconds.tolist(),
        "compile_seconds": sum(cold[2]) - sum(warm[0][2]),
        "lowest_loss": lowest,
        "steps_to_published_loss": [reached(one[1]) for one in warm],
    }
    return found, warm[0]


def training_row(name: str, quick: bool, torch_python: str | None) -> dict:
    data = make_data(name, quick)
    optimizer = optax.adabelief(RATE)
    step = diffrax_step(optimizer)
    ours, first = trained(lambda seed: our_training(data, optimizer, seed))
    apart, _ = trained(lambda seed: our_training(data, optimizer, seed, our_loss_apart, RTOL))
    theirs, _ = trained(lambda seed: diffrax_training(data, optimizer, seed, step))
    figures = {"ours": ours, "ours under vmap": apart, "Diffrax": theirs, "published_loss": PUBLISHED}
    total = lambda found: sum(found["seconds"])
    figures["ratios"] = {
        "run against Diffrax and Optax": total(theirs) / total(ours),
        "run under vmap against Diffrax and Optax": total(theirs) / total(apart),
        "compile against Diffrax and Optax": theirs["compile_seconds"] / ours["compile_seconds"],
    }
    if torch_python:
        found = torch_seconds(torch_python, (make_network(SEEDS[0]), first[0][0].net), data, quick)
        figures["torchdiffeq"] = found | {"seconds": [data[2].shape[1] * one for one in found["seconds_per_step"]]}
        figures["ratios"]["run against torchdiffeq"] = total(figures["torchdiffeq"]) / total(ours)
    return figures


def means_of(losses: np.ndarray) -> np.ndarray:
    """Means of 20 steps of the second stage."""
    return np.convolve(losses[len(losses) // 2 :], np.ones(20) / 20, "valid")


def reached(losses: np.ndarray) -> int | None:
    """Steps of the second stage until the mean loss of 20 steps is the published one."""
    places = np.flatnonzero(means_of(losses) <= PUBLISHED)
    return int(places[0]) + 20 if places.size else None


def main():
    python = None
    rows = {name: (lambda quick, name=name: training_row(name, quick, python)) for name in FIELDS}
    args = arguments(__doc__, rows, torch_python="a Python that has torch and torchdiffeq")
    python = args.torch_python or os.environ.get("TORCH_PYTHON")
    kept = measure("spiral", rows, args)
    for name, figures in kept.items():
        print(f"{name} (published loss {PUBLISHED})")
        lines = [
            (who, f"{sum(x['seconds']):.1f} s", f"{x.get('compile_seconds', 0.0):.1f} s", x.get("lowest_loss", ""),
             x.get("steps_to_published_loss", ""))
            for who, x in figures.items() if isinstance(x, dict) and "seconds" in x
        ]  # fmt: skip
        table([("training", "run", "compile", "lowest losses", "steps to the published loss"), *lines])
    print_ratios(kept)


if __name__ == "__main__":
    main()
