"""Derivatives of linear and nonlinear solves by their adjoint, and steady states fitted through them."""

import jax
import jax.numpy as jnp
import lineax
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.numerics.linear_solve import factorised_solver


def matrix_of(p):
    return jnp.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.0, 1.0, 5.0]]) + p[0] * jnp.diag(p[1:])


@pytest.mark.parametrize(
    "solve",
    [
        lambda a, b: factorised_solver(a)(b),
        lambda a, b: lineax.linear_solve(lineax.MatrixLinearOperator(a), b).value,
    ],
    ids=["ours", "lineax"],
)
def test_the_gradient_of_a_linear_solve_is_one_solve_with_the_transpose(solve):
    """d/dp c'A(p)^-1 b = -lambda' (dA/dp) x with A' lambda = c: one more solve, however many parameters."""
    p, b, c = jnp.array([0.3, 1.0, 2.0, 3.0]), jnp.array([1.0, 2.0, 3.0]), jnp.array([1.0, -1.0, 0.5])
    gradient = jax.grad(lambda p: c @ solve(matrix_of(p), b))(p)
    x = np.linalg.solve(matrix_of(p), b)
    adjoint = np.linalg.solve(matrix_of(p).T, c)
    slopes = jax.jacfwd(matrix_of)(p)
    expected = -np.einsum("i,ijp,j->p", adjoint, slopes, x)
    np.testing.assert_allclose(gradient, expected, rtol=1e-10)


def toggle(t, y, p):
    """Two genes that repress each other."""
    return jnp.stack([p["a"] / (1 + y[1] ** 2) - y[0], p["b"] / (1 + y[0] ** 2) - y[1]])


def steady(p, guess=(3.0, 0.3)):
    problem = sj.SteadyStateProblem(toggle, jnp.array(guess), p)
    return sj.solve(problem, sj.NewtonRaphson(), adjoint=sj.ImplicitAdjoint(), rtol=1e-10, atol=1e-12).y1


def test_the_gradient_of_a_nonlinear_solve_is_one_linear_solve_with_the_transposed_jacobian():
    p, c = {"a": jnp.array(3.0), "b": jnp.array(2.0)}, jnp.array([1.0, -2.0])
    y = steady(p)
    np.testing.assert_allclose(toggle(0.0, y, p), 0.0, atol=1e-10)
    adjoint = np.linalg.solve(jax.jacfwd(lambda y: toggle(0.0, y, p))(y).T, c)
    by_params = jax.jacfwd(lambda p: toggle(0.0, y, p))(p)
    gradient = jax.grad(lambda p: c @ steady(p))(p)
    for name in p:
        assert float(gradient[name]) == pytest.approx(-float(adjoint @ by_params[name]), rel=1e-8)
        shift = {**p, name: p[name] + 1e-5}, {**p, name: p[name] - 1e-5}
        difference = float(c @ (steady(shift[0]) - steady(shift[1]))) / 2e-5
        assert float(gradient[name]) == pytest.approx(difference, rel=1e-6)


def test_rates_are_fitted_to_steady_states_of_several_experiments():
    """Doses in, steady levels out: no trajectory is differentiated."""
    doses, truth = jnp.array([0.0, 0.5, 1.0, 2.0, 4.0]), {"rate": jnp.array(2.0), "half": jnp.array(1.5)}

    def model(params, dose):
        field = lambda t, y, p: p[0]["rate"] * p[1] / (p[0]["half"] + p[1]) + 0.1 - y - 0.3 * y**3
        return sj.SteadyStateProblem(field, jnp.ones(1), (params, dose))

    exact = jax.vmap(lambda dose: sj.solve(model(truth, dose), sj.NewtonRaphson()).y1)(doses)
    noise = 0.01
    ys = exact + noise * jax.random.normal(jax.random.key(0), exact.shape)
    data = sj.estimation.Data(None, ys[:, None], inputs=doses, noise=noise)
    start = {"rate": jnp.array(0.5), "half": jnp.array(0.2)}
    fit = sj.estimation.shooting(model, data=data, initial=start, bounds=(0.01, 20.0), method=sj.NewtonRaphson())
    assert fit.status is sj.estimation.EstimationStatus.CONVERGED
    for name in truth:
        assert abs(float(fit.params[name] - truth[name])) < 4 * float(fit.standard_errors[name])
    # The derivative of y + 0.3 y^3 = g(params) is g' / (1 + 0.9 y^2): standard errors exactly.
    slope = 1 / (1 + 0.9 * np.asarray(fit.predictions[:, 0, 0]) ** 2)
    rate, half = float(fit.params["rate"]), float(fit.params["half"])
    share = np.asarray(doses) / (half + np.asarray(doses))
    jacobian = np.stack([-rate * share / (half + np.asarray(doses)), share], axis=1) * slope[:, None] / noise
    covariance = np.linalg.inv(jacobian.T @ jacobian)
    np.testing.assert_allclose(fit.covariance, covariance, rtol=1e-4)
    with pytest.raises(ValueError, match="has no times"):
        sj.estimation.shooting(model, data=sj.estimation.Data(doses, ys, inputs=jnp.array(1.0)), initial=start)
