"""The zoo tells the truth: its table is well formed, its fields compose, and SciPy reproduces its references."""

import sys
from dataclasses import FrozenInstanceError
from types import FunctionType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sciml_jax import zoo

NAMES = sorted(zoo.all_problems())
# Differential-algebraic problems go through SciPy after reduction, in test_dae.py.
DAES = sorted(zoo.with_tag("dae"))
FIELD_MODULES = [sys.modules[constructor.__module__] for constructor in zoo.all_problems().values()]

EXCLUSIVE = [("stiff", "nonstiff"), ("small", "large"), ("autonomous", "nonautonomous")]

# Worked out by hand from the initial states; momenta of Pleiades: Σ m x' = 6*1.75 - 7*1.5, Σ m y' = -4*1.25 + 5*1.
INVARIANTS_AT_START = {
    ("linear_oscillator", "scaled_energy"): 4.0,
    ("modulated_hopf", "excess"): 3.0,
    ("lotka_volterra", "potential"): 2.0,
    ("robertson", "mass"): 1.0,
    ("hires", "receptor"): 0.0057,
    ("pollution", "sulphur"): 0.007,
    ("pleiades", "momentum_x"): 0.0,
    ("pleiades", "momentum_y"): 0.0,
    ("e5", "balance"): 0.0,
    ("robertson_dae", "mass"): 1.0,
    ("modulated_hopf_dae", "excess"): 3.0,
    ("pendulum", "length"): 1.0,
    ("pendulum", "tangency"): 0.0,
    ("pendulum", "energy"): 0.0,
}

# Constructor, SciPy's method, rtol, atol, and the componentwise relative error allowed: three to ten times what was
# measured. Radau is of order 5, so its cost sets the limit: at rtol 1e-11 it comes within 2e-13 of HIRES, the
# Oregonator and both forms of van der Pol, in 12 s each.
SCIPY = {
    "linear_oscillator": (zoo.linear_oscillator, "DOP853", 1e-13, 1e-15, 1e-12),
    "modulated_hopf": (zoo.modulated_hopf, "DOP853", 1e-13, 1e-15, 2e-12),
    "lotka_volterra": (zoo.lotka_volterra, "DOP853", 1e-13, 1e-15, 5e-13),
    "lorenz": (zoo.lorenz, "DOP853", 1e-13, 1e-14, 5e-12),
    "pleiades": (zoo.pleiades, "DOP853", 1e-13, 1e-15, 1e-10),
    "van_der_pol_mu_1": (lambda: zoo.van_der_pol(1.0), "DOP853", 1e-13, 1e-15, 3e-12),
    "robertson": (lambda: zoo.robertson(t1=1e5), "Radau", 1e-10, 1e-20, 3e-11),
    "robertson_to_1e11": (lambda: zoo.robertson(t1=1e11), "Radau", 1e-10, 1e-20, 1e-8),
    "hires": (zoo.hires, "Radau", 1e-10, 1e-14, 1e-11),
    "oregonator": (zoo.oregonator, "Radau", 1e-8, 1e-9, 1e-9),
    "van_der_pol": (zoo.van_der_pol, "Radau", 1e-8, 1e-11, 1e-10),
    "van_der_pol_scaled": (zoo.van_der_pol_scaled, "Radau", 1e-8, 1e-10, 1e-10),
    "pollution": (zoo.pollution, "Radau", 1e-10, 1e-24, 2e-11),
    "prothero_robinson": (zoo.prothero_robinson, "Radau", 1e-10, 1e-12, 1e-11),
    "e5": (zoo.e5, "Radau", 1e-9, 1e-40, 1e-8),
    "brusselator_2d": (zoo.brusselator_2d, "Radau", 1e-6, 1e-8, 1e-7),
}


@pytest.fixture(params=NAMES)
def entry(request):
    return zoo.all_problems()[request.param]()


