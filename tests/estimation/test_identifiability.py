"""Fisher information, profiles, sloppy directions and designs against exact results."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import LINE_TIMES, MATRIX, line

E = sj.estimation
PARAMS = jnp.array([2.0, 0.5])
DECAY_TIMES = jnp.linspace(0.0, 10.0, 101)


def decay(params, ts):
    return params[0] * jnp.exp(-params[1] * ts)


def test_fisher_information_through_a_solve_is_that_of_the_exact_solution():
    ts, noise = jnp.linspace(0.0, 4.0, 7), jnp.linspace(0.1, 0.4, 7)
    model = lambda p: sj.ODEProblem(lambda t, y, k: -k * y, p[:1], 0.0, 4.0, p[1])
    data = E.Data(ts, jnp.zeros(7), noise=noise)
    found = E.fisher_information(model, PARAMS, data=data, method=sj.Tsit5(), rtol=1e-9, atol=1e-9)
    jacobian = np.stack([np.exp(-0.5 * ts), -2 * ts * np.exp(-0.5 * ts)], axis=1) / np.asarray(noise)[:, None]
    np.testing.assert_allclose(found, jacobian.T @ jacobian, rtol=1e-6)


def test_information_of_each_time_adds_up_and_sigma_scales_it():
    data = E.Data(DECAY_TIMES, jnp.zeros(101))
    model = lambda p: decay(p, DECAY_TIMES)
    each = E.fisher_information(model, PARAMS, data=data, each_time=True)
    assert each.shape == (1, 101, 2, 2)
    whole = E.fisher_information(model, PARAMS, data=data, sigma=0.5)
    np.testing.assert_allclose(4 * each.sum((0, 1)), whole, rtol=1e-12)


def test_profiles_of_a_linear_model_are_parabolas_and_give_its_intervals():
    ys = line(jnp.array([1.0, -2.0, 0.5])) + 0.3 * jax.random.normal(jax.random.key(1), (12,))
    data = E.Data(LINE_TIMES, ys, noise=0.3)
    fit = E.shooting(line, data=data, initial=jnp.ones(3))
    profiles = E.profile_likelihood(line, fit, data=data, points=9)
    errors = np.asarray(fit.standard_errors)
    expected = ((profiles.values - fit.params[:, None]) / errors[:, None]) ** 2
    np.testing.assert_allclose(profiles.drop, expected, atol=1e-5)
    lower, upper = fit.intervals()
    np.testing.assert_allclose(profiles.lower, lower, rtol=1e-4)
    np.testing.assert_allclose(profiles.upper, upper, rtol=1e-4)
    assert np.all(profiles.identifiable)
    # The others move as their correlation says.
    shift = fit.covariance[1, 0] / fit.covariance[0, 0] * (profiles.values[0] - fit.params[0])
    np.testing.assert_allclose(profiles.params[0, :, 1], fit.params[1] + shift, rtol=1e-4)


def test_profiles_with_unknown_noise_use_the_likelihood_ratio():
    ys = line(jnp.array([1.0, -2.0, 0.5])) + 0.3 * jax.random.normal(jax.random.key(1), (12,))
    data = E.Data(LINE_TIMES, ys)
    fit = E.shooting(line, data=data, initial=jnp.ones(3))
    profiles = E.profile_likelihood(line, fit, data=data, points=5, parameters=["params[1]"])
    assert profiles.names == ("params[1]",)
    value = float(profiles.values[0, 4])
    kept = np.delete(np.asarray(MATRIX), 1, axis=1)
    rest = np.asarray(ys) - value * np.asarray(MATRIX)[:, 1]
    square = np.linalg.lstsq(kept, rest, rcond=None)[1][0]
    assert float(profiles.drop[0, 4]) == pytest.approx(12 * np.log(square / (2 * float(fit.cost))), rel=1e-5)


def test_profiles_show_what_cannot_be_identified():
    model = lambda p: p["a"] * p["b"] * jnp.exp(-p["k"] * DECAY_TIMES)
    ys = decay(PARAMS, DECAY_TIMES) + 0.05 * jax.random.normal(jax.random.key(0), (101,))
    data = E.Data(DECAY_TIMES, ys)
    start = {"a": 1.0, "b": 1.0, "k": 1.0}
    fit = E.shooting(model, data=data, initial=start, bounds=(0.01, 1e3))
    profiles = E.profile_likelihood(model, fit, data=data, points=11)
    np.testing.assert_array_equal(profiles.identifiable, [False, False, True])
    directions = E.sloppy_directions(fit)
    # In logarithms, a and b against each other change nothing.
    np.testing.assert_allclose(np.abs(directions.directions[-1]), [np.sqrt(0.5), np.sqrt(0.5), 0], atol=1e-6)
    assert directions.eigenvalues[-1] < 1e-6 * directions.eigenvalues[0]
    assert directions.decades > 6 and "ln a" in directions.describe(1)


def test_sloppy_directions_of_a_matrix_are_its_eigenvectors():
    information = jnp.array([[5.0, 2.0], [2.0, 1.0]])
    found = E.sloppy_directions(information, jnp.ones(2), relative=False)
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(information)[::-1], rtol=1e-12)
    np.testing.assert_allclose(
        information @ found.directions[0], found.eigenvalues[0] * found.directions[0], rtol=1e-12
    )
    with pytest.raises(ValueError, match="where it was taken"):
        E.sloppy_directions(information)
    with pytest.raises(ValueError, match="has shape"):
        E.sloppy_directions(information, jnp.ones(3))


def test_the_d_optimal_times_of_a_decay_are_its_beginning_and_its_time_constant():
    found = E.design(decay, PARAMS, jnp.array([1.0, 4.0]), bounds=(0.0, 10.0))
    np.testing.assert_allclose(found.controls, [0.0, 2.0], atol=1e-5)
    assert found.converged and found.value > found.initial_value
    # det F = (a t exp(-b t))^2 there.
    assert float(found.value) == pytest.approx(2 * np.log(2 * 2 * np.exp(-1.0)), rel=1e-8)


def test_a_optimal_times_are_better_than_their_neighbours():
    found = E.design(decay, PARAMS, jnp.array([1.0, 4.0]), bounds=(0.0, 10.0), criterion=E.AOptimal(), starts=3, key=0)
    assert found.controls.min() == pytest.approx(0.0, abs=1e-6)

    def variance(t):
        jacobian = np.array([[1.0, 0.0], [np.exp(-0.5 * t), -2 * t * np.exp(-0.5 * t)]])
        return np.trace(np.linalg.inv(jacobian.T @ jacobian))

    best = min(variance(t) for t in np.linspace(1, 4, 3001))
    assert -float(found.value) == pytest.approx(best, rel=1e-6)


@pytest.mark.full
def test_a_design_through_a_solve_moves_its_save_times_and_doses():
    def predict(k, controls):
        problem = sj.ODEProblem(lambda t, y, k: -k * y, controls["dose"], 0.0, 10.0, k)
        return sj.solve(problem, sj.RK4(), dt0=0.5, saveat=controls["time"], max_steps=32).ys

    start = {"dose": jnp.array([1.0]), "time": jnp.array([4.0])}
    bounds = ({"dose": 0.5, "time": 0.5}, {"dose": 3.0, "time": 9.0})
    found = E.design(predict, jnp.array(0.5), start, bounds=bounds, num_steps=60)
    # (t dose exp(-k t))^2 is largest at t = 1 / k and the largest dose.
    np.testing.assert_allclose(found.controls["dose"], [3.0], rtol=1e-9)
    np.testing.assert_allclose(found.controls["time"], [2.0], rtol=1e-2)


def test_optimal_weights_satisfy_the_equivalence_theorem():
    data = E.Data(DECAY_TIMES, jnp.zeros(101))
    each = E.fisher_information(lambda p: decay(p, DECAY_TIMES), PARAMS, data=data, each_time=True)
    found = E.optimal_weights(each)
    assert found.weights.shape == (1, 101)
    weights = np.asarray(found.weights[0])
    assert weights[0] == pytest.approx(0.5, abs=1e-3) and weights[18:23].sum() == pytest.approx(0.5, abs=1e-3)
    # No measurement would add more than the P parameters (Kiefer and Wolfowitz).
    gains = np.einsum("ij,tji->t", np.linalg.inv(found.information), each[0])
    assert gains.max() == pytest.approx(2.0, rel=1e-3)
    assert 0 <= found.gap < 1e-3
    with pytest.raises(ValueError, match="shape"):
        E.optimal_weights(jnp.ones((3, 2)))


def test_wrong_designs_are_refused():
    with pytest.raises(ValueError, match="at least as many values"):
        E.design(decay, PARAMS, jnp.array([1.0]), bounds=(0.0, 10.0))
    with pytest.raises(TypeError, match="criterion"):
        E.design(decay, PARAMS, jnp.array([1.0, 2.0]), bounds=(0.0, 10.0), criterion="D")
    with pytest.raises(ValueError, match="crossed"):
        E.design(decay, PARAMS, jnp.array([1.0, 2.0]), bounds=(10.0, 0.0))
    data = E.Data(LINE_TIMES, line(jnp.ones(3)))
    fit = E.shooting(line, data=data, initial=jnp.zeros(3))
    with pytest.raises(ValueError, match="odd"):
        E.profile_likelihood(line, fit, data=data, points=4)
    with pytest.raises(ValueError, match="names or indices"):
        E.profile_likelihood(line, fit, data=data, parameters=["rate"])
    with pytest.raises(ValueError, match="`level`"):
        E.profile_likelihood(line, fit, data=data, level=95)
    with pytest.raises(ValueError, match="`level`"):
        fit.intervals(95)
