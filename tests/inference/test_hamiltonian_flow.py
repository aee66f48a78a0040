"""The path of Hamiltonian Monte Carlo: the sampler's leapfrog, reversible, and of its method's order."""

import blackjax
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from blackjax.mcmc import integrators, metrics

import sciml_jax as sj
from sciml_jax import inference
from tests.inference.gaussian_target import gaussian_posterior

POSITION, MOMENTUM = jnp.array([0.3, -0.2, 0.5]), jnp.array([1.0, 0.4, -0.7])


def skewed(u):
    """A log density that is no Gaussian."""
    return -jnp.sum(jnp.cosh(u)) - 0.1 * jnp.sum(u) ** 2


@pytest.mark.parametrize("inverse_mass", [jnp.array([0.5, 1.5, 0.8]), jnp.diag(jnp.array([1.0, 2.0, 0.5])) + 0.1])
def test_with_velocity_verlet_it_is_the_samplers_leapfrog(inverse_mass):
    post = gaussian_posterior()
    sol = inference.hamiltonian_flow(post, POSITION, MOMENTUM, step_size=0.1, num_steps=20, inverse_mass=inverse_mass)
    leapfrog = integrators.velocity_verlet(post.log_density, metrics.default_metric(inverse_mass).kinetic_energy)
    state = integrators.new_integrator_state(post.log_density, POSITION, MOMENTUM)
    for _ in range(20):
        state = leapfrog(state, 0.1)
    np.testing.assert_allclose(sol.y1[0], state.position, rtol=1e-12)
    np.testing.assert_allclose(sol.y1[1], state.momentum, rtol=1e-11)


def test_it_ends_where_a_transition_of_the_sampler_proposes():
    post, key = gaussian_posterior(), jax.random.key(3)
    state = blackjax.hmc.init(POSITION, post.log_density)
    _, info = blackjax.hmc.build_kernel()(key, state, post.log_density, 0.2, jnp.ones(3), 7)
    sol = inference.hamiltonian_flow(post, POSITION, info.momentum, step_size=0.2, num_steps=7)
    np.testing.assert_allclose(sol.y1[0], info.proposal.position, rtol=1e-12)
    np.testing.assert_allclose(sol.y1[1], -info.proposal.momentum, rtol=1e-12)


@pytest.mark.parametrize(("method", "order"), [(sj.VelocityVerlet(), 2), (sj.Yoshida4(), 4)])
def test_it_has_its_methods_order_and_is_reversible(method, order):
    def end(num_steps, momentum=MOMENTUM, start=POSITION):
        return inference.hamiltonian_flow(
            skewed, start, momentum, step_size=2.0 / num_steps, num_steps=num_steps, method=method
        ).y1

    reference = inference.hamiltonian_flow(
        skewed, POSITION, MOMENTUM, step_size=2.0 / 400, num_steps=400, method=sj.KahanLi8()
    ).y1[0]
    errors = [float(jnp.max(jnp.abs(end(n)[0] - reference))) for n in (20, 40)]
    assert abs(np.log2(errors[0] / errors[1]) - order) < 0.15
    position, momentum = end(20)
    back = end(20, -momentum, position)
    np.testing.assert_allclose(back[0], POSITION, rtol=1e-11)
    np.testing.assert_allclose(back[1], -MOMENTUM, rtol=1e-11)


def test_the_energy_stays_and_the_volume_is_kept():
    energy = inference.PosteriorHamiltonian(skewed, jnp.asarray(1.0))

    def end(q, p):
        return inference.hamiltonian_flow(skewed, q, p, step_size=0.1, num_steps=30).y1

    q, p = end(POSITION, MOMENTUM)
    assert abs(float(energy(q, p) - energy(POSITION, MOMENTUM))) < 0.01
    slopes = jax.jacfwd(lambda z: jnp.concatenate(end(z[:3], z[3:])))(jnp.concatenate([POSITION, MOMENTUM]))
    np.testing.assert_allclose(jnp.linalg.det(slopes), 1.0, rtol=1e-10)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"method": sj.Tsit5()}, TypeError, "symplectic"),
        ({"step_size": 0.0}, ValueError, "step_size"),
        ({"num_steps": 0}, ValueError, "num_steps"),
        ({"momentum": jnp.zeros(2)}, ValueError, "must have the shape"),
        ({"inverse_mass": jnp.ones(2)}, ValueError, "inverse_mass"),
    ],
)
def test_wrong_arguments_are_refused_with_the_rule(options, error, words):
    given = {"position": POSITION, "momentum": MOMENTUM, "step_size": 0.1, "num_steps": 3} | options
    with pytest.raises(error, match=words):
        inference.hamiltonian_flow(skewed, given.pop("position"), given.pop("momentum"), **given)