def numpy_functions(entry):
    """The field, its own code with NumPy in the place of jax.numpy, and its Jacobian by JAX, on flat float64 arrays."""
    problem, args = entry.problem, np.asarray(entry.problem.args)
    name, shape = f"{entry.name}_field", entry.problem.y0.shape
    module = next(module for module in FIELD_MODULES if name in vars(module))
    field = FunctionType(vars(module)[name].__code__, {**vars(module), "jnp": np})
    flat = lambda t, y: problem.vector_field(t, y.reshape(shape), problem.args).ravel()
    jacobian = jax.jit(jax.jacfwd(flat, argnums=1))
    return (lambda t, y: field(t, y.reshape(shape), args).ravel()), (lambda t, y: np.asarray(jacobian(t, y)))


def invariant_tolerance(entry, invariant, t, y, accuracy):
    """How far an invariant may move when every component of y has the stated relative accuracy: first order, twice."""
    slope = jax.grad(invariant, argnums=1)(t, y, entry.problem.args)
    rounding = 1e-14 * float(jnp.abs(invariant(t, y, entry.problem.args)))
    return 2.0 * accuracy * float(jnp.sum(jnp.abs(slope * y))) + rounding


def test_names_are_unique_and_those_of_the_constructors():
    constructed = [constructor().name for constructor in zoo.all_problems().values()]
    assert constructed == list(zoo.all_problems())
    assert len(set(constructed)) == len(constructed) == 22


def test_every_problem_named_in_the_map_is_in_the_catalog():
    public = {name for name in NAMES if hasattr(zoo, name)}
    assert public == set(NAMES)
    assert all(f"`{name}`" in str(zoo.__doc__) for name in NAMES)


def test_tags_come_from_the_vocabulary_and_exclusive_ones_appear_once(entry):
    assert entry.tags <= set(zoo.TAGS)
    for pair in EXCLUSIVE:
        assert len(entry.tags & set(pair)) == 1, pair
    assert len(entry.tags & {"index1", "index2"}) == ("dae" in entry.tags)


def test_every_tag_is_used_by_some_problem():
    assert set().union(*(constructor().tags for constructor in zoo.all_problems().values())) == set(zoo.TAGS)


def test_size_and_closed_form_tags_agree_with_the_problem(entry):
    assert ("small" in entry.tags) == (entry.problem.y0.size <= 8)
    assert ("closed_form" in entry.tags) == (entry.exact is not None)


def test_time_dependence_tag_agrees_with_the_vector_field(entry):
    problem = entry.problem
    y = jnp.asarray(entry.references[max(entry.references)])
    # Before and after the Brusselator's switch, and at no multiple of the circuits' periods.
    early, late = (problem.vector_field(t, y, problem.args) for t in (0.1234, 1.7171))
    assert bool(jnp.array_equal(early, late)) == ("autonomous" in entry.tags)


def test_conservative_means_invariants_of_the_state_alone(entry):
    y = jnp.asarray(entry.references[max(entry.references)])
    fixed = [f(0.1, y, entry.problem.args) == f(0.7, y, entry.problem.args) for f in entry.invariants.values()]
    assert (bool(fixed) and all(fixed)) == ("conservative" in entry.tags)


@pytest.mark.parametrize("name", zoo.with_tag("multiscale"))
def test_multiscale_problems_end_with_components_three_orders_apart(name):
    entry = zoo.all_problems()[name]()
    sizes = np.abs(entry.references[entry.problem.t1])
    assert sizes.max() / sizes.min() >= 1e3


def test_every_problem_has_a_reference_at_its_end_with_an_accuracy(entry):
    assert entry.problem.t1 in entry.references
    assert set(entry.accuracy) == set(entry.references)
    for t, state in entry.references.items():
        assert entry.problem.t0 < t <= entry.problem.t1
        assert state.dtype == np.float64
        assert state.shape == entry.problem.y0.shape
        assert 0.0 < entry.accuracy[t] <= 1e-10


