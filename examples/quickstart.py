"""Lynx and hare, 1900-1920: fit Lotka-Volterra and a universal differential equation, and forecast four held-out years.

    python examples/quickstart.py [--output DIR] [--full]

Both models are fitted to the first 17 years of the Hudson's Bay Company's counts, in logarithms. What is printed also
goes to quickstart.json, the picture to quickstart.png.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import optimistix
from _frame import run_example
from _quickstart_report import UNITS, estimates, summarise
from jax.flatten_util import ravel_pytree

import sciml_jax as sj
from sciml_jax import training, zoo

TRAIN = 17  # years 1900-1916; 1917-1920 are only ever used to judge the forecasts
FINE = 10  # points of a plotted curve per year
FAILED = 20.0  # log-counts that stand for a failed solve: a large, flat misfit instead of NaN


# --- the two models: states are (log hare, log lynx), so that counts stay positive and errors are relative ---


def lotka_volterra(t, y, theta):
    """hare' = alpha hare - beta hare lynx, lynx' = -gamma lynx + delta hare lynx; theta holds the rates' logarithms."""
    alpha, beta, gamma, delta = jnp.exp(theta[:4])
    hare, lynx = jnp.exp(y)
    return jnp.stack([alpha - beta * lynx, -gamma + delta * hare])


class Universal(eqx.Module):
    """hare' = alpha hare - N1, lynx' = -gamma lynx + N2 with (N1, N2) = hare lynx exp(net(log hare, log lynx))."""

    log_rates: jax.Array  # log(alpha, gamma)
    log_y0: jax.Array
    net: eqx.nn.MLP

    def interaction(self, y):
        """The learned (N1, N2) in thousands of pelts per year."""
        return jnp.exp(y.sum() + self.net(y - jnp.array([3.5, 2.8])))  # inputs centred on typical counts


def universal(t, y, model):
    """The right-hand side of the universal differential equation."""
    alpha, gamma = jnp.exp(model.log_rates)
    lost, gained = model.interaction(y) * jnp.exp(-y)
    return jnp.stack([alpha - lost, -gamma + gained])


def simulate(vector_field, log_y0, args, years):
    """Log-counts at the given years since 1900; a failed solve gives a constant, hence zero gradients."""
    problem = sj.ODEProblem(vector_field, log_y0, years[0], years[-1], args)
    sol = sj.solve(problem, sj.Tsit5(), saveat=years, rtol=1e-6, atol=1e-6, max_steps=256, on_failure="status")
    return jnp.where(sol.status == sj.Status.SUCCESS, sol.ys, FAILED)


def simulate_lv(theta, years):
    """Lotka-Volterra from theta = log(alpha, beta, gamma, delta, hare(1900), lynx(1900))."""
    return simulate(lotka_volterra, theta[4:], theta, years)


def simulate_ude(model, years):
    """The universal differential equation from its own initial state."""
    return simulate(universal, model.log_y0, model, years)


# --- fitting ---


def levenberg_marquardt(tolerance):
    """The least-squares solver that finishes both fits."""
    return optimistix.LevenbergMarquardt(rtol=tolerance, atol=tolerance)


def fit_lotka_volterra(years, log_counts, num_starts):
    """Least squares by shooting: Adam from many starts at once under `vmap`, then Levenberg-Marquardt from the best."""

    def residuals(theta, batch=None, key=None):
        return (simulate_lv(theta, years) - log_counts).ravel()

    def loss(theta, batch, key):
        return 0.5 * jnp.sum(residuals(theta) ** 2)

    low = jnp.log(jnp.array([0.1, 0.005, 0.1, 0.005, 10.0, 2.0]))
    high = jnp.log(jnp.array([2.0, 0.1, 2.0, 0.1, 100.0, 20.0]))
    starts = jax.random.uniform(jax.random.key(0), (num_starts, 6), minval=low, maxval=high)
    run = lambda theta: training.run(loss, theta, optimizer=optax.adam(0.05), num_steps=400)
    runs = jax.jit(jax.vmap(run))(starts)
    final = runs.losses[:, -1]
    best = runs.params[jnp.nanargmin(final)]
    fit = training.fit(residuals, best, optimizer=levenberg_marquardt(1e-8), num_steps=100, progress=False)
    jacobian = jax.jit(jax.jacfwd(residuals))(fit.params)
    degrees = log_counts.size - fit.params.size
    sigma = jnp.sqrt(2 * fit.losses[-1] / degrees)  # for a least-squares solver the loss is half the sum of squares
    covariance = sigma**2 * jnp.linalg.inv(jacobian.T @ jacobian)
    return fit, sigma, covariance, int(jnp.sum(final < 1.01 * fit.losses[-1]))


