"""Functions may close over traced values, be modules or bound methods; a problem is an argument like any other."""

import functools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj

METHODS = [sj.Tsit5(), pytest.param(sj.Rodas5P(), marks=pytest.mark.full)]
every_family = pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)
KEYS = jax.random.split(jax.random.key(5), 3)
RATES = jnp.array([0.3, 0.8, 1.4])
COUNTS = jnp.array([1, 2, 3])
FLAGS = jnp.array([True, False, True])


def closed_over(method, rate, count, flag, key):
    """y' = -(rate count) y + noise(key) if flag else -(rate count) y, with all four closed over."""

    def field(t, y, args):
        noise = jax.random.uniform(key, y.shape)
        return -rate * count * y + jnp.where(flag, noise, 0.0)

    return sj.solve(sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0), method, rtol=1e-8, atol=1e-10, max_steps=64).y1


def exact(rate, count, flag, key):
    k = rate * count
    forcing = jnp.where(flag, jax.random.uniform(key, (2,)), 0.0)
    return forcing / k + (1 - forcing / k) * jnp.exp(-k)


def total(fn):
    return lambda *operands: jnp.sum(fn(*operands) ** 2)


def compositions(fn):
    """Transformations of `fn(rate, count, flag, key)` as functions of three lanes of each."""
    lanes = jax.vmap
    return {
        "jit(vmap)": jax.jit(lanes(fn)),
        "vmap(jit)": lanes(jax.jit(fn)),
        "vmap(grad)": jax.jit(lanes(jax.grad(total(fn)))),
        "grad(vmap)": jax.jit(jax.grad(total(lanes(fn)))),
        "vmap(vmap(grad))": jax.jit(
            lambda *operands: lanes(lambda r: lanes(lambda *rest: jax.grad(total(fn))(r, *rest))(*operands[1:]))(
                operands[0]
            )
        ),
        "vmap(jacfwd)": jax.jit(lanes(jax.jacfwd(fn))),
    }


@pytest.mark.parametrize("name", list(compositions(exact)))
@every_family
def test_closures_over_a_float_an_int_a_bool_and_a_key_work_under(name, method):
    operands = (RATES, COUNTS, FLAGS, KEYS)
    found = compositions(functools.partial(closed_over, method))[name](*operands)
    assert_trees_close(found, compositions(exact)[name](*operands), rtol=1e-6)


def test_a_closure_over_a_raw_key_and_over_nothing_traced_works_in_an_eager_gradient():
    key = jax.random.PRNGKey(3)
    rate = 0.7

    def end(scale):
        def field(t, y, args):
            return -rate * y + scale * jax.random.uniform(key, y.shape)

        return jnp.sum(sj.solve(sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0), sj.Tsit5(), rtol=1e-8, max_steps=64).y1)

    expected = jnp.sum(jax.random.uniform(key, (2,))) * (1 - jnp.exp(-rate)) / rate
    assert_trees_close(jax.grad(end)(0.5), expected, rtol=1e-6)


def test_what_is_saved_may_close_over_a_traced_value():
    def saved(factor):
        problem = sj.ODEProblem(decay, jnp.ones(1), 0.0, 1.0, 0.5)
        saveat = sj.SaveAt(t1=True, fn=lambda t, y, args: factor * y + args)
        return sj.solve(problem, sj.Tsit5(), saveat=saveat, rtol=1e-8, max_steps=64).ys[0, 0]

    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(saved)))(RATES)
    assert_trees_close(values, RATES * jnp.exp(-0.5) + 0.5, rtol=1e-6)
    assert_trees_close(slopes, jnp.full(3, jnp.exp(-0.5)), rtol=1e-6)


def decay(t, y, args):
    return -args * y


def end_of(problem):
    return sj.solve(problem, sj.Tsit5(), rtol=1e-8, atol=1e-10, max_steps=64).y1


def test_a_problem_is_an_argument_of_jit():
    problem = sj.ODEProblem(decay, jnp.ones(2), 0.0, 1.0, 0.5)
    assert_trees_close(jax.jit(end_of)(problem), jnp.full(2, jnp.exp(-0.5)), rtol=1e-6)


def test_a_problem_is_an_argument_of_vmap():
    problem = sj.ODEProblem(decay, jnp.ones(2), 0.0, 1.0, RATES)
    axes = eqx.tree_at(
        lambda p: p.args, jax.tree_util.tree_map(lambda _: None, problem), 0, is_leaf=lambda x: x is None
    )
    found = jax.jit(jax.vmap(end_of, in_axes=(axes,)))(problem)
    assert_trees_close(found, jnp.exp(-RATES)[:, None] * jnp.ones(2), rtol=1e-6)


