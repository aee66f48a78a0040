"""A batch gives every lane what it gets alone: values, statuses and derivatives, whatever its neighbours do."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import sciml_jax as sj

# One lane's steps may be chosen from an error norm that differs in the last bit, so lanes agree to more than rounding.
SAME = 1e-10
RATES = np.array([1.3, 0.9, 0.8, 1.1])


def predator_prey(t, y, p):
    return (1 + 0.2 * jnp.sin(t)) * jnp.stack([p[0] * y[0] - p[1] * y[0] * y[1], -p[2] * y[1] + p[3] * y[0] * y[1]])


def batch(size):
    """Lanes with everything of their own; every third one runs backwards."""
    generator = np.random.default_rng(0)
    ends = np.stack([generator.uniform(0.0, 0.2, size), generator.uniform(2.0, 3.0, size)])
    times = np.sort(generator.uniform(0.3, 1.9, (size, 4)), axis=1)
    back = np.arange(size) % 3 == 2
    ends[:, back], times[back] = ends[::-1, back], times[back, ::-1]
    lanes = {
        "y0": np.array([1.0, 1.5]) * (1 + 0.2 * generator.uniform(-1, 1, (size, 2))),
        "p": RATES * (1 + 0.1 * generator.uniform(-1, 1, (size, 4))),
        "t0": ends[0],
        "t1": ends[1],
        "ts": times,
    }
    return jax.tree_util.tree_map(jnp.asarray, lanes)


def solution(lane, method=None, **options):
    method = sj.Tsit5() if method is None else method
    problem = sj.ODEProblem(predator_prey, lane["y0"], lane["t0"], lane["t1"], lane["p"])
    options = {"saveat": lane["ts"], "rtol": 1e-6, "atol": 1e-8, "max_steps": 300, **options}
    return sj.solve(problem, method, on_failure="status", **options)


def values(lane):
    found = solution(lane)
    return found.ys, found.y1, found.status, found.stats.num_accepted


def loss(lane):
    return jnp.sum(solution(lane).ys ** 2)


gradient = jax.grad(loss)
single_values = jax.jit(values)
single_gradient = jax.jit(gradient)


@functools.cache
def gradients(size):
    return jax.jit(jax.vmap(gradient))(batch(size))


def lane_of(tree, i):
    return jax.tree_util.tree_map(lambda leaf: leaf[i], tree)


def assert_lanes(batched, single, lanes, which, rtol=SAME):
    for i in which:
        assert_trees_close(lane_of(batched, i), single(lane_of(lanes, i)), rtol=rtol)


# On the CPU lanes run in blocks of 64: one lane, one block exactly, two blocks that are not full, three.
@pytest.mark.parametrize("size", [1, 65, *(pytest.param(n, marks=pytest.mark.full) for n in (2, 63, 64, 130))])
def test_every_lane_of_a_batch_is_its_single_solve(size):
    lanes = batch(size)
    found = jax.jit(jax.vmap(values))(lanes)
    assert bool(jnp.all(found[2] == sj.Status.SUCCESS))
    assert_lanes(found, single_values, lanes, {0, size // 2, size - 1})


@pytest.mark.parametrize("size", [65, *(pytest.param(n, marks=pytest.mark.full) for n in (1, 63, 64, 130))])
def test_every_lane_of_a_batch_has_its_single_gradient(size):
    """With respect to the state, the parameters, both ends and the save times."""
    assert_lanes(gradients(size), single_gradient, batch(size), {0, size // 2, size - 1})


def test_a_batch_without_lanes_is_empty():
    assert jax.jit(jax.vmap(loss))(batch(0)).shape == (0,)


def test_two_vmaps_are_one_batch():
    lanes = batch(65)
    folded = jax.tree_util.tree_map(lambda leaf: leaf.reshape(5, 13, *leaf.shape[1:]), lanes)
    found = jax.jit(jax.vmap(jax.vmap(gradient)))(folded)
    expected = jax.tree_util.tree_map(lambda leaf: leaf.reshape(5, 13, *leaf.shape[1:]), gradients(65))
    assert_trees_close(found, expected, rtol=SAME)


def test_vmaps_over_different_arguments_give_every_pair():
    lanes = batch(3)
    one = lambda y0, p: values({**lane_of(lanes, 0), "y0": y0, "p": p})[0]
    found = jax.jit(jax.vmap(jax.vmap(one, (None, 0), out_axes=1), (0, None), out_axes=2))(lanes["y0"], lanes["p"])
    for i, j in ((0, 2), (2, 1)):
        expected = single_values({**lane_of(lanes, 0), "y0": lanes["y0"][i], "p": lanes["p"][j]})[0]
        assert_trees_close(found[:, j, i], expected, rtol=SAME)


@pytest.mark.full
def test_the_gradient_of_shared_parameters_adds_the_lanes_up():
    lanes = batch(65)
    total = lambda p: jnp.sum(jax.vmap(lambda lane: loss({**lane, "p": p}))({k: lanes[k] for k in lanes if k != "p"}))
    found = jax.jit(jax.grad(total))(jnp.asarray(RATES))
    each = jax.jit(jax.vmap(gradient))({**lanes, "p": jnp.tile(RATES, (65, 1))})
    assert_trees_close(found, each["p"].sum(axis=0), rtol=SAME)


def test_forward_and_reverse_mode_of_a_batch_agree():
    of = lambda lane: lambda p: solution({**lane, "p": p}).ys
    lanes = batch(3)
    forward = jax.jit(jax.vmap(lambda lane: jax.jacfwd(of(lane))(lane["p"])))(lanes)
    reverse = jax.jit(jax.vmap(lambda lane: jax.jacrev(of(lane))(lane["p"])))(lanes)
    assert_trees_close(forward, reverse, rtol=1e-11)


@pytest.mark.full
def test_a_hessian_in_a_batch_is_the_difference_of_gradients():
    lanes = batch(2)
    of = lambda lane: lambda p: jnp.sum(solution({**lane, "p": p}, max_steps=60).ys ** 2)
    found = jax.jit(jax.vmap(lambda lane: jax.hessian(of(lane))(lane["p"])))(lanes)
    slope = jax.jit(jax.vmap(lambda lane: jax.grad(of(lane))(lane["p"])))
    move = lambda i, by: slope({**lanes, "p": lanes["p"].at[:, i].add(by)})
    differences = jnp.stack([(move(i, 1e-5) - move(i, -1e-5)) / 2e-5 for i in range(4)], axis=1)
    assert_trees_close(found, differences, rtol=2e-4)


def test_second_derivatives_in_a_batch_pass_by_rejected_steps():
    """A record of a batch has rows of rejected attempts; a value saved after one comes from the row that holds it."""

    def of(rate, counted=False):
        problem = sj.ODEProblem(lambda t, y, a: -a * (y - jnp.cos(t)), jnp.float64(2.0), 0.0, 2.0, rate)
        found = sj.solve(problem, sj.Tsit5(), saveat=jnp.array([1.0, 1.9]), dt0=1.0, max_steps=60, on_failure="status")
        return found.stats.num_rejected if counted else jnp.sum(found.ys**2)

    rates = jnp.array([2.0, 5.0])
    assert bool(jnp.all(jax.vmap(lambda rate: of(rate, counted=True))(rates) > 0))
    curvature = jax.jacfwd(jax.jacfwd(of))
    found, single = jax.jit(jax.vmap(curvature))(rates), jax.jit(curvature)
    assert_trees_close(found, jnp.stack([single(rate) for rate in rates]), rtol=SAME)


# A batch that is differentiated is recorded in segments of 128 iterations.
@functools.cache
def stepped(most):
    def of(lane):
        ends = {"t0": jnp.float64(0.1), "t1": jnp.float64(2.5)}
        fixed = {"dt0": 2.4 / lane["steps"], "controller": sj.FixedStep(), "max_steps": most}
        return jnp.sum(solution({**lane, **ends}, sj.RK4(), **fixed).ys ** 2)

    return jax.jit(jax.vmap(jax.grad(of))), jax.jit(jax.grad(of)), jax.jit(jax.vmap(lambda x: jax.jvp(of, (x,), (x,))))


@pytest.mark.parametrize("most", [260, pytest.param(256, marks=pytest.mark.full)])
def test_gradients_do_not_depend_on_where_a_segment_ends(most):
    counts = [n for n in (1.0, 2.0, 127.0, 128.0, 129.0, 255.0, 256.0, 257.0) if n <= most]
    lanes = {**lane_of(batch(3), jnp.zeros(len(counts), int)), "steps": jnp.array(counts)}
    lanes = {k: v for k, v in lanes.items() if k not in ("t0", "t1")}
    batched, single, forward = stepped(most)
    found = batched(lanes)
    # With one step and with two, and their lanes alone: they are not the same number.
    assert float(jnp.abs(found["p"][0] - found["p"][1]).max()) > 1e-3
    assert_lanes(found, single, lanes, range(len(counts)), rtol=1e-12)
    inner = jax.tree_util.tree_map(lambda g, x: jnp.sum(g * x, axis=tuple(range(1, x.ndim))), found, lanes)
    assert_trees_close(forward(lanes)[1], sum(jax.tree_util.tree_leaves(inner)), rtol=1e-11)


def decay_or_blow_up(t, y, a):
    return jnp.where(a > 5, a * y * y, -a * y)


def test_lanes_that_fail_leave_the_others_alone_and_have_no_gradient():
    bad = jnp.nan
    lanes = {
        "y0": jnp.array([1.0, bad, 1.0, 1.0, 1.0, 0.5]),
        "a": jnp.array([1.0, 1.0, 10.0, 2.0, bad, 0.5]),
        "t1": jnp.array([1.0, 1.0, 1.0, 0.0, 1.0, 2.0]),
    }

    def one(lane):
        problem = sj.ODEProblem(decay_or_blow_up, lane["y0"], 0.0, lane["t1"], lane["a"])
        times = jnp.array([0.05, 0.5, 1.0]) * lane["t1"]
        found = sj.solve(problem, sj.Tsit5(), saveat=times, max_steps=60, on_failure="status")
        return jnp.where(found.status == 0, found.y1, 0.0) + jnp.sum(jnp.nan_to_num(found.ys)), (found.status, found.ys)

    of = jax.grad(one, has_aux=True)
    slopes, (statuses, saved) = jax.jit(jax.vmap(of))(lanes)
    kinds = sj.Status
    assert statuses.tolist() == [
        kinds.SUCCESS, kinds.BAD_INPUT, kinds.MAX_STEPS, kinds.BAD_INPUT, kinds.NON_FINITE, kinds.SUCCESS
    ]  # fmt: skip
    single = jax.jit(of)
    for i in range(6):
        assert_trees_close((lane_of(slopes, i), (statuses[i], saved[i])), single(lane_of(lanes, i)), rtol=SAME)
    unreached = [1, 3, 4]
    assert all(bool(jnp.all(leaf[jnp.array(unreached)] == 0)) for leaf in jax.tree_util.tree_leaves(slopes))
    # The lane that ran out of steps has the value, and the gradient, of the one time that it reached.
    assert np.isfinite(saved[2]).tolist() == [True, False, False]
    assert_trees_close(slopes["y0"][2], jnp.float64(1 / (1 - 0.5) ** 2), rtol=1e-5)


def test_save_times_at_the_ends_and_twice_are_all_saved():
    lanes = batch(4)
    twice = lambda lane: jnp.concatenate([lane["t0"][None], jnp.repeat(lane["ts"], 2), jnp.repeat(lane["t1"], 2)])
    one = lambda lane: (lambda found: (found.ys, found.y1))(solution({**lane, "ts": twice(lane)}))
    saved, last = jax.jit(jax.vmap(one))(lanes)
    plain, end, *_ = jax.jit(jax.vmap(values))(lanes)
    assert_trees_close(saved[:, 0], lanes["y0"], rtol=1e-14)
    assert_trees_close(saved[:, 1:9], jnp.repeat(plain, 2, axis=1), rtol=SAME)
    assert_trees_close(saved[:, 9:], jnp.stack([last, last], axis=1))
    assert_trees_close(last, end, rtol=SAME)


def test_lanes_with_unsorted_or_outlying_save_times_are_bad_input_and_the_others_are_not():
    times = jnp.array([[0.1, 0.5, 1.0], [0.5, 0.1, 1.0], [0.2, 0.3, 5.0], [0.2, 0.3, 0.4]])
    problem = sj.ODEProblem(lambda t, y, a: -y, jnp.ones(2), 0.0, 1.0)
    of = lambda ts: sj.solve(problem, sj.Tsit5(), saveat=ts, rtol=1e-8, atol=1e-10, on_failure="status")
    found = jax.jit(jax.vmap(of))(times)
    assert found.status.tolist() == [0, sj.Status.BAD_INPUT, sj.Status.BAD_INPUT, 0]
    assert_trees_close(found.ys[0, :, 0], jnp.exp(-times[0]), rtol=1e-6)
    assert_trees_close(found.ys[3, :, 0], jnp.exp(-times[3]), rtol=1e-6)


@pytest.mark.full
@pytest.mark.parametrize("saveat", [sj.SaveAt(steps=3), sj.SaveAt(dense=True), None])
def test_gradients_of_everything_that_can_be_saved_are_those_of_the_lane_alone(saveat):
    def of(lane):
        save = saveat or sj.SaveAt(ts=lane["ts"], t0=True, t1=True, fn=lambda t, y, p: {"a": jnp.sin(t) * y[0] * p[1]})
        found = solution(lane, saveat=save, max_steps=100)
        seen = jax.vmap(found)(lane["ts"]) if save.dense else found.ys
        return sum(jnp.sum(jnp.nan_to_num(leaf) ** 2) for leaf in jax.tree_util.tree_leaves(seen))

    lanes = batch(3)
    # Where a step ends depends on error norms in the last bit, so what is saved there is less certain.
    close = 1e-6 if saveat is not None and saveat.steps else 1e-8
    assert_lanes(jax.jit(jax.vmap(jax.grad(of)))(lanes), jax.jit(jax.grad(of)), lanes, range(3), rtol=close)


@pytest.mark.full
def test_derivatives_of_stops_are_those_of_the_lane_alone():
    def of(lane):
        stop = 0.5 * (lane["t0"] + lane["t1"]) + 0.1 * lane["p"][0]
        field = lambda t, y, args: predator_prey(t, y, args[0]) + jnp.where(t < args[1], 0.3, 0.0) * y
        problem = sj.ODEProblem(field, lane["y0"], lane["t0"], lane["t1"], (lane["p"], stop))
        controller = sj.PIDController(tstops=stop[None])
        return jnp.sum(sj.solve(problem, sj.Tsit5(), controller=controller, max_steps=200, on_failure="status").y1 ** 2)

    lanes = batch(3)
    assert_lanes(jax.jit(jax.vmap(jax.grad(of)))(lanes), jax.jit(jax.grad(of)), lanes, range(3), rtol=1e-9)


@pytest.mark.parametrize("kind", ["complex", "float32 pytree"])
def test_other_states_and_random_keys_have_lanes_too(kind):
    def field(t, y, args):
        key, scale = args
        noise = jax.random.uniform(key, (), jnp.float32)
        return jax.tree_util.tree_map(lambda leaf: (noise * scale).astype(leaf.dtype) * leaf, y)

    y0 = jnp.array([1 + 2j, 1j]) if kind == "complex" else {"a": jnp.float32(1.5), "b": jnp.ones((2, 2), jnp.float32)}
    scale = jnp.array([1, 2, 3])
    of = lambda key, scale: (
        sj.solve(sj.ODEProblem(field, y0, 0.0, 0.5, (key, scale)), sj.Tsit5(), rtol=1e-5, atol=1e-5).y1
    )
    keys = jax.random.split(jax.random.key(0), 3)
    found = jax.jit(jax.vmap(of))(keys, scale)
    growth = jnp.exp(0.5 * scale * jax.vmap(lambda key: jax.random.uniform(key, (), jnp.float32))(keys))
    for i in range(3):
        expected = jax.tree_util.tree_map(lambda leaf, i=i: (leaf * growth[i]).astype(leaf.dtype), y0)
        assert_trees_close(lane_of(found, i), expected, rtol=1e-4)


def test_lanes_that_jit_divides_among_devices_give_the_same():
    lanes = batch(4)
    devices = NamedSharding(Mesh(np.array(jax.devices()[:2]), ("lanes",)), P("lanes"))
    divided = jax.tree_util.tree_map(lambda leaf: jax.device_put(leaf, devices), lanes)
    of = jax.jit(jax.vmap(values))
    on_host = lambda tree: jax.tree_util.tree_map(np.asarray, tree)
    assert_trees_close(on_host(of(divided)), on_host(of(lanes)), rtol=SAME)