def fit_universal(years, log_counts, theta, sigma, num_adam):
    """Adam, then Levenberg-Marquardt; the prior makes every weight standard normal around the Lotka-Volterra fit."""
    net = eqx.nn.MLP(2, 2, 12, 2, activation=jnp.tanh, key=jax.random.key(1))
    last = lambda net: (net.layers[-1].weight, net.layers[-1].bias)
    weights = lambda net: ravel_pytree(eqx.filter(net, eqx.is_inexact_array))[0]
    # With zero weights and these biases the network is constant, and the model is Lotka-Volterra.
    net = eqx.tree_at(last, net, (0.1 * net.layers[-1].weight, theta[jnp.array([1, 3])]))
    prior = jnp.zeros_like(weights(net)).at[-2:].set(net.layers[-1].bias)

    def residuals(model, batch=None, key=None):
        return (simulate_ude(model, years) - log_counts).ravel() / sigma, weights(model.net) - prior

    def loss(model, batch, key):
        return sum(0.5 * jnp.sum(r**2) for r in residuals(model))

    model = Universal(theta[jnp.array([0, 2])], theta[4:], net)
    adam = training.fit(loss, model, optimizer=optax.adam(5e-3), num_steps=num_adam, progress=False)
    fit = training.fit(residuals, adam.params, optimizer=levenberg_marquardt(1e-3), num_steps=100, progress=False)
    return adam, fit, residuals


def universal_errors(model, residuals):
    """Errors of log(alpha, gamma) with the network fixed, and free under its prior; effective number of parameters."""
    arrays, static = eqx.partition(model, eqx.is_inexact_array)
    flat, rebuild = ravel_pytree(arrays)  # alpha, gamma and the initial state come first
    misfit, prior = jax.jit(jax.jacfwd(lambda flat: residuals(eqx.combine(rebuild(flat), static))))(flat)
    information = misfit.T @ misfit
    free = jnp.linalg.inv(information + prior.T @ prior)
    fixed = jnp.linalg.inv(information[:4, :4])
    effective = float(jnp.trace(free @ information))  # directions that the counts, and not the prior, determine
    return jnp.sqrt(jnp.diag(fixed)[:2]), jnp.sqrt(jnp.diag(free)[:2]), effective


def rms(errors):
    """Root mean square."""
    return float(jnp.sqrt(jnp.mean(errors**2)))


def trivial_forecasts(log_counts):
    """Errors of the geometric mean, and of the last cycle repeated (from one peak of the hare to the next)."""
    past, ahead = log_counts[:TRAIN], log_counts[TRAIN:]
    peaks = [i for i in range(1, TRAIN - 1) if past[i, 0] == past[max(i - 3, 0) : i + 4, 0].max()]  # 1903 and 1913
    cycle = peaks[-1] - peaks[0]
    repeated = log_counts[TRAIN - cycle : 21 - cycle]
    return {"geometric mean": rms(past.mean(axis=0) - ahead), f"last {cycle}-year cycle": rms(repeated - ahead)}


def forecast(theta, covariance, sigma, model):
    """Log-counts of both models over 1900-1920, and Lotka-Volterra's 90 % band for a count, pointwise."""
    fine = jnp.linspace(0.0, 20.0, 20 * FINE + 1)
    draws = jax.random.multivariate_normal(jax.random.key(2), theta, covariance, (400,))
    curves = jax.jit(jax.vmap(simulate_lv, (0, None)))(jnp.concatenate([theta[None], draws]), fine)
    # One error per curve: the band is pointwise, and stays smooth.
    noisy = curves[1:] + sigma * jax.random.normal(jax.random.key(3), (len(draws), 1, 2))
    band = jnp.quantile(noisy, jnp.array([0.05, 0.95]), axis=0)
    return {"years": 1900 + fine, "lv": curves[0], "ude": simulate_ude(model, fine), "band": band}


