"""Problems from the literature on delay equations, all with exact solutions, or laws that solutions keep."""

import itertools
import math
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

TIGHT = {"rtol": 1e-9, "atol": 1e-11}
full = pytest.mark.full


def neutral_with_a_touching_lag():
    """Enright & Hayashi (1998): neutral, with a lag t cos(t)^2 of the state that vanishes at 0 and at pi/2; sin t."""

    def field(t, y, past, c):
        then = t * jnp.sin(t) ** 2
        forced = (1 - c) * jnp.sin(t) * jnp.cos(then) - jnp.sin(t + then)
        s = t * y * y
        return jnp.cos(t) * (1 + past(s)) + c * y * past(s, derivative=True) + forced

    lag = lambda t, y, c: t - t * y * y
    return sj.DDEProblem(field, lambda t: 0.0 * t, 0.0, math.pi, -0.5, lags=(lag,), neutral=True), math.sin


def neutral_with_two_lags():
    """Paul's test set (1994): `y' = 1 + y - 2 y(t/2)^2 - y'(t - pi)` from cos t; cos t."""

    def field(t, y, past, args):
        return 1 + y - 2 * past(t / 2) ** 2 - past(t - math.pi, derivative=True)

    lags = (lambda t, y, args: t / 2, math.pi)
    return sj.DDEProblem(field, jnp.cos, 0.0, math.pi, lags=lags, neutral=True), math.cos


def neutral_of_the_state():
    """Castleton & Grimm (1973): `y'(t y^2 / (1 + y^2))`, vanishing at 0; -log(cos 2t) / 2."""

    def field(t, y, past, args):
        s = t * y * y / (1 + y * y)
        slope = past(s, derivative=True)
        return -4 * t * y * y / (4 + jnp.log(jnp.cos(2 * t)) ** 2) + jnp.tan(2 * t) + 0.5 * jnp.arctan(slope)

    lag = lambda t, y, args: t - t * y * y / (1 + y * y)
    problem = sj.DDEProblem(field, lambda t: 0.0 * t, 0.0, 0.225 * math.pi, lags=(lag,), neutral=True)
    return problem, lambda t: -math.log(math.cos(2 * t)) / 2


def lag_that_touches_zero():
    """Enright & Hayashi (1997): a lag of the state, `t - exp(1 - y_2)`, zero at t = 1 only; (log t, 1/t)."""

    def field(t, y, past, args):
        late = past(jnp.exp(1 - y[1]))[1]
        return jnp.stack([y[1], -late * y[1] ** 2 * jnp.exp(1 - y[1])])

    history = lambda t: jnp.stack([jnp.log(t), 1 / t])
    lag = lambda t, y, args: t - jnp.exp(1 - y[1])
    return sj.DDEProblem(field, history, 0.1, 5.0, lags=(lag,)), lambda t: np.array([math.log(t), 1 / t])


def lag_that_goes_to_and_fro():
    """A lookup at `0.2 sin 4t`, which crosses the kink at 0 again and again in both directions; e^t."""

    def field(t, y, past, args):
        s = 0.2 * jnp.sin(4 * t)
        return jnp.exp(t) + past(s) - jnp.where(s < 0, 1 - s, jnp.exp(s))

    lag = lambda t, y, args: t - 0.2 * jnp.sin(4 * t)
    return sj.DDEProblem(field, lambda t: 1.0 - t, 0.0, 4.0, lags=(lag,)), math.exp


@pytest.mark.parametrize(
    "make",
    [
        neutral_with_a_touching_lag,
        pytest.param(neutral_with_two_lags, marks=full),
        pytest.param(neutral_of_the_state, marks=full),
        lag_that_touches_zero,
        pytest.param(lag_that_goes_to_and_fro, marks=full),
    ],
    ids=lambda make: make.__name__,
)
def test_the_exact_solution_is_reached(make):
    problem, exact = make()
    sol = sj.solve(problem, sj.Tsit5(), **TIGHT)
    np.testing.assert_allclose(sol.y1, exact(float(problem.t1)), rtol=2e-7, atol=2e-8)


