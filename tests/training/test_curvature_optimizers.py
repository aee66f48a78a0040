"""SS-Broyden, SOAP and natural gradients on functions with known minima."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sciml_jax.training import FitStatus, natural_gradient, run, scale_by_soap, scale_by_ss_broyden, soap, ss_broyden

from .problems import rosenbrock, rosenbrock_residuals

START = jnp.array([-1.2, 1.0, -1.2, 1.0])
CURVATURES = jnp.logspace(-3, 2, 12)


def ellipsoid(x, batch, key):
    return 0.5 * jnp.sum(CURVATURES * (x - 1) ** 2)


def factors():
    keys = jax.random.split(jax.random.key(0), 4)
    turn = jnp.linalg.qr(jax.random.normal(keys[1], (12, 12)))[0]
    data = jax.random.normal(keys[0], (20, 12)) * jnp.logspace(0, -2, 12) @ turn
    return data, data @ jax.random.normal(keys[2], (12, 6))


@pytest.mark.parametrize(("loss", "start", "steps"), [(rosenbrock, START, 90), (ellipsoid, jnp.zeros(12), 90)])
def test_ss_broyden_reaches_the_minimum_to_rounding(loss, start, steps):
    result = run(loss, start, optimizer=ss_broyden(), num_steps=steps)
    assert FitStatus(int(result.status)) is FitStatus.COMPLETED
    np.testing.assert_allclose(result.params, 1.0, atol=1e-8)
    # A descent method: no loss above the one before, but for rounding at the end.
    assert np.all(np.diff(result.losses) <= 1e-15)


def test_the_inverse_hessian_meets_the_secant_equation_and_stays_positive():
    optimizer = scale_by_ss_broyden()
    params = {"x": START[:2], "y": START[2:]}
    loss = lambda p: rosenbrock(jnp.concatenate([p["x"], p["y"]]), None, None)
    state = optimizer.init(params)

    @jax.jit
    def step(params, state):
        gradient = jax.grad(loss)(params)
        direction, state = optimizer.update(gradient, state, params)
        return jax.tree.map(lambda p, d: p - 1e-2 * d, params, direction), state

    for _ in range(6):
        before = state
        params, state = step(params, state)
    s, y = state.point - before.point, state.slope - before.slope
    assert float(s @ y) > 0
    np.testing.assert_allclose(state.inverse_hessian @ y, s, rtol=1e-9, atol=1e-12)
    assert np.all(np.linalg.eigvalsh(state.inverse_hessian) > 0)


@pytest.mark.full
def test_ss_broyden_solves_many_starts_under_vmap_and_in_float32():
    starts = jnp.array([[-1.2, 1.0], [0.0, 0.5]], jnp.float32)
    result = jax.vmap(lambda x: run(rosenbrock, x, optimizer=ss_broyden(), num_steps=60))(starts)
    assert result.params.dtype == jnp.float32
    np.testing.assert_allclose(result.params, 1.0, atol=2e-2)


def test_soap_beats_adam_on_an_ill_conditioned_matrix_regression():
    data, target = factors()
    loss = lambda p, batch, key: 0.5 * jnp.mean((data @ p["w"] + p["b"] - target) ** 2)
    start = {"w": jnp.zeros((12, 6)), "b": jnp.zeros(6)}
    schedule = optax.cosine_decay_schedule(3e-2, 500)
    ends = [
        float(run(loss, start, optimizer=o, num_steps=500).losses[-1]) for o in (soap(schedule), optax.adam(schedule))
    ]
    assert ends[0] < 1e-2 * ends[1] and ends[1] < 0.1


@pytest.mark.full
def test_soap_moves_vectors_and_unrotated_matrices_as_adam_does():
    params = {"v": jnp.arange(3.0), "w": jnp.ones((2, 3))}
    gradients = [{"v": k + jnp.arange(3.0), "w": jnp.full((2, 3), 1.0 + k)} for k in range(4)]
    ours, theirs = scale_by_soap(0.9, 0.99, max_rotated_size=1), optax.scale_by_adam(0.9, 0.99)
    state, reference = ours.init(params), theirs.init(params)
    first, state = ours.update(gradients[0], state, params)
    assert not any(bool(jnp.any(leaf)) for leaf in jax.tree.leaves(first))  # the first step only measures
    for gradient in gradients[1:]:
        moved, state = ours.update(gradient, state, params)
        expected, reference = theirs.update(gradient, reference, params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), moved, expected)


@pytest.mark.full
def test_soap_does_not_depend_on_the_basis_of_a_matrix():
    """Rotating rows and columns rotates the steps: what Adam by itself does not do."""
    keys = jax.random.split(jax.random.key(0), 8)
    left = jnp.linalg.qr(jax.random.normal(keys[0], (3, 3)))[0]
    right = jnp.linalg.qr(jax.random.normal(keys[1], (4, 4)))[0]
    optimizer = scale_by_soap(precondition_every=2)
    step = jax.jit(lambda g, s: optimizer.update(g, s))
    plain = turned = optimizer.init(jnp.zeros((3, 4)))
    for key in keys[2:]:
        gradient = jax.random.normal(key, (3, 4))
        moved, plain = step(gradient, plain)
        rotated, turned = step(left @ gradient @ right, turned)
    np.testing.assert_allclose(rotated, left @ moved @ right, atol=1e-6)


@pytest.mark.full
def test_soap_keeps_dtypes_and_takes_any_shape():
    params = {"a": jnp.ones((2, 3, 4), jnp.bfloat16), "b": jnp.ones((), jnp.float32)}
    loss = lambda p, batch, key: jnp.sum(p["a"].astype(jnp.float32) ** 2) + p["b"] ** 2
    result = run(loss, params, optimizer=soap(1e-2, weight_decay=1e-3), num_steps=20)
    assert result.params["a"].dtype == jnp.bfloat16 and result.losses[-1] < result.losses[0]


@pytest.mark.parametrize("rank", [0, 3])
def test_natural_gradient_solves_least_squares_without_a_matrix(rank):
    loss = lambda x, batch, key: 0.5 * sum(jnp.sum(r**2) for r in rosenbrock_residuals(x, None, None).values())
    optimizer = natural_gradient(lambda x: rosenbrock_residuals(x, None, None), rank=rank)
    result = run(loss, START, optimizer=optimizer, num_steps=60)
    np.testing.assert_allclose(result.params, 1.0, atol=1e-9)
    assert np.all(np.diff(result.losses) <= 1e-15)


@pytest.mark.full
def test_the_preconditioner_saves_iterations():
    """An ill-conditioned linear problem, with too few iterations for plain conjugate gradients."""
    scales = jnp.logspace(0, -3, 40)
    residual_fn = lambda x: {"r": scales * (x - 1)}
    ends = []
    for rank in (0, 39):
        optimizer = natural_gradient(residual_fn, damping=1e-10, max_iterations=6, rank=rank)
        move, _ = jax.jit(lambda x, o=optimizer: o.update(x, o.init(x), x))(jnp.zeros(40))
        ends.append(float(jnp.sum(residual_fn(move)["r"] ** 2)))
    assert ends[1] < 1e-2 * ends[0]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ss_broyden().init(jnp.ones(2, complex)), TypeError, "real"),
        (lambda: scale_by_ss_broyden().update(START, scale_by_ss_broyden().init(START)), ValueError, "parameters"),
        (lambda: soap(1e-3, b1=1.0), ValueError, "b1"),
        (lambda: soap(1e-3).init(jnp.ones(2, complex)), TypeError, "real"),
        (lambda: natural_gradient(rtol=2.0), ValueError, "rtol"),
        (lambda: natural_gradient().update(START, natural_gradient().init(START), START), ValueError, "residual_fn"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, error, message):
    with pytest.raises(error, match=message):
        call()
