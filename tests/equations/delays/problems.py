"""Delay problems whose solutions are known in closed form."""

import math
from fractions import Fraction

import jax.numpy as jnp

import sciml_jax as sj

ROOT2 = math.sqrt(2.0)


def delayed_decay(t, y, past, args):
    """y'(t) = -a y(t - tau); args are (a, tau)."""
    return -args[0] * past(t - args[1])


def decay(value=1.0, y0=None, tau=1.0, t1=10.0, rate=1.0):
    """The same from a constant history."""
    start = None if y0 is None else jnp.array([y0])
    args = (jnp.asarray(rate), jnp.asarray(tau))
    return sj.DDEProblem(delayed_decay, lambda t: jnp.array([value]), 0.0, t1, args, lags=(args[1],), y0=start)


def decayed(t, tau=1, value=1, y0=1):
    """Its exact solution for rate 1, as a sum over the lags passed."""
    t, tau = Fraction(t), Fraction(tau)
    steps = range(int(t / tau) + 2)
    jump = sum(Fraction((-1) ** k, math.factorial(k)) * (t - k * tau) ** k for k in steps if t >= k * tau)
    smooth = sum(Fraction((-1) ** k, math.factorial(k)) * (t - (k - 1) * tau) ** k for k in steps if t >= (k - 1) * tau)
    return float(value * smooth + (y0 - value) * jump)


def pantograph(t1=2.0):
    """y'(t) = e^(t/2) y(t/2) / 2 + y(t) / 2 with a lag that vanishes at 0; the solution is e^t."""

    def field(t, y, past, args):
        return 0.5 * jnp.exp(t / 2) * past(t / 2) + 0.5 * y

    return sj.DDEProblem(field, lambda t: jnp.asarray(1.0), 0.0, t1, lags=(lambda t, y, args: t / 2,))


def feldstein_neves(args=(0.5, ROOT2 - 1), t1=5.0):
    """y'(t) = y(y(t) - sqrt(2) + 1) / (2 sqrt(t)) from y = 1 for t <= 1; the lag depends on the state."""

    def field(t, y, past, args):
        return args[0] * past(y - args[1]) / jnp.sqrt(t)

    lag = lambda t, y, args: t - (y - args[1])
    return sj.DDEProblem(field, lambda t: jnp.asarray(1.0), 1.0, t1, args, lags=(lag,))


def feldstein_neves_solution(t):
    """sqrt(t) up to t = 2, then t/4 + 1/2 + (1 - 1/sqrt(2)) sqrt(t), up to t = 5.0294."""
    return math.sqrt(t) if t <= 2 else t / 4 + 0.5 + (1 - ROOT2 / 2) * math.sqrt(t)


def neves_thompson(t1=10.0):
    """y'(t) = y(t) y(ln y(t)) / t from y = 1 for t <= 1, with breaking points at e and e^2."""

    def field(t, y, past, args):
        return y * past(jnp.log(y)) / t

    return sj.DDEProblem(field, lambda t: jnp.asarray(1.0), 1.0, t1, lags=(lambda t, y, args: t - jnp.log(y),))


def neves_thompson_solution(t):
    """t, e^(t/e), (e / (3 - ln t))^e."""
    if t <= math.e:
        return t
    return math.exp(t / math.e) if t <= math.e**2 else (math.e / (3 - math.log(t))) ** math.e


def neutral_growth(t1=3.5):
    """y'(t) = y(t) + y'(t - 1) from y = t + 1 for t <= 0: a slope that jumps at every whole number."""

    def field(t, y, past, args):
        return y + past(t - 1.0, derivative=True)

    return sj.DDEProblem(field, lambda t: t + 1.0, 0.0, t1, lags=(1.0,), neutral=True)


def neutral_growth_solution(t):
    """On the k-th interval (polynomial in t) e^t + ..., by the method of steps.

    With u_k(s) on [k, k + 1], s = t - k: u_k' = u_k + u_(k-1)', u_0' = u_0 + 1, so that e^(-s) u_k is a polynomial
    up to a constant: u_k = P_k(s) e^s + c_k.
    """
    polynomial, constant = [2.0], -1.0
    for _ in range(int(t)):
        value = sum(polynomial) * math.e + constant
        # u' of the interval before is (P + P') e^s; u = e^s (Q + const) with Q' = P + P'.
        derivative = [(i + 1) * c for i, c in enumerate(polynomial[1:])] + [0.0]
        rate = [a + b for a, b in zip(polynomial, derivative)]
        polynomial, constant = [value] + [c / (i + 1) for i, c in enumerate(rate)], 0.0
    s = t - int(t)
    return sum(c * s**i for i, c in enumerate(polynomial)) * math.exp(s) + constant
