"""A gene that represses itself: its proteins as random jumps, against two approximations of them.

Application: noise in gene expression. A protein binds to its own gene and switches it off, so that few molecules decide
how many there are (the model `dnarepressor` of the Julia package JumpProblemLibrary).

Numerical methods: Gillespie's direct method for the jumps (`sj.Gillespie`, exact), tau-leaping (`sj.TauLeaping`), and
the diffusion approximation, the chemical Langevin equation, as an `sj.SDEProblem` with general noise (`sj.solve` with
`sj.EulerMaruyama`); and the rate equations, which know no noise at all, as an `sj.ODEProblem`.

Performance: thousands of paths under `vmap` run in blocks of lanes that stay in the cache, every block compiled into
one kernel with its own random numbers; measured here in nanoseconds per reaction, beside one path at a time.

What it shows: the gene itself is one molecule, on or off. The diffusion approximation takes it for a continuum, which
would leave the range from 0 to 1 and must be kept from negative rates: it puts the mean of the protein a sixth too
high, where leaps and rate equations come close. (Steps of 0.05: the gene switches off at up to 15 per unit of time, and
with steps of 0.25 the mean comes out another quarter higher.)

Writes gene_network.json and gene_network.png. `--full`: ten times as many paths.
"""

import time

import jax
import jax.numpy as jnp
import numpy as np
from _frame import run_example

import sciml_jax as sj

LOG2 = np.log(2.0)
SPECIES = ("gene", "messenger", "protein", "gene, off")
REACTANTS = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1]])
CHANGES = np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, -1, 0], [-1, 0, -1, 1], [1, 0, 1, -1]])
CONSTANTS = np.array([0.5, 20 * LOG2 / 120, LOG2 / 120, LOG2 / 600, 0.025, 1.0])
START, END, PROTEIN = np.array([1, 0, 0, 0]), 1000.0, 2
PUBLISHED = 592.655375  # mean of the protein at the end, of 8,000 paths (JumpProblemLibrary)


def jumps():
    """The network as jumps of integers."""
    return sj.JumpProblem(sj.MassAction(REACTANTS), CHANGES, jnp.asarray(START), 0.0, END, jnp.asarray(CONSTANTS))


def rate_equations():
    """Its mean field, `dy/dt = S^T a(y)`."""
    rates = sj.MassAction(REACTANTS, continuous=True)
    field = lambda t, y, k: jnp.asarray(CHANGES.T, float) @ rates(t, y, k)
    return sj.ODEProblem(field, jnp.asarray(START, float), 0.0, END, jnp.asarray(CONSTANTS))


def langevin():
    """Its diffusion approximation: every reaction has a Brownian motion, `dy = S^T (a dt + sqrt(a) dW)`."""
    rates = sj.MassAction(REACTANTS, continuous=True)
    # Diffusion may carry a count below zero, where a rate has no root.
    positive = lambda t, y, k: rates(t, jnp.maximum(y, 0.0), k)
    drift = lambda t, y, k: jnp.asarray(CHANGES.T, float) @ positive(t, y, k)
    diffusion = lambda t, y, k: jnp.asarray(CHANGES.T, float) * jnp.sqrt(positive(t, y, k))
    return sj.SDEProblem(drift, diffusion, jnp.asarray(START, float), 0.0, END, jnp.asarray(CONSTANTS), noise="general")


def ensemble(problem, method, number, times, **options):
    """Proteins of many paths at the save times, steps, and seconds of a second run."""
    keys = jax.random.split(jax.random.key(0), number)

    def path(key):
        sol = sj.solve(problem, method, key=key, saveat=times, **options)
        return sol.ys[:, PROTEIN], sol.stats.num_accepted, sol.status

    run = jax.jit(jax.vmap(path))
    jax.block_until_ready(run(keys))
    began = time.perf_counter()
    proteins, steps, status = jax.block_until_ready(run(keys))
    seconds = time.perf_counter() - began
    assert np.all(np.asarray(status) == 0)
    return np.asarray(proteins), int(np.sum(steps)), seconds


def figures(proteins, steps, seconds):
    """Mean and spread of the protein at the end, and what it took."""
    last = proteins[:, -1]
    return {
        "paths": len(last),
        "mean": float(last.mean()),
        "standard_error": float(last.std() / np.sqrt(len(last))),
        "standard_deviation": float(last.std()),
        "steps_per_path": steps / len(last),
        "seconds": seconds,
        "ns_per_step": seconds / steps * 1e9,
    }


def one_at_a_time(problem, number=20):
    """Nanoseconds per reaction of paths that run one after the other."""
    run = jax.jit(lambda key: sj.solve(problem, sj.Gillespie(), key=key).stats.num_steps)
    keys = list(jax.random.split(jax.random.key(1), number))
    jax.block_until_ready(run(keys[0]))
    began = time.perf_counter()
    steps = sum(int(run(key)) for key in keys)
    return (time.perf_counter() - began) / steps * 1e9


def analyse(full, done):
    """All ensembles: a report, and what is drawn of them."""
    scale = 10 if full else 1
    times = jnp.linspace(0.0, END, 101)
    runs = {
        "Gillespie": (jumps(), sj.Gillespie(), 4000, {}),
        "tau-leaping": (jumps(), sj.TauLeaping(0.1), 200, {}),
        "diffusion": (langevin(), sj.EulerMaruyama(), 40, {"dt0": 0.05, "max_steps": 25_000}),
    }
    proteins, report = {}, {}
    for name, (problem, method, number, options) in runs.items():
        found = ensemble(problem, method, number * scale, times, **options)
        proteins[name], report[name] = found[0], figures(*found)
        done(name)
    mean_field = sj.solve(rate_equations(), sj.Rodas5P(), saveat=times).ys[:, PROTEIN]
    report |= {"rate equations": {"mean": float(mean_field[-1])}, "published mean": PUBLISHED}
    exact = report["Gillespie"]
    exact["ns_per_step_one_at_a_time"] = one_at_a_time(jumps())
    exact["errors_from_published"] = (exact["mean"] - PUBLISHED) / exact["standard_error"]
    done("rate equations, and paths one at a time")
    return report, {"times": times, "proteins": proteins, "mean_field": mean_field}


def summarise(report):
    """Print the comparison."""
    exact = report["Gillespie"]
    print(f"{'':16}{'mean':>10}{'std. dev.':>11}{'steps':>9}{'ns per step':>13}")
    for name in ("Gillespie", "tau-leaping", "diffusion"):
        row = report[name]
        print(f"{name:16}{row['mean']:10.1f}{row['standard_deviation']:11.1f}{row['steps_per_path']:9.0f}", end="")
        print(f"{row['ns_per_step']:13.1f}")
    print(f"{'rate equations':16}{report['rate equations']['mean']:10.1f}")
    print(f"Published mean of 8,000 paths: {PUBLISHED:.1f}; ours is {exact['errors_from_published']:+.1f} errors away")
    print(f"One path at a time: {exact['ns_per_step_one_at_a_time']:.0f} ns per reaction")


def main():
    """Simulate; print the comparison; write gene_network.json and gene_network.png."""
    about, full = "A self-repressing gene as jumps and as a diffusion.", "ten times as many paths"
    run_example("gene_network", about, analyse, summarise, full=full)


if __name__ == "__main__":
    main()
