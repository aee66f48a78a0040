"""Weights of terms and of points: the formulas, the limits, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

PARAMS = {"a": jnp.array([1.0, 2.0]), "b": jnp.array(3.0), "name": "net"}
SCALES = jnp.array([1.0, 10.0, 100.0])
MATRICES = [jnp.ones((4, 2)), 3 * jnp.eye(2), jnp.array([[1.0, -2.0]])]


def losses(params):
    return SCALES * (jnp.sum(params["a"] ** 2) + params["b"])


def residuals(params):
    return tuple(matrix @ params["a"] for matrix in MATRICES)


RULES = [
    sj.pinn.FixedWeights(),
    sj.pinn.SelfAdaptiveWeights(),
    sj.pinn.GradNormWeights(),
    sj.pinn.NTKWeights(),
    sj.pinn.ReLoBRaLo(),
]


@pytest.mark.parametrize("rule", RULES[1:], ids=lambda r: type(r).__name__)
def test_rules_run_in_a_scan_and_keep_weights_finite_and_positive(rule):
    arrays = {name: PARAMS[name] for name in ("a", "b")}

    def step(state, shrink):
        params = jax.tree.map(lambda x: shrink * x, arrays)
        return rule.update(state, losses, params, residuals_fn=residuals), rule.values(state)

    state, history = jax.jit(lambda: jax.lax.scan(step, rule.init(3), jnp.array([1.0, 0.5, 0.0, 0.0])))()
    assert history.shape == (4, 3) and bool(jnp.all(jnp.isfinite(history) & (history > 0)))
    assert bool(jnp.all(jnp.isfinite(rule.values(state))))


def test_fixed_weights_stay():
    rule = sj.pinn.FixedWeights((1.0, 2.0, 3.0))
    np.testing.assert_array_equal(rule.values(rule.update(rule.init(3), losses, PARAMS)), [1.0, 2.0, 3.0])


def test_grad_norm_weights_make_all_gradients_equally_long():
    rule = sj.pinn.GradNormWeights(momentum=0.0)
    weights = rule.values(rule.update(rule.init(3), losses, PARAMS))
    np.testing.assert_allclose(weights * SCALES, jnp.mean(SCALES), rtol=1e-12)
    slow = sj.pinn.GradNormWeights(momentum=0.9)
    np.testing.assert_allclose(slow.values(slow.update(slow.init(3), losses, PARAMS)), 0.9 + 0.1 * weights, rtol=1e-12)


@pytest.mark.full
def test_weights_are_revised_every_so_many_steps():
    rule = sj.pinn.GradNormWeights(momentum=0.5, every=3)
    state, seen = rule.init(3), []
    for _ in range(4):
        state = rule.update(state, losses, PARAMS)
        seen.append(np.asarray(rule.values(state)))
    np.testing.assert_array_equal(seen[0], seen[2])
    assert np.all(seen[3] != seen[2])


@pytest.mark.full
def test_ntk_weights_are_inverse_to_the_mean_diagonal_of_the_kernel():
    rule = sj.pinn.NTKWeights(momentum=0.0, num_probes=4000)
    weights = rule.values(rule.update(rule.init(3), losses, PARAMS, residuals_fn=residuals))
    traces = np.array([float(jnp.sum(matrix**2)) / len(matrix) for matrix in MATRICES])
    # The relative standard error of a trace from 4,000 sign vectors is about 2 %.
    np.testing.assert_allclose(weights, traces.mean() / traces, rtol=0.08)


def test_self_adaptive_weights_grow_with_their_term():
    rule = sj.pinn.SelfAdaptiveWeights(rate=0.3)
    weights = rule.values(rule.update(rule.init(3), losses, PARAMS))
    np.testing.assert_allclose(weights, 1 + 0.3 * SCALES / SCALES.sum(), rtol=1e-12)


def test_relobralo_favours_the_term_that_fell_least():
    rule = sj.pinn.ReLoBRaLo(alpha=0.0, temperature=1.0)
    state = rule.update(rule.init(2), lambda p: jnp.array([4.0, 8.0]), None)
    np.testing.assert_allclose(rule.values(state), 1.0, rtol=1e-12)
    weights = rule.values(rule.update(state, lambda p: jnp.array([4.0, 2.0]), None))
    np.testing.assert_allclose(weights, 2 * jax.nn.softmax(jnp.array([1.0, 0.25])), rtol=1e-12)


def test_relobralo_looks_back_to_the_start():
    rule = sj.pinn.ReLoBRaLo(alpha=0.5, lookback=0.0, temperature=1.0)
    state = rule.init(2)
    for values in ([4.0, 8.0], [2.0, 8.0], [2.0, 4.0]):
        state = rule.update(state, lambda p, v=values: jnp.array(v), None)
    long, short = (2 * jax.nn.softmax(jnp.array(r)) for r in ([0.5, 0.5], [1.0, 0.5]))
    np.testing.assert_allclose(rule.values(state), 0.5 * long + 0.5 * short, rtol=1e-12)


def test_causal_factors_follow_the_formula():
    times = jnp.array([0.1, 0.3, 0.6, 0.9, 1.0])
    values = jnp.array([1.0, 2.0, 3.0, 1.0, 1.0])
    causal = sj.pinn.CausalWeights(0.0, 1.0, tolerance=0.5, num_chunks=4)
    # Intervals: [0, 1/4) holds 1; [1/4, 1/2) holds 2; [1/2, 3/4) holds 3; the last holds 1 and 1.
    expected = np.exp(-0.5 * np.array([0.0, 1.0, 5.0, 14.0, 14.0]))
    np.testing.assert_allclose(causal(values, times), expected, rtol=1e-12)
    assert float(causal.progress(values, times)) == pytest.approx(np.exp(-7.0), rel=1e-12)
    assert not jnp.any(jax.grad(lambda r: jnp.sum(causal(r, times)))(values))
    np.testing.assert_array_equal(causal(jnp.zeros(5), times), 1.0)


def test_residual_attention_ends_at_its_limits():
    rule = sj.pinn.ResidualAttention(decay=0.9, rate=0.1)
    weights = rule.init(3)
    for _ in range(200):
        weights = rule.update(weights, jnp.array([-2.0, 1.0, 0.0]))
    np.testing.assert_allclose(weights, [1.0, 0.5, 0.0], atol=1e-8)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: sj.pinn.FixedWeights(-1.0), ValueError, "negative"),
        (lambda: sj.pinn.FixedWeights((1.0, 2.0)).init(3), ValueError, "3 terms"),
        (lambda: sj.pinn.SelfAdaptiveWeights(rate=0.0), ValueError, "rate"),
        (lambda: sj.pinn.GradNormWeights(momentum=1.0), ValueError, "momentum"),
        (lambda: sj.pinn.GradNormWeights(every=0), ValueError, "every"),
        (lambda: sj.pinn.NTKWeights().update(sj.pinn.NTKWeights().init(3), losses, PARAMS), TypeError, "residuals_fn"),
        (lambda: sj.pinn.ReLoBRaLo(temperature=0.0), ValueError, "temperature"),
        (lambda: sj.pinn.CausalWeights(num_chunks=1), ValueError, "num_chunks"),
        (lambda: sj.pinn.CausalWeights()(jnp.ones(3), jnp.ones(2)), ValueError, "one length"),
        (lambda: sj.pinn.ResidualAttention(decay=1.0), ValueError, "decay"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call()
