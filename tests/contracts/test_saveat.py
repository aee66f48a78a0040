"""What is saved is what was asked for, exactly at the ends, under every transformation, with the right derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close

import sciml_jax as sj

RATE = 0.8


def field(t, y, args):
    """y' = -args y + 0.3 t, from (1, 2)."""
    return -args * y + 0.3 * t


def exact(t, args=RATE):
    start = jnp.array([1.0, 2.0])
    particular = lambda t: 0.3 * (t / args - 1 / args**2)
    t = jnp.asarray(t)[..., None]
    return particular(t) + (start - particular(0.0)) * jnp.exp(-args * t)


def solve(saveat, args=RATE, t1=2.0, method=None, **options):
    problem = sj.ODEProblem(field, jnp.array([1.0, 2.0]), 0.0, t1, args)
    options = {"rtol": 1e-9, "atol": 1e-11, "max_steps": 128, **options}
    return sj.solve(problem, sj.Tsit5() if method is None else method, saveat=saveat, **options)


TIMES = jnp.array([0.3, 1.1, 1.7])
OBSERVED = lambda t, y, args: {"energy": jnp.sum(y**2) * args, "time": t * jnp.ones(2)}

# name: SaveAt, and the times it saves (None: the steps)
CASES = {
    "t0": (sj.SaveAt(t0=True), [0.0]),
    "t1": (sj.SaveAt(t1=True), [2.0]),
    "ts": (sj.SaveAt(ts=TIMES), [0.3, 1.1, 1.7]),
    "t0, ts and t1": (sj.SaveAt(t0=True, ts=TIMES, t1=True), [0.0, 0.3, 1.1, 1.7, 2.0]),
    "ts with the ends and duplicates": (
        sj.SaveAt(ts=jnp.array([0.0, 0.0, 0.3, 0.3, 2.0, 2.0])),
        [0.0, 0.0, 0.3, 0.3, 2.0, 2.0],
    ),
    "ts and dense": (sj.SaveAt(ts=TIMES, dense=True), [0.3, 1.1, 1.7]),
    "every step": (sj.SaveAt(steps=1), None),
    "every third step, t0 and t1": (sj.SaveAt(t0=True, steps=3, t1=True), None),
    "steps and dense": (sj.SaveAt(steps=2, dense=True), None),
    "fn of ts": (sj.SaveAt(t0=True, ts=TIMES, t1=True, fn=OBSERVED), [0.0, 0.3, 1.1, 1.7, 2.0]),
    "fn of steps": (sj.SaveAt(steps=2, fn=OBSERVED), None),
}


def expected_values(saveat, ts, args=RATE):
    y = exact(ts, args)
    if saveat.fn is None:
        return y
    return {"energy": jnp.sum(y**2, axis=1) * args, "time": ts[:, None] * jnp.ones(2)}


def finite_rows(ts, ys):
    keep = np.isfinite(ts)
    return np.asarray(ts)[keep], jax.tree_util.tree_map(lambda leaf: np.asarray(leaf)[keep], ys)


@pytest.mark.parametrize("name", CASES)
def test_values_and_times_are_those_asked_for_and_padding_is_nan(name):
    saveat, times = CASES[name]
    sol = solve(saveat)
    ts, ys = finite_rows(sol.ts, sol.ys)
    if times is not None:
        np.testing.assert_array_equal(sol.ts, times)
    else:
        rows = int(sol.stats.num_accepted) // saveat.steps
        assert len(ts) == rows + saveat.t0 + saveat.t1
        assert len(sol.ts) == 128 // saveat.steps + saveat.t0 + saveat.t1
        assert np.all(np.diff(ts) >= 0)
        padded = np.isnan(np.asarray(sol.ts))
        for leaf in jax.tree_util.tree_leaves(sol.ys):
            assert np.all(np.isnan(np.asarray(leaf)[padded]))
    assert_trees_close(ys, jax.device_get(expected_values(saveat, jnp.asarray(ts))), rtol=1e-7)


DEFAULT = {"ts with the ends and duplicates", "ts and dense", "every third step, t0 and t1", "fn of ts"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in DEFAULT else pytest.mark.full) for name in CASES if name != "t0"],
)
def test_gradients_and_lanes_of_everything_saved(name):
    """One jitted vmap(value_and_grad) for each kind of saving; the closed form gives the slope at the same times."""
    saveat, _ = CASES[name]

    def loss(args):
        sol = solve(saveat, args)
        kept = jnp.isfinite(sol.ts)
        total = sum(
            jnp.sum(jnp.where(kept.reshape(-1, *[1] * (leaf.ndim - 1)), leaf, 0.0) ** 2)
            for leaf in jax.tree_util.tree_leaves(sol.ys)
        )
        return total + (jnp.sum(sol(0.7)) if saveat.dense else 0.0), sol.ts

    lanes = jnp.array([0.6, 0.8, 1.1])
    (values, ts), slopes = jax.jit(jax.vmap(jax.value_and_grad(loss, has_aux=True)))(lanes)

    def reference(args, ts):
        found = expected_values(saveat, ts, args)
        total = sum(jnp.sum(leaf**2) for leaf in jax.tree_util.tree_leaves(found))
        return total + (jnp.sum(exact(0.7, args)) if saveat.dense else 0.0)

    for i, args in enumerate(lanes):
        kept = ts[i][np.isfinite(ts[i])]
        value, slope = jax.value_and_grad(reference)(args, kept)
        np.testing.assert_allclose(values[i], value, rtol=1e-7)
        np.testing.assert_allclose(slopes[i], slope, rtol=1e-6)