def cascade():
    """`y' = (y_1(t - 1), y_1(t - 1) + y_2(t - 1/5), y_2)` from ones (Wille & Baker 1992; MATLAB's ddex1)."""

    def field(t, y, past, args):
        late, soon = past(t - 1.0), past(t - 0.2)
        return jnp.stack([late[0], late[0] + soon[1], y[1]])

    return sj.DDEProblem(field, lambda t: jnp.ones(3), 0.0, 5.0, lags=(1.0, 0.2))


def cascaded(cells=25):
    """Its value at t = 5 in rational numbers: polynomials on cells of length 1/5."""
    width = Fraction(1, 5)
    value = lambda p: sum((c * width**i for i, c in enumerate(p)), Fraction(0))
    integral = lambda start, p: [start, *(c / (i + 1) for i, c in enumerate(p))]
    add = lambda p, q: [a + b for a, b in itertools.zip_longest(p, q, fillvalue=Fraction(0))]
    one = [Fraction(1)]
    first, second, y = [one] * 5, [one], [Fraction(1)] * 3
    for _ in range(cells):
        late, soon = first[-5], second[-1]
        p = integral(y[0], late)
        q = integral(y[1], add(late, soon))
        r = integral(y[2], q)
        first, second, y = [*first, p], [*second, q], [value(p), value(q), value(r)]
    return [float(x) for x in y]


def test_breaking_points_of_two_lags_that_coincide_are_stepped_on():
    sol = sj.solve(cascade(), sj.Tsit5(), **TIGHT)
    np.testing.assert_allclose(sol.y1, cascaded(), rtol=1e-9)
    # 25 cells; one step each would do.
    assert sol.stats.num_accepted < 120


@full
def test_an_epidemic_with_two_lags_keeps_its_population():
    """Kermack & McKendrick's model (Hairer, Norsett & Wanner, II.17): the sum of all groups stays 6.1."""

    def field(t, y, past, args):
        one, ten = past(t - 1.0)[1], past(t - 10.0)[1]
        return jnp.stack([-y[0] * one + ten, y[0] * one - y[1], y[1] - ten])

    problem = sj.DDEProblem(field, lambda t: jnp.array([5.0, 0.1, 1.0]), 0.0, 40.0, lags=(1.0, 10.0))
    explicit, stiff = (sj.solve(problem, m, rtol=1e-8, atol=1e-10).y1 for m in (sj.Tsit5(), sj.Rodas5P()))
    np.testing.assert_allclose(jnp.sum(explicit), 6.1, rtol=1e-12)
    np.testing.assert_allclose(explicit, stiff, rtol=1e-6)


@full
def test_a_parameter_that_jumps_at_a_known_time_is_stepped_on():
    """`y' = -a(t) y(t - 1)` with a = 1 up to 1.5 and 2 behind, from 1: piecewise polynomials."""

    def field(t, y, past, args):
        return -jnp.where(t < 1.5, 1.0, 2.0) * past(t - 1.0)

    problem = sj.DDEProblem(field, lambda t: jnp.asarray(1.0), 0.0, 3.0, lags=(1.0,))
    sol = sj.solve(problem, sj.Tsit5(), controller=sj.PIDController(tstops=jnp.array([1.5])), **TIGHT)
    # By cells of 1/2: y(1) = 0, y(1.5) = -3/8, y(2) = -3/8 - 2 (1/8) = -5/8; from there with the values a lag before.
    cells = [1.0, 0.0, -0.375, -0.625]
    # In (1, 1.5): y = -(s - s^2/2), s = t - 1; in (1.5, 2): y = -3/8 - 2 (s/2 - s^2/2), s = t - 1.5.
    y25 = cells[3] + 2 * (0.5**2 / 2 - 0.5**3 / 6)
    y3 = y25 + 2 * (0.375 * 0.5 + 2 * (0.5 * 0.5**2 / 2 - 0.5**3 / 6))
    np.testing.assert_allclose(sol.y1, y3, rtol=1e-8)
