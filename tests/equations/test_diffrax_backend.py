"""Diffrax's solvers are methods of `sj.solve`: same options, same solution, same failures."""

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj


def decay(t, y, rate):
    return -rate * y


PROBLEM = sj.ODEProblem(decay, jnp.array([1.0, 2.0]), 0.0, 1.0, jnp.array(0.5))
EXACT = np.exp(-0.5) * np.array([1.0, 2.0])


def test_a_stiff_diffrax_solver_reaches_the_reference_on_robertson():
    zoo = sj.zoo.robertson(t1=40.0)
    sol = sj.solve(zoo.problem, diffrax.Kvaerno5(), rtol=1e-8, atol=1e-12)
    assert int(sol.status) == sj.Status.SUCCESS
    assert zoo.relative_error(40.0, sol.y1) < 1e-6


def test_times_ends_and_functions_are_saved_as_by_our_own_methods():
    saveat = sj.SaveAt(t0=True, ts=jnp.array([0.25, 0.5]), t1=True, fn=lambda t, y, rate: t + y.sum())
    theirs = sj.solve(PROBLEM, diffrax.Tsit5(), saveat=saveat, rtol=1e-8, atol=1e-10)
    ours = sj.solve(PROBLEM, sj.Tsit5(), saveat=saveat, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(theirs.ts, ours.ts)
    np.testing.assert_allclose(theirs.ys, ours.ys, rtol=1e-7)
    np.testing.assert_allclose(theirs.y1, EXACT, rtol=1e-7)


def test_dense_output_is_evaluated_through_diffrax():
    sol = sj.solve(PROBLEM, diffrax.Dopri5(), saveat=sj.SaveAt(dense=True), rtol=1e-8, atol=1e-10)
    assert sol.ys is None
    np.testing.assert_allclose(sol(jnp.array([0.3, 1.0]))[:, 0], np.exp([-0.15, -0.5]), rtol=1e-6)


def test_backward_time_and_fixed_steps_work():
    backwards = sj.ODEProblem(decay, jnp.asarray(EXACT), 1.0, 0.0, jnp.array(0.5))
    sol = sj.solve(backwards, diffrax.Heun(), controller=sj.FixedStep(), dt0=0.001)
    np.testing.assert_allclose(sol.y1, [1.0, 2.0], rtol=1e-7)


def test_reverse_gradients_are_diffraxs_own():
    def end(rate):
        problem = sj.ODEProblem(decay, jnp.array([1.0]), 0.0, 1.0, rate)
        return sj.solve(problem, diffrax.Tsit5(), rtol=1e-9, atol=1e-11).y1[0]

    np.testing.assert_allclose(jax.grad(end)(0.5), -np.exp(-0.5), rtol=1e-7)


def test_running_out_of_steps_is_a_status_and_an_error():
    with pytest.raises(sj.SolveError, match="max_steps"):
        sj.solve(PROBLEM, diffrax.Tsit5(), max_steps=2, dt0=0.01)
    sol = sj.solve(PROBLEM, diffrax.Tsit5(), max_steps=2, dt0=0.01, on_failure="status")
    assert int(sol.status) == sj.Status.MAX_STEPS
    assert np.all(np.isnan(sol.y1))


def test_what_diffrax_cannot_do_is_refused_by_name():
    with pytest.raises(TypeError, match="several terms"):
        sj.solve(PROBLEM, diffrax.KenCarp4())
    with pytest.raises(TypeError, match=r"class `Tsit5`. Call it"):
        sj.solve(PROBLEM, diffrax.Tsit5)
    with pytest.raises(TypeError, match=r"`diffrax.Tsit5` does not take the option `events`"):
        sj.solve(PROBLEM, diffrax.Tsit5(), events=("bounce",))
    massive = sj.ODEProblem(decay, jnp.ones(2), 0.0, 1.0, jnp.array(0.5), mass_matrix=jnp.eye(2))
    with pytest.raises(ValueError, match="mass_matrix"):
        sj.solve(massive, diffrax.Tsit5())
    with pytest.raises(ValueError, match="tstops"):
        sj.solve(PROBLEM, diffrax.Tsit5(), dt0=0.1, controller=sj.FixedStep(tstops=jnp.array([0.55])))
