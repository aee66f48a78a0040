"""Problems: conditions measure their misfit, hard ones hold exactly, and mistakes are refused when they are made."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.pinn.hard_conditions import build_in

from .problems import LINE, PLANE, burgers, burgers_residual

pinn = sj.pinn
KEY = jax.random.key(0)
SQUARE = pinn.Box({"x": (0.0, 1.0), "y": (0.0, 2.0)})


def misfit(condition, u, params=None):
    items = condition.draw(KEY, 12)
    return jax.vmap(lambda item: condition.row(u, item, params))(items)


U = lambda z: z[0] ** 2 + 3 * z[0] * z[1]
CONDITIONS = {
    "dirichlet": (pinn.Dirichlet(SQUARE.face("x", "upper"), lambda z: 1 + 3 * z[1]), 0.0),
    "dirichlet off by 2": (pinn.Dirichlet(SQUARE.face("x", "lower"), -2.0), 2.0),
    "neumann": (pinn.Neumann(SQUARE.face("x", "lower"), lambda z: -3 * z[1]), 0.0),
    "robin": (pinn.Robin(SQUARE.face("y", "upper"), 2.0, 1.0, lambda z: 2 * U(z) + 3 * z[0]), 0.0),
    "initial velocity": (pinn.Initial(SQUARE, lambda z: 3 * z[0], time="y", derivative=1), 0.0),
    "data": (pinn.Data([[1.0, 1.0], [0.0, 2.0]], [3.0, -1.0], noise=0.5), 2.0),
    "integral": (pinn.Integral(SQUARE, 0.5, integrand=lambda u, z, p: 0 * u(z) + 0.5), 0.5),
    "boundary length": (pinn.Integral(SQUARE.boundary, 5.0, integrand=lambda u, z, p: 1.0 + 0 * z[0]), 1.0),
    "any": (pinn.Condition(SQUARE.face("x"), lambda u, z, n, p: u(z) - U(z) + p * n[1]), 0.0),
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_measures_its_misfit(name):
    condition, expected = CONDITIONS[name]
    np.testing.assert_allclose(misfit(condition, U, 7.0), expected, atol=1e-12)


def test_a_periodic_condition_compares_values_and_slopes():
    condition = pinn.Periodic(SQUARE, "x")
    wave = lambda z: jnp.sin(2 * jnp.pi * z[0]) * z[1]
    np.testing.assert_allclose(misfit(condition, wave), 0.0, atol=1e-12)
    found = misfit(condition, lambda z: z[0] ** 2)
    np.testing.assert_allclose(found, jnp.broadcast_to(jnp.array([-1.0, -2.0]), found.shape))


def test_conditions_of_a_system_hold_for_one_component():
    u = lambda z: jnp.stack([z[0], z[1]])
    np.testing.assert_allclose(misfit(pinn.Dirichlet(SQUARE.face("y", "upper"), 2.0, component=1), u), 0.0)
    assert misfit(pinn.Dirichlet(SQUARE.face("y", "upper"), jnp.zeros(2)), u).shape == (12, 2)


def test_hard_conditions_hold_whatever_the_network_is():
    hard, soft = build_in(burgers())
    assert soft == ()
    z = jnp.array([[0.0, 0.3], [0.4, -1.0], [0.9, 1.0], [0.0, 1.0]])
    for value in (-5.0, 3.0):
        found = jax.vmap(lambda z, n=value: hard(jnp.array([n]), z, None)[0])(z)
        np.testing.assert_allclose(found, [-np.sin(0.3 * np.pi), 0.0, 0.0, 0.0], atol=1e-15)
    inside = jnp.array([0.5, 0.2])
    slope = jax.grad(lambda n: hard(jnp.array([n]), inside, None)[0])(1.0)
    np.testing.assert_allclose(slope, 0.5 * (1 - 0.2**2))


def test_hard_conditions_join_different_values_on_three_faces():
    """u = x + t on the faces t = 0 and x = -1, 1 is continued to itself."""
    line = lambda z: z[0] + z[1]
    conditions = [pinn.Initial(PLANE, line), pinn.Dirichlet(PLANE.face("x"), line)]
    hard, _ = build_in(pinn.PDEProblem(PLANE, burgers_residual, conditions))
    points = PLANE.interior(KEY, 20)
    np.testing.assert_allclose(jax.vmap(lambda z: hard.lift(0, z, None))(points), jax.vmap(line)(points), atol=1e-14)


def test_values_that_jump_at_an_edge_are_left_to_training():
    """u = 1 at first and 0 on the walls: the second condition cannot be built in beside the first."""
    conditions = [pinn.Initial(PLANE, 1.0), pinn.Dirichlet(PLANE.face("x"), 0.0)]
    hard, soft = build_in(pinn.PDEProblem(PLANE, burgers_residual, conditions))
    assert hard.conditions == (conditions[0],)
    assert soft == (conditions[1],)


def test_problems_can_be_stated_under_jit():
    @jax.jit
    def total(nu):
        problem = pinn.PDEProblem(PLANE, burgers_residual, [pinn.Dirichlet(PLANE.face("x"), lambda z: nu)], params=nu)
        hard, _ = build_in(problem)
        return hard.lift(0, jnp.array([0.5, 0.0]), nu)

    np.testing.assert_allclose(total(2.0), 2.0)


def test_boundaries_of_different_geometries_may_have_different_values():
    """A pipe of one temperature in a duct of another; the same values twice, or on parts of one wall, conflict."""
    duct, pipe = pinn.Ball((0.0, 0.0), 1.0), pinn.Ball((0.3, 0.0), 0.2)
    domain = duct - pipe
    residual = lambda u, z, p: u(z)
    walls = [pinn.Dirichlet(duct, 0.0), pinn.Dirichlet(pipe, 1.0)]
    assert len(pinn.PDEProblem(domain, residual, walls).conditions) == 2
    with pytest.raises(ValueError, match="must not contradict"):
        pinn.PDEProblem(domain, residual, [*walls, pinn.Dirichlet(pinn.Ball((0.3, 0.0), 0.2), 0.5)])
    with pytest.raises(ValueError, match="must not contradict"):
        pinn.PDEProblem(domain, residual, [pinn.Dirichlet(domain, 0.5), walls[1]])


FACE = PLANE.face("x")
ERRORS = {
    "coordinate": (lambda: pinn.PDEProblem(PLANE, lambda u, z, p: PLANE.partials(u, z, "y")[0]), "named by the coord"),
    "shape": (lambda: pinn.PDEProblem(PLANE, lambda u, z, p: jnp.outer(z, z)), "must return a real number"),
    "nothing": (lambda: pinn.PDEProblem(PLANE, lambda u, z, p: None), "must return a real number"),
    "integer": (lambda: pinn.PDEProblem(PLANE, lambda u, z, p: jnp.zeros((), int)), "must return a real number"),
    "arguments": (lambda: pinn.PDEProblem(PLANE, lambda u, z: z[0]), "called with"),
    "domain": (lambda: pinn.PDEProblem(burgers_residual, burgers_residual), "must be a geometry"),
    "outputs": (lambda: pinn.PDEProblem(PLANE, burgers_residual, num_outputs=0), "positive integer"),
    "condition": (lambda: pinn.PDEProblem(PLANE, burgers_residual, [0.0]), "sequence of conditions"),
    "conflict": (lambda: burgers(pinn.Dirichlet(PLANE.face("x", "upper"), 1.0)), "must not contradict"),
    "conflict at the start": (lambda: burgers(pinn.Initial(PLANE, 0.0)), "must not contradict"),
    "other names": (
        lambda: pinn.PDEProblem(PLANE, burgers_residual, [pinn.Dirichlet(SQUARE.face("x"), 0.0)]),
        "coordinates of the domain",
    ),
    "component": (
        lambda: pinn.PDEProblem(PLANE, burgers_residual, [pinn.Dirichlet(FACE, 0.0, component=1)]),
        "below `num_outputs`",
    ),
    "value shape": (
        lambda: pinn.PDEProblem(PLANE, burgers_residual, [pinn.Dirichlet(FACE, lambda z: z)]),
        "must have shape",
    ),
    "data points": (
        lambda: pinn.PDEProblem(PLANE, burgers_residual, [pinn.Data(jnp.zeros((3, 1)), jnp.zeros(3))]),
        "points of 2 coordinates",
    ),
    "data lengths": (lambda: pinn.Data(jnp.zeros((3, 2)), jnp.zeros(4)), "one value for each point"),
    "region": (lambda: pinn.Dirichlet("left", 0.0), "holds on a region"),
    "value": (lambda: pinn.Dirichlet(FACE, "zero"), "number or a function"),
    "derivative": (lambda: pinn.Initial(PLANE, 0.0, derivative=-1), "0, 1, 2"),
    "time": (lambda: pinn.Initial(SQUARE, 0.0), "one of the coordinates"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_a_wrong_problem_is_refused_with_the_fix(name):
    call, message = ERRORS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        call()


RELU = eqx.nn.MLP(2, 1, 8, 2, activation=jax.nn.relu, key=KEY)
METHODS = {
    "relu": (RELU, "zero everywhere"),
    "made relu": (lambda n, m, key: eqx.nn.MLP(n, m, 8, 2, activation=jax.nn.relu, key=key), "zero everywhere"),
    "inputs": (eqx.nn.MLP(3, 1, 8, 2, activation=jnp.tanh, key=KEY), "must take a vector"),
    "outputs": (eqx.nn.MLP(2, 2, 8, 2, activation=jnp.tanh, key=KEY), "one for each unknown"),
    "no network": (3, "must be a network"),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_network_that_cannot_work_is_refused_with_the_fix(name):
    network, message = METHODS[name]
    with pytest.raises((TypeError, ValueError), match=message):
        sj.solve(burgers(), pinn.PINN(network=network), key=0)


def test_relu_is_fine_where_only_first_derivatives_are_taken():
    from sciml_jax.pinn.trial_function import make_trial_function

    problem = pinn.PDEProblem(LINE, lambda u, z, p: LINE.partials(u, z, "t")[0] + u(z))
    net = eqx.nn.MLP(1, 1, 4, 1, activation=jax.nn.relu, key=KEY)
    assert make_trial_function(problem, net, (1, 1), None, KEY).net is net


def test_wrong_options_are_refused():
    with pytest.raises(ValueError, match="num_points must be a positive integer"):
        pinn.PINN(num_points=0)
    with pytest.raises(TypeError, match="Optax transformation"):
        pinn.PINN(optimizer="adam")
    with pytest.raises(ValueError, match="needs `key`"):
        sj.solve(burgers(), pinn.PINN())
    with pytest.raises(TypeError, match="solves PDEProblem"):
        sj.solve(sj.ODEProblem(lambda t, y, p: -y, jnp.ones(1), 0.0, 1.0), pinn.PINN(), key=0)
