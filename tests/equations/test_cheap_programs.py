"""Small programs stay below what XLA:CPU takes for cheap, and so run in the thread that calls them."""

import jax
import jax.numpy as jnp
import pytest

import sciml_jax as sj
from sciml_jax.numerics.one_kernel import CHEAP, computed_once

counts = pytest.mark.skipif(
    jax.default_backend() != "cpu" or jax.__version_info__ < (0, 12),
    reason="the limit is that of the CPU client, and older XLA copies in spite of the barriers",
)


def predator_prey(t, y, p):
    return jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], p[3] * y[0] * y[1] - p[2] * y[1]])


def end(method):
    def solve(p, rtol):
        problem = sj.ODEProblem(predator_prey, jnp.array([1.0, 1.0]), 0.0, 10.0, p)
        return jnp.sum(sj.solve(problem, method, rtol=rtol, atol=rtol, on_failure="status").y1)

    return solve


def counted(function):
    """What XLA counts in the compiled program."""
    p, rtol = jnp.array([1.5, 1.0, 3.0, 1.0]), jnp.asarray(1e-6)
    cost = jax.jit(function).lower(p, rtol).compile().cost_analysis()
    return (cost[0] if isinstance(cost, list) else cost)["flops"]


@counts
@pytest.mark.parametrize("method", [sj.Dopri8(), sj.Vern9()], ids=lambda method: type(method).__name__)
def test_a_solve_of_high_order_counts_as_cheap(method):
    """Copies of the slopes in every later stage would make it 1,000 to 1,300 operations."""
    assert counted(end(method)) < 0.9 * CHEAP


@counts
def test_the_gradient_of_a_small_solve_counts_as_cheap():
    """Copies of the slopes and of the row's position would make it 1,400 to 1,500 operations."""
    assert counted(jax.grad(end(sj.Tsit5()))) < 0.95 * CHEAP


def test_computed_once_changes_neither_values_nor_derivatives():
    """And leaves arrays as they are."""
    function = lambda x: sum(computed_once((jnp.sin(x) * x, x**2)))
    plain = lambda x: jnp.sin(x) * x + x**2
    x = jnp.asarray(0.7)
    for transform in (lambda f: f, jax.grad, lambda f: jax.jacfwd(jax.grad(f))):
        assert transform(function)(x) == pytest.approx(float(transform(plain)(x)), rel=1e-15)
    assert jax.vmap(function)(jnp.linspace(0.0, 1.0, 3)) == pytest.approx(jax.vmap(plain)(jnp.linspace(0.0, 1.0, 3)))
    assert "optimization_barrier" not in str(jax.make_jaxpr(computed_once)(jnp.ones(3)))
    assert computed_once(()) == ()
