"""Lynx and hare: effective samples per second against NumPyro's and BlackJAX's NUTS with Diffrax inside.

The posterior of posteriordb's hudson_lynx_hare (eight parameters, 21 years), solved by Tsit5 at rtol 1e-6, atol 1e-6 in
all three; 4 chains of 500 + 1000 transitions, float64, one call each in its own order, compiling counted and also not.
NumPyro runs its chains vectorised and adapts a full mass matrix; BlackJAX runs its window adaptation and then its NUTS
under `vmap`. Both differentiate Diffrax's solve in reverse, its default. The figure is the smallest bulk effective
sample size of the eight parameters (the same estimator for all) per second. Ratios above 1 say that ours has more.
"""

import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro.distributions as dist
from _common import table
from _rows import arguments, measure, print_ratios

import sciml_jax as sj
from sciml_jax.inference import diagnostics
from sciml_jax.zoo import lynx_hare

jax.config.update("jax_enable_x64", True)

RTOL = ATOL = 1e-6
PELTS = lynx_hare()
DATA = jnp.stack([PELTS.hare, PELTS.lynx], axis=1)
YEARS = jnp.arange(21.0)
CHAINS = 4
PRIORS = {
    "theta": dist.TruncatedNormal(jnp.array([1.0, 0.05, 1.0, 0.05]), jnp.array([0.5, 0.05, 0.5, 0.05]), low=0.0),
    "z0": dist.LogNormal(jnp.log(10.0) * jnp.ones(2), 1.0),
    "sigma": dist.LogNormal(-1.0 * jnp.ones(2), 1.0),
}


def field(t, z, theta):
    """Hares and lynxes."""
    return jnp.stack([(theta[0] - theta[1] * z[1]) * z[0], (-theta[2] + theta[3] * z[0]) * z[1]])


def predict(p):
    """By our solver."""
    problem = sj.ODEProblem(field, p["z0"], 0.0, 20.0, p["theta"])
    return sj.solve(problem, sj.Tsit5(), saveat=YEARS, rtol=RTOL, atol=ATOL, on_failure="return").ys


def predict_diffrax(p) -> Any:
    """By Diffrax; infinite values where it fails."""
    import diffrax

    return diffrax.diffeqsolve(
        diffrax.ODETerm(field),
        diffrax.Tsit5(),
        0.0,
        20.0,
        0.1,
        p["z0"],
        p["theta"],
        saveat=diffrax.SaveAt(ts=YEARS),
        stepsize_controller=diffrax.PIDController(rtol=RTOL, atol=ATOL),
        throw=False,
    ).ys


def log_likelihood_diffrax(p):
    """Of the pelts."""
    ys = predict_diffrax(p)
    good = jnp.all(jnp.isfinite(ys) & (ys > 0))
    terms = dist.LogNormal(jnp.log(jnp.where(good, ys, 1.0)), p["sigma"]).log_prob(DATA)
    return jnp.where(good, jnp.sum(terms), -jnp.inf)


def ours(warmup, samples):
    """Parameters (chains, draws, 8), gradients, divergences."""
    post = sj.inference.posterior(PRIORS, sj.inference.lognormal(predict, DATA, scale=lambda p: p["sigma"]))
    draws = sj.inference.nuts(post, num_warmup=warmup, num_samples=samples, num_chains=CHAINS, key=0, progress=False)
    return flat(draws.samples), int(np.sum(draws.stats["n_steps"])), int(np.sum(draws.stats["diverging"]))


def numpyro_nuts(warmup, samples):
    """The same by NumPyro."""
    import numpyro
    from numpyro.infer import MCMC, NUTS, init_to_median

    def model():
        p = {name: numpyro.sample(name, prior.to_event(1)) for name, prior in PRIORS.items()}
        numpyro.factor("pelts", log_likelihood_diffrax(p))

    kernel = NUTS(model, dense_mass=True, init_strategy=init_to_median(num_samples=32))
    mcmc = MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=samples,
        num_chains=CHAINS,
        chain_method="vectorized",
        progress_bar=False,
    )
    mcmc.run(jax.random.key(0), extra_fields=("num_steps", "diverging"))
    extra = mcmc.get_extra_fields(group_by_chain=True)
    return (
        flat(mcmc.get_samples(group_by_chain=True)),
        int(np.sum(extra["num_steps"])),
        int(np.sum(extra["diverging"])),
    )


