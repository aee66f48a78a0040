"""Fully implicit equations, `F(t, y, y') = 0`: solutions, order, derivatives, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core.status import Status
from sciml_jax.equations.implicit_dae import ImplicitDAEProblem
from sciml_jax.equations.methods.bdf import BDF

RATES = jnp.array([0.04, 3e7, 1e4])
ROBERTSON_END = np.array([2.083340149701255e-8, 8.333360770334713e-14, 0.999999979166505])


def robertson(t, y, yp, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([yp[0] + r1 - r3, yp[1] - r1 + r3 + r2, y.sum() - 1.0])


def solve_robertson(k, **options):
    slope = k[0] * jnp.array([-1.0, 1.0, 0.0])
    problem = ImplicitDAEProblem(robertson, jnp.array([1.0, 0.0, 0.0]), slope, 0.0, 1e11, k)
    return sj.solve(problem, rtol=1e-8, atol=1e-14, **options)


def test_robertson_as_a_residual_is_robertson_and_bdf_is_the_default():
    sol = solve_robertson(RATES)
    np.testing.assert_allclose(sol.y1, ROBERTSON_END, rtol=1e-5)
    np.testing.assert_allclose(jnp.sum(sol.y1), 1.0, rtol=0, atol=1e-14)
    assert int(sol.stats.num_steps) < 2200
    # Both derivatives of the residual, with respect to the state and to its slope.
    assert int(sol.stats.num_jvp) == 6 * int(sol.stats.num_jacobian)


@pytest.mark.full
def test_the_gradient_is_that_of_the_form_with_a_mass_matrix():
    def field(t, y, k):
        return -robertson(t, y, jnp.zeros(3), k) * jnp.array([1.0, 1.0, -1.0])

    def by_mass(k):
        mass = jnp.array([1.0, 1.0, 0.0])
        problem = sj.ODEProblem(field, jnp.array([1.0, 0.0, 0.0]), 0.0, 1e11, k, mass_matrix=mass)
        return sj.solve(problem, BDF(), rtol=1e-8, atol=1e-14).y1[0]

    implicit = jax.jit(jax.grad(lambda k: solve_robertson(k).y1[0]))(RATES)
    np.testing.assert_allclose(implicit, jax.jit(jax.grad(by_mass))(RATES), rtol=1e-5)


def circle(t, state, slope, args):
    """Angle and place on a circle of a mixed, nonlinear system: x = r cos(w t), v = r sin(w t), s = x v."""
    radius, omega = args
    x, v, s = state["x"], state["v"], state["s"]
    dx, dv = slope["x"], slope["v"]
    return {
        "x": dx * x + dv * v,
        "v": dx * v - dv * x + omega * radius**2 * (1.0 + 0.1 * (s - x * v)),
        "s": s - x * v + 0.01 * (s**3 - (x * v) ** 3),
    }


def solve_circle(args, t0=0.0, t1=1.0, method=None, **options):
    radius, omega = args
    place = lambda t: (radius * jnp.cos(omega * t), radius * jnp.sin(omega * t))
    x, v = place(jnp.asarray(t0))
    y0 = {"x": x, "v": v, "s": x * v}
    yp0 = {"x": -omega * v, "v": omega * x, "s": omega * (x * x - v * v)}
    problem = ImplicitDAEProblem(circle, y0, yp0, t0, t1, args)
    return sj.solve(problem, method, **({"rtol": 1e-8, "atol": 1e-10} | options))


ARGS = (jnp.asarray(1.5), jnp.asarray(2.0))


def test_a_nonlinear_system_with_a_nested_state_follows_its_exact_solution():
    times = jnp.array([0.0, 0.31, 0.8, 1.0])
    ys = solve_circle(ARGS, saveat=times).ys
    x, v = 1.5 * np.cos(2 * times), 1.5 * np.sin(2 * times)
    for name, exact in (("x", x), ("v", v), ("s", x * v)):
        np.testing.assert_allclose(ys[name], exact, rtol=2e-6, atol=2e-6)


def test_its_derivatives_are_those_of_the_exact_solution_in_both_modes():
    """End of the arc: x(t1) = r cos(w t1); the start is put on the circle, so t0 does not matter."""
    end = lambda radius, omega, t0, t1: solve_circle((radius, omega), t0, t1).y1["x"]
    point = (1.5, 2.0, 0.1, 1.0)
    exact = np.array([np.cos(2.0), -1.5 * np.sin(2.0), 0.0, -3.0 * np.sin(2.0)])
    reverse, forward = (jax.jit(d(end, argnums=(0, 1, 2, 3)))(*point) for d in (jax.grad, jax.jacfwd))
    np.testing.assert_allclose(reverse, forward, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(reverse, exact, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("order", [1, 2])
def test_fixed_steps_converge_with_the_order(order):
    steps = np.array([40, 80, 160])
    solve = jax.jit(
        lambda dt: solve_circle(ARGS, method=BDF(order), controller=sj.FixedStep(), dt0=dt, max_steps=170).y1["x"]
    )
    errors = np.array([abs(float(solve(1.0 / n)) - 1.5 * np.cos(2.0)) for n in steps])
    np.testing.assert_allclose(np.log2(errors[:-1] / errors[1:]), order, atol=0.2)


def test_a_state_of_many_numbers_and_a_batch_of_it():
    """`(I + 0.1 P diag(y)) y' = A y + sin t` on ten unknowns, against the same with the matrix inverted."""
    matrix = jnp.asarray(np.random.default_rng(0).normal(size=(10, 10)) - 8 * np.eye(10))
    shift = jnp.roll(jnp.eye(10), 1, axis=0)
    right = lambda t, y, scale: scale * (matrix @ y) + jnp.sin(t)
    residual = lambda t, y, yp, scale: yp + 0.1 * (shift @ yp) * y - right(t, y, scale)
    field = lambda t, y, scale: jnp.linalg.solve(jnp.eye(10) + 0.1 * y[:, None] * shift, right(t, y, scale))

    def implicit(scale):
        return sj.solve(ImplicitDAEProblem(residual, jnp.zeros(10), jnp.zeros(10), 0.0, 2.0, scale), rtol=1e-7).y1

    def explicit(scale):
        return sj.solve(sj.ODEProblem(field, jnp.zeros(10), 0.0, 2.0, scale), sj.Dopri8(), rtol=1e-10).y1

    scales = jnp.array([1.0, 2.0])
    np.testing.assert_allclose(jax.vmap(implicit)(scales), jax.vmap(explicit)(scales), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("y0", "yp0"),
    [([1.0, 0.0, 0.0], [0.0, 0.0, 0.0]), ([1.0, 0.0, 1e-3], [-0.04, 0.04, 0.0])],
    ids=["slope", "state"],
)
def test_inconsistent_initial_values_have_a_status_with_the_remedy(y0, yp0):
    problem = ImplicitDAEProblem(robertson, jnp.array(y0), jnp.array(yp0), 0.0, 1e11, RATES)
    sol = sj.solve(problem, rtol=1e-8, atol=1e-14, on_failure="status")
    assert Status(int(sol.status)) is Status.INCONSISTENT
    assert int(sol.stats.num_steps) == 0 and np.all(np.isnan(sol.y1))
    with pytest.raises(sj.SolveError, match="correct the values"):
        sj.solve(problem, rtol=1e-8, atol=1e-14)


GOOD = (robertson, jnp.array([1.0, 0.0, 0.0]), jnp.array([-0.04, 0.04, 0.0]), 0.0, 1.0, RATES)


def test_wrong_input_is_refused_with_the_rule():
    with pytest.raises(TypeError, match=r"called with \(t, y, yp, args\)"):
        ImplicitDAEProblem(lambda t, y, args: y, *GOOD[1:])
    with pytest.raises(ValueError, match="`y0` and `yp0` must have the same structure and shapes"):
        ImplicitDAEProblem(robertson, jnp.ones(3), jnp.ones(2), 0.0, 1.0)
    with pytest.raises(ValueError, match="One equation|one equation for each number"):
        sj.solve(ImplicitDAEProblem(lambda *values: robertson(*values)[:2], *GOOD[1:]))
    with pytest.raises(TypeError, match="ImplicitDAEProblem"):
        sj.solve(ImplicitDAEProblem(*GOOD), sj.Rodas5P())
    with pytest.raises(ValueError, match="dense linear algebra only"):
        sj.solve(ImplicitDAEProblem(*GOOD), BDF(linear_solver=sj.GMRES()))
    with pytest.raises(ValueError, match="`Gauss` integrates an equation of its own"):
        sj.solve(ImplicitDAEProblem(*GOOD), adjoint=sj.Gauss())
