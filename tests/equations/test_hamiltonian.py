"""Hamiltonian problems: Hamilton's equations from a scalar, conserved energy, and which of them are separable."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

ECCENTRICITY = 0.6
PERIOD = 2 * np.pi
Q0 = jnp.array([1 - ECCENTRICITY, 0.0])
P0 = jnp.array([0.0, np.sqrt((1 + ECCENTRICITY) / (1 - ECCENTRICITY))])


def kepler(q, p, args):
    """Energy -0.5, period 2 pi, starting at the pericentre."""
    return 0.5 * jnp.sum(p**2) - 1 / jnp.sqrt(jnp.sum(q**2))


def orbit(periods, hamiltonian=kepler):
    return sj.HamiltonianProblem(hamiltonian, Q0, P0, 0.0, periods * PERIOD)


@pytest.mark.parametrize(
    ("method", "options"),
    [
        (None, {"rtol": 1e-9, "atol": 1e-11}),
        (sj.Rodas5P(), {"rtol": 1e-8, "atol": 1e-10}),
        (sj.KahanLi8(), {"dt0": PERIOD / 200}),
        (sj.Yoshida6(), {"dt0": PERIOD / 800}),
    ],
    ids=["default", "Rodas5P", "KahanLi8", "Yoshida6"],
)
def test_an_orbit_passes_the_apocentre_and_closes(method, options):
    sol = sj.solve(orbit(1), method, saveat=jnp.array([0.5, 1.0]) * PERIOD, **options)
    qs, ps = sol.ys
    np.testing.assert_allclose(qs, [[-1 - ECCENTRICITY, 0.0], Q0], rtol=0, atol=3e-6)
    np.testing.assert_allclose(ps, [[0.0, -0.5], P0], rtol=0, atol=3e-6)


def energy_errors(method, periods, samples, steps):
    """Relative errors of the energy at random times, so that samples fall on all phases of the orbit alike."""
    problem = orbit(periods)
    ts = np.sort(np.random.default_rng(0).uniform(0, periods * PERIOD, samples))
    saveat = sj.SaveAt(ts=jnp.asarray(ts), fn=lambda t, y, args: kepler(*y, args))
    sol = sj.solve(problem, method, dt0=PERIOD / steps, saveat=saveat, max_steps=None)
    return np.asarray(sol.ts), np.asarray(sol.ys) / -0.5 - 1


def assert_no_drift(ts, errors, bound):
    """Errors within the bound, and the trend over the whole time within four standard errors of none."""
    assert np.max(np.abs(errors)) < bound
    slope, uncertainty = trend(ts, errors)
    assert abs(slope) < 4 * uncertainty


def trend(ts, errors):
    """The slope of a line through the errors and its standard error, over the length of the whole time."""
    (slope, _), covariance = np.polyfit(ts / ts[-1], errors, 1, cov=True)
    return slope, np.sqrt(covariance[0, 0])


def test_the_energy_error_of_symplectic_methods_does_not_grow_and_that_of_runge_kutta_does():
    """Over 500 revolutions; the bounds are twice what 20 revolutions give."""
    for method, steps in ((sj.VelocityVerlet(), 100), (sj.Yoshida4(), 100), (sj.Yoshida6(), 100)):
        _, early = energy_errors(method, 20, 400, steps)
        ts, errors = energy_errors(method, 500, 400, steps)
        assert_no_drift(ts, errors, 2 * np.max(np.abs(early)))
    ts, errors = energy_errors(sj.RK4(), 500, 400, 100)
    slope, uncertainty = trend(ts, errors)
    assert slope > 0.05
    assert slope > 10 * uncertainty


@pytest.mark.full
@pytest.mark.parametrize(
    ("method", "steps", "bound"),
    [(sj.VelocityVerlet(), 100, 0.05), (sj.Yoshida6(), 100, 2e-3), (sj.KahanLi8(), 100, 1e-5)],
    ids=["VelocityVerlet", "Yoshida6", "KahanLi8"],
)
def test_the_energy_error_is_bounded_over_1e5_revolutions(method, steps, bound):
    """Ten million steps."""
    assert_no_drift(*energy_errors(method, 1e5, 1000, steps), bound)


def test_angular_momentum_is_kept_to_rounding():
    """Kicks along q and drifts along p change nothing in q x p."""
    momentum = lambda t, y, args: y[0][0] * y[1][1] - y[0][1] * y[1][0]
    sol = sj.solve(orbit(20), sj.VelocityVerlet(), dt0=PERIOD / 200, saveat=sj.SaveAt(steps=1, fn=momentum))
    kept = np.asarray(sol.ys)[: int(sol.stats.num_accepted)]
    np.testing.assert_allclose(kept, 0.8, rtol=0, atol=2e-13)


def test_a_kinetic_energy_that_is_not_quadratic_is_separable_too():
    """A relativistic oscillator against a general method, states between the steps included."""
    relativistic = lambda q, p, args: jnp.sum(jnp.sqrt(1 + p**2) + 0.5 * args * q**2)
    problem = sj.HamiltonianProblem(relativistic, jnp.array([1.0, 0.3]), jnp.array([0.0, 1.0]), 0.0, 3.0, 2.0)
    ts = jnp.linspace(0.1, 2.9, 12)
    found = sj.solve(problem, sj.KahanLi8(), dt0=0.1, saveat=ts).ys
    expected = sj.solve(problem, sj.Dopri5(), rtol=1e-12, atol=1e-13, saveat=ts, max_steps=20000).ys
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-9)


def test_separable_hamiltonians_are_recognised_through_calls_and_loops():
    def looped(q, p, args):
        potential = jax.lax.scan(lambda total, x: (total + jnp.where(x > 0, x**2, -x), None), 0.0, q)[0]
        return jax.jit(lambda p: 0.5 * jnp.sum(p**2))(p) + potential

    problem = sj.HamiltonianProblem(looped, jnp.array([1.0, 0.3]), jnp.array([0.2, 1.0]), 0.0, 1.0)
    found = sj.solve(problem, sj.VelocityVerlet(), dt0=1e-3).y1
    np.testing.assert_allclose(found, sj.solve(problem, sj.Tsit5(), rtol=1e-9, atol=1e-11).y1, rtol=0, atol=1e-5)


def test_a_hamiltonian_that_mixes_q_and_p_is_refused_by_symplectic_methods_only():
    mixed = lambda q, p, args: 0.5 * jnp.sum(p**2 * q) + jnp.sum(q)
    problem = sj.HamiltonianProblem(mixed, jnp.ones(2), jnp.ones(2), 0.0, 0.1)
    for method in (sj.SymplecticEuler(), sj.VelocityVerlet()):
        with pytest.raises(
            ValueError, match=rf"`{method.name}` needs a separable.*got a dq/dt that reads q.*Write the"
        ):
            sj.solve(problem, method, dt0=0.1)
    start = problem.energy(*problem.y0)
    np.testing.assert_allclose(problem.energy(*sj.solve(problem, rtol=1e-9, atol=1e-11).y1), start, rtol=1e-8)


def test_a_network_as_hamiltonian_has_gradients_with_respect_to_its_weights():
    class Learned(eqx.Module):
        potential: eqx.nn.MLP

        def __call__(self, q, p, args):
            return 0.5 * jnp.sum(p**2) + self.potential(q)

    problem = sj.HamiltonianProblem(
        Learned(eqx.nn.MLP(2, "scalar", 4, 1, jnp.tanh, dtype=float, key=jax.random.key(0))), Q0, P0, 0.0, 1.0
    )
    where = lambda p: p.hamiltonian.potential.layers[-1].weight

    @eqx.filter_jit
    def end(problem):
        return jnp.sum(sj.solve(problem, sj.VelocityVerlet(), dt0=0.1, max_steps=16).y1[0])

    gradient = where(eqx.filter_grad(end)(problem))
    layer = lambda p: p.vector_field.args[0].potential.layers[-1].weight
    moved = lambda size: end(eqx.tree_at(layer, problem, layer(problem) + size * jnp.ones((1, 4))))
    difference = (moved(1e-5) - moved(-1e-5)) / 2e-5
    np.testing.assert_allclose(jnp.sum(gradient), difference, rtol=1e-7)


def problem(hamiltonian=kepler, q0=Q0, p0=P0, t0=0.0, t1=1.0):
    return sj.HamiltonianProblem(hamiltonian, q0, p0, t0, t1)


CASES = {
    "other shape": (lambda: problem(p0=jnp.ones(3)), ValueError, ["`q0` and `p0`", "[3]", "Pass one `p0`"]),
    "integers": (lambda: problem(q0=jnp.array([1, 0])), TypeError, ["`q0` must have float", "int", "dtype=float"]),
    "complex": (lambda: problem(q0=Q0 + 0j, p0=P0 + 0j), TypeError, ["`q0` must be real", "complex128", "Split"]),
    "not callable": (lambda: problem("H"), TypeError, ["`hamiltonian` must be callable", "'H'", "Pass a function"]),
    "with time": (
        lambda: problem(lambda t, q, p, args: 0.0), TypeError, ["called with (q, p, args)", "(t, q, p, args)", "it 3"],
    ),
    "equal times": (lambda: problem(t1=0.0), ValueError, ["must differ", "0.0", "Pass a `t1`"]),
    "energy as a vector": (
        lambda: sj.solve(problem(lambda q, p, args: p**2)), ValueError, ["real scalar", "float64[2]", "jnp.sum"],
    ),
    "energy that depends on nothing": (
        lambda: sj.solve(problem(lambda q, p, args: 1.0)), ValueError, ["real scalar", "1.0", "jnp.sum"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_refused_with_the_rule_what_was_received_and_the_fix(case):
    call, kind, words = CASES[case]
    with pytest.raises(kind) as raised:
        call()
    for word in words:
        assert word in str(raised.value), str(raised.value)
