"""Sparse identification: supports and coefficients of known systems, from clean and from noisy data, and bad input."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import sciml_jax as sj
from sciml_jax import estimation as es

SYSTEMS = {
    "lorenz": (
        lambda t, y: [10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]],
        (-8.0, 8.0, 27.0),
        10.0,
        {
            "dx/dt": {"x": -10.0, "y": 10.0},
            "dy/dt": {"x": 28.0, "y": -1.0, "x z": -1.0},
            "dz/dt": {"z": -8 / 3, "x y": 1.0},
        },
    ),
    "rossler": (
        lambda t, y: [-y[1] - y[2], y[0] + 0.2 * y[1], 0.2 + y[2] * (y[0] - 5.7)],
        (1.0, 1.0, 0.0),
        30.0,
        {
            "dx/dt": {"y": -1.0, "z": -1.0},
            "dy/dt": {"x": 1.0, "y": 0.2},
            "dz/dt": {"1": 0.2, "z": -5.7, "x z": 1.0},
        },
    ),
    "van_der_pol": (
        lambda t, y: [y[1], 2 * (1 - y[0] ** 2) * y[1] - y[0]],
        (2.0, 0.0),
        20.0,
        {"dx/dt": {"y": 1.0}, "dy/dt": {"x": -1.0, "y": 2.0, "x^2 y": -2.0}},
    ),
    "lotka_volterra": (
        lambda t, y: [1.5 * y[0] - y[0] * y[1], -3 * y[1] + y[0] * y[1]],
        (1.0, 1.0),
        10.0,
        {"dx/dt": {"x": 1.5, "x y": -1.0}, "dy/dt": {"y": -3.0, "x y": 1.0}},
    ),
}
DEGREE = {"van_der_pol": 3}
NAMES = [pytest.param(name, marks=pytest.mark.full) if name in ("rossler", "van_der_pol") else name for name in SYSTEMS]


def sample(name, step=0.01, jitter=0.0, end=None):
    field, y0, t1, law = SYSTEMS[name]
    t1 = t1 if end is None else end
    ts = np.arange(0.0, t1 + step / 2, step)
    ts = ts + jitter * step * np.random.default_rng(1).uniform(-0.5, 0.5, ts.size)
    ts = np.clip(ts, 0.0, None)
    sol = solve_ivp(field, (0.0, ts[-1]), y0, t_eval=ts, rtol=1e-11, atol=1e-11, method="DOP853")
    return ts, sol.y.T, law


def noisy(ys, size, seed=0):
    return ys + size * np.std(ys, axis=0) * np.random.default_rng(seed).normal(size=ys.shape)


def worst(law, expected):
    """The largest relative error of a coefficient; infinite where the terms differ."""
    found = law.as_dict()
    if {k: set(v) for k, v in found.items()} != {k: set(v) for k, v in expected.items()}:
        return np.inf
    return max(abs(found[k][term] / c - 1) for k, row in expected.items() for term, c in row.items())


@pytest.mark.parametrize("name", NAMES)
def test_clean_data_give_the_exact_terms_and_coefficients_within_a_thousandth(name):
    ts, ys, expected = sample(name)
    library = es.polynomials(DEGREE.get(name, 2))
    for options in ({}, {"weak": True}):
        law = es.sindy(ts, ys, library=library, threshold=0.1, **options)
        assert worst(law, expected) < 1e-4, f"{options}: {law}"
        assert law.status is es.LawStatus.FOUND


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [0.01, 0.03])
def test_the_weak_form_finds_the_terms_in_noise(name, size):
    ts, ys, expected = sample(name)
    library = es.polynomials(DEGREE.get(name, 2))
    law = es.sindy(ts, noisy(ys, size), library=library, threshold=0.1, weak=True)
    assert worst(law, expected) < (0.03 if size == 0.01 else 0.1), str(law)


def test_the_strong_form_does_not_stand_noise():
    """What the weak form is for: the same data, differentiated, give other terms."""
    ts, ys, expected = sample("lorenz")
    law = es.sindy(ts, noisy(ys, 0.03), library=es.polynomials(2), threshold=0.1)
    assert worst(law, expected) > 0.1


def test_equations_in_words_are_printed():
    ts, ys, _ = sample("lorenz")
    law = es.sindy(ts, ys, library=es.polynomials(2), threshold=0.1)
    assert str(law).splitlines() == [
        "dx/dt = -10.000 x + 10.000 y",
        "dy/dt = 28.000 x - 1.000 y - 1.000 x z",
        "dz/dt = -2.667 z + 1.000 x y",
    ]
    assert "explained variance 1.000000" in law.summary() and "±" in law.summary()
    assert law.equations(1)[0] == "dx/dt = -10.0 x + 10.0 y"
    renamed = es.sindy(ts, ys, threshold=0.1, names=("a", "b", "c"))
    assert renamed.equations()[2] == "dc/dt = -2.667 c + 1.000 a b"


def test_small_and_large_coefficients_keep_their_digits():
    ts = np.linspace(0.0, 5.0, 101)
    law = es.sindy(ts, 2e6 + 1e6 * np.exp(-0.004 * ts), threshold=1e-4, library=es.polynomials(1))
    assert str(law) == "dx/dt = 8000.000 - 0.004 x"


@pytest.mark.parametrize("weak", [False, True])
def test_irregular_times_are_as_good(weak):
    ts, ys, expected = sample("lorenz", jitter=0.8)
    law = es.sindy(ts, ys, library=es.polynomials(2), threshold=0.1, weak=weak)
    assert worst(law, expected) < 1e-3, str(law)


def test_several_trajectories_of_any_length_count_together():
    """Each alone is shorter than the library; together they determine the law."""
    field, _, _, expected = SYSTEMS["lotka_volterra"]
    starts = [(1.0, 1.0), (2.0, 0.5), (4.0, 3.0), (1.0, 4.0)]
    times = [np.linspace(0.0, 0.5, 10 + 2 * i) for i in range(4)]
    runs = [solve_ivp(field, (0, 0.5), y0, t_eval=ts, rtol=1e-10, atol=1e-12).y.T for y0, ts in zip(starts, times)]
    with pytest.raises(ValueError, match="at least as many rows"):
        es.sindy(times[0], runs[0], library=es.polynomials(4), threshold=0.1)
    law = es.sindy(times, runs, library=es.polynomials(4), threshold=0.1)
    assert worst(law, expected) < 1e-3
    batch = np.stack([run[:10] for run in runs])
    same = es.sindy(np.stack([ts[:10] for ts in times]), batch, threshold=0.1)
    assert worst(same, expected) < 1e-3


def test_known_inputs_enter_the_law_and_its_solution():
    """A driven, damped oscillator: the input as values, as a function, and back in `sj.solve`."""
    drive = lambda t: jnp.sin(2.0 * t) + 0.3 * jnp.cos(5.0 * t)
    field = lambda t, y, args: jnp.stack([y[1], -2.0 * y[0] - 0.5 * y[1] + 1.5 * drive(t)])
    ts = jnp.linspace(0.0, 12.0, 601)
    problem = sj.ODEProblem(field, jnp.array([1.0, 0.0]), 0.0, 12.0)
    ys = sj.solve(problem, sj.Tsit5(), saveat=ts, rtol=1e-9, atol=1e-11).ys
    expected = {"dx/dt": {"y": 1.0}, "dy/dt": {"x": -2.0, "y": -0.5, "u": 1.5}}
    by_values = es.sindy(ts, ys, inputs=jax.vmap(drive)(ts), threshold=0.1)
    by_function = es.sindy(ts, ys, inputs=drive, threshold=0.1, weak=True)
    assert worst(by_values, expected) < 1e-3 and worst(by_function, expected) < 1e-3
    again = sj.solve(sj.ODEProblem(by_values, problem.y0, 0.0, 12.0, drive), sj.Tsit5(), saveat=ts, rtol=1e-8)
    assert float(jnp.max(jnp.abs(again.ys - ys))) < 1e-4
    with pytest.raises(ValueError, match="inputs u"):
        by_values(0.0, ys[0])


def test_a_forcing_is_found_by_functions_of_time():
    field = lambda t, y: [y[1], y[0] - y[0] ** 3 - 0.3 * y[1] + 0.5 * np.cos(1.2 * t)]
    ts = np.linspace(0.0, 40.0, 4001)
    ys = solve_ivp(field, (0, 40), (1.0, 0.0), t_eval=ts, rtol=1e-10, atol=1e-12, method="DOP853").y.T
    expected = {"dx/dt": {"y": 1.0}, "dy/dt": {"x": 1.0, "x^3": -1.0, "y": -0.3, "cos(1.2 t)": 0.5}}
    library = es.polynomials(3) + es.fourier(1, frequency=1.2, time=True)
    assert worst(es.sindy(ts, ys, library=library, threshold=0.1), expected) < 1e-4
    assert worst(es.sindy(ts, noisy(ys, 0.01), library=library, threshold=0.1, weak=True), expected) < 0.03


def test_one_series_gives_a_scalar_law():
    ts = jnp.linspace(0.0, 4.0, 201)
    ys = 1.0 / (1.0 + 9.0 * jnp.exp(-2.0 * ts))
    law = es.sindy(ts, ys, library=es.polynomials(3), threshold=0.1, names="n")
    assert worst(law, {"dn/dt": {"n": 2.0, "n^2": -2.0}}) < 1e-5
    sol = sj.solve(sj.ODEProblem(law, 0.1, 0.0, 4.0), sj.Tsit5(), saveat=ts, rtol=1e-8)
    assert float(jnp.max(jnp.abs(sol.ys - ys))) < 1e-5


def test_a_map_is_found_and_iterated():
    step = lambda k, y, args: jnp.stack([1.0 - 1.4 * y[0] ** 2 + y[1], 0.3 * y[0]])
    problem = sj.MapProblem(step, jnp.array([0.1, 0.1]), 100)
    ks = jnp.arange(101)
    ys = sj.solve(problem, saveat=sj.SaveAt(steps=1, t0=True)).ys
    law = es.sindy(ks, ys, library=es.polynomials(2), threshold=0.1, discrete=True)
    assert worst(law, {"x[k+1]": {"1": 1.0, "y": 1.0, "x^2": -1.4}, "y[k+1]": {"x": 0.3}}) < 1e-10
    end = sj.solve(sj.MapProblem(law, problem.y0, 10)).y1
    assert np.allclose(end, ys[10], atol=1e-9)


def test_five_variables_are_named_by_number():
    """A linear network of five: 21 candidates in each equation."""
    matrix = (
        np.diag([-1.0, -2.0, -0.5, -1.5, -3.0]) + np.diag([1.0, 0.7, -1.2, 0.4], 1) + np.diag([0.0, 0, 0.6, 0], -2 + 1)
    )
    ts = np.linspace(0.0, 3.0, 151)
    runs = [
        solve_ivp(lambda t, y: matrix @ y, (0, 3), y0, t_eval=ts, rtol=1e-10, atol=1e-12).y.T for y0 in 2 * np.eye(5)
    ]
    law = es.sindy(ts, np.stack(runs), threshold=0.1)
    found = np.asarray(law.coefficients)[:, 1:6]
    assert law.variables == ("x1", "x2", "x3", "x4", "x5")
    assert np.allclose(found, matrix, atol=1e-4) and np.all(np.asarray(law.coefficients)[:, 6:] == 0)


def test_derivatives_can_be_given_or_smoothed():
    field, _, _, expected = SYSTEMS["lotka_volterra"]
    ts, ys, _ = sample("lotka_volterra", step=0.05)
    rates = np.stack([field(0.0, y) for y in ys])
    assert worst(es.sindy(ts, ys, derivatives=rates, threshold=0.1), expected) < 1e-10
    for smoother in (es.SmoothingSpline(), es.LocalPolynomial(degree=3)):
        law = es.sindy(ts, noisy(ys, 0.01), derivatives=smoother, threshold=0.1)
        assert worst(law, expected) < 0.06, f"{smoother}: {law}"


def test_sr3_agrees_with_thresholding():
    ts, ys, expected = sample("lorenz")
    assert worst(es.sindy(ts, ys, optimizer=es.SR3(0.1)), expected) < 1e-4
    assert worst(es.sindy(ts, ys, optimizer=es.SR3(0.1, relaxation=10.0)), expected) < 1e-4


def test_an_ensemble_tells_how_sure_each_term_is():
    ts, ys, expected = sample("lorenz", step=0.02)
    law = es.sindy(ts, noisy(ys, 0.02), threshold=0.1, weak=True, ensemble=es.Bagging(40), key=0)
    assert worst(law, expected) < 0.1 and law.members.shape == (40, 3, 10)
    inclusion = np.asarray(law.inclusion)
    assert np.all(inclusion[np.asarray(law.support)] > 0.9)
    assert "% of the ensemble" in law.summary() and law.status is es.LawStatus.FOUND
    same = es.sindy(ts, noisy(ys, 0.02), threshold=0.1, weak=True, ensemble=40, key=jax.random.key(0))
    assert np.array_equal(same.members, law.members)


def test_standard_errors_are_those_of_least_squares():
    """Exactly known candidates, noise in the derivatives only: the textbook case; and they cover the truth."""
    rng = np.random.default_rng(0)
    ys = rng.normal(size=(200, 2))
    theta = np.column_stack([ys[:, 0], ys[:, 1]])
    covered = []
    for seed in range(60):
        rates = theta @ np.array([[1.0, 0.5], [-2.0, 0.7]]) + 0.3 * np.random.default_rng(seed).normal(size=(200, 2))
        law = es.sindy(
            np.arange(200.0), ys, derivatives=rates, library=es.polynomials(1, constant=False), threshold=0.05
        )
        if seed == 0:
            solution, residual = np.linalg.lstsq(theta, rates[:, 0], rcond=None)[:2]
            expected = np.sqrt(residual[0] / 198 * np.diag(np.linalg.inv(theta.T @ theta)))
            assert np.allclose(law.standard_errors[0], expected, rtol=1e-10)
            assert np.allclose(law.coefficients[0], solution, rtol=1e-10)
        truth = np.array([[1.0, -2.0], [0.5, 0.7]])
        covered.append(np.abs(law.coefficients - truth) < 1.96 * law.standard_errors)
    assert abs(np.mean(covered) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 240)


def test_a_law_can_be_fitted_again():
    ts, ys, _ = sample("lotka_volterra", step=0.1)
    law = es.sindy(ts, ys, threshold=0.1)
    field, params = law.parametric()
    assert np.allclose(field(0.0, ys[3], params), law(0.0, ys[3]))
    moved = law.with_coefficients(params + 0.1)
    assert np.allclose(field(0.0, ys[3], params + 0.1), moved(0.0, ys[3]))
    gradient = jax.grad(lambda p: sj.solve(sj.ODEProblem(field, ys[0], 0.0, 1.0, p), sj.Tsit5()).y1.sum())(params)
    assert gradient.shape == params.shape and bool(jnp.all(jnp.isfinite(gradient)))


def test_sindy_runs_under_jit_and_vmap():
    ts, ys, expected = sample("lotka_volterra", step=0.05)
    noise = 0.005 * np.std(ys, axis=0) * np.random.default_rng(0).normal(size=(4, *ys.shape))
    fit = lambda ys: es.sindy(ts, ys, threshold=0.1, weak=es.Weak(half_width=20)).coefficients
    together = jax.jit(jax.vmap(fit))(ys + noise)
    apart = jnp.stack([fit(one) for one in ys + noise])
    assert np.allclose(together, apart, rtol=1e-8, atol=1e-10)
    assert np.all((np.asarray(together) != 0) == (np.asarray(together[0]) != 0))
    with pytest.raises(ValueError, match="half_width"):
        jax.jit(lambda ys: es.sindy(ts, ys, weak=True).coefficients)(ys)


def test_single_precision_is_kept():
    ts, ys, expected = sample("lotka_volterra", step=0.02)
    for weak in (False, True):
        law = es.sindy(jnp.asarray(ts, jnp.float32), jnp.asarray(ys, jnp.float32), threshold=0.1, weak=weak)
        assert law.coefficients.dtype == jnp.float32
        assert worst(law, expected) < 1e-2, str(law)


def test_nothing_left_is_said():
    ts, ys, _ = sample("lotka_volterra", step=0.1)
    law = es.sindy(ts, ys, threshold=100.0)
    assert law.status is es.LawStatus.NO_TERMS and not law.status.is_success
    assert "dx/dt = 0" in str(law) and "Lower `threshold`" in str(law)


def test_candidates_that_the_data_do_not_tell_apart_are_reported():
    ts = np.linspace(0.0, 1.0, 51)
    ys = np.stack([np.exp(-ts), 2 * np.exp(-ts)], axis=1)
    law = es.sindy(ts, ys, library=es.polynomials(1), threshold=0.05)
    assert law.status is es.LawStatus.ILL_CONDITIONED and "other initial states" in str(law)


def test_a_candidate_that_is_not_finite_is_reported():
    ts = np.linspace(0.0, 1.0, 51)
    library = es.custom({"1/{}": lambda x: 1 / x})
    law = es.sindy(ts, ts - 0.5 + 0 * ts, library=library, threshold=0.05)
    assert law.status is es.LawStatus.NON_FINITE


TS, YS = np.linspace(0.0, 1.0, 30), np.random.default_rng(0).normal(size=(30, 2))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"ys": np.where(YS > 1, np.nan, YS)}, ValueError, "`ys` must be finite"),
        ({"ts": TS[::-1]}, ValueError, "increase strictly"),
        ({"ts": TS[:-1]}, ValueError, "one time for each row"),
        ({"ys": YS[None, None]}, ValueError, "shape"),
        ({"ys": YS.astype(complex)}, TypeError, "real"),
        ({"ts": TS[:4], "ys": YS[:4]}, ValueError, "at least as many rows"),
        ({"ts": TS[:10], "ys": YS[:10], "weak": True}, ValueError, "at least 13 samples"),
        ({"weak": es.Weak(half_width=20)}, ValueError, "at most 14"),
        ({"threshold": -1.0}, ValueError, "`threshold` must not be negative"),
        ({"library": "polynomials"}, TypeError, "library"),
        ({"optimizer": es.STLSQ}, TypeError, r"Call it"),
        ({"names": ("x",)}, ValueError, "2 different texts"),
        ({"names": ("x", "x")}, ValueError, "2 different texts"),
        ({"derivatives": YS[:, :1]}, ValueError, "shaped like the states"),
        ({"derivatives": YS, "weak": True}, ValueError, "at most one"),
        ({"discrete": True, "weak": True}, ValueError, "at most one"),
        ({"inputs": np.ones(7)}, ValueError, "one row for each"),
        ({"ensemble": 10}, ValueError, "key"),
        ({"ensemble": 1, "key": 0}, ValueError, "at least 2"),
        ({"ys": [YS, YS[:, :1]]}, ValueError, "same variables"),
        ({"ts": TS[:2], "ys": YS[:2]}, ValueError, "three samples"),
    ],
)
def test_bad_input_is_refused_with_the_rule(options, error, message):
    given = {"ts": TS, "ys": YS, **options}
    with pytest.raises(error, match=message):
        es.sindy(given.pop("ts"), given.pop("ys"), **given)


def test_a_law_refuses_another_state():
    law = es.sindy(TS, np.stack([np.exp(-TS), np.exp(-2 * TS)], axis=1), library=es.polynomials(1))
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        law(0.0, jnp.zeros(3))
    with pytest.raises(ValueError, match="coefficients of the law"):
        law.with_coefficients(jnp.zeros(17))
    assert isinstance(law, eqx.Module)
