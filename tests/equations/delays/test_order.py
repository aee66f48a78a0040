"""Methods keep their order over breaking points, because steps end on them."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.delays.delays import Delays

LAG = 0.7
SIZES = (0.1, 0.05, 0.025)


def field(t, y, past, args):
    """y' = -y + sin(2 y(t - 0.7)) + t / 4: its slope jumps at the start, its k-th derivative at (k - 1) lags."""
    return -y + jnp.sin(2 * past(t - LAG)) + t / 4


def problem():
    return sj.DDEProblem(field, lambda t: jnp.asarray(1.0) + t, 0.0, 3.1, lags=(LAG,))


@pytest.fixture(scope="module")
def reference():
    return sj.solve(problem(), sj.Vern7(), rtol=1e-13, atol=1e-14).y1


def slope(method, reference, sizes=SIZES):
    solve = lambda dt0: sj.solve(problem(), method, dt0=dt0, controller=sj.FixedStep()).y1
    errors = [abs(float(solve(dt0) - reference)) for dt0 in sizes]
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


@pytest.mark.parametrize(
    ("method", "order"),
    [
        pytest.param(sj.RK4(), 4, marks=pytest.mark.full),
        (sj.Tsit5(), 5),
        pytest.param(sj.Bosh3(), 3, marks=pytest.mark.full),
        pytest.param(sj.Vern7(), 7, marks=pytest.mark.full),
        pytest.param(sj.Rodas5P(), 5, marks=pytest.mark.full),
        pytest.param(sj.KenCarp4(), 4, marks=pytest.mark.full),
        pytest.param(sj.TRBDF2(), 2, marks=pytest.mark.full),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_order_is_kept(method, order, reference):
    assert slope(method, reference) > order - 0.35


def test_the_order_is_lost_where_breaking_points_are_not_stepped_on(monkeypatch, reference):
    begin = Delays.__init__

    def without(self, *args):
        begin(self, *args)
        self.last_level = -1.0

    monkeypatch.setattr(Delays, "__init__", without)
    other = lambda t, y, past, args: field(t, y, past, args)
    lost = sj.DDEProblem(other, lambda t: jnp.asarray(1.0) + t, 0.0, 3.1, lags=(LAG,))
    # Sizes that do not happen to divide the lag.
    solve = lambda dt0: sj.solve(lost, sj.Tsit5(), dt0=dt0, controller=sj.FixedStep()).y1
    errors = [abs(float(solve(dt0) - reference)) for dt0 in (0.11, 0.053, 0.0271, 0.0131)]
    assert np.polyfit(np.log((0.11, 0.053, 0.0271, 0.0131)), np.log(errors), 1)[0] < 4.5
