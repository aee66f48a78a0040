"""Equations with known solutions."""

import jax.numpy as jnp
import numpy as np
from scipy import integrate, stats

import sciml_jax as sj


def control(dim, strength=1.0, z="sigma_grad"):
    """Hamilton-Jacobi-Bellman, u_t + Laplace u - strength |grad u|^2 = 0, sigma = sqrt 2."""
    factor = 0.5 if z == "sigma_grad" else 1.0
    return sj.bsde.ParabolicProblem(
        drift=0.0,
        diffusion=jnp.sqrt(2.0),
        driver=lambda t, x, u, z: -factor * strength * jnp.sum(z**2),
        terminal=lambda x: jnp.log(0.5 * (1.0 + jnp.sum(x**2))),
        x0=jnp.zeros(dim),
        t1=1.0,
        z=z,
    )


def control_value(dim, strength=1.0):
    """-log E exp(-strength g(sqrt 2 W)) / strength, by quadrature over the chi-square distribution."""
    density = stats.chi2(dim).pdf
    mean = integrate.quad(lambda s: (0.5 * (1 + 2 * s)) ** -strength * density(s), 0, np.inf, epsabs=1e-13)[0]
    return -np.log(mean) / strength


def allen_cahn(dim):
    return sj.bsde.ParabolicProblem(
        0.0, jnp.sqrt(2.0), lambda t, x, u, z: u - u**3, lambda x: 1 / (2 + 0.4 * jnp.sum(x**2)), jnp.zeros(dim), 0.3
    )


def barenblatt(dim, rate=0.05, volatility=0.4):
    """u = exp((r + sigma^2)(T - t)) |x|^2."""
    x0 = jnp.where(jnp.arange(dim) % 2 == 0, 1.0, 0.5)
    return sj.bsde.ParabolicProblem(
        drift=0.0,
        diffusion=lambda t, x: volatility * x,
        driver=lambda t, x, u, z: -rate * (u - jnp.dot(x, z)),
        terminal=lambda x: jnp.sum(x**2),
        x0=x0,
        t1=1.0,
        z="grad",
    )


def barenblatt_value(dim, rate=0.05, volatility=0.4):
    x0 = np.where(np.arange(dim) % 2 == 0, 1.0, 0.5)
    return np.exp(rate + volatility**2) * np.sum(x0**2)