# --- the report ---


def judge(report, log_counts, curves):
    """Add misfits, forecast errors and the band's coverage to the report, and the finding in one sentence."""
    past, ahead = log_counts[:TRAIN], log_counts[TRAIN:]
    lv, ude, (low, high) = (curves[name][..., ::FINE, :] for name in ("lv", "ude", "band"))
    inside = (ahead > low[TRAIN:]) & (ahead < high[TRAIN:])
    report["lotka_volterra"] |= {"misfit": rms(lv[:TRAIN] - past), "held_out_in_band": int(inside.sum())}
    report["universal"] |= {"misfit": rms(ude[:TRAIN] - past)}
    errors = {"Lotka-Volterra": rms(lv[TRAIN:] - ahead), "universal": rms(ude[TRAIN:] - ahead)}
    report["forecast"] = errors | trivial_forecasts(log_counts)
    closer = report["universal"]["misfit"] < report["lotka_volterra"]["misfit"]
    better = errors["universal"] < errors["Lotka-Volterra"]
    report["finding"] = (
        f"A learned predation term fits the lynx and hare counts {'better' if closer else 'worse'}, "
        f"{'and' if closer == better else 'but'} forecasts them {'better' if better else 'worse'}"
    )


# --- the run ---


def analyse(full, done):
    """Both fits and the forecasts: data, report and curves to draw; `done(name)` is called after each part."""
    data = zoo.lynx_hare()
    log_counts = jnp.log(jnp.stack([data.hare, data.lynx], axis=1))
    years, past = jnp.arange(float(TRAIN)), log_counts[:TRAIN]
    num_starts, num_adam = (256, 10_000) if full else (32, 1000)

    lv, sigma, covariance, at_best = fit_lotka_volterra(years, past, num_starts)
    done("Lotka-Volterra, fitted from several starts")
    adam, ude, residuals = fit_universal(years, past, lv.params, sigma, num_adam)
    done("universal differential equation, fitted")
    fixed, free, effective = universal_errors(ude.params, residuals)
    done("its standard errors")
    curves = forecast(lv.params, covariance, sigma, ude.params)
    done("forecasts")

    report = {
        "lotka_volterra": {
            "parameters": estimates(UNITS, lv.params, standard_error=jnp.sqrt(jnp.diag(covariance))),
            "sigma": float(sigma),
            "degrees_of_freedom": past.size - lv.params.size,
            "starts": num_starts,
            "starts_at_best": at_best,
            "status": lv.status.name,
        },
        "universal": {
            "parameters": estimates(
                ("alpha", "gamma"), ude.params.log_rates, standard_error=free, standard_error_network_fixed=fixed
            ),
            "effective_parameters": effective,
            "size": ravel_pytree(eqx.filter(ude.params, eqx.is_inexact_array))[0].size,
            "loss_after_adam": float(adam.losses[-1]),
            "loss": float(ude.losses[-1]),
            "status": ude.status.name,
        },
    }
    judge(report, log_counts, curves)
    along = curves["ude"][: (TRAIN - 1) * FINE + 1]
    natural = {name: jnp.exp(curves[name]) for name in ("lv", "ude", "band")}
    natural["mechanistic"] = jnp.exp(along.sum(axis=1, keepdims=True) + lv.params[jnp.array([1, 3])])
    natural["learned"] = jax.vmap(ude.params.interaction)(along)
    return report, curves | natural | {"data": data, "num_fitted": TRAIN}


def main():
    """Run the analysis; print it, and write quickstart.json and quickstart.png."""
    print("Fitting the Hudson's Bay lynx and hare counts; most of the time goes into compiling.", flush=True)
    about, packages = "Fit and forecast the lynx and hare counts.", (eqx, optax, optimistix)
    run_example("quickstart", about, analyse, summarise, full="more starts and steps", packages=packages)


if __name__ == "__main__":
    main()
