"""Wrong events are refused with the rule, what was received, and the fix."""

import diffrax
import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj

from .problems import clock

PROBLEM = sj.ODEProblem(clock, jnp.zeros(2), 0.0, 3.0)
CONDITION = lambda t, y, args: y[0] - 1.0  # noqa: E731


def solve(event, problem=PROBLEM, method=None, **options):
    return sj.solve(problem, method or sj.Tsit5(), events=[event], **options)


STRUCTURES = {
    "another structure": lambda t, y, args: {"y": y},
    "another shape": lambda t, y, args: y[:1],
    "a scalar": lambda t, y, args: 0.0,
    "None": lambda t, y, args: None,
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("kind", [sj.Event, sj.PresetTimes, sj.Periodic])
def test_an_affect_must_keep_the_structure_of_the_state(name, kind):
    first = {sj.Event: CONDITION, sj.PresetTimes: jnp.array([1.0]), sj.Periodic: 1.0}[kind]
    with pytest.raises(ValueError, match=r"must return the state.*got"):
        solve(kind(first, STRUCTURES[name]))


def test_an_affect_must_keep_the_dtype_of_the_state():
    with pytest.raises(TypeError, match=r"dtype of the state, float64; got complex128.*astype"):
        solve(sj.Event(CONDITION, lambda t, y, args: y + 1j))


@pytest.mark.parametrize("condition", [lambda t, y, args: y, lambda t, y, args: 1, lambda t, y, args: y[0] + 1j])
def test_a_condition_must_be_a_real_or_boolean_scalar(condition):
    with pytest.raises((ValueError, TypeError), match="must return a real or Boolean scalar; got"):
        solve(sj.Event(condition))


CALLS = {
    "not callable": (lambda: sj.Event(1.0), "`condition` must be callable"),
    "too few arguments": (lambda: sj.Event(lambda t, y: y[0]), r"called with \(t, y, args\)"),
    "affect": (lambda: sj.Event(CONDITION, 2.0), "`affect` must be callable"),
    "direction": (lambda: sj.Event(CONDITION, direction=2), "`direction` must be -1"),
    "root_rtol": (lambda: sj.Event(CONDITION, root_rtol=-1.0), "`root_rtol` must be positive"),
    "max_triggers": (lambda: sj.Event(CONDITION, max_triggers=0), "`max_triggers` must be a positive integer"),
    "terminal": (lambda: sj.Event(CONDITION, terminal=1), "`terminal` must be True or False"),
    "times": (lambda: sj.PresetTimes(jnp.zeros((2, 2))), "`times` must be a one-dimensional"),
    "period": (lambda: sj.Periodic(0.0), "`period` must be positive"),
    "positivity": (lambda: sj.Positivity(1.0), "`where` must hold Booleans"),
    "limit": (lambda: sj.StepLimiter(0.1), "`limit` must be callable"),
    "residual": (lambda: sj.ManifoldProjection(None), "`residual` must be callable"),
    "saves": (lambda: sj.Saving(CONDITION, max_saves=0), "must be a positive integer"),
    "tolerance": (lambda: sj.TerminateSteadyState(rtol=-1.0), "must be finite and not negative"),
    "no list": (lambda: sj.solve(PROBLEM, sj.Tsit5(), events=CONDITION), "`events` must be a list"),
    "no event": (lambda: solve(CONDITION), "must be an instance of `AbstractEvent`"),
    "a class": (lambda: solve(sj.Positivity), "must be an instance; got the class"),
    "structure": (lambda: solve(sj.Positivity({"a": True})), "`where` must be a pytree of Booleans like the state"),
    "numbers": (lambda: solve(sj.ManifoldProjection(lambda t, y, args: y)), "fewer numbers than the state"),
    "limit's shape": (lambda: solve(sj.StepLimiter(lambda t, y, args: y)), "`limit.t, y, args.` must return"),
    "traced period": (lambda: jax.jit(lambda p: solve(sj.Periodic(p)).y1)(1.0), "Pass `max_triggers`"),
    "Diffrax": (lambda: solve(sj.Event(CONDITION), method=diffrax.Tsit5()), "does not take the option `events`"),
    "continuous adjoint": (lambda: solve(sj.Event(CONDITION), adjoint=sj.Gauss()), "adjoint"),
}


@pytest.mark.parametrize("name", CALLS)
def test_wrong_input_is_refused(name):
    call, message = CALLS[name]
    with pytest.raises((ValueError, TypeError), match=message):
        call()


def test_a_condition_that_becomes_nan_has_a_status():
    with pytest.raises(sj.SolveError, match="could not be located"):
        solve(sj.Event(lambda t, y, args: jnp.sqrt(1.0 - y[0])))


def test_a_condition_that_jumps_without_a_root_has_a_status():
    # A pole: the sign changes, but no step can end on a root.
    sol = solve(sj.Event(lambda t, y, args: 1 / (y[0] - 1.01)), on_failure="status")
    assert int(sol.status) in (sj.Status.NOT_LOCATED, sj.Status.ZENO)


def test_an_affect_that_gives_nan_has_a_status():
    with pytest.raises(sj.SolveError, match="NON_FINITE"):
        solve(sj.Event(CONDITION, lambda t, y, args: y * jnp.nan))


def test_negative_initial_states_are_not_positive():
    problem = sj.ODEProblem(clock, jnp.array([1.0, -1.0]), 0.0, 1.0)
    with pytest.raises(ValueError, match="must not be negative"):
        solve(sj.Positivity(), problem)
