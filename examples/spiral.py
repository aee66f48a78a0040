"""Spiral neural ODE: a network learns u' = A u from one trajectory (homework 3 of the course), with frames of the way.

    python examples/spiral.py [--output DIR] [--full]

Data: u' = A u with A = [[-0.1, 2], [-2, -0.1]], u(0) = (2, 0), every 0.1 up to 8, nearly three turns; the homework has
the first eleven times. Model: `sj.neural.NeuralODE` with a tanh network and `Tsit5`, trained by `training.fit` with
Adam: first on pieces of eleven times that start on the data, in batches, then on the whole trajectory from its start.
The training is stopped and taken up again from its checkpoint to take the frames, which changes no bit of it. The
gradient is checked against the one by the adjoint equation of the homework, l' = -l f_u backwards with jumps at the
data (`sj.Interpolating`). What is fast: a batch in one solve (`together`) against one solve for each member, and
replayed steps against the adjoint equation; both are measured. What is printed also goes to spiral.json, the picture to
spiral.png, the frames to spiral.gif.
"""

import tempfile

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.scipy.linalg
import numpy as np
import optax
from _frame import best_of, run_example

import sciml_jax as sj
from sciml_jax import training

SPIRAL = jnp.array([[-0.1, 2.0], [-2.0, -0.1]])
START = jnp.array([2.0, 0.0])
END, SPACING = 8.0, 0.1
PIECE, BATCH = 11, 32
STAGES = {"pieces": (5e-3, 400), "whole": (1e-3, 200)}  # rate and steps of training
FRAMES = 9  # per stage


def data():
    """Times and exact states."""
    ts = jnp.arange(0.0, END + SPACING / 2, SPACING)
    return ts, jax.vmap(lambda t: jax.scipy.linalg.expm(SPIRAL * t) @ START)(ts)


def make_model(adjoint=None):
    """A network 2-32-32-2."""
    net = eqx.nn.MLP(2, 2, 32, 2, activation=jnp.tanh, key=jax.random.key(0))
    return sj.neural.NeuralODE(net, method=sj.Tsit5(), rtol=1e-5, atol=1e-7, max_steps=512, adjoint=adjoint)


def loss_of_pieces(model, batch, key):
    """The mean squared distance of a batch of pieces, each from its first point."""
    ts = SPACING * jnp.arange(PIECE)
    return jnp.mean((model.together(batch["us"][:, 0], ts) - batch["us"]) ** 2)


def loss_apart(model, batch, key):
    """The same with a solve for every piece."""
    ts = SPACING * jnp.arange(PIECE)
    return jnp.mean((jax.vmap(model, in_axes=(0, None))(batch["us"][:, 0], ts) - batch["us"]) ** 2)


def loss_of_whole(model, batch, key):
    """The mean squared distance of the trajectory from its start."""
    ts, us = data()
    return jnp.mean((model(START, ts) - us) ** 2)


# --- the training ---


def make_pieces():
    """All pieces of the trajectory, (81 - 10, 11, 2)."""
    us = data()[1]
    return {"us": jnp.stack([us[i : i + PIECE] for i in range(len(us) - PIECE + 1)])}


def train(model, scale):
    """The trained model, the results of both stages, and the model at every frame with the steps until there."""
    batches = {"pieces": training.minibatches(make_pieces(), BATCH, key=1), "whole": None}
    losses, frames, before = {}, [(0, "start", model)], 0
    for stage, (rate, steps) in STAGES.items():
        loss_fn, optimizer = {"pieces": loss_of_pieces, "whole": loss_of_whole}[stage], optax.adam(rate)
        with tempfile.TemporaryDirectory() as place:
            # More frames at the beginning, where more happens.
            for stop in np.unique((scale * steps * np.linspace(0, 1, FRAMES + 1) ** 2).astype(int))[1:]:
                result = training.fit(
                    loss_fn, model, optimizer=optimizer, num_steps=int(stop), batches=batches[stage],
                    checkpoint=place, progress=False,
                )  # fmt: skip
                losses[stage] = result
                frames.append((before + int(stop), stage, result.params))
        model, before = losses[stage].params, before + losses[stage].num_steps
    return model, losses, frames


