"""The lines of the README run as written, and the front door's objects behave as frozen pytrees."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

import sciml_jax as sj

START = jnp.array([1.0, 1.0])
PARAMETERS = jnp.array([1.5, 1.0, 3.0, 1.0])
GRADIENT = [8.30536266, -159.48429272, 75.20350821, -339.19509277]


def lv(t, y, p):
    a, b, c, d = p
    return jnp.stack([a * y[0] - b * y[0] * y[1], -c * y[1] + d * y[0] * y[1]])


def loss(p):
    times = jnp.linspace(0.0, 10.0, 101)
    return sj.solve(sj.ODEProblem(lv, START, 0.0, 10.0, p), sj.Tsit5(), saveat=times, rtol=1e-10, atol=1e-12).ys.sum()


@pytest.fixture(scope="module")
def problem():
    return sj.ODEProblem(lv, START, 0.0, 10.0, PARAMETERS)


def test_the_gradient_of_lotka_volterra_has_the_known_digits():
    """Eager, as a user writes it. The digits come from integration in extended precision."""
    np.testing.assert_allclose(jax.grad(loss)(PARAMETERS), GRADIENT, rtol=1e-9, atol=1e-7)


def test_a_sweep_over_parameters_is_one_vmap():
    sweep = PARAMETERS * jnp.linspace(0.9, 1.1, 64)[:, None]
    ends = jax.vmap(lambda p: sj.solve(sj.ODEProblem(lv, START, 0.0, 10.0, p)).y1)(sweep)
    assert ends.shape == (64, 2) and bool(jnp.all(jnp.isfinite(ends)))
    # The conserved quantity tells a right end from a plausible one.
    x, y = ends.T
    a, b, c, d = sweep.T
    np.testing.assert_allclose(d * x - c * jnp.log(x) + b * y - a * jnp.log(y), d + b, rtol=1e-5)


def test_no_method_means_tsit5_with_the_default_tolerances(problem):
    default, explicit = sj.solve(problem), sj.solve(problem, sj.Tsit5(), rtol=1e-6, atol=1e-9)
    assert int(default.stats.num_steps) == int(explicit.stats.num_steps)
    np.testing.assert_allclose(default.y1, explicit.y1, rtol=1e-13)


def test_a_solution_prints_its_status_and_its_stats_are_named(problem):
    sol = sj.solve(problem, sj.Tsit5(), rtol=1e-6, atol=1e-9)
    assert "SUCCESS" in repr(sol)
    assert set(sol.stats.keys()) >= {"num_steps", "num_accepted", "num_rejected", "num_vector_field"}
    assert int(sol.stats["num_steps"]) == int(sol.stats.num_accepted) + int(sol.stats.num_rejected)
    assert repr(jax.eval_shape(lambda: sj.solve(problem)))


def test_a_solution_is_a_pytree_and_passes_through_jit(problem):
    sol = jax.jit(lambda p: sj.solve(p, sj.Tsit5(), saveat=sj.SaveAt(t1=True, dense=True), max_steps=256))(problem)
    np.testing.assert_allclose(sol(10.0), sol.y1, rtol=1e-13)
    assert sj.Status(int(sol.status)) is sj.Status.SUCCESS


def test_a_problem_is_frozen_and_changed_by_tree_at(problem):
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.t1 = 5.0
    shorter = eqx.tree_at(lambda p: p.t1, problem, 5.0)
    assert shorter.t1 == 5.0 and problem.t1 == 10.0
    assert float(sj.solve(shorter).stats.t_last) == 5.0


def test_the_vector_field_of_a_problem_stays_callable(problem):
    np.testing.assert_array_equal(problem.vector_field(0.0, START, PARAMETERS), lv(0.0, START, PARAMETERS))


def test_a_rebuilt_problem_equals_the_original_leaf_by_leaf(problem):
    leaves, treedef = jax.tree_util.tree_flatten(problem)
    assert_trees_close(jax.tree_util.tree_leaves(treedef.unflatten(leaves)), leaves)


def test_python_numbers_are_a_state():
    sol = sj.solve(sj.ODEProblem(lambda t, y, args: -y, 1.0, 0, 1))
    assert sol.y1.shape == () and sol.ys.shape == (1,)
    np.testing.assert_allclose(sol.y1, np.exp(-1.0), rtol=1e-5)


def test_a_jacobian_that_is_given_is_used():
    """A wrong Jacobian costs a Rosenbrock method its order, so the step count shows whose Jacobian it was."""
    field = lambda t, y, args: -50.0 * (y - jnp.cos(t))
    solve = lambda jacobian: sj.solve(
        sj.ODEProblem(field, jnp.ones(1), 0.0, 2.0, jacobian=jacobian),
        sj.Rodas5P(),
        max_steps=20000,
        rtol=1e-6,
        atol=1e-8,
    )
    own, given, wrong = (
        solve(None),
        solve(lambda t, y, args: jnp.array([[-50.0]])),
        solve(lambda t, y, args: jnp.array([[-5.0]])),
    )
    assert int(own.stats.num_steps) == int(given.stats.num_steps)
    assert int(wrong.stats.num_steps) > 2 * int(own.stats.num_steps)
    np.testing.assert_allclose(given.y1, own.y1, rtol=1e-10)


def test_unbounded_steps_reach_what_bounded_ones_do(problem):
    bounded, free = sj.solve(problem, sj.Tsit5()), sj.solve(problem, sj.Tsit5(), max_steps=None)
    assert int(free.stats.num_steps) == int(bounded.stats.num_steps)
    # Two programs, compiled differently: equal to rounding.
    np.testing.assert_allclose(free.y1, bounded.y1, rtol=1e-13)


def test_rodas5p_damps_what_is_infinitely_stiff():
    """L-stability: one step of size h with h lambda = -1e8 leaves nothing of the fast transient."""
    problem = sj.ODEProblem(lambda t, y, args: -1e8 * y, jnp.ones(1), 0.0, 1.0)
    sol = sj.solve(problem, sj.Rodas5P(), controller=sj.FixedStep(), dt0=1.0)
    assert abs(float(sol.y1[0])) < 1e-6


def test_a_loop_of_unknown_length_in_the_vector_field_has_a_forward_derivative():
    def field(t, y, rate):
        count = lambda carry: carry[0] < 3
        return -rate * jax.lax.while_loop(count, lambda carry: (carry[0] + 1, 2.0 * carry[1]), (0, y))[1] / 8.0

    def end(rate):
        return sj.solve(sj.ODEProblem(field, jnp.ones(1), 0.0, 1.0, rate), sj.Tsit5(), rtol=1e-9, atol=1e-11).y1[0]

    np.testing.assert_allclose(jax.jvp(end, (0.5,), (1.0,))[1], -np.exp(-0.5), rtol=1e-8)
    with pytest.raises(ValueError, match="while_loop"):
        jax.grad(end)(0.5)


def test_the_default_method_asks_for_no_derivative_of_the_vector_field():
    @jax.custom_vjp
    def minus(y):
        return -y

    minus.defvjp(lambda y: (-y, None), lambda _, g: (-g,))
    problem = sj.ODEProblem(lambda t, y, args: minus(y), jnp.ones(1), 0.0, 1.0)
    np.testing.assert_allclose(sj.solve(problem).y1, np.exp(-1.0), rtol=1e-6)
