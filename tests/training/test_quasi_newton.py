"""Optimistix solvers through `run` and `fit`: the same iterates as Optimistix's own loop."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix as optx
import pytest

from sciml_jax.training import FitStatus, fit, run

from .problems import rosenbrock, rosenbrock_residuals

START = jnp.array([-1.2, 1.0])


@pytest.mark.parametrize(
    "solver", [optx.BFGS(1e-8, 1e-8), optx.NelderMead(1e-8, 1e-8), optx.BestSoFarMinimiser(optx.BFGS(1e-8, 1e-8))]
)
def test_minimisers_take_the_steps_of_optimistix(solver):
    result = fit(rosenbrock, START, optimizer=solver, num_steps=300)
    theirs = optx.minimise(lambda x, args: rosenbrock(x, None, None), solver, START, max_steps=300)
    assert result.status is FitStatus.CONVERGED and result.num_steps == int(theirs.stats["num_steps"])
    np.testing.assert_allclose(result.params, theirs.value, rtol=1e-7)
    np.testing.assert_allclose(result.params, 1.0, atol=1e-6)
    assert (
        result.losses[0] == pytest.approx(24.2, rel=1e-14)
        and result.losses[-1] < 1e-12
        and len(result.losses) == result.num_steps
    )


def test_levenberg_marquardt_takes_the_steps_of_optimistix():
    """Residuals in, half their sum of squares as the loss."""
    solver = optx.LevenbergMarquardt(1e-8, 1e-8)
    result = fit(rosenbrock_residuals, START, optimizer=solver, num_steps=100)
    theirs = optx.least_squares(lambda x, args: rosenbrock_residuals(x, None, None), solver, START, max_steps=100)
    assert result.status is FitStatus.CONVERGED and result.num_steps == int(theirs.stats["num_steps"])
    np.testing.assert_allclose(result.params, 1.0, atol=1e-7)
    assert result.losses[0] == pytest.approx(12.1, rel=1e-14)


def test_gauss_newton_solves_a_linear_problem_as_lstsq_does():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(10, 3)), rng.normal(size=10)
    result = run(
        lambda x, batch, key: (a @ x - b, x.sum()),
        jnp.zeros(3),
        optimizer=optx.GaussNewton(1e-10, 1e-10),
        num_steps=10,
        has_aux=True,
    )
    expected, (residual,), *_ = np.linalg.lstsq(a, b)
    np.testing.assert_allclose(result.params, expected, rtol=1e-12)
    last = int(result.num_steps) - 1
    assert float(result.losses[last]) == pytest.approx(0.5 * residual, rel=1e-12)
    assert FitStatus(int(result.status)) is FitStatus.CONVERGED and float(result.aux) == pytest.approx(
        expected.sum(), rel=1e-10
    )


def test_block_size_and_run_give_the_same_bits():
    solver = optx.BFGS(1e-8, 1e-8)
    whole = fit(rosenbrock, START, optimizer=solver, num_steps=200)
    blocks = fit(rosenbrock, START, optimizer=solver, num_steps=200, block_size=7)
    pure = run(rosenbrock, START, optimizer=solver, num_steps=200)
    for other in (blocks, pure):
        np.testing.assert_array_equal(other.params, whole.params)
        np.testing.assert_array_equal(other.losses[: whole.num_steps], whole.losses)
    assert np.isnan(pure.losses[whole.num_steps :]).all()


def test_too_few_steps_is_a_status():
    result = fit(rosenbrock, START, optimizer=optx.BFGS(1e-8, 1e-8), num_steps=5)
    assert result.status is FitStatus.MAX_STEPS and result.num_steps == 5 and "num_steps" in result.message


def test_vmap_over_starts():
    starts = jnp.array([[-1.2, 1.0], [0.0, 0.0], [2.0, -1.0]])
    result = jax.vmap(
        lambda x: run(rosenbrock_residuals, x, optimizer=optx.LevenbergMarquardt(1e-8, 1e-8), num_steps=100)
    )(starts)
    np.testing.assert_allclose(result.params, 1.0, atol=1e-6)
    assert result.status.tolist() == [FitStatus.CONVERGED] * 3 and len(set(result.num_steps.tolist())) > 1


def test_nan_at_the_start_is_a_status_and_returns_the_start():
    result = fit(lambda x, b, k: jnp.sum(jnp.log(x)), START, optimizer=optx.BFGS(1e-8, 1e-8), num_steps=20)
    assert not result.status.is_success and result.num_steps < 20
    np.testing.assert_array_equal(result.params, START)


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("optimizer", [optx.BFGS(1e-3, 1e-3), optax.lbfgs()])
def test_the_dtype_of_the_parameters_is_kept(optimizer, dtype):
    result = run(rosenbrock, START.astype(dtype), optimizer=optimizer, num_steps=60)
    assert result.params.dtype == dtype and result.losses.dtype == dtype
    np.testing.assert_allclose(result.params, 1.0, atol=2e-2)


def test_levenberg_marquardt_in_float32_without_x64():
    """With x64 on, Optimistix itself mixes float64 into a float32 trust region and refuses."""
    with jax.enable_x64(False):
        result = run(
            rosenbrock_residuals, jnp.array([-1.2, 1.0]), optimizer=optx.LevenbergMarquardt(1e-4, 1e-4), num_steps=60
        )
        assert result.params.dtype == jnp.float32
        np.testing.assert_allclose(result.params, 1.0, atol=1e-3)


def test_a_scalar_is_not_taken_for_a_residual():
    loss = lambda params, batch, key: jnp.sum((params - 3.0) ** 2) - 5.0
    with pytest.raises(TypeError, match="must return residuals; received a scalar"):
        fit(loss, jnp.zeros(1), optimizer=optx.LevenbergMarquardt(rtol=1e-8, atol=1e-8), num_steps=5)
