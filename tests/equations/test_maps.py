"""Difference equations: states by their index, derivatives, batches, integers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj
from tests.helpers import Counted, assert_no_retrace


def logistic(t, x, r):
    return r * x * (1 - x)


def orbit(x, r, n):
    states = [x]
    for _ in range(n):
        states.append(r * states[-1] * (1 - states[-1]))
    return np.array(states)


def end(r, n, saveat=None):
    return sj.solve(sj.MapProblem(logistic, 0.2, n, r), saveat=saveat)


def test_states_are_saved_by_their_index():
    states = orbit(0.2, 3.7, 60)
    sol = end(3.7, 60, sj.SaveAt(t0=True, steps=7, t1=True))
    assert sol.ts.tolist() == [0, 7, 14, 21, 28, 35, 42, 49, 56, 60]
    assert jnp.issubdtype(sol.ts.dtype, jnp.integer)
    assert np.allclose(sol.ys, states[np.asarray(sol.ts)], rtol=1e-9)
    for indices in ([0, 0, 3, 3, 7, 60, 60], [5], list(range(61))):
        sol = end(3.7, 60, jnp.array(indices))
        assert sol.ts.tolist() == indices
        assert np.allclose(sol.ys, states[indices], rtol=1e-9)
        assert np.isclose(sol.y1, states[-1], rtol=1e-9)
    doubled = end(3.7, 60, sj.SaveAt(ts=jnp.array([1, 5]), fn=lambda t, y, r: {"t": t, "y": 2 * y}))
    assert doubled.ys["t"].tolist() == [1, 5] and np.allclose(doubled.ys["y"], 2 * states[[1, 5]])
    assert int(sol.stats.num_steps) == 60 and float(sol.stats.t_last) == 60


def test_the_henon_map_contracts_areas_and_stays_on_its_attractor():
    step = lambda t, y, a: jnp.stack([1 - a[0] * y[0] ** 2 + y[1], a[1] * y[0]])
    sol = sj.solve(sj.MapProblem(step, jnp.zeros(2), 10_000, jnp.array([1.4, 0.3])), saveat=sj.SaveAt(steps=1))
    assert sol.ys.shape == (10_000, 2)
    assert -1.285 < float(sol.ys[:, 0].min()) < -1.28 and 1.27 < float(sol.ys[:, 0].max()) < 1.275
    few = lambda y0: sj.solve(sj.MapProblem(step, y0, 20, jnp.array([1.4, 0.3]))).y1
    assert np.isclose(np.linalg.det(jax.jacfwd(few)(jnp.array([0.1, 0.1]))), 0.3**20, rtol=1e-4)


def test_the_step_sees_its_index_and_integer_states_stay_integers():
    factorial = sj.solve(sj.MapProblem(lambda t, y, a: y * (t + 1), jnp.array(1), 15))
    assert factorial.y1.dtype == jnp.int64 and int(factorial.y1) == 1_307_674_368_000
    rule110 = lambda t, y, a: jnp.array([0, 1, 1, 1, 0, 1, 1, 0], jnp.int32)[
        4 * jnp.roll(y, 1) + 2 * y + jnp.roll(y, -1)
    ]
    y0 = jnp.zeros(40, jnp.int32).at[-1].set(1)
    sol = sj.solve(sj.MapProblem(rule110, y0, 30), saveat=sj.SaveAt(steps=1))
    assert sol.ys.dtype == jnp.int32
    cells = np.asarray(y0)
    for row in np.asarray(sol.ys):
        neighbours = zip(np.roll(cells, 1), cells, np.roll(cells, -1), strict=True)
        cells = np.array([110 >> int(4 * a + 2 * b + c) & 1 for a, b, c in neighbours])
        assert np.array_equal(row, cells)
    keys = sj.MapProblem(lambda t, y, key: y + jax.random.randint(jax.random.fold_in(key, t), (), 0, 2), 0, 100)
    sol = sj.solve(sj.MapProblem(keys.step, 0, 100, jax.random.key(0)))
    assert 25 < int(sol.y1) < 75


@pytest.mark.parametrize("n", [20, 700])
@pytest.mark.parametrize("saveat", [None, sj.SaveAt(steps=6), jnp.array([2, 5, 19])], ids=["end", "steps", "indices"])
def test_derivatives_agree_three_ways(n, saveat):
    """At r = 2.9 the fixed point 1 - 1/r attracts, so that derivatives stay of order one."""
    f = lambda r: jnp.sum(jnp.sin(end(r, n, saveat).ys))
    reverse, forward = jax.grad(f)(2.9), jax.jvp(f, (2.9,), (1.0,))[1]
    difference = (f(2.9 + 1e-5) - f(2.9 - 1e-5)) / 2e-5
    assert np.isclose(reverse, forward, rtol=1e-11)
    assert np.isclose(reverse, difference, rtol=1e-6)
    if saveat is None and n == 700:
        assert np.isclose(reverse, np.cos(1 - 1 / 2.9) / 2.9**2, rtol=1e-10)
        assert np.isclose(jax.hessian(lambda r: end(r, n).y1)(2.9), -2 / 2.9**3, rtol=1e-6)


def test_reverse_mode_keeps_the_root_of_the_number_of_states():
    loss = lambda y: sj.solve(sj.MapProblem(lambda t, y, a: jnp.sin(y), y, 10_000)).y1.sum()
    memory = jax.jit(jax.grad(loss)).lower(jnp.ones(100)).compile().memory_analysis()
    assert memory.temp_size_in_bytes < 40 * 100 * 100 * 8  # all states would be 8 MB


def test_a_number_of_steps_may_be_data():
    states = orbit(0.2, 3.7, 9)
    ends = jax.vmap(lambda n: end(3.7, n).y1)(jnp.array([0, 3, 9]))
    assert np.allclose(ends, states[[0, 3, 9]], rtol=1e-12)
    sol = jax.jit(lambda n: end(3.7, n, jnp.array([0, 2])))(jnp.array(9))
    assert np.allclose(sol.ys, states[[0, 2]]) and np.isclose(sol.y1, states[9])
    assert np.isclose(
        jax.jvp(lambda r: end(r, jnp.array(9)).y1, (3.7,), (1.0,))[1], jax.grad(lambda r: end(r, 9).y1)(3.7)
    )
    assert (
        sj.Status(int(jax.jit(lambda n: end(3.7, n, jnp.array([0, 20])).status)(jnp.array(9)))) == sj.Status.BAD_INPUT
    )
    assert end(3.7, 0).y1 == 0.2


def test_batches_devices_problems_as_arguments_and_no_second_trace():
    step = Counted(lambda t, y, r: {"x": r * y["x"] * (1 - y["x"]), "n": y["n"] + 1})
    y0 = {"x": jnp.array(0.2), "n": jnp.array(0)}
    f = lambda r: sj.solve(sj.MapProblem(step, y0, 30, r), saveat=jnp.array([3, 30])).ys["x"]
    rs = jnp.linspace(2.0, 3.0, 4)
    batch = jax.vmap(f)(rs)
    assert np.allclose(batch, np.stack([f(r) for r in rs]), rtol=1e-12)
    mesh, over = Mesh(np.array(jax.devices()[:2]), ("lanes",)), PartitionSpec("lanes")
    gradient = jax.vmap(jax.value_and_grad(lambda r: f(r).sum()))
    shared = jax.jit(jax.shard_map(gradient, mesh=mesh, in_specs=over, out_specs=over))(rs)
    assert np.allclose(shared[0], batch.sum(axis=1)) and np.allclose(shared[1], gradient(rs)[1])
    run = jax.jit(lambda problem: sj.solve(problem).y1)
    run(sj.MapProblem(step, y0, 30, 2.5))
    with assert_no_retrace(step):
        assert np.isclose(run(sj.MapProblem(step, y0, 30, 2.7))["x"], f(rs[2] + 0.03)[1], atol=0.1)
    closed = lambda r: sj.solve(sj.MapProblem(lambda t, y, args: r * y * (1 - y), 0.2, 30)).y1
    assert np.isclose(jax.grad(closed)(2.7), jax.grad(lambda r: end(r, 30).y1)(2.7))


def test_a_map_that_diverges_has_a_status():
    sol = sj.solve(sj.MapProblem(lambda t, y, a: y**2, 2.0, 20), saveat=sj.SaveAt(steps=1), on_failure="status")
    assert sj.Status(int(sol.status)) == sj.Status.NON_FINITE
    assert np.isnan(sol.y1) and float(sol.ys[3]) == 65536.0
    with pytest.raises(sj.SolveError, match="NON_FINITE"):
        sj.solve(sj.MapProblem(lambda t, y, a: y**2, 2.0, 20))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: sj.MapProblem(1, 0.5, 10), TypeError, ("`step` must be callable",)),
        (lambda: sj.MapProblem(lambda t, y: y, 0.5, 10), TypeError, ("(t, y, args)",)),
        (lambda: sj.MapProblem(logistic, (), 10), ValueError, ("`y0` must hold at least one number",)),
        (lambda: sj.MapProblem(logistic, jnp.nan, 10), ValueError, ("`y0` must be finite",)),
        (lambda: sj.MapProblem(logistic, 0.5, -1), ValueError, ("must not be negative", "-1")),
        (lambda: sj.MapProblem(logistic, 0.5, 2.5), TypeError, ("`num_steps` must be an integer", "2.5")),
        (lambda: sj.MapProblem(logistic, 0.5, True), TypeError, ("`num_steps` must be an integer",)),
        (
            lambda: sj.solve(sj.MapProblem(lambda t, y, a: y[:1], jnp.ones(2), 5)),
            ValueError,
            ("must return a state like", "float64[1]"),
        ),
        (
            lambda: sj.solve(sj.MapProblem(lambda t, y, a: y * 0.5, 3, 5)),
            TypeError,
            ("dtype of the state, int", "float64"),
        ),
        (lambda: end(3.0, 5, jnp.array([0.5])), ValueError, ("indices, integers from 0", "0.5")),
        (lambda: end(3.0, 5, jnp.array([6])), ValueError, ("`num_steps` = 5", "6")),
        (lambda: end(3.0, 5, jnp.array([3, 2])), ValueError, ("unsorted",)),
        (lambda: end(3.0, 5, sj.SaveAt(steps=6)), ValueError, ("saves nothing",)),
        (lambda: end(3.0, 5, sj.SaveAt(dense=True)), ValueError, ("SaveAt(steps=1)",)),
        (lambda: end(3.0, jnp.array(5), sj.SaveAt(steps=1)), ValueError, ("known when tracing",)),
        (
            lambda: sj.solve(sj.MapProblem(logistic, 0.2, 5, 3.0), rtol=1e-3),
            TypeError,
            ("`Iterate` does not take the option `rtol`",),
        ),
        (
            lambda: sj.solve(sj.MapProblem(logistic, 0.2, 5, 3.0), sj.Tsit5()),
            TypeError,
            ("`Tsit5` solves", "MapProblem"),
        ),
    ],
)  # fmt: skip
def test_wrong_input_is_refused_by_name(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