def gradients(model):
    """Seconds of gradients: batches together and apart, and both adjoints with the distance between their results."""
    adjoint = eqx.tree_at(lambda m: m.field.net, make_model(sj.Interpolating()), model.net)
    gradient = {loss: eqx.filter_jit(eqx.filter_grad(loss)) for loss in (loss_of_whole, loss_of_pieces, loss_apart)}
    batch = {"us": make_pieces()["us"][:BATCH]}
    flat = lambda tree: jax.flatten_util.ravel_pytree(eqx.filter(tree, eqx.is_inexact_array))[0]
    # Away from the minimum, where all gradients are nearly zero.
    moved = lambda m: eqx.tree_at(lambda m: m.field.net.layers[-1].bias, m, replace_fn=lambda bias: bias + 0.05)
    ours, theirs = (flat(gradient[loss_of_whole](moved(m), None, None).net) for m in (model, adjoint))
    return {
        "together": best_of(lambda: gradient[loss_of_pieces](model, batch, None)),
        "apart": best_of(lambda: gradient[loss_apart](model, batch, None)),
        "replay": best_of(lambda: gradient[loss_of_whole](model, None, None)),
        "adjoint_equation": best_of(lambda: gradient[loss_of_whole](adjoint, None, None)),
        "relative_difference": float(jnp.linalg.norm(ours - theirs) / jnp.linalg.norm(ours)),
    }


# --- the run ---


def analyse(full, done):
    """Training, gradients: a report, and curves to draw."""
    ts, us = data()
    model, losses, frames = train(make_model(), 5 if full else 1)
    done("training")
    report = {
        "loss_after": {stage: float(loss_of_whole(found.params, None, None)) for stage, found in losses.items()},
        "steps": int(sum(found.num_steps for found in losses.values())),
        "largest_error": float(jnp.max(jnp.abs(model(START, ts) - us))),
        "gradient_seconds": gradients(model),
    }
    done("gradients")
    path = eqx.filter_jit(lambda model, ts: model(START, ts))
    later = jnp.linspace(0.0, 1.5 * float(ts[-1]), 301)
    grid = jnp.stack(jnp.meshgrid(*[jnp.linspace(-2.2, 2.2, 13)] * 2), axis=-1).reshape(-1, 2)
    curves = {
        "ts": ts, "us": us, "losses": losses, "later": later, "grid": grid,
        "predicted": model(START, later),
        "true": jax.vmap(lambda t: jax.scipy.linalg.expm(SPIRAL * t) @ START)(later),
        "field": jax.vmap(model.net)(grid), "true_field": grid @ SPIRAL.T,
        "frames": [(step, stage, np.asarray(path(model, ts))) for step, stage, model in frames],
    }  # fmt: skip
    return report, curves


def summarise(report):
    """Print the findings."""
    for stage, loss in report["loss_after"].items():
        print(f"Mean squared distance of the whole trajectory after training on {stage}: {loss:.1e}")
    print(f"Largest error on the data after {report['steps']} steps: {report['largest_error']:.3f}")
    g = {name: 1e3 * seconds for name, seconds in report["gradient_seconds"].items()}
    print(
        f"A gradient of {BATCH} pieces: {g['together']:.2f} ms in one solve, {g['apart']:.2f} ms with a solve for each "
        f"({g['apart'] / g['together']:.1f} times as long)"
    )
    print(
        f"A gradient of the whole: {g['replay']:.2f} ms by replaying the steps, {g['adjoint_equation']:.2f} ms by the "
        f"adjoint equation ({g['adjoint_equation'] / g['replay']:.1f} times as long); "
        f"{report['gradient_seconds']['relative_difference']:.0e} apart"
    )


def main():
    """Run the analysis; print it, and write spiral.json, spiral.png and spiral.gif."""
    about, full = "Train a neural ODE on a spiral.", "five times the steps"
    run_example("spiral", about, analyse, summarise, full=full, packages=(eqx, optax))


if __name__ == "__main__":
    main()