def test_a_reference_past_the_end_is_dropped():
    assert sorted(zoo.robertson(t1=1e11).references) == [40.0, 1e5, 1e11]
    assert sorted(zoo.robertson(t1=50.0).references) == [40.0]
    assert zoo.pleiades(t1=1.0).references == {}


@pytest.mark.parametrize(("name", "invariant"), INVARIANTS_AT_START)
def test_invariants_at_the_start_are_those_worked_out_by_hand(name, invariant):
    entry = zoo.all_problems()[name]()
    value = entry.invariants[invariant](0.0, entry.problem.y0, entry.problem.args)
    np.testing.assert_allclose(value, INVARIANTS_AT_START[name, invariant], rtol=1e-14, atol=1e-14)


def test_invariants_at_the_references_equal_those_at_the_start(entry):
    problem = entry.problem
    for invariant in entry.invariants.values():
        start = invariant(problem.t0, problem.y0, problem.args)
        for t, state in entry.references.items():
            y = jnp.asarray(state)
            atol = invariant_tolerance(entry, invariant, t, y, entry.accuracy[t])
            np.testing.assert_allclose(invariant(t, y, problem.args), start, rtol=0.0, atol=atol)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in DAES])
def test_invariants_have_zero_derivative_along_the_vector_field_at_any_state(name):
    entry = zoo.all_problems()[name]()
    problem = entry.problem
    y = jnp.asarray(np.random.default_rng(0).uniform(0.5, 1.5, problem.y0.shape))
    for invariant in entry.invariants.values():
        slope = problem.vector_field(0.3, y, problem.args)
        _, change = jax.jvp(lambda t, y, f=invariant: f(t, y, problem.args), (0.3, y), (1.0, slope))
        size = jnp.sum(jnp.abs(jax.grad(invariant, argnums=1)(0.3, y, problem.args) * slope))
        assert abs(change) <= 1e-13 * size


def test_the_vector_field_returns_what_the_state_is(entry):
    problem = entry.problem
    out = jax.eval_shape(problem.vector_field, 0.0, problem.y0, problem.args)
    assert (out.shape, out.dtype) == (problem.y0.shape, problem.y0.dtype)
    single = problem.y0.astype(jnp.float32), problem.args.astype(jnp.float32)
    assert problem.vector_field(jnp.float32(0.0), *single).dtype == jnp.float32


def test_gradients_by_every_argument_are_finite_and_none_is_ignored(entry):
    problem = entry.problem
    y = jnp.asarray(np.random.default_rng(1).uniform(0.5, 1.5, problem.y0.shape))
    gradients = jax.jit(jax.jacrev(problem.vector_field, argnums=(1, 2)))
    _, jacobian = gradients(0.3, y, problem.args)
    assert jnp.all(jnp.isfinite(jacobian))
    assert jnp.all(jnp.any(jacobian != 0.0, axis=tuple(range(y.ndim))))
    assert all(jnp.all(jnp.isfinite(block)) for block in gradients(0.0, problem.y0, problem.args))


def test_vmapped_evaluation_equals_a_loop(entry):
    problem = entry.problem
    args = problem.args * jnp.linspace(0.9, 1.1, 3)[:, None]
    field = jax.jit(problem.vector_field)
    batch = jax.jit(jax.vmap(problem.vector_field, in_axes=(None, None, 0)))(0.3, problem.y0, args)
    loop = jnp.stack([field(0.3, problem.y0, row) for row in args])
    np.testing.assert_allclose(batch, loop, rtol=1e-12, atol=1e-15)


def test_the_field_run_with_numpy_equals_the_field_run_with_jax(entry):
    y = np.random.default_rng(2).uniform(0.5, 1.5, entry.problem.y0.shape)
    field, _ = numpy_functions(entry)
    expected = jax.jit(entry.problem.vector_field)(0.3, y, entry.problem.args).ravel()
    np.testing.assert_allclose(field(0.3, y.ravel()), expected, rtol=1e-12, atol=1e-14 * np.abs(expected).max())


