"""Networks: what they compute, how they start, and what they refuse."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.networks import (
    MLP,
    Chain,
    FourierFeatures,
    ModifiedMLP,
    PeriodicEmbedding,
    PirateNet,
    SeparableNetwork,
    factorise,
    fit_output,
)

Z = jnp.array([0.3, -0.7])


def filled(make):
    """What `make()` builds with other numbers in it, without the compilations of its random draws."""
    rng = np.random.default_rng(0)
    is_shape = lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct)
    draw = lambda leaf: jnp.asarray(0.5 * rng.normal(size=leaf.shape), leaf.dtype) if is_shape(leaf) else leaf
    return jax.tree.map(draw, eqx.filter_eval_shape(make))


def nets(in_size=2, out_size=3):
    return [
        MLP(in_size, out_size, 8, 2, key=0),
        ModifiedMLP(in_size, out_size, 8, 2, key=0),
        PirateNet(in_size, out_size, 8, 2, key=0),
        SeparableNetwork(in_size, out_size, 8, 2, rank=4, key=0),
        factorise(MLP(in_size, out_size, 8, 2, key=0), key=1),
        Chain(FourierFeatures(in_size, 6, key=0), MLP(6, out_size, 8, 1, key=0)),
    ]


def test_a_point_goes_to_components_and_every_weight_gets_a_gradient():
    made = filled(nets)
    grads = eqx.filter_jit(eqx.filter_grad(lambda each: sum(jnp.sum(jnp.sin(net(Z))) for net in each)))(made)
    for net, grad in zip(made, grads, strict=True):
        assert eqx.filter_eval_shape(net, Z).shape == (3,)
        trained = eqx.filter(grad, sj.core.frozen.is_trained(net))
        assert all(np.any(np.asarray(leaf) != 0) for leaf in jax.tree.leaves(trained)), type(net).__name__


@pytest.mark.full
@pytest.mark.parametrize("make", [MLP, ModifiedMLP, PirateNet, SeparableNetwork])
def test_weights_have_the_dtype_that_was_asked_for(make):
    net = make(2, 1, 4, 1, key=0, dtype=jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(eqx.filter(net, eqx.is_array))} == {jnp.dtype("float32")}
    assert net(Z.astype(jnp.float32)).dtype == jnp.float32


def test_mlp_computes_its_formula_and_starts_at_glorots_variance():
    net = eqx.filter_jit(lambda: MLP(2, 1, 200, 2, key=0))()
    first, second = (tuple(map(np.asarray, (layer.weight, layer.bias))) for layer in net.hidden)
    h = np.tanh(second[0] @ np.tanh(first[0] @ np.asarray(Z) + first[1]) + second[1])
    np.testing.assert_allclose(net(Z), np.asarray(net.output.weight) @ h + np.asarray(net.output.bias), rtol=1e-11)
    # 40,000 samples: the standard error of the variance is 0.7 %.
    assert np.var(second[0]) == pytest.approx(2 / 400, rel=0.03)
    assert not np.any(second[1])


def test_modified_mlp_computes_its_formula():
    net = filled(lambda: ModifiedMLP(2, 1, 5, 2, key=0))
    act = lambda layer, x: np.tanh(np.asarray(layer.weight) @ x + np.asarray(layer.bias))
    z = np.asarray(Z)
    u, v, h = act(net.gates[0], z), act(net.gates[1], z), z
    for layer in net.hidden:
        g = act(layer, h)
        h = g * u + (1 - g) * v
    out = np.asarray(net.output.weight) @ h + np.asarray(net.output.bias)
    np.testing.assert_allclose(eqx.filter_jit(net)(Z), out, rtol=1e-12)


@pytest.mark.full
def test_pirate_net_starts_as_a_linear_combination_of_its_features():
    net = PirateNet(2, 1, 16, 3, key=0)
    np.testing.assert_allclose(net(Z), net.output.weight @ net.embedding(Z), rtol=1e-12)
    opened = eqx.tree_at(lambda n: n.blocks[0].share, net, jnp.ones(()))
    assert abs(float(opened(Z)[0] - net(Z)[0])) > 1e-3


@pytest.mark.full
def test_fit_output_reproduces_data_in_the_span_of_the_features():

    @eqx.filter_jit
    def fit():
        net = PirateNet(2, 2, 16, 2, key=0)
        points = jax.random.uniform(jax.random.key(1), (100, 2))
        values = jax.vmap(lambda z: jnp.stack([1 + net.embedding(z)[3], net.embedding(z)[0]]))(points)
        return net, points, values, jax.vmap(fit_output(net, points, values))(points)

    net, points, values, fitted = fit()
    np.testing.assert_allclose(fitted, values, atol=1e-8)
    with pytest.raises(ValueError, match="values"):
        fit_output(net, points, values[:, 0])


@pytest.mark.full
def test_fourier_features_are_cosines_and_sines_that_training_leaves_alone():
    embedding = FourierFeatures(2, 2000, key=0, scale=3.0)
    b = embedding.frequencies
    np.testing.assert_allclose(embedding(Z), jnp.concatenate([jnp.cos(b @ Z), jnp.sin(b @ Z)]), rtol=1e-12)
    assert embedding.out_size == 2000 and float(jnp.std(b)) == pytest.approx(3.0, rel=0.06)
    assert not any(jax.tree.leaves(sj.core.frozen.is_trained(embedding)))
    assert all(jax.tree.leaves(sj.core.frozen.is_trained(FourierFeatures(2, 4, key=0, trained=True))))
    scaled = FourierFeatures(2, 2000, key=0, scale=jnp.array([1.0, 5.0])).frequencies
    np.testing.assert_allclose(scaled * jnp.array([3.0, 0.6]), b, rtol=1e-12)


def test_a_periodic_embedding_makes_every_derivative_periodic():
    embedding = PeriodicEmbedding((None, 2.0), harmonics=2)
    assert embedding.out_size == 5 and eqx.filter_eval_shape(embedding, Z).shape == (5,)
    net = Chain(embedding, filled(lambda: MLP(5, 1, 8, 2, key=0)))
    f = lambda x: net(jnp.stack([0.3 + 0 * x, x]))[0]
    derivatives = jax.jit(jax.vmap(lambda x: jnp.stack([f(x), jax.grad(f)(x), jax.grad(jax.grad(f))(x)])))
    one, shifted, other = derivatives(jnp.array([-0.9, 1.1, 0.1]))
    np.testing.assert_allclose(one, shifted, rtol=1e-9)
    assert np.all(np.abs(np.asarray(one) - np.asarray(other)) > 1e-4)


@pytest.mark.full
def test_factorising_changes_the_parameters_but_not_the_function():
    net = Chain(PeriodicEmbedding((None, 2.0)), MLP(3, 1, 8, 2, key=0))
    changed = factorise(net, key=1, mean=0.5)
    np.testing.assert_allclose(changed(Z), net(Z), rtol=1e-12)
    scales = jnp.concatenate([layer.log_scale for layer in changed.parts[1].hidden])
    assert float(jnp.mean(scales)) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("d", [1, 3])
def test_a_separable_network_on_a_grid_is_itself_at_the_points(d):
    net = filled(lambda: SeparableNetwork(d, 2, 6, 1, rank=3, key=0))
    axes = [jnp.linspace(0, 1, n) for n in (3, 4, 5)[:d]]
    mesh = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
    pointwise = jax.jit(jax.vmap(net))(mesh.reshape(-1, d)).reshape(*mesh.shape[:-1], 2)
    np.testing.assert_allclose(jax.jit(lambda *axes: net.on_grid(axes))(*axes), pointwise, rtol=1e-10, atol=1e-12)


def test_chain_applies_parts_from_left_to_right():
    assert Chain(lambda x: x + 1, lambda x: 2 * x)(3) == 8


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: MLP(2.5, 1, 8, 2, key=0), TypeError, "in_size"),
        (lambda: MLP(2, 1, 0, 2, key=0), ValueError, "width"),
        (lambda: MLP(2, 1, 8, 2, key=None), TypeError, "key"),
        (lambda: MLP(2, 1, 8, 2, key=0, activation="tanh"), TypeError, "activation"),
        (lambda: filled(lambda: MLP(2, 1, 8, 2, key=0))(jnp.zeros((5, 2))), ValueError, "vmap"),
        (lambda: filled(lambda: ModifiedMLP(2, 1, 8, 2, key=0))(jnp.zeros(3)), ValueError, "one point"),
        (lambda: FourierFeatures(2, 7, key=0), ValueError, "even"),
        (lambda: FourierFeatures(2, 8, key=0, scale=jnp.ones(3)), TypeError, "scale"),
        (lambda: PeriodicEmbedding(()), ValueError, "per coordinate"),
        (lambda: PeriodicEmbedding((None, -1.0)), ValueError, "positive"),
        (lambda: PeriodicEmbedding((None, 2.0))(jnp.zeros(3)), ValueError, "one point"),
        (lambda: PirateNet(2, 1, 8, 1, key=0, embedding=PeriodicEmbedding((None, 2.0))), ValueError, "width"),
        (lambda: filled(lambda: SeparableNetwork(2, 1, 8, 1, key=0)).on_grid([jnp.zeros(2)]), ValueError, "axes"),
        (lambda: factorise(lambda x: x, key=0), TypeError, "Linear"),
        (lambda: Chain(), TypeError, "callables"),
        (lambda: Chain(MLP), TypeError, "callables"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call()
