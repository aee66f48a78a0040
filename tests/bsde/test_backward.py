"""Methods that train step by step from the end, against closed forms and, with an obstacle, a binomial tree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.bsde import DBDP1, DBDP2, DeepSplitting, ParabolicProblem

from .equations import allen_cahn, barenblatt, barenblatt_value, control, control_value

METHODS = [DBDP1, DBDP2, DeepSplitting]
SHORT = dict(num_steps=10, num_iterations=80, batch_size=128, width=16, num_paths=16384)


def quadratic(dim, strength=1.0):
    """u_t + Laplace u / 2 - strength |grad u|^2 / 2 = 0 from |x|^2 / 2."""
    return ParabolicProblem(
        0.0, 1.0, lambda t, x, u, z: -0.5 * strength * z @ z, lambda x: 0.5 * x @ x, jnp.ones(dim), 0.25
    )


def quadratic_value(dim, strength=1.0, x=1.0, left=0.25):
    """|x|^2 / (2 (1 + strength left)) + dim log(1 + strength left) / (2 strength)."""
    grown = 1 + strength * left
    return dim * (x**2 / (2 * grown) + np.log(grown) / (2 * strength))


@pytest.mark.parametrize(
    ("method", "dim"),
    [(DBDP1, 1), *((method, 10) for method in METHODS)]
    + [pytest.param(method, 1, marks=pytest.mark.full) for method in METHODS[1:]],
)
def test_a_quadratic_driver_is_solved(method, dim):
    """Twice the driver's strength would change the value by a sixth or more; the gradient is x / (1 + t1 - t)."""
    sol = sj.solve(quadratic(dim), method(**SHORT), key=0)
    exact = quadratic_value(dim)
    assert abs(sol.u0 - exact) < 2 * sol.u0_error < 0.1 * exact
    assert abs(sol.u0 / exact - 1) < (5e-3 if dim == 1 else 1.5e-3)
    assert abs(quadratic_value(dim, 2.0) / exact - 1) > 0.14
    x = jnp.full(dim, 0.8)
    assert abs(sol(0.125, x) / quadratic_value(dim, x=0.8, left=0.125) - 1) < 0.05
    exact_slope = 0.8 / 1.125
    assert jnp.linalg.norm(sol.gradient(0.125, x) - exact_slope) < 0.15 * jnp.linalg.norm(exact_slope * jnp.ones(dim))


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_control_and_barenblatt_in_ten_dimensions(method):
    """Half and twice the strength of the control differ by 0.8 % and 1.6 % here."""
    sol = sj.solve(control(10), method(width=16, num_paths=32768), key=0)
    exact = control_value(10)
    assert abs(sol.u0 / exact - 1) < 1e-3 and abs(sol.u0 - exact) < 2 * sol.u0_error
    assert abs(sol(0.0, jnp.zeros(10)) / exact - 1) < 0.02
    sol = sj.solve(barenblatt(10), method(width=16, num_paths=32768), key=0)
    exact = barenblatt_value(10)
    assert abs(sol.u0 / exact - 1) < 1e-3 and abs(sol.u0 - exact) < 2 * sol.u0_error


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_control_and_allen_cahn_in_a_hundred_dimensions(method):
    sol = sj.solve(control(100), method(num_iterations=20), key=0)
    exact = control_value(100)
    assert abs(sol.u0 / exact - 1) < 5e-4 and abs(sol.u0 - exact) < 2 * sol.u0_error
    sol = sj.solve(allen_cahn(100), method(num_iterations=20), key=0)
    assert abs(sol.u0 / 0.05278135741 - 1) < 1.5e-3 and abs(sol.u0 - 0.05278135741) < 2 * sol.u0_error


@pytest.mark.full
@pytest.mark.parametrize("method", METHODS)
def test_the_error_covers(method):
    """Of 8 keys at least 7 lie within two of their errors."""
    keys = jax.random.split(jax.random.key(3), 8)
    short = method(**SHORT | dict(num_paths=1024))
    sols = jax.vmap(lambda key: sj.solve(quadratic(5), short, key=key, on_failure="return"))(keys)
    assert jnp.sum(jnp.abs(sols.u0 - quadratic_value(5)) < 2 * sols.u0_error) >= 7


def american_put(dim, volatility, strike=40.0, start=36.0, rate=0.06):
    """A put on the geometric mean of independent stocks, to be exercised at any time in one year."""

    def payoff(x):
        return jnp.maximum(strike - jnp.exp(jnp.mean(jnp.log(x))), 0.0)

    return ParabolicProblem(
        lambda t, x: rate * x,
        lambda t, x: volatility * x,
        lambda t, x, u, z: -rate * u,
        payoff,
        jnp.full(dim, start),
        1.0,
        obstacle=lambda t, x: payoff(x),
        transition=lambda t, x, dt, dw: x * jnp.exp((rate - 0.5 * volatility**2) * dt + volatility * dw),
    )


def tree_put(volatility, dividend, strike=40.0, start=36.0, rate=0.06, num_steps=2000, american=True):
    """Cox, Ross and Rubinstein's tree over one year."""
    dt = 1.0 / num_steps
    up = np.exp(volatility * np.sqrt(dt))
    chance = (np.exp((rate - dividend) * dt) - 1 / up) / (up - 1 / up)
    value = np.maximum(strike - start * up ** (2.0 * np.arange(num_steps + 1) - num_steps), 0)
    for n in range(num_steps - 1, -1, -1):
        value = np.exp(-rate * dt) * (chance * value[1:] + (1 - chance) * value[:-1])
        if american:
            value = np.maximum(value, strike - start * up ** (2.0 * np.arange(n + 1) - n))
    return value[0]


OPTION = dict(num_steps=16, num_iterations=150, batch_size=256, width=16, num_paths=8192, guess_draws=16)


@pytest.mark.parametrize("dim", [1, pytest.param(10, marks=pytest.mark.full)])
@pytest.mark.parametrize("method", [DBDP1, *(pytest.param(m, marks=pytest.mark.full) for m in METHODS[1:])])
def test_an_american_put_is_worth_what_a_tree_says(method, dim):
    """The mean of ten stocks of volatility s is one stock of volatility s / sqrt 10 that pays a dividend."""
    volatility = 0.2 if dim == 1 else 0.4
    dividend = 0.5 * volatility**2 * (1 - 1 / dim)
    exact = tree_put(volatility / np.sqrt(dim), dividend)
    sol = sj.solve(american_put(dim, volatility), method(**OPTION), key=0)
    assert abs(sol.u0 - exact) < 2 * sol.u0_error < 0.06 * exact
    assert abs(sol.u0 / exact - 1) < 5e-3
    assert sol.lower < exact + 3 * sol.u0_standard_error and sol.upper > exact - 3 * sol.u0_standard_error
    early = exact - tree_put(volatility / np.sqrt(dim), dividend, american=False)
    assert early > 5 * abs(sol.u0 - exact)
    deep = jnp.full(dim, 25.0)
    assert abs(sol(0.5, deep) - 15.0) < 0.1


def test_batches_are_pairs():
    with pytest.raises(ValueError, match="`batch_size` must be even.*got 33"):
        DBDP1(batch_size=33)
