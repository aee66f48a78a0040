"""Multiple shooting: chaos, partial observation, agreement with single shooting, what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import (
    BOUNDS,
    LORENZ,
    LORENZ_TIMES,
    TIMES,
    TRUTH,
    lorenz_problem,
    lorenz_values,
    lotka_problem,
    lotka_values,
)

Data = sj.estimation.Data
LORENZ_BOUNDS = (jnp.zeros(3), jnp.array([50.0, 100.0, 20.0]))


def test_lorenz_is_recovered_where_single_shooting_fails():
    problem = lorenz_problem([8.0, 20.0, 2.0])
    options = {"data": Data(LORENZ_TIMES, lorenz_values()), "bounds": LORENZ_BOUNDS, "method": sj.Tsit5()}
    fit = sj.estimation.multiple_shooting(problem, segments=20, **options)
    assert fit.status is sj.estimation.EstimationStatus.CONVERGED
    np.testing.assert_allclose(fit.params, LORENZ, rtol=0.01)
    assert np.all(np.abs(fit.params - LORENZ) < 4 * fit.standard_errors)
    single = sj.estimation.shooting(problem, **options)
    assert np.max(np.abs(single.params / LORENZ - 1)) > 0.02
    assert single.cost > 10 * fit.cost


@pytest.mark.full
@pytest.mark.parametrize("start", [[8.0, 20.0, 2.0], [5.0, 15.0, 1.0], [20.0, 50.0, 5.0]])
@pytest.mark.parametrize("observed", [(0,), (0, 2)])
def test_lorenz_is_recovered_from_some_of_its_components(start, observed):
    data = Data(LORENZ_TIMES, lorenz_values()[:, jnp.array(observed)], observed=observed)
    fit = sj.estimation.multiple_shooting(
        lorenz_problem(start), data=data, segments=20, bounds=LORENZ_BOUNDS, method=sj.Tsit5()
    )
    np.testing.assert_allclose(fit.params, LORENZ, rtol=0.01)


@pytest.mark.full
def test_the_minimum_and_its_errors_are_those_of_single_shooting():
    """Also with one component of two, missing values, an unknown initial state and segments of unequal length."""
    mask = jnp.ones((21, 1), bool).at[jnp.array([3, 7, 8])].set(False)
    y0 = (jnp.full(2, 0.2), jnp.full(2, 4.0))
    data = Data(TIMES, lotka_values(0.02)[:, :1], observed=[0], mask=mask, noise=0.02, unknown_y0=y0)
    problem = lotka_problem(1.05 * TRUTH)
    # The scale of the unobserved prey and one rate cannot be told apart: a prior settles it.
    prior = (TRUTH, jnp.array([jnp.inf, 0.01, jnp.inf, jnp.inf]))
    options = {"data": data, "bounds": BOUNDS, "method": sj.Tsit5(), "prior": prior, "rtol": 1e-8, "atol": 1e-8}
    fit = sj.estimation.multiple_shooting(problem, segments=[1.0, 3.5], **options)
    assert fit.status is sj.estimation.EstimationStatus.CONVERGED
    single = sj.estimation.shooting(problem, **options)
    assert float(fit.cost) == pytest.approx(float(single.cost), rel=1e-4)
    np.testing.assert_allclose(fit.params, single.params, rtol=1e-3)
    np.testing.assert_allclose(fit.y0, single.y0, rtol=1e-3)
    np.testing.assert_allclose(fit.standard_errors, single.standard_errors, rtol=2e-2)
    np.testing.assert_allclose(fit.predictions, single.predictions, atol=1e-4)


def test_wrong_arguments_are_refused():
    problem, data = lotka_problem(), Data(TIMES, lotka_values())
    call = lambda problem=problem, **options: sj.estimation.multiple_shooting(problem, data=data, **options)
    with pytest.raises(ValueError, match="`segments` must be"):
        call(segments=0)
    with pytest.raises(ValueError, match="positive lengths"):
        call(segments=[3.0, 2.0])
    with pytest.raises(ValueError, match="`rounds`"):
        call(rounds=0)
    with pytest.raises(TypeError, match="no events"):
        call(events=[sj.Event(lambda t, y, args: y[0])])
    mass = sj.ODEProblem(lambda t, y, p: -p * y, jnp.ones(2), 0.0, 5.0, jnp.ones(2), mass_matrix=jnp.ones(2))
    with pytest.raises(TypeError, match="without mass matrix"):
        call(mass)
    with pytest.raises(TypeError, match="ODEProblem"):
        sj.estimation.multiple_shooting(lambda p: p * jnp.ones((21, 2)), data=data, initial=jnp.array(1.0))
