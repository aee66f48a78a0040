"""`HamiltonianNN`, `NeuralDDE`, `NeuralDAE`: against closed forms and `sj.solve`."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .networks import TS, LinearField, directional, mlp


def oscillator_energy(x):
    return jnp.sum(x**2) / 2


def test_the_harmonic_oscillator_in_both_forms_of_the_state():
    hnn = sj.neural.HamiltonianNN(oscillator_energy, rtol=1e-9, atol=1e-11)
    expected = np.stack([np.cos(TS), -np.sin(TS)], axis=1)
    np.testing.assert_allclose(hnn(jnp.array([1.0, 0.0]), TS), expected, atol=1e-7)
    qs, ps = hnn((jnp.array([1.0]), jnp.array([0.0])), TS)
    np.testing.assert_allclose(jnp.concatenate([qs, ps], axis=1), expected, atol=1e-7)
    np.testing.assert_allclose(hnn.derivative(jnp.array([2.0, 3.0])), [3.0, -2.0])
    assert float(hnn.energy(jnp.array([2.0, 3.0]))) == pytest.approx(6.5)


def test_the_energy_of_an_untrained_network_is_kept():
    hnn = sj.neural.HamiltonianNN(mlp(4, 1), method=sj.Vern7(), rtol=1e-10, atol=1e-12)
    ys = hnn(jnp.array([1.0, 0.5, -0.3, 0.2]), jnp.linspace(0.0, 20.0, 5))
    energies = jax.vmap(hnn.energy)(ys)
    assert float(jnp.ptp(ys[:, 0])) > 0.1
    np.testing.assert_allclose(energies, energies[0], atol=1e-9)


def test_a_separable_energy_takes_symplectic_methods_and_does_not_drift():
    potential = mlp(1, 1, width=8)
    hnn = sj.neural.HamiltonianNN(
        lambda q: q @ q + potential(q)[0], kinetic=lambda p: p @ p / 2, method=sj.VelocityVerlet(), dt0=0.05
    )
    ys = hnn(jnp.array([1.0, 0.0]), jnp.linspace(0.0, 100.0, 41))
    error = jax.vmap(hnn.energy)(ys) - hnn.energy(ys[0])
    # Bounded by a multiple of the square of the step, and no larger at the end than at the beginning.
    assert np.max(np.abs(error)) < 0.5 * 0.05**2
    assert np.max(np.abs(error[21:])) < 1.5 * np.max(np.abs(error[1:21]))


def test_normalised_coordinates_change_the_energy_and_not_its_form():
    shift, scale = jnp.array([1.0, 0.0]), jnp.array([2.0, 0.5])
    scaling = sj.neural.Normalise(shift, scale)
    joint = sj.neural.HamiltonianNN(oscillator_energy, normalise=scaling)
    apart = sj.neural.HamiltonianNN(lambda q: q @ q / 2, kinetic=lambda p: p @ p / 2, normalise=scaling)
    y = jnp.array([2.0, 3.0])
    np.testing.assert_allclose(joint.energy(y), (0.5**2 + 6.0**2) / 2)
    np.testing.assert_allclose(joint.derivative(y), [6.0 / 0.5, -0.5 / 2.0])
    np.testing.assert_allclose(apart.derivative(y), joint.derivative(y))


def test_a_delayed_network_is_solve_of_its_equation():
    """y' = -y(t - 1), y = 1 before 0: y = 1 - t on [0, 1], then 1 - t + (t - 1)^2 / 2."""
    net = LinearField(jnp.array([[0.0, -1.0]]))
    ts = jnp.array([0.0, 0.5, 1.0, 1.5, 2.0])
    exact = np.where(ts <= 1, 1 - ts, 1 - ts + (ts - 1) ** 2 / 2)
    np.testing.assert_allclose(sj.neural.NeuralDDE(net, [1.0])(jnp.ones(1), ts)[:, 0], exact, atol=1e-9)
    moving = sj.neural.NeuralDDE(net, 0.5)(lambda t: jnp.cos(t) * jnp.ones(1), TS)
    problem = sj.DDEProblem(lambda t, y, past, args: -past(t - 0.5), lambda t: jnp.cos(t) * jnp.ones(1), 0.0, 1.0,
                            lags=[0.5])  # fmt: skip
    np.testing.assert_allclose(moving, sj.solve(problem, sj.Tsit5(), saveat=TS).ys, rtol=1e-12)


@pytest.mark.full
def test_lags_that_are_arrays_are_trained_with_exact_gradients():
    dde = sj.neural.NeuralDDE(mlp(2, 1), [jnp.array(0.4)], rtol=1e-9, atol=1e-11)
    reverse, difference = directional(lambda dde: jnp.sum(dde(lambda t: jnp.sin(t) * jnp.ones(1), TS) ** 2), dde)
    assert reverse == pytest.approx(difference, rel=1e-5)


def test_delayed_states_are_normalised_each():
    """z = y / 2 and z' = -z(t - 1): the same equation for y."""
    scaled = sj.neural.NeuralDDE(
        LinearField(jnp.array([[0.0, -1.0]])), [1.0], normalise=sj.neural.Normalise(jnp.zeros(1), jnp.full(1, 2.0))
    )
    np.testing.assert_allclose(scaled(jnp.ones(1), jnp.array([0.0, 0.5, 1.0]))[:, 0], [1.0, 0.5, 0.0], atol=1e-9)


def test_an_algebraic_constraint_is_kept_and_equals_the_reduced_equation():
    """y' = -y + z with 0 = z + y - 1: y' = 1 - 2 y."""
    dae = sj.neural.NeuralDAE(LinearField(jnp.array([[-1.0, 1.0]])), lambda t, y, z: z + y - 1.0, rtol=1e-8, atol=1e-10)
    ys, zs = dae((jnp.zeros(1), jnp.zeros(1)), TS)
    np.testing.assert_allclose(ys[:, 0], (1 - np.exp(-2 * TS)) / 2, atol=1e-7)
    np.testing.assert_allclose(zs + ys, 1.0, atol=1e-7)


def test_a_mass_matrix_states_the_same():
    dae = sj.neural.NeuralDAE(
        lambda x: jnp.stack([-x[0] + x[1], x[0] + x[1] - 1.0]), mass_matrix=jnp.diag(jnp.array([1.0, 0.0])),
        rtol=1e-8, atol=1e-10,
    )  # fmt: skip
    np.testing.assert_allclose(dae(jnp.array([0.0, 1.0]), TS)[:, 0], (1 - np.exp(-2 * TS)) / 2, atol=1e-7)


@pytest.mark.full
def test_gradients_of_a_dae_are_those_of_differences():
    dae = sj.neural.NeuralDAE(mlp(2, 1), lambda t, y, z: z + z**3 - y, rtol=1e-9, atol=1e-11)
    reverse, difference = directional(lambda dae: jnp.sum(dae((jnp.ones(1), jnp.ones(1)), TS)[0] ** 2), dae)
    assert reverse == pytest.approx(difference, rel=1e-5)
