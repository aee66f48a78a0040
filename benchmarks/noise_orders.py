"""Strong and weak orders of every stochastic method, with 95 % confidence bands by bootstrap over paths.

    python benchmarks/noise_orders.py [--full]

Geometric Brownian motion `dX = 1.01 X dt + 0.87 X dW`, X(0) = 1/2, up to t = 1, and for methods for additive noise
`dX = (beta/sqrt(1 + t) - X/(2 (1 + t))) dt + alpha beta/sqrt(1 + t) dW` with alpha = 1, beta = 0.5 (on its drift, which
is linear, they gain half an order). All step sizes and methods run on the same paths as the exact solution. Strong:
`E |X_h - X|` at the end. Weak: `|E phi(X_h) - E phi(X)|` for phi(x) = 1/(1 + x^2), whose variance the tail of the law
does not rule, as the mean of the difference on the same path: that takes far fewer paths than two means would. Larger
steps get more paths. The weak slope is that of the four smallest steps whose weak error is three standard
errors from zero.
"""

import argparse
import time

import jax

jax.config.update("jax_enable_x64", True)

import diffrax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import matplotlib as mpl  # noqa: E402
import numpy as np  # noqa: E402
from _common import RESULTS, keep  # noqa: E402

mpl.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import sciml_jax as sj  # noqa: E402

SIZES = [2.0**-k for k in range(1, 8)]
LANES, RESAMPLES = 1024, 400

GROWTH, FLUCTUATION, START = 1.01, 0.87, 0.5
ALPHA, BETA = 1.0, 0.5


def growing(**options):
    drift, diffusion = (lambda t, y, args: GROWTH * y), (lambda t, y, args: FLUCTUATION * y)
    return sj.SDEProblem(drift, diffusion, jnp.array(START), 0.0, 1.0, **options)


def grown(w):
    return START * jnp.exp(GROWTH - 0.5 * FLUCTUATION**2 + FLUCTUATION * w)


def decaying(**options):
    drift = lambda t, y, args: BETA / jnp.sqrt(1 + t) - y / (2 * (1 + t))
    diffusion = lambda t, y, args: jnp.full_like(y, ALPHA * BETA) / jnp.sqrt(1 + t)
    return sj.SDEProblem(drift, diffusion, jnp.array(START), 0.0, 1.0, noise="additive", **options)


def decayed(w):
    return (START + BETA * (1 + ALPHA * w)) / jnp.sqrt(2.0)


MULTIPLICATIVE = (
    sj.EulerMaruyama(),
    sj.ImplicitEulerMaruyama(),
    sj.StochasticHeun(),
    sj.Milstein(),
    sj.DRI1(),
    sj.SRIW1(),
    sj.SOSRI(),
    diffrax.ItoMilstein(),
    diffrax.SPaRK(),
)
ADDITIVE = (sj.EulerMaruyama(), sj.DRI1(), sj.SRA1(), sj.SRA3(), sj.SOSRA(), sj.SKenCarp(), diffrax.ShARK())


def name_of(method):
    return getattr(method, "name", f"diffrax.{type(method).__name__}")


