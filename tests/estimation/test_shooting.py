"""Single shooting: starts, failures, experiments, initial states, transformations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import BOUNDS, TIMES, TRUTH, lotka_problem, lotka_values, lotka_volterra

OPTIONS = {"method": sj.Tsit5(), "max_steps": 500}
Data = sj.estimation.Data


@pytest.fixture(scope="module")
def fitted():
    data = Data(TIMES, lotka_values(0.05))
    return sj.estimation.shooting(lotka_problem(1.1 * TRUTH), data=data, bounds=BOUNDS, starts=16, key=0, **OPTIONS)


def test_lotka_volterra_is_recovered_within_its_standard_errors(fitted):
    assert fitted.status is sj.estimation.EstimationStatus.CONVERGED
    assert fitted.params.shape == fitted.standard_errors.shape == (4,)
    assert np.all(np.abs(fitted.params - TRUTH) < 3.5 * fitted.standard_errors)
    assert np.all(fitted.standard_errors < 0.1)
    assert fitted.sigma == pytest.approx(0.05, rel=4 / np.sqrt(2 * 38))
    assert fitted.predictions.shape == (1, 21, 2)


def test_all_starts_are_there_and_sorted(fitted):
    starts = fitted.starts
    assert starts.params.shape == (16, 4)
    assert np.all(np.diff(np.asarray(starts.cost)) >= 0)
    assert starts.cost[0] == fitted.cost
    assert 1 <= starts.num_best() <= 16
    np.testing.assert_allclose(starts.params[0], fitted.params)


def test_the_minimum_is_that_of_an_independent_code(fitted):
    import scipy.integrate
    import scipy.optimize

    def residuals(p):
        field = lambda t, y: [p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]]
        sol = scipy.integrate.solve_ivp(field, (0, 5), [1.0, 1.0], t_eval=np.asarray(TIMES), rtol=1e-9, atol=1e-9)
        return (sol.y.T - np.asarray(lotka_values(0.05))).ravel()

    found = scipy.optimize.least_squares(residuals, 1.02 * np.asarray(TRUTH), x_scale="jac")
    assert fitted.cost == pytest.approx(found.cost, rel=1e-4)
    np.testing.assert_allclose(fitted.params, found.x, rtol=1e-4)
    covariance = 2 * found.cost / 38 * np.linalg.inv(found.jac.T @ found.jac)
    np.testing.assert_allclose(fitted.standard_errors, np.sqrt(np.diag(covariance)), rtol=1e-2)


def test_solves_that_fail_are_penalties():
    # y' = a y^2 explodes before the last time for a > 1 / 2, and for the larger starts at once.
    ts = jnp.linspace(0.0, 2.0, 9)
    exact = lambda a: 1 / (1 - a * ts)
    problem = sj.ODEProblem(lambda t, y, a: a * y**2, jnp.ones(1), 0.0, 2.0, jnp.array(0.05))
    starts = jnp.array([[0.05], [0.3], [3.0], [30.0]])
    fit = sj.estimation.shooting(
        problem, data=Data(ts, exact(0.45)), bounds=(-5.0, 50.0), starts=starts, method=sj.Tsit5(), max_steps=100
    )
    assert fit.params == pytest.approx(0.45, rel=1e-4)
    assert np.sum(np.isinf(fit.starts.cost)) == 2
    failed = sj.estimation.shooting(
        problem, data=Data(ts, exact(0.45)), bounds=(2.0, 50.0), starts=starts[2:], method=sj.Tsit5(), max_steps=100
    )
    assert failed.status is sj.estimation.EstimationStatus.NO_START_SUCCEEDED
    assert np.all(np.isnan(failed.params)) and "stiff method" in str(failed.status)


def test_experiments_with_inputs_and_unknown_initial_states_are_fitted_together():
    # dy/dt = -k y + u from an unknown level: two experiments, different inputs, times and masks.
    ts = jnp.stack([jnp.linspace(0, 3.0, 10), jnp.linspace(0, 4.0, 10)])
    rate, levels, inputs = 0.7, jnp.array([2.0, 5.0]), jnp.array([1.0, 0.0])
    exact = levels[:, None] * jnp.exp(-rate * ts) + inputs[:, None] / rate * (1 - jnp.exp(-rate * ts))
    ys = exact.at[0, 4].set(jnp.nan)
    data = Data(
        ts, ys[..., None], mask=jnp.isfinite(ys)[..., None], inputs=inputs, noise=0.01,
        unknown_y0=(jnp.zeros(1), jnp.full(1, 20.0)),
    )  # fmt: skip

    def model(params, u):
        return sj.ODEProblem(lambda t, y, p: -p[0] * y + p[1], jnp.ones(1), 0.0, 5.0, (params["rate"], u))

    fit = sj.estimation.shooting(model, data=data, initial={"rate": 0.2}, bounds=(0.0, 5.0), method=sj.Tsit5())
    assert fit.params["rate"] == pytest.approx(rate, rel=1e-5)
    np.testing.assert_allclose(fit.y0[:, 0], levels, rtol=1e-5)
    assert fit.names == ("rate", "y0.params[0,0]", "y0.params[1,0]") or len(fit.names) == 3
    assert fit.num_data == 19 and fit.standard_errors_y0.shape == (2, 1)
    # Standard errors against the exact derivatives.
    decay = jnp.exp(-rate * ts)
    by_rate = -levels[:, None] * ts * decay - inputs[:, None] * ((1 - decay) / rate**2 - ts * decay / rate)
    columns = [by_rate, decay * jnp.array([[1.0], [0]]), decay * jnp.array([[0.0], [1]])]
    jacobian = np.stack([np.asarray(c)[np.isfinite(ys)] for c in columns], axis=1) / 0.01
    errors = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)))
    np.testing.assert_allclose(np.sqrt(np.diag(fit.covariance)), errors, rtol=1e-3)


def test_a_function_of_parameters_fits_initial_states_and_observations_are_functions():
    ts = jnp.linspace(0.1, 2.0, 8)

    def model(params):
        return sj.ODEProblem(lambda t, y, k: {"a": -k * y["a"]}, {"a": params["level"]}, 0.0, 3.0, params["rate"])

    observed = lambda t, y, k: 2 * y["a"] + t
    data = Data(ts, 2 * 3.0 * jnp.exp(-0.5 * ts) + ts, observed=observed)
    fit = sj.estimation.shooting(model, data=data, initial={"level": 1.0, "rate": 1.0}, method=sj.Tsit5())
    assert fit.params["level"] == pytest.approx(3.0, rel=1e-5)
    assert fit.params["rate"] == pytest.approx(0.5, rel=1e-5)


def test_fits_run_under_jit_and_vmap_and_agree_with_eager_ones():
    ts = jnp.linspace(0.0, 1.0, 6)
    model = lambda p: p[0] * jnp.exp(-p[1] * ts)
    fit = lambda ys: sj.estimation.shooting(
        model, data=Data(ts, ys), bounds=(jnp.zeros(2), jnp.full(2, 9.0)), starts=3, key=1
    )
    values = jnp.stack([2 * jnp.exp(-ts), jnp.exp(-3 * ts)])
    many = jax.jit(jax.vmap(fit))(values)
    np.testing.assert_allclose(many.params, [[2, 1], [1, 3]], rtol=1e-5)
    np.testing.assert_array_equal(many.status, [0, 0])
    np.testing.assert_allclose(fit(values[1]).params, many.params[1], rtol=1e-6)


def test_a_growing_horizon_reaches_what_all_at_once_does_not():
    # Frequency from a wrong start: with the whole record the misfit has a minimum every few percent.
    ts = jnp.linspace(0.0, 20.0, 81)
    model = lambda p: jnp.sin(p[0] * ts)
    data = Data(ts, model(jnp.array([2.0])))
    options = {"data": data, "initial": jnp.array([1.3]), "bounds": (0.1, 9.0)}
    trapped = sj.estimation.shooting(model, **options)
    assert abs(float(trapped.params[0]) - 2.0) > 0.1
    found = sj.estimation.shooting(model, horizons=[2.0, 4.0, 8.0], **options)
    assert found.params[0] == pytest.approx(2.0, rel=1e-6)
    assert sj.estimation.shooting(model, horizons=10, **options).params[0] == pytest.approx(2.0, rel=1e-6)


def test_multistart_minimises_any_residuals():
    # Three minima of a quartic; the global one is at 2.
    residuals = lambda p: {"a": (p - 2.0) * (p + 1.0) * 1.0, "b": 0.3 * (p - 2.0)}
    fit = sj.estimation.multistart(residuals, bounds=(-3.0, 3.0), starts=8, key=0)
    assert fit.params == pytest.approx(2.0, abs=1e-6)
    assert fit.starts.cost.shape == (8,)


def test_a_solve_of_the_future_changes_nothing():
    """The interval is solved up to the last measurement only, whatever happens after it."""
    problem = sj.ODEProblem(lambda t, y, a: a * y**2, jnp.ones(1), 0.0, 10.0, jnp.array(0.3))
    ts = jnp.linspace(0.0, 1.0, 5)
    fit = sj.estimation.shooting(problem, data=Data(ts, 1 / (1 - 0.6 * ts)), bounds=(0.0, 0.9), method=sj.Tsit5())
    assert fit.params == pytest.approx(0.6, rel=1e-4)


def test_modules_as_args_keep_their_functions():
    class Rate(eqx.Module):
        value: jax.Array
        power: int
        shape: object = eqx.field(static=True)

    ts = jnp.linspace(0.0, 1.0, 6)
    model = lambda m: m.shape(m.value * ts**m.power)
    fit = sj.estimation.shooting(model, data=Data(ts, jnp.exp(0.4 * ts**2)), initial=Rate(jnp.array(0.1), 2, jnp.exp))
    assert fit.params.value == pytest.approx(0.4, rel=1e-7) and fit.params.power == 2
    assert lotka_volterra is not None
