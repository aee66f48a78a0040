"""Points spread over devices give the sums of one device."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import sciml_jax as sj
from sciml_jax.pinn.residual_system import Balance, balanced_terms, normal_equations, rows

from .problems import LINE, bell, burgers

pinn = sj.pinn
MESH = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))


@pytest.fixture(scope="module")
def equations():
    """Burgers with trained conditions: 64 points, 20 of each condition; with and without a mesh."""
    problem = burgers(pinn.Data(jnp.array([[0.5, 0.1], [0.2, 0.3], [0.1, 0.1]]), jnp.zeros(3)))
    system = pinn.PINN(width=6, depth=2, hard=False).system(problem, jax.random.key(0))
    points, items = problem.domain.interior(jax.random.key(1), 64), system.draw_items(jax.random.key(2), 20)

    def evaluate(mesh):
        def of(vector, points, items):
            terms = balanced_terms(system, vector, points, items, Balance(mesh=mesh))
            loss = lambda vector: jnp.sum(rows(terms, vector) ** 2)
            return jax.value_and_grad(loss)(vector), normal_equations(terms, vector), terms[0].items

        return jax.jit(of)(system.start, points, items)

    return evaluate(None), evaluate(MESH)


def test_loss_gradient_and_normal_equations_are_those_of_one_device(equations):
    ((loss, gradient), normal, _), ((loss_2, gradient_2), normal_2, _) = equations
    np.testing.assert_allclose(loss_2, loss, rtol=1e-13)
    np.testing.assert_allclose(gradient_2, gradient, rtol=1e-12, atol=1e-13 * float(jnp.max(jnp.abs(gradient))))
    scale = float(jnp.max(jnp.abs(normal.matrix)))
    np.testing.assert_allclose(normal_2.matrix, normal.matrix, atol=1e-13 * scale)
    np.testing.assert_allclose(normal_2.gradient, normal.gradient, rtol=1e-12, atol=1e-13 * scale)


def test_every_device_holds_its_half_of_the_points(equations):
    _, (_, _, points) = equations
    assert [shard.data.shape for shard in points.addressable_shards] == [(32, 2), (32, 2)]


@pytest.mark.parametrize("optimizer", [None, pytest.param(optax.adam(1e-2), marks=pytest.mark.full)])
def test_a_training_on_a_mesh_is_that_on_one_device(optimizer):
    """Rounding grows from step to step, so a few steps are compared."""
    problem, _ = bell()
    options = {"width": 6, "depth": 1, "num_points": 40, "num_steps": 4, "block": 2, "optimizer": optimizer}
    alone = sj.solve(problem, pinn.PINN(**options), key=0)
    shared = sj.solve(problem, pinn.PINN(**options, mesh=MESH), key=0)
    z = LINE.interior(jax.random.key(0), 20)
    np.testing.assert_allclose(np.asarray(shared(z)), np.asarray(alone(z)), rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(shared.history["loss"], alone.history["loss"], rtol=1e-6)


def test_a_mesh_that_cannot_be_used_is_refused():
    problem, _ = bell()
    with pytest.raises(TypeError, match=r"must be a jax.sharding.Mesh"):
        sj.solve(problem, pinn.PINN(mesh=2), key=0)
    with pytest.raises(ValueError, match="multiple of the number of devices"):
        sj.solve(problem, pinn.PINN(mesh=MESH, num_points=61), key=0)