def test_a_problem_is_an_argument_of_grad():
    """The gradient is a problem whose leaves are the derivatives, the ends of the interval included."""
    problem = sj.ODEProblem(decay, jnp.array([2.0]), 0.0, 1.0, 0.5)
    gradient = jax.jit(jax.grad(lambda problem: end_of(problem)[0]))(problem)
    value = 2.0 * np.exp(-0.5)
    assert_trees_close(
        [float(x) for x in (gradient.y0[0], gradient.t0, gradient.t1, gradient.args)],
        [value / 2.0, 0.5 * value, -0.5 * value, -value],
        rtol=1e-6,
    )


class Spring(eqx.Module):
    """A vector field with parameters of its own: u'' = -stiffness u."""

    stiffness: jax.Array
    name: str = "spring"

    def __call__(self, t, y, args):
        return jnp.stack([y[1], -self.stiffness * y[0]])

    def method(self, t, y, args):
        return self(t, y, args)


def cosine(field):
    return sj.solve(
        sj.ODEProblem(field, jnp.array([1.0, 0.0]), 0.0, 1.0), sj.Tsit5(), rtol=1e-8, atol=1e-10, max_steps=64
    ).y1[0]


EXPECTED = (np.cos(1.5), -np.sin(1.5) / 3.0)


@pytest.mark.parametrize(
    "view",
    [lambda s: s, lambda s: s.method, lambda s: jax.tree_util.Partial(Spring.__call__, s)],
    ids=["module", "bound method", "Partial"],
)
def test_the_parameters_of_a_vector_field_that_is_a_module_are_differentiated(view):
    """u(1) = cos(sqrt(k)), at k = 2.25."""
    value, gradient = eqx.filter_jit(eqx.filter_value_and_grad(lambda spring: cosine(view(spring))))(
        Spring(jnp.array(2.25))
    )
    assert_trees_close((float(value), float(gradient.stiffness)), EXPECTED, rtol=1e-6)


def test_a_network_is_trained_through_the_solve():
    network = eqx.nn.MLP(2, 2, 4, 1, activation=jnp.tanh, key=jax.random.key(0))

    def loss(network):
        problem = sj.ODEProblem(lambda t, y, net: net(y), jnp.ones(2), 0.0, 1.0, network)
        return jnp.sum(sj.solve(problem, sj.Tsit5(), max_steps=64).y1 ** 2)

    value_and_grad = eqx.filter_jit(eqx.filter_value_and_grad(loss))
    value, gradient = value_and_grad(network)
    moved = eqx.apply_updates(network, jax.tree_util.tree_map(lambda g: -1e-3 * g, gradient))
    squared = sum(float(jnp.sum(g**2)) for g in jax.tree_util.tree_leaves(eqx.filter(gradient, eqx.is_array)))
    # A small step downhill lowers the loss by the squared norm of the gradient times its size, to second order.
    assert float(value) - float(value_and_grad(moved)[0]) == pytest.approx(1e-3 * squared, rel=0.05)


def test_inside_shard_map_closures_over_shared_and_sharded_values_mix_with_a_shared_problem():
    """With the default check of varying axes: what is closed over may vary over the mesh where y0 and args do not."""
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))

    def local(sharded, shared):
        def field(t, y, args):
            return -sharded[0] * y + shared * t + args

        problem = sj.ODEProblem(field, jnp.ones(2), 0.0, 1.0, shared * 0.1)
        return sj.solve(problem, sj.Tsit5(), rtol=1e-8, atol=1e-10, max_steps=64).y1[None]

    run = jax.jit(
        jax.shard_map(
            local, mesh=mesh, in_specs=(PartitionSpec("lanes"), PartitionSpec()), out_specs=PartitionSpec("lanes")
        )
    )
    rates, slope = np.array([0.5, 1.5]), 0.3
    particular = lambda t, k: slope * (t / k - 1 / k**2) + 0.1 * slope / k
    expected = particular(1.0, rates) + (1 - particular(0.0, rates)) * np.exp(-rates)
    np.testing.assert_allclose(run(jnp.asarray(rates), jnp.asarray(slope)), expected[:, None] * np.ones(2), rtol=1e-6)
