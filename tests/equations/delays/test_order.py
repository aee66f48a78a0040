"""Methods keep their order over breaking points, because steps end on them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from contracts.methods import METHODS

import sciml_jax as sj
from sciml_jax.equations.delays.delays import Delays

LAG = 0.7
REFERENCE = (0.0026851808992106735, -0.5459690709921968)


def field(t, y, past, args):
    """Two coupled equations; slopes jump at the start, k-th derivatives at (k - 1) lags."""
    late = past(t - LAG)
    return jnp.stack([-y[0] + jnp.sin(2 * late[1]) + t / 4, -0.5 * y[1] + jnp.cos(3 * late[0]) * y[0]])


def wandering(t, y, past, args):
    """The same with a lag that moves lookups about within the steps."""
    late = past(t - wandering_lag(t, y, args))
    return jnp.stack([-y[0] + jnp.sin(2 * late[1]) + t / 4, -0.5 * y[1] + jnp.cos(3 * late[0]) * y[0]])


def wandering_lag(t, y, args):
    return 0.6 + 0.2 * jnp.sin(2 * t)


def problem(vector_field=field, lag=LAG):
    return sj.DDEProblem(vector_field, lambda t: jnp.stack([1.0 + t, 0.5 * jnp.cos(t)]), 0.0, 3.1, lags=(lag,))


def slope(method, numbers, made=None, reference=REFERENCE):
    """The exponent of the error for so many steps per lag."""
    made = problem() if made is None else made
    end = jax.jit(lambda dt0: sj.solve(made, method, dt0=dt0, controller=sj.FixedStep()).y1)
    # Sizes that do not divide the lag.
    sizes = [LAG / (number + 0.3) for number in numbers]
    errors = [float(np.max(np.abs(end(size) - np.asarray(reference)))) for size in sizes]
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]


def steps_per_lag(listed):
    """Few enough to stay above rounding, enough for the leading term to lead; multistep methods begin anew each lag."""
    if listed.method.carries_memory:
        return (24, 36, 48)
    return (6, 12, 24) if listed.order < 6 else (4, 6, 8) if listed.order < 8 else (2, 3, 4)


QUICK = ("Tsit5", "TRBDF2", "RadauIIA5")


def listed_methods():
    # `Split` vector fields have no delays.
    kept = [m for m in METHODS if not m.method.needs_split]
    return [pytest.param(m, id=m.name, marks=() if m.name in QUICK else pytest.mark.full) for m in kept]


@pytest.mark.parametrize("listed", listed_methods())
def test_the_order_is_kept(listed):
    # `VCABM` begins at order 1 and a fixed step; an error of that size remains.
    order = listed.order if listed.has_fixed_order else 3
    assert slope(listed.method, steps_per_lag(listed)) > order - 0.35


@pytest.mark.full
@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Rodas5P(), sj.RadauIIA5()], ids=lambda m: type(m).__name__)
def test_lookups_anywhere_in_a_step_are_of_nearly_the_order_of_the_method(method):
    """The collocation polynomial of Radau IIA is of order 4, with an error of mean zero over a step."""
    made = problem(wandering, wandering_lag)
    reference = sj.solve(made, sj.Vern7(), rtol=1e-13, atol=1e-14).y1
    assert slope(method, (6, 9, 13, 19, 28), made, reference) > 4.3


@pytest.mark.full
def test_the_reference_is_that_of_two_methods():
    for method in (sj.Vern8(), sj.Tsit5()):
        np.testing.assert_allclose(sj.solve(problem(), method, rtol=1e-12, atol=1e-14).y1, REFERENCE, atol=2e-12)


def test_the_order_is_lost_where_breaking_points_are_not_stepped_on(monkeypatch):
    begin = Delays.__init__

    def without(self, *args):
        begin(self, *args)
        self.last_level = -1.0

    monkeypatch.setattr(Delays, "__init__", without)
    # Another function, so that it is traced again.
    made = problem(lambda t, y, past, args: field(t, y, past, args))
    assert slope(sj.Tsit5(), (6, 13, 26, 53), made) < 4.0