def differences(method, problem, exact, count):
    """`|X_h - X|` and `phi(X_h) - phi(X)` at the end for every step size: a list of arrays (2, paths)."""

    def one(key, dt):
        found = sj.solve(problem, method, key=key, dt0=dt, controller=sj.FixedStep(), on_failure="status").y1
        wanted = exact(sj.BrownianPath(key, 0.0, 1.0).evaluate(1.0))
        return jnp.stack([jnp.abs(found - wanted), 1 / (1 + found**2) - 1 / (1 + wanted**2)])

    run = jax.jit(jax.vmap(one, (0, None), out_axes=1))
    found = []
    for dt in SIZES:
        paths = int(count * dt / SIZES[-1])
        blocks = jax.random.split(jax.random.key(1), (paths // LANES, LANES))
        found.append(np.concatenate([np.asarray(run(keys, dt)) for keys in blocks], axis=1))
    return found


def slope(sizes, errors):
    return float(np.polyfit(np.log(sizes), np.log(errors), 1)[0])


def measured(samples, seed=0):
    """Errors with their bands, and slopes with theirs."""
    rng = np.random.default_rng(seed)
    sizes = np.array(SIZES)
    # Means of blocks of paths, so that a resample is a mean of few numbers.
    blocks = np.array([part.reshape(2, 64, -1).mean(-1) for part in samples])
    strong, weak = blocks[:, 0].mean(1), np.abs(blocks[:, 1].mean(1))
    certain = weak > 3 * np.array([part[1].std() / np.sqrt(part.shape[1]) for part in samples])
    strong_draws, weak_draws, strong_slopes, weak_slopes = [], [], [], []
    for _ in range(RESAMPLES):
        pick = rng.integers(0, 64, 64)
        drawn, mean = blocks[:, 0, pick].mean(1), np.abs(blocks[:, 1, pick].mean(1))
        strong_draws.append(drawn)
        weak_draws.append(mean)
        # The largest step sizes are not asymptotic yet.
        strong_slopes.append(slope(sizes[3:], drawn[3:]))
        if certain.sum() >= 3:
            weak_slopes.append(slope(sizes[certain][-4:], mean[certain][-4:]))
    band = lambda draws: [np.quantile(draws, q, axis=0).tolist() for q in (0.025, 0.975)] if len(draws) else None
    return {
        "strong": strong.tolist(),
        "strong_band": band(strong_draws),
        "weak": weak.tolist(),
        "weak_band": band(weak_draws),
        "weak_certain": certain.tolist(),
        "strong_order": slope(sizes[3:], strong[3:]),
        "strong_order_band": band(strong_slopes),
        "weak_order": float(np.median(weak_slopes)) if weak_slopes else None,
        "weak_order_band": band(weak_slopes),
    }


def draw(path, panels):
    figure, axes = plt.subplots(len(panels), 2, figsize=(11, 4.6 * len(panels)), squeeze=False, layout="constrained")
    for row, (title, methods) in zip(axes, panels.items(), strict=True):
        for axis, kind in zip(row, ("strong", "weak"), strict=True):
            for i, (name, found) in enumerate(methods.items()):
                shown = np.array(found["weak_certain"]) if kind == "weak" else np.ones(len(SIZES), bool)
                if not shown.any():
                    continue
                sizes, values = np.array(SIZES)[shown], np.array(found[kind])[shown]
                low, high = (np.array(side)[shown] for side in found[f"{kind}_band"])
                look = {"color": plt.cm.tab10(i % 10), "linestyle": "--" if name.startswith("diffrax") else "-"}
                order = found[f"{kind}_order"]
                label = f"{name}: {order:.2f}" if order is not None else name
                axis.loglog(sizes, values, marker="os^vD<>Ph"[i % 9], markersize=4, linewidth=1.2, label=label, **look)
                axis.fill_between(sizes, low, high, alpha=0.2, color=look["color"], linewidth=0)
            axis.set(title=f"{title}: {kind} error, slopes", xlabel="step size", ylabel=f"{kind} error at t = 1")
            axis.grid(alpha=0.3, which="both", linewidth=0.4)
            axis.legend(fontsize=7)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="sixteen times as many paths")
    count = 262144 if parser.parse_args().full else 8192
    panels = {}
    cases = (
        ("geometric Brownian motion", growing(), grown, MULTIPLICATIVE),
        ("additive noise", decaying(), decayed, ADDITIVE),
    )
    for title, problem, exact, methods in cases:
        panels[title] = {}
        for method in methods:
            start = time.perf_counter()
            found = panels[title][name_of(method)] = measured(differences(method, problem, exact, count))
            found["seconds"] = time.perf_counter() - start
            text = [f"{title:26s} {name_of(method):24s}"]
            for kind in ("strong", "weak"):
                order, band = found[f"{kind}_order"], found[f"{kind}_order_band"]
                known = order is not None and band is not None
                text.append(f"{kind} {order:.2f} [{band[0]:.2f}, {band[1]:.2f}]" if known else f"{kind} below noise")
            print("  ".join(text), f"  {found['seconds']:.0f} s", flush=True)
    keep("noise_orders", {"paths": count, "sizes": SIZES, "methods": panels})
    draw(RESULTS / "noise_orders.png", panels)


if __name__ == "__main__":
    main()
