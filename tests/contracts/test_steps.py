"""Bounds on the steps are kept: stops are hit, steps stay between dtmin and dtmax, and dt0 comes first."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

STOPS = jnp.array([0.7, 1.9])


def switched(t, y, args):
    """y' = -y + u(t), where u is 0, then 5, then -5: discontinuous at 0.7 and 1.9."""
    u = jnp.where(t < args[0], 0.0, jnp.where(t < args[1], 5.0, -5.0))
    return -y + u


def switched_exact(t=3.0, stops=(0.7, 1.9)):
    y, now = 1.0, 0.0
    for end, level in ((stops[0], 0.0), (stops[1], 5.0), (t, -5.0)):
        y, now = level + (y - level) * np.exp(-(end - now)), end
    return y


def solve(controller, saveat=None, **options):
    problem = sj.ODEProblem(switched, jnp.ones(1), 0.0, 3.0, STOPS)
    return sj.solve(
        problem,
        sj.Tsit5(),
        saveat=saveat,
        controller=controller,
        max_steps=512,
        **{"rtol": 1e-7, "atol": 1e-9, **options},
    )


def test_stops_at_discontinuities_are_stepped_on_exactly_and_save_rejections():
    blind = solve(sj.PIDController(), sj.SaveAt(steps=1))
    told = solve(sj.PIDController(tstops=STOPS), sj.SaveAt(steps=1))
    assert set(np.asarray(STOPS)) <= set(np.asarray(told.ts))
    assert not set(np.asarray(STOPS)) <= set(np.asarray(blind.ts))
    assert int(told.stats.num_rejected) < int(blind.stats.num_rejected) / 2
    np.testing.assert_allclose(told.y1, switched_exact(), rtol=1e-6)
    # No step straddles a jump, so the accuracy follows the tolerance.
    tight = solve(sj.PIDController(tstops=STOPS), sj.SaveAt(steps=1), rtol=1e-10, atol=1e-12)
    assert abs(float(tight.y1[0]) - switched_exact()) < 1e-8


def test_fixed_steps_land_on_stops_too():
    sol = solve(sj.FixedStep(tstops=STOPS), sj.SaveAt(steps=1), dt0=0.2)
    assert set(np.asarray(STOPS)) <= set(np.asarray(sol.ts))
    assert np.nanmax(np.diff(sol.ts)) < 0.2 * 1.02


def test_stops_at_the_ends_of_the_interval_are_harmless():
    with_ends = solve(sj.PIDController(tstops=jnp.array([0.0, 0.7, 1.9, 3.0])))
    np.testing.assert_allclose(with_ends.y1, switched_exact(), rtol=1e-6)


def test_stops_may_come_in_any_order_and_those_outside_are_ignored():
    tidy = solve(sj.PIDController(tstops=jnp.array([0.7, 1.9, 2.5])))
    messy = solve(sj.PIDController(tstops=jnp.array([2.5, 0.7, 1.9])))
    outside = solve(sj.PIDController(tstops=jnp.array([-1.0, 0.7, 1.9, 2.5, 3.5, 9.0])))
    assert int(tidy.stats.num_steps) == int(messy.stats.num_steps) == int(outside.stats.num_steps)
    assert float(tidy.stats.t_last) == float(outside.stats.t_last) == 3.0
    np.testing.assert_array_equal(tidy.y1, outside.y1)


def test_stops_work_backwards_and_in_lanes_and_are_differentiated_past():
    def end(y0):
        problem = sj.ODEProblem(lambda t, y, args: -y, y0, 1.0, 0.0)
        controller = sj.PIDController(tstops=jnp.array([0.6, 0.25]))
        return sj.solve(problem, sj.Tsit5(), controller=controller, rtol=1e-8, max_steps=64).y1

    starts = jnp.array([[1.0], [2.0]])
    np.testing.assert_allclose(jax.jit(jax.vmap(end))(starts), starts * np.e, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.vmap(jax.jacrev(end)))(starts), np.full((2, 1, 1), np.e), rtol=1e-6)


def smooth(controller, **options):
    problem = sj.ODEProblem(lambda t, y, args: -y, jnp.ones(1), 0.0, 3.0)
    return sj.solve(
        problem, sj.Tsit5(), saveat=sj.SaveAt(t0=True, steps=1), controller=controller, max_steps=512, **options
    )


def sizes(sol):
    return np.diff(np.asarray(sol.ts)[np.isfinite(sol.ts)])


@pytest.mark.parametrize("dtmax", [0.05, 0.2])
def test_no_step_is_longer_than_dtmax(dtmax):
    sol = smooth(sj.PIDController(dtmax=dtmax))
    # The last step may be stretched by a hundredth instead of leaving a sliver.
    assert np.max(sizes(sol)) <= 1.0101 * dtmax
    assert len(sizes(sol)) >= 3.0 / (1.0101 * dtmax)
    assert np.max(sizes(smooth(sj.PIDController(dtmax=1e9)))) > 0.2


def test_dtmax_also_bounds_a_first_step_that_is_given():
    assert sizes(smooth(sj.PIDController(dtmax=0.05), dt0=0.5))[0] <= 0.0506


def test_a_step_below_dtmin_ends_the_solve():
    sol = smooth(sj.PIDController(dtmin=0.2), rtol=1e-12, atol=1e-14, on_failure="status")
    assert sj.Status(int(sol.status)) is sj.Status.STEP_TOO_SMALL
    assert int(sol.stats.num_steps) < 10
    fine = smooth(sj.PIDController(dtmin=1e-6), rtol=1e-8, atol=1e-10)
    assert sj.Status(int(fine.status)) is sj.Status.SUCCESS


def test_the_first_step_has_the_size_that_is_given():
    np.testing.assert_allclose(sizes(smooth(sj.PIDController(), dt0=0.01))[0], 0.01, rtol=1e-12)


def test_a_first_step_longer_than_the_interval_is_cut():
    sol = smooth(sj.PIDController(), dt0=100.0)
    np.testing.assert_allclose(sol.y1, np.exp(-3.0), rtol=1e-5)


def test_a_pi_controller_rejects_less_where_stability_limits_the_steps():
    problem = sj.ODEProblem(lambda t, y, args: -300.0 * (y - jnp.cos(t)), jnp.ones(1), 0.0, 3.0)
    solve = lambda controller: sj.solve(problem, sj.Tsit5(), controller=controller, rtol=1e-4, atol=1e-6)
    classic, smoother = solve(sj.PIDController()), solve(sj.PIDController(pcoeff=0.4, icoeff=0.3))
    assert int(smoother.stats.num_rejected) < int(classic.stats.num_rejected)
    np.testing.assert_allclose(smoother.y1, classic.y1, rtol=1e-3)


def test_the_step_sizes_do_not_depend_on_the_units_of_the_state():
    """Scaling y and atol together leaves the steps as they are."""
    field = lambda t, y, args: jnp.stack([y[1], -y[0]]) * args
    solve = lambda scale: sj.solve(
        sj.ODEProblem(field, scale * jnp.array([1.0, 0.0]), 0.0, 3.0, 1.0), sj.Tsit5(), rtol=1e-6, atol=scale * 1e-6
    )
    small, large = solve(2.0**-20), solve(2.0**20)
    assert int(small.stats.num_steps) == int(large.stats.num_steps)
    np.testing.assert_allclose(small.y1 * 2.0**20, large.y1 * 2.0**-20, rtol=1e-12)