@pytest.mark.parametrize("name", zoo.with_tag("closed_form"))
def test_closed_forms_start_at_y0_and_satisfy_the_equation(name):
    entry = zoo.all_problems()[name]()
    problem = entry.problem
    np.testing.assert_allclose(entry.exact(0.0, problem.args), problem.y0, rtol=1e-15)
    for t in (0.3, 1.7, 4.9):
        y, slope = jax.jvp(lambda t: entry.exact(t, problem.args), (t,), (1.0,))
        slope = slope if problem.mass_matrix is None else problem.mass_matrix @ slope
        np.testing.assert_allclose(problem.vector_field(t, y, problem.args), slope, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", zoo.with_tag("closed_form"))
def test_closed_forms_reproduce_their_references(name):
    entry = zoo.all_problems()[name]()
    for t in entry.references:
        assert entry.relative_error(t, entry.exact(t, entry.problem.args)) <= entry.accuracy[t]


def test_both_forms_of_van_der_pol_describe_one_orbit():
    plain, scaled = zoo.van_der_pol(1000.0), zoo.van_der_pol_scaled()
    np.testing.assert_allclose(plain.references[2000.0] * [1.0, 1000.0], scaled.references[2.0], rtol=1e-15)


@pytest.mark.parametrize("name", SCIPY)
def test_scipy_reproduces_the_references(name):
    constructor, method, rtol, atol, tolerance = SCIPY[name]
    entry = constructor()
    field, jacobian = numpy_functions(entry)
    options = {"jac": jacobian} if method == "Radau" else {}
    t0, y = 0.0, np.asarray(entry.problem.y0).ravel()
    # From one reference to the next, because SciPy's dense output is less accurate than its steps, and to just before
    # it, because the Brusselator's field jumps there.
    for t1 in sorted(entry.references):
        solution = solve_ivp(field, (t0, np.nextafter(t1, t0)), y, method, rtol=rtol, atol=atol, **options)
        assert solution.success
        t0, y = t1, solution.y[:, -1]
        error = entry.relative_error(t1, y.reshape(entry.problem.y0.shape))
        assert error <= tolerance, (t1, error)


def test_scipy_reproduces_e5_over_all_decades_when_its_balance_is_eliminated():
    entry = zoo.e5(t1=1e11)
    field, _ = numpy_functions(entry)
    full = lambda y: np.array([y[0], y[1] + y[2], y[1], y[2]])
    reduced = lambda t, y: field(t, full(y))[[0, 2, 3]]
    t0, y = 0.0, np.array([1.76e-3, 0.0, 0.0])
    for t1 in sorted(entry.references):
        solution = solve_ivp(reduced, (t0, t1), y, "Radau", rtol=1e-8, atol=1e-90)
        assert solution.success
        t0, y = t1, solution.y[:, -1]
        assert entry.relative_error(t1, full(y)) <= 1e-8


def test_scipy_is_asked_about_every_problem():
    assert {constructor().name for constructor, *_ in SCIPY.values()} == set(NAMES) - set(DAES)


def test_with_tag_selects_by_all_tags_and_rejects_unknown_ones():
    assert set(zoo.with_tag("stiff", "large")) == {"pollution", "brusselator_2d"}
    assert set(zoo.with_tag("stiff")) | set(zoo.with_tag("nonstiff")) == set(NAMES)
    with pytest.raises(ValueError, match="vocabulary; got .*'stif'"):
        zoo.with_tag("stif")


def test_van_der_pol_takes_its_damping_and_rejects_nonsense():
    assert "nonstiff" in zoo.van_der_pol(1.0).tags
    assert zoo.van_der_pol(10.0).references == {}
    assert zoo.van_der_pol(1e4).problem.t1 == 2e4
    with pytest.raises(ValueError, match="`mu` must be positive; got -1.0"):
        zoo.van_der_pol(-1.0)


def test_prothero_robinson_takes_its_rate_and_rejects_growth():
    assert "nonstiff" in zoo.prothero_robinson(-1.0).tags
    assert zoo.prothero_robinson(-1.0).references.keys() == zoo.prothero_robinson().references.keys()
    with pytest.raises(ValueError, match=r"`rate` must be negative; got 3.0. .* pass -3.0"):
        zoo.prothero_robinson(3.0)


@pytest.mark.parametrize("size", [3, 5])
def test_the_brusselators_pattern_is_that_of_its_jacobian(size):
    problem = zoo.brusselator_2d(size).problem
    y = jnp.asarray(np.random.default_rng(3).uniform(0.5, 1.5, problem.y0.shape))
    jacobian = jax.jacfwd(problem.vector_field, argnums=1)(0.3, y, problem.args).reshape(y.size, y.size)
    rows, columns = np.nonzero(np.asarray(jacobian))
    np.testing.assert_array_equal(zoo.brusselator_2d_sparsity(size), [rows, columns])
    np.testing.assert_array_equal([problem.sparsity.rows, problem.sparsity.cols], [rows, columns])
    assert problem.sparsity.shape == (y.size, y.size)


def test_the_brusselator_is_that_of_the_benchmark():
    """Values of U and V at the first grid point and their means, computed by others from the benchmark's own loop."""
    entry = zoo.brusselator_2d()
    u, v = entry.references[11.5]
    found = [u[0, 0], v[0, 0], u.mean(), v.mean()]
    np.testing.assert_allclose(found, [0.52334107, 5.22111838, 0.52378864, 5.22111467], rtol=0.0, atol=5e-9)
    assert zoo.brusselator_2d(16).references == {}
    assert zoo.brusselator_2d(t1=2.0).references.keys() == {1.1}
    with pytest.raises(ValueError, match="`size` must be at least 3.*; got 2"):
        zoo.brusselator_2d(2)


def test_the_brusselators_forcing_acts_near_its_centre_from_its_time_on():
    problem = zoo.brusselator_2d(11).problem
    change = problem.vector_field(1.1, problem.y0, problem.args) - problem.vector_field(
        1.0999, problem.y0, problem.args
    )
    # x = 0.3 and y = 0.6 are the points 3 and 6; neighbours are at 0.1, the radius, to rounding: on the circle.
    assert change[0, 3, 6] == 5.0
    assert set(np.unique(change[0])) == {0.0, 5.0}
    assert float(jnp.abs(change[1]).max()) == 0.0
    assert 1 <= int(jnp.sum(change[0] > 0)) <= 5


def test_relative_error_names_the_reference_times():
    entry = zoo.robertson()
    assert entry.relative_error(40.0, entry.references[40.0] * (1.0 + 1e-3)) == pytest.approx(1e-3)
    with pytest.raises(ValueError, match=r"got 1.0. Use one of \[40.0, 100000.0\]"):
        entry.relative_error(1.0, entry.references[40.0])


def test_a_zoo_problem_is_frozen():
    with pytest.raises(FrozenInstanceError):
        zoo.lorenz().name = "other"


def test_states_follow_the_default_float_type():
    with jax.enable_x64(False):
        problem = zoo.pollution().problem
        assert problem.y0.dtype == problem.args.dtype == jnp.float32
        assert bool(jnp.all(jnp.isfinite(problem.vector_field(0.0, problem.y0, problem.args))))


def test_lynx_hare_counts_are_those_of_the_record():
    data = zoo.lynx_hare()
    np.testing.assert_array_equal(data.years, np.arange(1900, 1921))
    assert (data.hare[0], data.lynx[0]) == (30.0, 4.0)
    assert (data.hare[-1], data.lynx[-1]) == (24.7, 8.6)
    # Peaks: hare 1903 and 1913, lynx a year or two later.
    assert data.years[np.argmax(data.hare)] == 1903
    assert data.years[np.argmax(data.lynx)] == 1904
    np.testing.assert_allclose([data.hare.sum(), data.lynx.sum()], [715.7, 423.5], rtol=1e-12)
