"""`NeuralODE`, `AugmentedNeuralODE`, `Universal`: against closed forms, their gradients, what they hold."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

import sciml_jax as sj

from .networks import SPIRAL, TS, Y0, LinearField, directional, mlp


def exponentials(matrix, ts, y0):
    return np.stack([scipy.linalg.expm(np.asarray(matrix) * float(t - ts[0])) @ np.asarray(y0) for t in ts])


def test_a_linear_network_gives_the_matrix_exponential():
    node = sj.neural.NeuralODE(LinearField(SPIRAL), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(node(Y0, TS + 0.3), exponentials(SPIRAL, TS, Y0), rtol=1e-7)


def test_the_default_tolerances_are_those_of_solve():
    node = sj.neural.NeuralODE(LinearField(SPIRAL))
    problem = sj.ODEProblem(lambda t, y, args: SPIRAL @ y, Y0, 0.0, 1.0)
    np.testing.assert_allclose(node(Y0, TS), sj.solve(problem, sj.Tsit5(), saveat=TS).ys, rtol=1e-14)


def test_decreasing_times_integrate_backwards():
    node = sj.neural.NeuralODE(LinearField(SPIRAL), rtol=1e-9, atol=1e-11)
    back = node(node(Y0, TS)[-1], TS[::-1])
    np.testing.assert_allclose(back[-1], Y0, rtol=1e-7)


def test_with_time_the_network_takes_it_first():
    """y' = t gives y = t^2 / 2."""
    node = sj.neural.NeuralODE(lambda t, y: t * jnp.ones_like(y), time=True)
    np.testing.assert_allclose(node(jnp.zeros(1), TS)[:, 0], TS**2 / 2, atol=1e-8)


def test_the_state_may_be_a_pytree():
    node = sj.neural.NeuralODE(lambda y: {"a": -y["a"], "b": 2.0 * y["b"]})
    ys = node({"a": jnp.ones(2), "b": jnp.ones(())}, TS)
    np.testing.assert_allclose(ys["a"][:, 0], np.exp(-TS), rtol=1e-5)
    np.testing.assert_allclose(ys["b"], np.exp(2 * TS), rtol=1e-5)


def test_normalised_units_change_the_network_and_not_the_states():
    """z' = A z for z = (y - m) / s is y' = s A ((y - m) / s)."""
    shift, scale = jnp.array([1.0, -2.0]), jnp.array([3.0, 0.5])
    node = sj.neural.NeuralODE(LinearField(SPIRAL), normalise=sj.neural.Normalise(shift, scale), rtol=1e-9, atol=1e-11)
    z = exponentials(SPIRAL, TS, (Y0 - shift) / scale)
    np.testing.assert_allclose(node(Y0, TS), shift + scale * z, rtol=1e-7)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.full)])
def test_gradients_by_the_weights_are_those_of_differences(seed):
    node = sj.neural.NeuralODE(mlp(2, 2, seed), rtol=1e-9, atol=1e-11)
    reverse, difference = directional(lambda node: jnp.sum(node(Y0, TS) ** 2), node)
    assert reverse == pytest.approx(difference, rel=1e-6)


def test_stiff_methods_and_events_work_inside():
    """A ball under constant acceleration bounces once; the same with a stiff method."""
    bounce = sj.Event(lambda t, y, args: y[0], lambda t, y, args: jnp.stack([y[0], -y[1]]), direction=-1)
    fall = lambda y: jnp.stack([y[1], -2.0 * jnp.ones_like(y[0])])
    ends = []
    for method in (sj.Tsit5(), sj.Rodas5P()):
        node = sj.neural.NeuralODE(fall, method=method, events=[bounce])
        solution = node.solve(jnp.array([1.0, 0.0]), jnp.array([0.0, 1.5]))
        ends.append(solution.y1)
        assert solution.stats.num_steps > 0
    # Hits the ground at t = 1 with speed 2, and has then risen for half a unit of time.
    np.testing.assert_allclose(ends, [[2 * 0.5 - 0.25, 2 - 1.0]] * 2, atol=1e-6)


def test_a_failed_solve_raises_or_is_a_status_and_nan():
    blow_up = sj.neural.NeuralODE(lambda y: y**2, max_steps=64)
    ts = jnp.array([0.0, 2.0])
    with pytest.raises(sj.SolveError):
        blow_up(jnp.ones(1), ts)
    quiet = sj.neural.NeuralODE(lambda y: y**2, max_steps=64, on_failure="status")
    solution = quiet.solve(jnp.ones(1), ts)
    assert not sj.Status(int(solution.status)).is_success and np.all(np.isnan(solution.ys[1]))
    assert np.all(np.isnan(jax.jit(lambda y: blow_up(y, ts))(jnp.ones(1))[1]))


