"""What estimation refuses, and what it says."""

import jax.numpy as jnp
import pytest

import sciml_jax as sj

from .problems import BOUNDS, TIMES, lotka_problem, lotka_values

Data = sj.estimation.Data


def shoot(model=None, data=None, **options):
    data = Data(TIMES, lotka_values()) if data is None else data
    return sj.estimation.shooting(lotka_problem() if model is None else model, data=data, **options)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"bounds": (jnp.full(4, 10.0), jnp.zeros(4))}, ValueError, "crossed"),
        ({"bounds": (jnp.zeros(3), jnp.ones(3))}, ValueError, r"bounds\[0\]"),
        ({"starts": 0, "bounds": BOUNDS}, ValueError, "`starts`"),
        ({"starts": 4}, ValueError, "must be finite"),
        ({"starts": 4, "bounds": BOUNDS}, ValueError, "needs `key`"),
        ({"starts": jnp.ones((2, 3)), "bounds": BOUNDS}, ValueError, "starts"),
        ({"optimizer": "lm"}, TypeError, "`optimizer`"),
        ({"prior": 1.0}, ValueError, "`prior`"),
        ({"penalty": 1.0}, TypeError, "`penalty`"),
        ({"method": "tsit5"}, TypeError, "`method`"),
        ({"horizons": 0}, ValueError, "`horizons`"),
        ({"data": 1.0}, TypeError, "`data`"),
        ({"model": 1.0}, TypeError, "`model`"),
        ({"model": lambda p: "no"}, ValueError, "`initial`"),
    ],
)
def test_wrong_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        shoot(**options)


def test_times_outside_the_problem_are_refused():
    for ts in (TIMES + 1.0, TIMES - 1.0):
        with pytest.raises(ValueError, match=r"must lie in the problem's \[t0, t1\]; got 4 of 21"):
            shoot(data=Data(ts, lotka_values()))
    with pytest.raises(ValueError, match="from t0 to t1"):
        shoot(data=Data(TIMES[::-1], lotka_values()))


def test_fewer_values_than_unknowns_are_refused():
    with pytest.raises(ValueError, match="got 3 values for 4 unknowns"):
        shoot(data=Data(TIMES[:3], lotka_values()[:3, 0], observed=[0]))
    mask = jnp.zeros((21, 2), bool).at[:2, 0].set(True)
    with pytest.raises(ValueError, match="got 2 values for 4 unknowns"):
        shoot(data=Data(TIMES, lotka_values(), mask=mask))
    with pytest.raises(ValueError, match="for 6 unknowns"):
        shoot(data=Data(TIMES[:2], lotka_values()[:2], unknown_y0=(jnp.zeros(2), jnp.ones(2))))


def test_nan_without_a_mask_is_refused():
    with pytest.raises(ValueError, match=r"mask=jnp.isfinite\(ys\)"):
        Data(TIMES, lotka_values().at[3, 1].set(jnp.nan))


def test_series_that_do_not_fit_the_state_are_refused():
    with pytest.raises(ValueError, match="1 series, but the state has 2"):
        shoot(data=Data(TIMES, lotka_values()[:, 0]))
    with pytest.raises(ValueError, match="below the 2 components"):
        shoot(data=Data(TIMES, lotka_values()[:, 0], observed=[2]))
    with pytest.raises(ValueError, match="predictions"):
        shoot(lambda p: jnp.ones(3) * p, initial=jnp.array(1.0))
    with pytest.raises(TypeError, match="problem or predictions"):
        shoot(lambda p: "no", initial=jnp.array(1.0))


def test_inputs_need_a_function_of_them():
    with pytest.raises(TypeError, match=r"\(params, inputs\) -> problem"):
        shoot(data=Data(TIMES, lotka_values(), inputs=jnp.array(1.0)))


def test_every_status_has_a_remedy():
    for status in sj.estimation.EstimationStatus:
        assert status.name in str(status) and len(status.message) > 30
