"""A solve that fails always ends, says why, fills what it did not reach with NaN, and harms nobody else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core.status import Status

METHODS = [sj.Tsit5(), sj.Rodas5P()]
every_family = pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
TIMES = jnp.array([0.25, 0.5, 1.5])


def field(t, y, args):
    """y' = rate y^2, which blows up at 1/(rate y0); NaN from the time `sick` on."""
    rate, sick = args
    return jnp.where(t >= sick, jnp.nan, rate * y * y)


@pytest.fixture(scope="module")
def solve():
    """`solve(method, rate, sick, max_steps)`; cases share what is compiled."""

    def call(method, rate, sick, max_steps=512, on_failure="raise"):
        problem = sj.ODEProblem(field, jnp.ones(1), 0.0, 2.0, (jnp.asarray(rate), jnp.asarray(sick)))
        return sj.solve(
            problem, method, saveat=sj.SaveAt(ts=TIMES, t1=True), rtol=1e-6, atol=1e-9, max_steps=max_steps,
            on_failure=on_failure,
        )  # fmt: skip

    return call


# rate, sick from, status, and how many of the saved rows are reached
CASES = {
    "healthy": (0.1, 9.0, Status.SUCCESS, 4),
    "NaN at the start": (0.1, 0.0, Status.NON_FINITE, 0),
    "NaN midway": (0.1, 1.0, Status.NON_FINITE, 2),
    "blow-up": (1.0, 9.0, Status.STEP_TOO_SMALL, 2),
    "NaN parameter": (np.nan, 9.0, Status.NON_FINITE, 0),
}
FAILING = [name for name, case in CASES.items() if case[2] is not Status.SUCCESS]
REMEDIES = {
    Status.NON_FINITE: "Check the vector field",
    Status.STEP_TOO_SMALL: "singularity",
    Status.MAX_STEPS: "Increase `max_steps`",
}


def acceptable(name, status):
    """A blow-up ends as a step that is too small or as an overflow; everything else has one name."""
    expected = CASES[name][2]
    return status in (expected, Status.NON_FINITE) if name == "blow-up" else status is expected


@pytest.mark.parametrize("name", CASES)
@every_family
def test_a_failure_has_its_status_and_leaves_nan_where_it_did_not_reach(solve, name, method):
    rate, sick, _, reached = CASES[name]
    sol = solve(method, rate, sick, on_failure="status")
    assert acceptable(name, sj.Status(int(sol.status))), sol
    np.testing.assert_array_equal(np.isfinite(sol.ys[:, 0]), np.arange(4) < reached)
    exact = 1 / (1 - rate * np.asarray([*TIMES, 2.0]))
    np.testing.assert_allclose(sol.ys[:reached, 0], exact[:reached], rtol=1e-4)
    assert np.all(np.isfinite(sol.y1)) == (reached == 4)
    assert np.all(np.isfinite(sol.stats.t_last))
    assert int(sol.stats.num_steps) <= 512


@pytest.mark.parametrize("name", FAILING)
def test_with_concrete_values_the_failure_is_raised_with_its_remedy(solve, name):
    rate, sick, *_ = CASES[name]
    with pytest.raises(sj.SolveError) as caught:
        solve(sj.Tsit5(), rate, sick)
    assert acceptable(name, caught.value.status)
    assert caught.value.solution is not None
    assert REMEDIES[caught.value.status] in str(caught.value)
    assert "on_failure" in str(caught.value)


@every_family
def test_running_out_of_steps_is_a_failure_with_its_remedy(solve, method):
    with pytest.raises(sj.SolveError, match="Increase `max_steps`") as caught:
        solve(method, 0.4, 9.0, max_steps=4)
    partial = caught.value.solution
    assert caught.value.status is Status.MAX_STEPS
    assert int(partial.stats.num_steps) == 4
    assert 0 < float(partial.stats.t_last) < 2 and np.all(np.isnan(partial.y1))


@pytest.fixture(scope="module")
def lanes(solve):
    """All cases in one batch: statuses, saved values, and gradients of their finite part."""

    def one(rate, sick, method):
        sol = solve(method, rate, sick)
        return jnp.sum(jnp.where(jnp.isfinite(sol.ys), sol.ys, 0.0)), (sol.status, sol.ys, sol.stats.num_steps)

    rates, sicks = (jnp.asarray([float(case[i]) for case in CASES.values()]) for i in (0, 1))
    together = {}
    for method in METHODS:
        batched = jax.jit(jax.vmap(jax.value_and_grad(lambda r, s, m=method: one(r, s, m), has_aux=True)))
        together[method] = jax.device_get(batched(rates, sicks))
    return together


@pytest.mark.parametrize("name", CASES)
@every_family
def test_under_vmap_each_lane_fails_for_itself_and_under_jit_the_status_is_data(solve, lanes, name, method):
    rate, sick, *_ = CASES[name]
    (_, (status, ys, num_steps)), _ = lanes[method]
    row = list(CASES).index(name)
    alone = solve(method, rate, sick, on_failure="status")
    assert acceptable(name, sj.Status(int(status[row])))
    np.testing.assert_allclose(ys[row], alone.ys, rtol=1e-9)
    assert abs(int(num_steps[row]) - int(alone.stats.num_steps)) <= 2


@pytest.mark.parametrize("name", [name for name in CASES if name != "NaN parameter"])
@every_family
def test_gradients_are_those_of_what_was_reached_and_finite(lanes, name, method):
    """y = 1/(1 - r t), dy/dr = t/(1 - r t)^2 at every time that was reached; zero where nothing was."""
    rate, _, _, reached = CASES[name]
    _, gradient = lanes[method]
    times = np.asarray([*TIMES, 2.0])[:reached]
    expected = np.sum(times / (1 - rate * times) ** 2)
    np.testing.assert_allclose(gradient[list(CASES).index(name)], expected, rtol=1e-3)


def stiff(t, y, args):
    return -1e4 * (y - jnp.cos(t))


def test_a_stiff_problem_without_a_method_is_solved_by_the_stiff_one():
    sol = sj.solve(sj.ODEProblem(stiff, jnp.ones(1), 0.0, 10.0), max_steps=512)
    np.testing.assert_allclose(sol.y1, np.cos(10.0), rtol=1e-3)
    assert int(sol.stats.num_jacobian) > 0


def test_a_stiff_problem_for_which_no_jacobian_is_asked_says_that_it_is_stiff():
    # Too large for a dense Jacobian that nobody asked for.
    with pytest.raises(sj.SolveError, match="Rodas5P") as caught:
        sj.solve(sj.ODEProblem(stiff, jnp.ones(101), 0.0, 10.0), max_steps=512)
    assert caught.value.status is Status.STIFF


def test_running_out_of_steps_on_an_oscillation_is_not_called_stiff():
    oscillation = lambda t, y, args: jnp.stack([y[1], -y[0]])
    problem = sj.ODEProblem(oscillation, jnp.array([1.0, 0.0]), 0.0, 1000.0)
    sol = sj.solve(problem, max_steps=64, on_failure="status")
    assert sj.Status(int(sol.status)) is Status.MAX_STEPS


def test_every_status_has_a_message_with_a_remedy():
    for status in sj.Status:
        assert str(status).startswith(status.name + ": ") and len(status.message) > 20
    assert {s for s in sj.Status if s.is_success} == {Status.SUCCESS, Status.EVENT}
