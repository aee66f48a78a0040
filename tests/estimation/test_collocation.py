"""Collocation: parameters by matched slopes and by states and parameters together, against the truth and shooting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import estimation as es

TRUE = jnp.array([1.5, 1.0, 3.0, 1.0])
Y0 = jnp.array([1.0, 1.0])
TS = jnp.linspace(0.0, 6.0, 61)


def field(t, y, p):
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


@pytest.fixture(scope="module")
def exact():
    return sj.solve(sj.ODEProblem(field, Y0, 0.0, 6.0, TRUE), sj.Tsit5(), saveat=TS, rtol=1e-9, atol=1e-11).ys


PROBLEM = sj.ODEProblem(field, Y0, 0.0, 6.0, jnp.array([0.5, 3.0, 1.0, 3.0]))


def test_matched_slopes_of_clean_data_give_the_parameters(exact):
    """Differences of order eight, and a start from which shooting ends elsewhere."""
    matching = es.GradientMatching(es.FiniteDifferences(8))
    fit = es.collocation(PROBLEM, data=es.Data(TS, exact), matching=matching, refine=False)
    assert np.allclose(fit.params, TRUE, rtol=0.01)
    assert fit.status is es.EstimationStatus.CONVERGED


@pytest.mark.parametrize(
    "smoother",
    [es.LocalPolynomial(), es.LocalPolynomial(es.kernels.Tricube(), degree=2, bandwidth=0.3), es.SmoothingSpline()],
)
def test_matched_slopes_of_noisy_data_come_near(exact, smoother):
    noise = 0.02 * jnp.std(exact, axis=0)
    data = es.Data(TS, exact + noise * jax.random.normal(jax.random.key(0), exact.shape), noise=noise)
    fit = es.collocation(PROBLEM, data=data, matching=es.GradientMatching(smoother), refine=False)
    assert np.allclose(fit.params, TRUE, rtol=0.1), fit.params


def test_refined_it_is_shooting_from_a_good_start(exact):
    noise = 0.02 * jnp.std(exact, axis=0)
    data = es.Data(TS, exact + noise * jax.random.normal(jax.random.key(1), exact.shape), noise=noise)
    fit = es.collocation(PROBLEM, data=data, method=sj.Tsit5(), rtol=1e-7, atol=1e-9)
    best = es.shooting(PROBLEM, data=data, initial=TRUE, method=sj.Tsit5(), rtol=1e-7, atol=1e-9)
    assert np.allclose(fit.params, best.params, rtol=1e-5)
    assert np.allclose(fit.standard_errors, best.standard_errors, rtol=1e-3)
    assert np.all(np.abs(fit.params - TRUE) < 4 * fit.standard_errors)


@pytest.mark.full
def test_orthogonal_collocation_solves_the_same_problem_without_solves(exact):
    noise = 0.02 * jnp.std(exact, axis=0)
    data = es.Data(TS, exact + noise * jax.random.normal(jax.random.key(1), exact.shape), noise=noise)
    matching = es.OrthogonalCollocation(24)
    fit = es.collocation(PROBLEM, data=data, matching=matching, refine=False, method=sj.Tsit5())
    best = es.shooting(PROBLEM, data=data, initial=TRUE, method=sj.Tsit5(), rtol=1e-8, atol=1e-10)
    assert np.all(np.abs(fit.params - best.params) < 0.2 * best.standard_errors), (fit.params, best.params)
    assert fit.status is es.EstimationStatus.CONVERGED


@pytest.mark.full
def test_orthogonal_collocation_takes_a_state_that_nobody_measured(exact):
    """Prey alone are counted; two of the rates are known."""
    problem = lambda p: sj.ODEProblem(field, Y0, 0.0, 6.0, jnp.stack([p[0], p[1], 3.0, 1.0]))
    data = es.Data(TS, exact[:, 0], observed=[0], noise=0.02)
    fit = es.collocation(
        problem,
        data=data,
        initial=jnp.array([1.0, 0.6]),
        matching=es.OrthogonalCollocation(24),
        refine=False,
        method=sj.Tsit5(),
    )
    assert np.allclose(fit.params, TRUE[:2], rtol=1e-3)


def test_several_experiments_share_parameters():
    starts = jnp.array([[1.0, 1.0], [2.0, 0.5], [3.0, 2.0]])
    ts = TS[:31]
    run = lambda y0: sj.solve(sj.ODEProblem(field, y0, 0.0, 6.0, TRUE), sj.Tsit5(), saveat=ts, rtol=1e-9).ys
    data = es.Data(jnp.stack([ts] * 3), jax.vmap(run)(starts), y0=starts)
    matching = es.GradientMatching(es.FiniteDifferences(8))
    fit = es.collocation(PROBLEM, data=data, matching=matching, refine=False)
    assert np.allclose(fit.params, TRUE, rtol=1e-3)


@pytest.mark.parametrize("kernel", ["Epanechnikov", "Uniform", "Triangular", "Quartic", "Triweight", "Tricube"])
def test_kernels_have_mass_one(kernel):
    u = jnp.linspace(-1.0, 1.0, 20001)[1:-1]
    assert abs(float(jnp.sum(getattr(es.kernels, kernel)()(u)) * (u[1] - u[0])) - 1) < 1e-3


@pytest.mark.parametrize("kernel", ["Gaussian", "Cosine", "Logistic", "Sigmoid", "Silverman"])
def test_kernels_without_bounds_have_mass_one(kernel):
    u = jnp.linspace(-40.0, 40.0, 80001)
    assert abs(float(jnp.sum(getattr(es.kernels, kernel)()(u)) * (u[1] - u[0])) - 1) < 1e-3


def test_local_polynomials_reproduce_polynomials_of_their_degree():
    ts = jnp.asarray(np.sort(np.random.default_rng(0).uniform(0.0, 1.0, 40)))
    ys = jnp.stack([1 + 2 * ts - 3 * ts**2, ts**2], axis=1)
    slopes = jnp.stack([2 - 6 * ts, 2 * ts], axis=1)
    for smoother in (
        es.LocalPolynomial(degree=2, bandwidth=0.3),
        es.LocalPolynomial(es.kernels.Gaussian(), bandwidth=0.1),
    ):
        values, rates = smoother.smooth(ts, ys)
        assert np.allclose(values, ys, atol=1e-9) and np.allclose(rates, slopes, atol=1e-7)


def test_the_smoothing_spline_is_that_of_scipy():
    from scipy.interpolate import make_smoothing_spline

    ts = np.sort(np.random.default_rng(1).uniform(0.0, 6.0, 50))
    ys = np.sin(ts) + 0.1 * np.random.default_rng(2).normal(size=50)
    expected = make_smoothing_spline(ts, ys, lam=0.05)
    values, rates = es.SmoothingSpline(0.05).smooth(jnp.asarray(ts), jnp.asarray(ys)[:, None])
    assert np.allclose(values[:, 0], expected(ts), atol=1e-9)
    assert np.allclose(rates[:, 0], expected.derivative()(ts), atol=1e-8)
    chosen, theirs = (
        es.SmoothingSpline().smooth(jnp.asarray(ts), jnp.asarray(ys)[:, None])[0],
        make_smoothing_spline(ts, ys),
    )
    assert np.max(np.abs(np.asarray(chosen)[:, 0] - theirs(ts))) < 0.02


@pytest.mark.parametrize("order", [2, 4, 6])
def test_finite_differences_have_their_order_at_any_times(order):
    errors, steps = [], [0.2, 0.1, 0.05]
    for h in steps:
        ts = jnp.arange(0.0, 4.0 + h / 2, h)
        ts = ts + 0.2 * h * jnp.sin(7 * ts)
        slopes = es.FiniteDifferences(order).smooth(ts, jnp.sin(ts)[:, None])[1][:, 0]
        errors.append(float(jnp.max(jnp.abs(slopes - jnp.cos(ts)))))
    rate = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert rate > order - 0.5


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: es.LocalPolynomial(degree=0), ValueError, "`degree`"),
        (lambda: es.LocalPolynomial(bandwidth=-1.0), ValueError, "`bandwidth` must be positive"),
        (lambda: es.LocalPolynomial(es.kernels.Gaussian), TypeError, "Call it"),
        (lambda: es.FiniteDifferences(3), ValueError, "even"),
        (lambda: es.SmoothingSpline(0.0), ValueError, "positive"),
        (lambda: es.OrthogonalCollocation(0), ValueError, "`intervals`"),
        (lambda: es.OrthogonalCollocation(degree=6), ValueError, "1 to 5"),
        (lambda: es.GradientMatching("spline"), TypeError, "smoother"),
        (lambda: es.collocation(PROBLEM, data=(TS, TS)), TypeError, "`data` must be"),
        (lambda: es.collocation(PROBLEM, data=es.Data(TS, TS, observed=[0])), ValueError, "all 2 components"),
        (lambda: es.collocation(PROBLEM, data=es.Data(TS, jnp.ones((61, 2))), matching="x"), TypeError, "matching"),
        (
            lambda: es.collocation(sj.MapProblem(lambda t, y, a: y, Y0, 5, TRUE), data=es.Data(TS, jnp.ones((61, 2)))),
            TypeError,
            "ODEProblem",
        ),
    ],
)
def test_bad_input_is_refused_with_the_rule(make, error, message):
    with pytest.raises(error, match=message):
        make()
