"""Small networks and linear fields shared by the tests of `sj.neural`."""

import equinox as eqx
import jax
import jax.numpy as jnp

TS = jnp.linspace(0.0, 1.0, 5)
Y0 = jnp.array([1.0, 0.5])
SPIRAL = jnp.array([[-0.1, 2.0], [-2.0, -0.1]])


class LinearField(eqx.Module):
    """`A y`, with a trained matrix."""

    matrix: jax.Array

    def __call__(self, y):
        return self.matrix @ y


class Constant(eqx.Module):
    """A trained vector, whatever the input."""

    value: jax.Array

    def __call__(self, y):
        del y
        return self.value


def mlp(inputs, outputs, seed=0, width=6, **options):
    options = {"activation": jnp.tanh} | options
    return eqx.nn.MLP(inputs, outputs, width, 1, key=jax.random.key(seed), **options)


def arrays_of(tree):
    return jax.tree_util.tree_leaves(eqx.filter(tree, eqx.is_inexact_array))


def directional(loss, model, seed=3, size=1e-4):
    """The derivative of a loss along a random direction of the weights: by reverse mode, and by differences."""
    from sciml_jax.core.frozen import is_trained

    params, rest = eqx.partition(model, is_trained(model))
    leaves, tree = jax.tree_util.tree_flatten(params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    direction = tree.unflatten([jax.random.normal(k, leaf.shape, leaf.dtype) for k, leaf in zip(keys, leaves)])

    def value(params):
        return loss(eqx.combine(params, rest))

    def at(scale):
        return value_of(jax.tree_util.tree_map(lambda p, d: p + scale * size * d, params, direction))

    value_of, gradient = eqx.filter_jit(value), eqx.filter_jit(jax.grad(value))(params)
    slope = sum(
        jnp.vdot(g, d) for g, d in zip(jax.tree_util.tree_leaves(gradient), jax.tree_util.tree_leaves(direction))
    )
    return float(slope), float((at(-2.0) - 8 * at(-1.0) + 8 * at(1.0) - at(2.0)) / (12 * size))