def test_saving_changes_neither_the_steps_nor_the_end():
    plain = solve(None)
    for name in ("ts", "every step", "fn of ts"):
        sol = solve(CASES[name][0])
        assert int(sol.stats.num_steps) == int(plain.stats.num_steps)
        np.testing.assert_allclose(sol.y1, plain.y1, rtol=1e-14)


def test_lists_integers_and_none_are_short_forms():
    np.testing.assert_array_equal(solve([0.3, 1.1, 1.7]).ys, solve(TIMES).ys)
    np.testing.assert_array_equal(solve([0, 1, 2]).ys, solve([0.0, 1.0, 2.0]).ys)
    sol = solve(None)
    assert sol.ts.shape == (1,) and float(sol.ts[0]) == 2.0
    np.testing.assert_array_equal(sol.ys[0], sol.y1)


def test_the_ends_are_saved_exactly():
    """At t0 the initial state and at t1 the final one, bit for bit; missing t1 by rounding is no error."""
    sol = solve(jnp.array([0.0, 0.5, 2.0]))
    np.testing.assert_array_equal(sol.ys[0], [1.0, 2.0])
    np.testing.assert_array_equal(sol.ys[-1], sol.y1)
    nudged = solve(jnp.array([0.0, 0.5, np.nextafter(2.0, 3.0)]))
    np.testing.assert_array_equal(nudged.ys[-1], nudged.y1)


def test_dense_output_alone_saves_no_times_and_is_nan_outside_the_interval():
    sol = solve(sj.SaveAt(dense=True))
    assert sol.ts is None and sol.ys is None
    inside = jnp.linspace(0.0, 2.0, 31).reshape(31, 1)
    np.testing.assert_allclose(sol(inside)[:, 0], exact(inside[:, 0]), rtol=1e-7)
    np.testing.assert_array_equal(np.isnan(sol(jnp.array([-0.1, 2.1]))), True)
    np.testing.assert_allclose(sol(jnp.array(0.4)), exact(0.4), rtol=1e-7)


@pytest.mark.parametrize("method", [sj.Tsit5(), sj.Dopri5(), sj.Bosh3(), sj.Rodas5P()], ids=lambda m: type(m).__name__)
def test_the_derivative_of_the_dense_output_is_the_vector_field(method):
    sol = solve(sj.SaveAt(dense=True), method=method, rtol=1e-7, atol=1e-9, max_steps=512)
    times = jnp.linspace(0.05, 1.95, 17)
    np.testing.assert_allclose(sol.derivative(times), field(times[:, None], exact(times), RATE), rtol=1e-3)


def test_dense_output_backwards_in_time():
    forward = solve(sj.SaveAt(dense=True))
    problem = sj.ODEProblem(field, forward.y1, 2.0, 0.0, RATE)
    sol = sj.solve(problem, sj.Tsit5(), saveat=sj.SaveAt(dense=True), rtol=1e-9, atol=1e-11, max_steps=128)
    times = jnp.linspace(0.0, 2.0, 9)
    np.testing.assert_allclose(sol(times), exact(times), rtol=1e-6)


@pytest.mark.parametrize("mode", [jax.jacrev, jax.jacfwd])
def test_the_derivative_with_respect_to_a_save_time_is_the_vector_field_there(mode):
    """At times inside a step, on a step's end, at t0 and at t1."""
    times = jnp.array([0.0, 0.3, 0.5, 1.1, 2.0])
    jacobian = jax.jit(mode(lambda ts: solve(ts, controller=sj.FixedStep(), dt0=0.0625, rtol=None, atol=None).ys))(
        times
    )
    expected = np.zeros((5, 2, 5))
    for i, t in enumerate(times):
        expected[i, :, i] = field(t, exact(t), RATE)
    np.testing.assert_allclose(jacobian, expected, atol=1e-4)


def test_the_derivative_with_respect_to_the_end_of_the_interval():
    slope = jax.jit(jax.grad(lambda t1: jnp.sum(solve(None, t1=t1).y1)))(2.0)
    np.testing.assert_allclose(slope, jnp.sum(field(2.0, exact(2.0), RATE)), rtol=1e-7)
