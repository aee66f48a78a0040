"""The laws of neural models: what `jit`, `vmap`, `grad`, `jvp` and saving must give, for every one of them."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.core.frozen import is_trained

from .neural_models import MODELS

X = jnp.array([[1.0, 0.5], [0.2, -0.7]])
every = pytest.mark.parametrize(
    "listed",
    [pytest.param(m, id=m.kind.__name__, marks=() if m.is_representative else pytest.mark.full) for m in MODELS],
)


def test_every_exported_model_is_listed():
    models = {
        value
        for value in vars(sj.neural).values()
        if isinstance(value, type) and issubclass(value, eqx.Module) and hasattr(value, "solve")
    }
    assert models == {m.kind for m in MODELS}


@every
def test_a_batch_and_its_gradients_are_those_of_its_members(listed):
    """vmap(value_and_grad) under jit against single solves; the gradient along a direction against jvp."""
    model = listed.make()
    params, rest = eqx.partition(model, is_trained(model))

    def loss(params, x):
        return jnp.sum(listed.call(eqx.combine(params, rest), x) ** 2)

    values, gradients = jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=(None, 0)))(params, X)
    single = jax.jit(loss)
    # Lanes step by themselves, so only rounding differs.
    np.testing.assert_allclose(values, [single(params, x) for x in X], rtol=1e-7)
    assert all(np.all(np.isfinite(leaf)) for leaf in jax.tree_util.tree_leaves(gradients))
    direction = jax.tree_util.tree_map(lambda p: jnp.cos(jnp.arange(p.size, dtype=p.dtype)).reshape(p.shape), params)
    _, slope = jax.jit(lambda params, d: jax.jvp(lambda p: loss(p, X[0]), (params,), (d,)))(params, direction)
    pairs = zip(jax.tree_util.tree_leaves(gradients), jax.tree_util.tree_leaves(direction), strict=True)
    assert float(slope) == pytest.approx(float(sum(jnp.vdot(g[0], d) for g, d in pairs)), rel=1e-6)


@every
def test_nothing_but_the_networks_and_parameters_is_trained(listed):
    model = listed.make()
    names = [
        jax.tree_util.keystr(path)
        for path, trained in jax.tree_util.tree_leaves_with_path(is_trained(model))
        if trained
    ]
    assert names and not any("settings" in name or "normalise" in name for name in names)


@every
def test_a_model_is_saved_and_loaded(listed, tmp_path):
    model = listed.make()
    eqx.tree_serialise_leaves(tmp_path / "model.eqx", model)
    loaded = eqx.tree_deserialise_leaves(tmp_path / "model.eqx", listed.make())
    assert bool(eqx.tree_equal(eqx.filter(loaded, eqx.is_array), eqx.filter(model, eqx.is_array)))