def test_augmented_with_zeros_and_with_a_network():
    """(y, a)' = (a, 0): y = y0 + a0 t, with a0 zero or y0 itself."""
    net = lambda z: jnp.stack([z[1], 0.0 * z[1]])
    still = sj.neural.AugmentedNeuralODE(net, 1)
    moving = sj.neural.AugmentedNeuralODE(net, 1, initial=lambda y: y)
    y0 = jnp.array([2.0])
    np.testing.assert_allclose(still(y0, TS), np.full((5, 1), 2.0))
    np.testing.assert_allclose(moving(y0, TS), 2.0 + 2.0 * TS[:, None], rtol=1e-9)
    assert moving.solve(y0, TS).ys.shape == (5, 2)


def test_augmented_states_keep_their_units_when_normalised():
    scaled = sj.neural.AugmentedNeuralODE(
        lambda z: jnp.stack([z[1], 0.0 * z[1]]),
        1,
        initial=lambda y: y,
        normalise=sj.neural.Normalise(jnp.array([1.0]), jnp.array([4.0])),
    )
    # z0 = 1/4 = a0, so y = 1 + 4 z0 (1 + t).
    np.testing.assert_allclose(scaled(jnp.array([2.0]), TS)[:, 0], 2.0 + TS, rtol=1e-9)


def known_part(t, y, p):
    return jnp.stack([p[0] * y[0], -p[1] * y[1]])


class Interaction(eqx.Module):
    """Lotka-Volterra's missing terms."""

    rates: jax.Array

    def __call__(self, y):
        return jnp.stack([-self.rates[0], self.rates[1]]) * y[0] * y[1]


RATES, TRUE = jnp.array([1.3, 1.8]), jnp.array([0.9, 0.8])


def full_lotka_volterra(t, y, p):
    return known_part(t, y, p) + jnp.stack([-0.9, 0.8]) * y[0] * y[1]


def universal_forms():
    anywhere = lambda t, y, p, net: known_part(t, y, p) + net["a"](y)
    return {
        "added": sj.neural.Universal(known_part, Interaction(TRUE), RATES),
        "anywhere": sj.neural.Universal(anywhere, {"a": Interaction(TRUE)}, RATES),
    }


@pytest.mark.parametrize("name", ["added", "anywhere"])
def test_known_and_unknown_terms_make_the_whole(name):
    model = universal_forms()[name]
    problem = sj.ODEProblem(full_lotka_volterra, jnp.array([0.5, 1.0]), 0.0, 1.0, RATES)
    expected = sj.solve(problem, sj.Tsit5(), saveat=TS).ys
    np.testing.assert_allclose(model(jnp.array([0.5, 1.0]), TS), expected, rtol=1e-12)


def test_what_is_missing_is_readable():
    model = universal_forms()["added"]
    np.testing.assert_allclose(model.missing(jnp.array([2.0, 3.0])), [-0.9 * 6, 0.8 * 6])
    with pytest.raises(TypeError, match="calls its network"):
        universal_forms()["anywhere"].missing(Y0)


@pytest.mark.parametrize("frozen", ["params", *(pytest.param(x, marks=pytest.mark.full) for x in ("net", "nothing"))])
def test_training_moves_what_is_not_frozen(frozen):
    import optax

    model = sj.neural.Universal(
        known_part, Interaction(TRUE), RATES, train_params=frozen != "params", train_net=frozen != "net"
    )
    loss = lambda model, batch, key: jnp.sum((model(Y0, TS) - 1.0) ** 2)
    # Decayed weights move whatever is trained, gradient or not.
    trained = sj.training.run(loss, model, optimizer=optax.adamw(1e-2, weight_decay=0.1), num_steps=2).params
    assert bool(jnp.all(trained.params == RATES)) == (frozen == "params")
    assert bool(jnp.all(trained.net.rates == TRUE)) == (frozen == "net")


def test_a_module_is_saved_with_its_normalisation_and_loaded_bit_for_bit(tmp_path):
    from sciml_jax.core.checkpoint import load_checkpoint, save_checkpoint

    def made(seed, shift):
        scaling = sj.neural.Normalise(jnp.array([shift, 0.0]), jnp.array([2.0, 1.0]))
        return sj.neural.NeuralODE(mlp(2, 2, seed), normalise=scaling, rtol=1e-5)

    one, other = made(0, 0.5), made(1, 0.0)
    eqx.tree_serialise_leaves(tmp_path / "model.eqx", one)
    np.testing.assert_array_equal(eqx.tree_deserialise_leaves(tmp_path / "model.eqx", other)(Y0, TS), one(Y0, TS))
    save_checkpoint(tmp_path / "model.ckpt", one)
    np.testing.assert_array_equal(load_checkpoint(tmp_path / "model.ckpt", other)[0](Y0, TS), one(Y0, TS))
    assert not np.allclose(other(Y0, TS), one(Y0, TS))


def test_float32_weights_and_states_stay_float32():
    net = jax.tree_util.tree_map(lambda x: x.astype(jnp.float32) if eqx.is_inexact_array(x) else x, mlp(2, 2))
    ys = sj.neural.NeuralODE(net)(Y0.astype(jnp.float32), TS.astype(jnp.float32))
    exact = sj.neural.NeuralODE(mlp(2, 2))(Y0, TS)
    assert ys.dtype == jnp.float32
    np.testing.assert_allclose(ys, exact, rtol=1e-3)
