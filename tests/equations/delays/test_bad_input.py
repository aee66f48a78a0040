"""What wrong input and failing lookups say."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj

HISTORY = lambda t: jnp.array([1.0])  # noqa: E731


def problem(field=lambda t, y, past, args: -past(t - 1.0), lags=(1.0,), **more):
    return sj.DDEProblem(field, HISTORY, 0.0, 10.0, lags=lags, **more)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: problem(lags=(-1.0,)), ValueError, r"`lags\[0\]` must be finite and not negative.*got -1.0"),
        (lambda: problem(lags=(jnp.nan,)), ValueError, r"`lags\[0\]` must be finite"),
        (lambda: problem(lags=(jnp.ones(2),)), TypeError, r"`lags\[0\]` must be a real scalar"),
        (lambda: problem(history_steps=0), ValueError, "`history_steps` must be at least 1; got 0"),
        (lambda: problem(y0=jnp.ones(2)), ValueError, "`history.t.` must return a pytree"),
        (lambda: problem(y0=jnp.array([1])), TypeError, "`y0` must have float or complex leaves"),
        (lambda: sj.DDEProblem(lambda t, y, past, a: y, HISTORY, 1.0, 0.0), ValueError, "`t1` must lie after `t0`"),
        (lambda: sj.DDEProblem(lambda t, y, a: y, HISTORY, 0.0, 1.0), TypeError, "`vector_field` is called with"),
        (lambda: sj.solve(problem(lags=()), sj.Tsit5()), ValueError, "got `lags=\\(\\)`"),
        (
            lambda: sj.solve(problem(lambda t, y, past, a: past(t - jnp.ones(2))), sj.Tsit5()),
            ValueError,
            "`past.s.` takes one time; got an array of shape",
        ),
        (
            lambda: sj.solve(problem(lambda t, y, past, a: past(t - 1.0, derivative=True)), sj.Tsit5()),
            ValueError,
            "got `neutral=False`",
        ),
        (lambda: sj.solve(problem(lags=(lambda t, y, a: y,)), sj.Tsit5()), ValueError, "must return a real scalar"),
        (lambda: sj.solve(problem(), sj.Tsit5(), adjoint=sj.Checkpointed()), ValueError, "Only `sj.Replay"),
        (lambda: sj.init(problem(), sj.Tsit5()), TypeError, "got a `DDEProblem`"),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_with_the_rule_and_the_fix(make, error, message):
    with pytest.raises(error, match=message):
        make()


def status_of(field, lags, **more):
    sol = sj.solve(problem(field, lags, **more), sj.Tsit5(), on_failure="status")
    return sj.Status(int(sol.status))


def test_an_undeclared_lag_is_detected_at_run_time_also_where_it_begins_late():
    late = lambda t, y, past, args: jnp.where(t < 3, -past(t - 1.0), -past(t - 2.0))
    assert status_of(late, (1.0,)) == sj.Status.UNDECLARED_LAG
    with pytest.raises(sj.SolveError, match="declare every lag"):
        sj.solve(problem(lags=(1.5,)), sj.Tsit5())


def test_a_lag_that_looks_ahead_has_its_status():
    lag = lambda t, y, args: jnp.cos(t)
    assert status_of(lambda t, y, past, args: -past(t - jnp.cos(t)), (lag,)) == sj.Status.NEGATIVE_LAG


def test_a_traced_negative_lag_has_its_status():
    def solved(tau):
        made = sj.DDEProblem(lambda t, y, past, tau: -past(t - tau), HISTORY, 0.0, 1.0, tau, lags=(tau,))
        return sj.solve(made, sj.Tsit5()).status

    assert int(jax.jit(solved)(-0.5)) == sj.Status.NEGATIVE_LAG


def test_a_history_that_is_too_short_says_so_and_a_longer_one_cures_it():
    field = lambda t, y, past, args: -past(t - 1.0)
    assert status_of(field, (1.0,), history_steps=3) == sj.Status.HISTORY_FULL
    assert status_of(field, (1.0,), history_steps=64) == sj.Status.SUCCESS
