"""Robertson's stiff kinetics: a posterior of three rates over nine powers of ten, without a gradient.

    python examples/stiff_kinetics_posterior.py [--output DIR] [--full]

Three rate constants of an autocatalytic reaction from 12 noisy measurements between a hundredth of a second and three
hours. Method: adaptive random-walk Metropolis, `sj.inference.metropolis`, with the stiff method `Rodas5P` inside the
likelihood; few parameters and costly derivatives are where it pays. Performance technique: the chains are one batch, so
their stiff solves share every step of the loop; measured by solves per second of batches of 1 and of 64. Application:
which rates the data determine, and the sum that they determine best. What is printed also goes to
stiff_kinetics_posterior.json, the picture to stiff_kinetics_posterior.png.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from _frame import best_of, run_example

import sciml_jax as sj

NAMES = ("slow", "fast", "back")
TRUTH = np.log10([0.04, 3e7, 1e4])
TIMES = np.logspace(-2, 4, 12)
NOISE = 0.05


def field(t, y, k):
    """Three species."""
    slow, fast, back = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([-slow + back, slow - fast - back, fast])


def predict(p):
    """Concentrations at TIMES; rates are powers of ten."""
    problem = sj.ODEProblem(field, jnp.array([1.0, 0.0, 0.0]), 0.0, TIMES[-1], 10.0 ** p["rates"])
    options = {"rtol": 1e-5, "atol": jnp.array([1e-6, 1e-10, 1e-6]), "max_steps": 512, "on_failure": "return"}
    ys = sj.solve(problem, sj.Rodas5P(), saveat=jnp.asarray(TIMES), **options).ys
    return jnp.maximum(ys, 1e-12)  # of the size of the tolerance, where an error would make it negative


def make_posterior():
    """Priors a hundredfold wide on either side of a guess, and measurements made here."""
    clean = predict({"rates": jnp.asarray(TRUTH)})
    data = clean * jnp.exp(NOISE * jax.random.normal(jax.random.key(3), clean.shape))
    priors = {"rates": dist.Normal(jnp.array([-1.0, 7.0, 4.5]), 1.0)}
    return sj.inference.posterior(priors, sj.inference.lognormal(predict, data, scale=NOISE))


def batch_rates(post):
    """Solves per second by the size of the batch."""
    run = jax.jit(jax.vmap(post.log_density))
    found = {}
    for size in (1, 64):
        points = TRUTH + 0.02 * jax.random.normal(jax.random.key(0), (size, 3))
        found[size] = size / best_of(lambda points=points: run(points), 5)
    return found


def analyse(full, done):
    """Draw, measure: a report, and curves."""
    post = make_posterior()
    chains, samples = 8, 4000 if full else 1000
    draws = sj.inference.metropolis(post, num_chains=chains, num_warmup=500, num_samples=samples, key=0, progress=False)
    done("sampling")
    rates = batch_rates(post)
    done("batches")
    flat = np.asarray(draws.flat()["rates"])
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    report = {
        "estimates": {
            name: {"true": float(t), "mean": float(m), "sd": float(s), "rhat": float(r)}
            for name, t, m, s, r in zip(NAMES, TRUTH, flat.mean(0), flat.std(0), draws.rhat()["rates"])
        },
        "least_ess": float(np.min(draws.ess()["rates"])),
        "acceptance": float(np.mean(draws.stats["acceptance_rate"])),
        "failed": int(np.sum(draws.stats["failed"])),
        "best_known": {"sd": float(values[0] ** 0.5), "direction": vectors[:, 0].tolist()},
        "solves_per_second": {str(size): rate for size, rate in rates.items()},
    }
    curves = {
        "flat": flat,
        "trace": np.asarray(draws.samples["rates"]),
        "data": np.asarray(post.likelihood.observed),
        "paths": np.asarray(draws.predictive(key=2, num=200)),
    }
    return report, curves


def summarise(report):
    """Print the findings."""
    for name, row in report["estimates"].items():
        print(f"log10 of {name:5s} {row['mean']:7.3f} +- {row['sd']:.3f}, true {row['true']:7.3f}")
    b = report["best_known"]
    print(f"Best known: {b['sd']:.4f} along {np.round(b['direction'], 2).tolist()}")
    print(f"Acceptance {report['acceptance']:.2f}, least effective sample size {report['least_ess']:.0f}")
    for size, rate in report["solves_per_second"].items():
        print(f"Batches of {size:>2s}: {rate:8.0f} stiff solves per second")


def main():
    """Run the analysis; print it, and write stiff_kinetics_posterior.json and stiff_kinetics_posterior.png."""
    about = "A posterior of stiff kinetics."
    run_example("stiff_kinetics_posterior", about, analyse, summarise, full="4000 draws of each chain")


if __name__ == "__main__":
    main()
