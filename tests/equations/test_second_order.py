"""Second-order problems: an ODE problem of the pair (y, v) that every method solves, and what wrong input says."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import Counted, assert_no_retrace

import sciml_jax as sj


def spring(t, y, v, args):
    """y'' = -args y."""
    return jax.tree_util.tree_map(lambda leaf: -args * leaf, y)


def exact(t, rate=4.0):
    """From y = 1, v = 0.5."""
    w = np.sqrt(rate)
    return np.cos(w * t) + 0.5 / w * np.sin(w * t), -w * np.sin(w * t) + 0.5 * np.cos(w * t)


def problem(acceleration=spring, y0=1.0, v0=0.5, t0=0.0, t1=2.0, args=4.0):
    return sj.SecondOrderProblem(acceleration, y0, v0, t0, t1, args)


TS = jnp.linspace(0.0, 2.0, 9)


@pytest.mark.parametrize(
    ("method", "options", "tolerance"),
    [
        (None, {"rtol": 1e-9, "atol": 1e-11}, 1e-8),
        (sj.Tsit5(), {"rtol": 1e-9, "atol": 1e-11}, 1e-8),
        (sj.Rodas5P(), {"rtol": 1e-9, "atol": 1e-11}, 1e-8),
        (sj.VelocityVerlet(), {"dt0": 1e-3}, 3e-6),
        (sj.KahanLi8(), {"dt0": 0.1}, 1e-8),
    ],
    ids=["default", "Tsit5", "Rodas5P", "VelocityVerlet", "KahanLi8"],
)
def test_general_and_symplectic_methods_give_positions_and_velocities(method, options, tolerance):
    ys, vs = sj.solve(problem(), method, saveat=TS, **options).ys
    assert ys.shape == vs.shape == (9,)
    for found, expected in zip((ys, vs), exact(np.asarray(TS)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance)


def test_friction_is_for_general_methods():
    damped = problem(lambda t, y, v, args: -y - 0.2 * v)
    y1, _ = sj.solve(damped, sj.Tsit5(), rtol=1e-9, atol=1e-11).y1
    w = np.sqrt(0.99)
    expected = np.exp(-0.2) * (np.cos(2 * w) + 0.6 / w * np.sin(2 * w))
    np.testing.assert_allclose(y1, expected, rtol=1e-8)
    with pytest.raises(ValueError, match=r"separable problem.*dp/dt that reads p.*sj.Tsit5\(\)"):
        sj.solve(damped, sj.VelocityVerlet(), dt0=0.1)


def test_pytrees_and_complex_leaves_keep_structure_and_dtypes():
    y0 = {"a": jnp.ones(2, jnp.float32), "b": (jnp.array([[1.0 + 1.0j]]),)}
    v0 = jax.tree_util.tree_map(lambda leaf: 0.5 * leaf, y0)
    sol = sj.solve(problem(y0=y0, v0=v0), sj.Yoshida6(), dt0=0.02)
    y1, v1 = sol.y1
    assert jax.tree_util.tree_structure(sol.y1) == jax.tree_util.tree_structure((y0, v0))
    assert y1["a"].dtype == v1["a"].dtype == jnp.float32
    position, velocity = exact(2.0)
    np.testing.assert_allclose(y1["a"], position, rtol=1e-5)
    np.testing.assert_allclose(y1["b"][0], position * (1 + 1j), rtol=1e-8)
    np.testing.assert_allclose(v1["b"][0], velocity * (1 + 1j), rtol=1e-8)


def test_float32_states_and_python_velocities_stay_float32():
    sol = sj.solve(problem(y0=jnp.float32(1.0), v0=0.5), sj.KahanLi8(), dt0=0.1, saveat=jnp.array([0.33, 1.9]))
    assert {leaf.dtype for leaf in jax.tree_util.tree_leaves(sol.ys)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(sol.ys[0], exact(np.array([0.33, 1.9]))[0], rtol=0, atol=2e-6)


def test_time_has_the_dtype_of_a_float32_state_inside_the_steps():
    def driven(t, y, v, args):
        assert t.dtype == y.dtype == jnp.float32
        return -y + jnp.cos(2 * t)

    start = jnp.zeros(2, jnp.float32)
    ts = jnp.array([0.33, 1.9], jnp.float32)
    sol = sj.solve(problem(driven, y0=start, v0=start), sj.KahanLi8(), dt0=0.1, saveat=ts)
    assert sol.ys[0].dtype == jnp.float32
    expected = (np.cos(ts) - np.cos(2 * ts)) / 3
    np.testing.assert_allclose(sol.ys[0], np.stack([expected, expected], axis=1), rtol=0, atol=2e-6)


def test_an_equal_problem_of_a_new_object_does_not_trace_again():
    acceleration = Counted(spring)
    for method, options in ((sj.VelocityVerlet(), {"dt0": 0.1}), (sj.Tsit5(), {})):
        sj.solve(problem(acceleration), method, **options)
        with assert_no_retrace(acceleration):
            sj.solve(problem(acceleration, y0=2.0, args=3.0), method, **options)


def test_the_problem_is_a_pytree_and_gives_its_acceleration_back():
    class Spring(eqx.Module):
        rate: jax.Array

        def __call__(self, t, y, v, args):
            return -self.rate * y

    given = problem(Spring(jnp.array(4.0)))
    assert isinstance(given, sj.ODEProblem)
    assert given.acceleration.rate == 4.0
    assert problem().acceleration(0.0, 2.0, 0.0, 4.0) == -8.0

    def end(given):
        return sj.solve(given, sj.Yoshida6(), dt0=0.05, max_steps=64).y1[0]

    slope = eqx.filter_jit(eqx.filter_grad(end))(given).acceleration.rate
    step = 1e-5
    difference = (exact(2.0, 4.0 + step)[0] - exact(2.0, 4.0 - step)[0]) / (2 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-6)


def test_an_acceleration_may_close_over_traced_values():
    def end(rate):
        return sj.solve(problem(lambda t, y, v, args: -rate * y), sj.VelocityVerlet(), dt0=0.01, max_steps=256).y1[0]

    rates = jnp.array([1.0, 4.0])
    np.testing.assert_allclose(jax.vmap(end)(rates), [exact(2.0, r)[0] for r in (1.0, 4.0)], atol=2e-4)


def test_integrating_backwards_returns_to_the_start():
    y1, v1 = sj.solve(problem(), sj.VelocityVerlet(), dt0=0.1).y1
    back = sj.solve(problem(y0=y1, v0=v1, t0=2.0, t1=0.0), sj.VelocityVerlet(), dt0=0.1)
    np.testing.assert_allclose(back.y1, (1.0, 0.5), rtol=0, atol=1e-14)


Y0 = jnp.ones(2)
CASES = {
    "other shape": (lambda: problem(y0=Y0, v0=jnp.ones(3)), ValueError, ["`y0` and `v0`", "[3]", "zeros_like"]),
    "other structure": (lambda: problem(y0=Y0, v0=(Y0,)), ValueError, ["same structure", "float64[2]", "Pass one"]),
    "other dtype": (
        lambda: problem(y0=Y0, v0=jnp.ones(2, jnp.float32)), TypeError, ["same dtypes", "float32[2]", "astype"],
    ),
    "integer position": (lambda: problem(y0=jnp.array([1])), TypeError, ["`y0` must have float", "int", "dtype=float"]),
    "integer velocity": (lambda: problem(v0=1), TypeError, ["`v0` must have float", "int", "1.0"]),
    "infinite velocity": (lambda: problem(v0=np.inf), ValueError, ["`v0` must be finite", "1 of 1", "Check"]),
    "not callable": (lambda: problem(3.0), TypeError, ["`acceleration` must be callable", "3.0", "Pass a function"]),
    "three arguments": (
        lambda: problem(lambda t, y, args: y), TypeError, ["called with (t, y, v, args)", "(t, y, args)", "Give it 4"],
    ),
    "wrong result": (
        lambda: sj.solve(problem(lambda t, y, v, args: (y, v))), ValueError,
        ["`acceleration(t, y, v, args)` must return", "(float64[], float64[])", "one d2y/dt2"],
    ),
    "no step": (lambda: sj.solve(problem(), sj.VelocityVerlet()), ValueError, ["`dt0` is required", "None", "0.0"]),
    "adaptive steps": (
        lambda: sj.solve(problem(), sj.VelocityVerlet(), controller=sj.PIDController()), ValueError,
        ["no error estimate", "PIDController", "FixedStep"],
    ),
    "plain problem": (
        lambda: sj.solve(sj.ODEProblem(lambda t, y, args: -y, Y0, 0.0, 1.0), sj.VelocityVerlet(), dt0=0.1), TypeError,
        ["`VelocityVerlet` solves SecondOrderProblem, HamiltonianProblem", "got ODEProblem", "."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_wrong_input_is_refused_with_the_rule_what_was_received_and_the_fix(case):
    call, kind, words = CASES[case]
    with pytest.raises(kind) as raised:
        call()
    for word in words:
        assert word in str(raised.value), str(raised.value)
