"""Problems with known solutions or moments; functions of the module, so that compiled programs are shared."""

import jax.numpy as jnp

import sciml_jax as sj

ALPHA, BETA, START = 1.01, 0.87, 0.5
ARGS = jnp.array([ALPHA, BETA])


def growth(t, y, args):
    return args[0] * y


def fluctuation(t, y, args):
    return args[1] * y


def geometric(args=ARGS, t1=1.0, **options):
    """Geometric Brownian motion, `dX = alpha X dt + beta X dW`, X(0) = 1/2."""
    return sj.SDEProblem(growth, fluctuation, jnp.array([START]).astype(args.dtype), 0.0, t1, args, **options)


def geometric_exact(t, w, args=ARGS, interpretation="ito"):
    compensator = 0.5 * args[1] ** 2 if interpretation == "ito" else 0.0
    return START * jnp.exp((args[0] - compensator) * t + args[1] * w)


def attraction(t, y, args):
    theta, mu, _ = args
    return theta * (mu - y)


def spread(t, y, args):
    return jnp.full_like(y, args[2])


OU_ARGS = (1.3, 0.4, 0.6)


def ornstein_uhlenbeck(t1=1.0, y0=1.5):
    """`dX = theta (mu - X) dt + sigma dW`."""
    return sj.SDEProblem(attraction, spread, jnp.array([y0]), 0.0, t1, OU_ARGS, noise="additive")


def stiff_drift(t, y, args):
    """Two states that are pulled together at a rate of 1e4."""
    pull = 1e4 * (y[0] - y[1])
    return jnp.stack([-pull - y[0], pull - y[1]])


def small_spread(t, y, args):
    return jnp.array([0.3, 0.2])