def blackjax_nuts(warmup, samples):
    """The same by BlackJAX, as its documentation shows; starts are our drawn starts' medians, as NumPyro's are."""
    import blackjax

    post = sj.inference.posterior(PRIORS, log_likelihood_diffrax, gradient="reverse", check=False)
    # Transforms and priors only; the likelihood is Diffrax's.
    density = lambda u: post.log_prior_density(u) + log_likelihood_diffrax(post.constrain(u))
    keys = jax.random.split(jax.random.key(0), CHAINS)
    median = jnp.median(jax.vmap(lambda k: post.unconstrain(post.sample_prior(k)))(jax.random.split(keys[0], 32)), 0)

    def chain(key):
        key_adapt, key_draw = jax.random.split(key)
        adapt: Any = blackjax.window_adaptation(blackjax.nuts, density, is_mass_matrix_diagonal=False)
        (state, tuned), _ = adapt.run(key_adapt, median, num_steps=warmup)
        step: Any = blackjax.nuts(density, **tuned).step

        def body(state, k):
            state, info = step(k, state)
            return state, (state.position, info)

        _, (positions, info) = jax.lax.scan(body, state, jax.random.split(key_draw, samples))
        return jax.vmap(post.constrain)(positions), info.num_integration_steps, info.is_divergent

    samples_, steps, diverging = jax.jit(jax.vmap(chain))(keys)
    return flat(samples_), int(jnp.sum(steps)), int(jnp.sum(diverging))


def flat(samples):
    """All parameters in one last axis."""
    return np.concatenate([np.asarray(samples[name]) for name in PRIORS], axis=-1)


def figures_of(run, warmup, samples):
    """One run from nothing, and the same again compiled where the code keeps its program."""
    began = time.perf_counter()
    drawn, steps, diverging = run(warmup, samples)
    seconds = time.perf_counter() - began
    ess = min(float(diagnostics.ess_bulk(drawn[..., i])) for i in range(drawn.shape[-1]))
    rhat = max(float(diagnostics.rhat(drawn[..., i])) for i in range(drawn.shape[-1]))
    return {
        "seconds": seconds,
        "least_ess_bulk": ess,
        "ess_per_second": ess / seconds,
        "gradients_of_kept_draws": steps,
        "divergences": diverging,
        "largest_rhat": rhat,
        "means": drawn.mean((0, 1)).tolist(),
    }


def run_lynx_hare(quick):
    """All three."""
    sizes = (20, 20) if quick else (500, 1000)
    codes = {"ours": ours, "NumPyro": numpyro_nuts, "BlackJAX": blackjax_nuts}
    found = {}
    for name, run in codes.items():
        found[name] = figures_of(run, *sizes)
        print(name, {key: value for key, value in found[name].items() if key != "means"}, flush=True)
    ratio = lambda other: found["ours"]["ess_per_second"] / found[other]["ess_per_second"]
    found["ratios"] = {
        "our effective samples per second by NumPyro's": ratio("NumPyro"),
        "our effective samples per second by BlackJAX's": ratio("BlackJAX"),
    }
    rows = [("", "seconds", "least ESS", "ESS/s", "largest R-hat")]
    for name in codes:
        f = found[name]
        rows.append(
            (name, f"{f['seconds']:.0f}", f"{f['least_ess_bulk']:.0f}", f"{f['ess_per_second']:.1f}",
             f"{f['largest_rhat']:.3f}")
        )  # fmt: skip
    table(rows)
    return found


ROWS = {"lynx_hare": run_lynx_hare}


def main():
    """Measure and print."""
    args = arguments(__doc__, ROWS)
    print_ratios(measure("inference", ROWS, args))


if __name__ == "__main__":
    main()
