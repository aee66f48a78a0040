"""Wrong input is refused before anything runs: the message has the rule, what was received, and the fix."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj


def field(t, y, args):
    return -y


Y0 = jnp.ones(2)
PROBLEM = sj.ODEProblem(field, Y0, 0.0, 1.0)


def problem(vector_field=field, y0=Y0, t0=0.0, t1=1.0, **kwargs):
    return lambda: sj.ODEProblem(vector_field, y0, t0, t1, **kwargs)


def solve(method=None, problem=PROBLEM, **options):
    return lambda: sj.solve(problem, sj.Tsit5() if method is None else method, **options)


def returning(value):
    return sj.ODEProblem(lambda t, y, args: value(y), Y0, 0.0, 1.0)


# name: (call, exception, words of the rule, of what was received, of the fix)
CASES = {
    # The problem
    "equal times": (problem(t1=0.0), ValueError, "must differ", "0.0", "Pass a `t1`"),
    "NaN time": (problem(t0=np.nan), ValueError, "`t0` must be finite", "nan", "Pass"),
    "infinite time": (problem(t1=np.inf), ValueError, "`t1` must be finite", "inf", "Pass"),
    "time as a vector": (problem(t1=jnp.ones(2)), TypeError, "real scalar", "[2]", "Pass a float"),
    "time as text": (problem(t1="1"), TypeError, "real scalar", "'1'", "Pass a float"),
    "complex time": (problem(t1=jnp.array(1j)), TypeError, "must be real", "complex128", "real part"),
    "boolean time": (problem(t1=True), TypeError, "real scalar", "True", "Pass a float"),
    "NaN state": (problem(y0=jnp.array([1.0, np.nan])), ValueError, "`y0` must be finite", "1 of 2", "Check"),
    "infinite state": (problem(y0={"a": jnp.array([np.inf])}), ValueError, "`y0` must be finite", "1 of 1", "Check"),
    "integer state": (problem(y0=jnp.array([1, 2])), TypeError, "float or complex", "int", "dtype=float"),
    "Python integer state": (problem(y0=1), TypeError, "float or complex", "int", "1.0"),
    "boolean state": (problem(y0=jnp.array([True])), TypeError, "float or complex", "bool", "dtype=float"),
    "text state": (problem(y0="a"), TypeError, "float or complex", "str", "dtype=float"),
    "no state": (problem(y0=None), ValueError, "at least one number", "None", "Pass an array"),
    "empty state": (problem(y0=jnp.zeros(0)), ValueError, "at least one number", "[0]", "Pass an array"),
    "vector field not callable": (problem(3.0), TypeError, "must be callable", "3.0", "Pass a function"),
    "vector field a class": (problem(eqx.nn.MLP), TypeError, "callable object", "MLP", "instance"),
    # The vector field's output
    "wrong shape": (solve(problem=returning(lambda y: y[:1])), ValueError, "structure and shapes", "[1]", "Return one"),
    "wrong structure": (
        solve(problem=returning(lambda y: (y,))),
        ValueError, "structure and shapes", "float64[2]", "Return one",
    ),
    "no output": (solve(problem=returning(lambda y: None)), ValueError, "structure and shapes", "None", "Return one"),
    "complex output": (
        solve(problem=returning(lambda y: 1j * y)),
        TypeError, "dtype of the state", "complex128", "Convert `y0`",
    ),
    "wider output": (
        solve(problem=sj.ODEProblem(lambda t, y, args: y * jnp.ones(2), jnp.ones(2, jnp.float32), 0.0, 1.0)),
        TypeError, "dtype of the state", "float64", "Convert",
    ),
    # Problem and method
    "method a class": (solve(sj.Tsit5), TypeError, "must be an instance", "`Tsit5`", "`Tsit5()`"),
    "method a string": (solve("Tsit5"), TypeError, "`method` must be", "'Tsit5'", "sj.Tsit5()"),
    "problem a class": (
        solve(problem=sj.ODEProblem),
        TypeError, "must be an instance", "`ODEProblem`", "`ODEProblem(...)`",
    ),
    "problem a function": (lambda: sj.solve(field, sj.Tsit5()), TypeError, "solves ODEProblem", "function", "Choose"),
    "problem a function, no method": (lambda: sj.solve(field), TypeError, "problem", "function", "ODEProblem"),
    "mass matrix": (
        solve(problem=problem(mass_matrix=jnp.eye(2))()),
        ValueError, "mass matrix", "mass_matrix", "Choose",
    ),
    "complex state, implicit method": (
        solve(sj.Rodas5P(), problem=problem(y0=jnp.ones(2) * 1j)()), ValueError, "real state", "complex", "Split",
    ),
    "Jacobian of a wrong shape": (
        solve(sj.Rodas5P(), problem=problem(jacobian=lambda t, y, args: jnp.ones(3))()),
        ValueError, "(2, 2)", "[3]", "Row i",
    ),
    # Options
    "controller a class": (solve(controller=sj.PIDController), TypeError, "must be an instance", "PIDController", "()"),
    "fixed steps a class": (
        solve(controller=sj.FixedStep, dt0=0.1),
        TypeError, "must be an instance", "FixedStep", "()",
    ),
    "controller a string": (solve(controller="pid"), TypeError, "`controller` must be", "'pid'", "sj.PIDController()"),
    "fixed steps without a size": (
        solve(controller=sj.FixedStep()),
        ValueError, "`dt0` is required", "None", "dt0=0.01",
    ),
    "no error estimate, no size": (solve(sj.RK4()), ValueError, "`dt0` is required", "None", "dt0=0.01"),
    "no error estimate, adaptive": (
        solve(sj.Euler(), controller=sj.PIDController()), ValueError, "no error estimate", "PIDController", "FixedStep",
    ),
    "first step zero": (solve(dt0=0.0), ValueError, "`dt0` must be positive", "0.0", "pass its size"),
    "first step negative": (solve(dt0=-0.1), ValueError, "`dt0` must be positive", "-0.1", "pass its size"),
    "first step NaN": (solve(dt0=np.nan), ValueError, "`dt0` must be positive", "nan", "pass its size"),
    "first step a vector": (solve(dt0=jnp.ones(2)), TypeError, "real scalar", "[2]", "Pass a float"),
    "smallest step negative": (
        solve(controller=sj.PIDController(dtmin=-1.0)), ValueError, "`dtmin` must be positive", "-1.0", "pass its size",
    ),
    "largest step zero": (
        solve(controller=sj.PIDController(dtmax=0.0)), ValueError, "`dtmax` must be positive", "0.0", "pass its size",
    ),
    "NaN stop": (
        solve(controller=sj.PIDController(tstops=[0.5, np.nan])),
        ValueError, "`tstops`", "nan|not finite|1", "Drop|Pass",
    ),
    "stops in two dimensions": (
        solve(controller=sj.FixedStep(tstops=jnp.ones((2, 2))), dt0=0.1),
        ValueError, "`tstops` must be a one-dimensional", "[2,2]", "Pass",
    ),
    "negative rtol": (solve(rtol=-1e-6), ValueError, "`rtol` must be finite and not negative", "-1e-06", "rtol=1e-6"),
    "negative atol": (solve(atol=-1.0), ValueError, "`atol` must be finite and not negative", "-1.0", "atol=1e-6"),
    "NaN rtol": (solve(rtol=np.nan), ValueError, "`rtol` must be finite", "nan", "rtol=1e-6"),
    "negative entry of atol": (solve(atol=jnp.array([1e-6, -1e-6])), ValueError, "not negative", "-1", "atol=1e-6"),
    "tolerance of a wrong shape": (solve(atol=jnp.ones(3)), ValueError, "must broadcast", "(3,)", "Pass a scalar"),
    "tolerance of a wrong structure": (
        solve(rtol={"a": 1e-6}),
        ValueError, "pytree like the state", "{'a'", "Pass one",
    ),
    "tolerance as text": (solve(rtol="small"), TypeError, "must be a number", "'small'", "rtol=1e-6"),
    "both tolerances zero": (
        solve(rtol=0.0, atol=0.0),
        ValueError, "must not both be zero", "zero for both", "rtol=1e-6",
    ),
    "no steps": (solve(max_steps=0), ValueError, "at least 1", "0", "max_steps=4096"),
    "negative steps": (solve(max_steps=-1), ValueError, "at least 1", "-1", "max_steps=4096"),
    "fractional steps": (solve(max_steps=2.5), TypeError, "positive integer", "2.5", "max_steps=4096"),
    "boolean steps": (solve(max_steps=True), TypeError, "positive integer", "True", "max_steps=4096"),
    "unbounded steps with buffers": (
        solve(max_steps=None, saveat=sj.SaveAt(dense=True)),
        ValueError, "known length", "max_steps=None", "Pass a number",
    ),
    "events": (solve(events=("event",)), TypeError, "`events`", "'event'", "such as"),
    "progress": (solve(progress=True), TypeError, "`progress`", "True", "It takes"),
    "unknown adjoint": (solve(adjoint="backsolve"), TypeError, "`adjoint` must be", "'backsolve'", "sj.Replay()"),
    "adjoint a class": (solve(adjoint=sj.Replay), TypeError, "instance", "`Replay`", "`Replay()`"),
    "unknown reaction to failure": (
        solve(on_failure="ignore"),
        ValueError, "'raise' or 'status'", "'ignore'", "sol.status",
    ),
    # What to save
    "unsorted": (solve(saveat=jnp.array([0.5, 0.2])), ValueError, "must be increasing", "unsorted", "Sort them"),
    "increasing, backwards": (
        solve(problem=problem(t1=-1.0)(), saveat=jnp.array([-0.9, -0.2])),
        ValueError, "must be decreasing", "unsorted", "Sort",
    ),
    "outside": (solve(saveat=jnp.array([0.5, 1.1, 1.2])), ValueError, "lie in [t0, t1]", "2 of 3", "drop them"),
    "before": (solve(saveat=jnp.array([-0.5, 0.5])), ValueError, "lie in [t0, t1]", "1 of 2", "drop them"),
    "NaN time to save": (solve(saveat=jnp.array([0.1, np.nan])), ValueError, "must be finite", "1", "Drop them"),
    "two-dimensional times": (solve(saveat=jnp.ones((2, 2))), ValueError, "one-dimensional", "[2,2]", "linspace"),
    "one time as a scalar": (solve(saveat=0.5), ValueError, "one-dimensional", "float64[]", "linspace"),
    "complex times": (solve(saveat=jnp.array([0.5j])), ValueError, "floats", "complex128[1]", "linspace"),
    "no times": (solve(saveat=jnp.zeros(0)), ValueError, "must not be empty", "(0,)", "saveat=None"),
    "SaveAt a class": (solve(saveat=sj.SaveAt), TypeError, "`saveat` must be", "SaveAt", "linspace"),
    "saveat as text": (solve(saveat="end"), TypeError, "`saveat` must be", "'end'", "linspace"),
    "saving nothing": (lambda: sj.SaveAt(), ValueError, "must save something", "nothing", "Pass one of"),
    "times and steps": (
        lambda: sj.SaveAt(ts=jnp.ones(1), steps=1),
        ValueError, "either `ts` or `steps`", "both", "dense=True",
    ),
    "every zeroth step": (lambda: sj.SaveAt(steps=0), ValueError, "positive integer", "0", "steps=1"),
    "every true step": (lambda: sj.SaveAt(steps=True), ValueError, "positive integer", "True", "steps=1"),
    "saved function not callable": (
        lambda: sj.SaveAt(t1=True, fn=3),
        TypeError, "must be callable", "3", "Pass a function",
    ),
    "saved integers": (
        solve(saveat=sj.SaveAt(t1=True, fn=lambda t, y, args: jnp.arange(2))),
        TypeError, "float or complex", "int", "astype",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_wrong_input_is_refused_with_the_rule_what_was_received_and_the_fix(name):
    call, exception, rule, received, fix = CASES[name]
    with pytest.raises(exception) as caught:
        call()
    # Exactly this type, and our own text: not an error of JAX from somewhere below.
    assert type(caught.value) is exception
    message = str(caught.value)
    for alternatives in (rule, received, fix):
        assert any(words in message for words in alternatives.split("|")), message


def test_evaluating_a_solution_without_interpolants_says_how_to_keep_them():
    solution = eqx.tree_at(lambda s: s.status, _solution(), jnp.array(0))
    with pytest.raises(ValueError, match="dense=True"):
        solution(0.5)


def _solution():
    return jax.tree_util.tree_map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(lambda: sj.solve(PROBLEM, sj.Tsit5()))
    )


def test_a_key_is_harmless_for_a_method_without_randomness():
    shapes = lambda **options: jax.eval_shape(lambda: sj.solve(PROBLEM, sj.Tsit5(), **options))
    keyed = shapes(key=jax.random.key(0), events=[], progress=None)
    assert jax.tree_util.tree_leaves(keyed) == jax.tree_util.tree_leaves(shapes())


def test_a_tolerance_below_what_the_dtype_can_hold_is_warned_about():
    problem32 = sj.ODEProblem(field, jnp.ones(2, jnp.float32), 0.0, 1.0)
    with pytest.warns(UserWarning, match="float64"):
        jax.eval_shape(lambda: sj.solve(problem32, sj.Tsit5(), rtol=1e-9))


def test_a_purely_absolute_tolerance_is_not_warned_about():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jax.eval_shape(lambda: sj.solve(PROBLEM, sj.Tsit5(), rtol=0.0, atol=1e-9))
    assert not [warning for warning in caught if "rtol" in str(warning.message)]


TRACED = {
    "equal times": {"t1": 0.0},
    "NaN time": {"t1": np.nan},
    "NaN state": {"y0": np.nan},
    "negative rtol": {"rtol": -1e-6},
    "NaN atol": {"atol": np.nan},
    "negative first step": {"dt0": -0.1},
    "unsorted times": {"ts": [0.8, 0.2]},
    "times outside": {"ts": [0.2, 1.8]},
    "NaN time to save": {"ts": [0.2, np.nan]},
}
GOOD = {"t1": 1.0, "y0": 1.0, "rtol": 1e-6, "atol": 1e-9, "dt0": 0.1, "ts": [0.2, 0.8]}


@jax.jit
def traced_solve(values):
    sol = sj.solve(
        sj.ODEProblem(field, values["y0"] * jnp.ones(2), 0.0, values["t1"]), sj.Tsit5(),
        saveat=values["ts"], rtol=values["rtol"], atol=values["atol"], dt0=values["dt0"],
    )  # fmt: skip
    return sol.status, sol.ys, sol.y1, sol.stats.num_steps


def as_arrays(values):
    return {key: jnp.asarray(value) for key, value in {**GOOD, **values}.items()}


@pytest.mark.parametrize("name", TRACED)
def test_wrong_traced_values_become_a_status_and_take_no_step(name):
    status, ys, y1, num_steps = traced_solve(as_arrays(TRACED[name]))
    assert sj.Status(int(status)) is sj.Status.BAD_INPUT
    assert np.all(np.isnan(ys)) and np.all(np.isnan(y1)) and int(num_steps) == 0


def test_right_traced_values_succeed():
    status, ys, y1, _ = traced_solve(as_arrays({}))
    assert sj.Status(int(status)) is sj.Status.SUCCESS
    np.testing.assert_allclose(ys[:, 0], np.exp([-0.2, -0.8]), rtol=1e-5)
    np.testing.assert_allclose(y1, np.exp(-1.0), rtol=1e-5)
