"""`parallel.ensemble`: the outputs of `vmap`, in the order of the inputs, whatever the chunks, devices and costs."""

import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax import parallel
from sciml_jax.parallel.plan import auto_chunk_size, pilot_members
from sciml_jax.parallel.predict_cost import predict
from tests.helpers import Counted, assert_trees_close

DEVICES = jax.devices()
N = 23
INPUTS = {"x": np.linspace(-1.0, 2.0, N), "w": np.arange(3.0 * N).reshape(N, 3)}


def polynomial(member):
    return {"y": member["w"] * member["x"] ** 2 - 1.0, "n": jnp.int32(7), "flag": member["x"] > 0}


REFERENCE = jax.vmap(polynomial)(INPUTS)


def decay(t, y, k):
    return -k * y


def solve_decay(k):
    """Explicit, so that a large k runs out of steps: k = 1000 needs about 300."""
    return sj.solve(sj.ODEProblem(decay, jnp.ones(2), 0.0, 1.0, k), sj.Tsit5(), rtol=1e-6, max_steps=64)


RATES = np.geomspace(0.5, 1000.0, 300)[np.random.default_rng(0).permutation(300)]


@pytest.fixture(scope="module")
def reference():
    return jax.vmap(solve_decay)(RATES)


@pytest.fixture(scope="module")
def solved():
    return parallel.ensemble(solve_decay, RATES, chunk_size=16)


@pytest.mark.parametrize("chunk_size", [1, 5, 100, "auto"])
@pytest.mark.parametrize("devices", [DEVICES[:1], DEVICES, DEVICES[1]])
def test_values_are_those_of_vmap_in_the_order_of_the_inputs(chunk_size, devices):
    result = parallel.ensemble(polynomial, INPUTS, chunk_size=chunk_size, devices=devices)
    assert_trees_close(result.values, REFERENCE, rtol=1e-15)
    assert result.failures == () and result.num_members == N


@pytest.mark.parametrize("num_members", [0, 1, 2])
def test_no_member_one_member_and_fewer_members_than_lanes_work(num_members):
    inputs = jax.tree.map(lambda x: x[:num_members], INPUTS)
    result = parallel.ensemble(polynomial, inputs)
    assert_trees_close(result.values, jax.tree.map(lambda x: x[:num_members], REFERENCE), rtol=1e-15)
    assert result.status.shape == (num_members,)


def test_the_chunks_are_as_many_as_asked_for_and_the_last_is_padded():
    result = parallel.ensemble(polynomial, INPUTS, chunk_size=5)
    assert (result.num_chunks, result.chunk_size) == (5, 5)


def test_a_mesh_of_any_shape_names_the_devices():
    mesh = jax.sharding.Mesh(np.array(DEVICES[:2]).reshape(2, 1), ("a", "b"))
    assert_trees_close(parallel.ensemble(polynomial, INPUTS, mesh=mesh).values, REFERENCE, rtol=1e-15)


@pytest.mark.parametrize("cost", [INPUTS["x"], -INPUTS["x"], lambda m: jnp.sum(m["w"]), np.arange(N)])
def test_the_order_is_restored_whatever_the_costs(cost):
    result = parallel.ensemble(polynomial, INPUTS, chunk_size=4, cost=cost)
    assert_trees_close(result.values, REFERENCE, rtol=1e-15)


def test_devices_run_at_the_same_time():
    """Each member waits on the host until the other is under way too; one after the other, they would time out."""
    both = threading.Barrier(2)

    def meet(x):
        both.wait(timeout=20)
        return x

    def fn(x):
        return jax.pure_callback(meet, jax.ShapeDtypeStruct((), float), x, vmap_method="sequential")

    result = parallel.ensemble(fn, np.array([1.0, 2.0]), chunk_size=1, devices=DEVICES[:2])
    np.testing.assert_array_equal(result.values, [1.0, 2.0])


def test_a_failure_of_the_program_on_a_device_reaches_the_caller():
    def broken(x):
        if x > 3:
            raise RuntimeError("no luck")
        return x

    def fn(x):
        return jax.pure_callback(broken, jax.ShapeDtypeStruct((), float), x, vmap_method="sequential")

    with pytest.raises(Exception, match="no luck"):
        parallel.ensemble(fn, np.arange(8.0), chunk_size=1)


def test_the_function_is_traced_once_for_all_devices_chunks_and_calls():
    counted = Counted(lambda x: jnp.sin(x))
    parallel.ensemble(counted, INPUTS["x"], chunk_size=4, devices=DEVICES)
    parallel.ensemble(counted, INPUTS["x"] + 1, chunk_size=4, devices=DEVICES)
    assert counted.calls == 1


def test_a_closure_that_changes_is_noticed():
    scale = {"a": 2.0}

    def make():
        a = scale["a"]
        return lambda x: a * x

    for a in (2.0, 3.0):
        scale["a"] = a
        np.testing.assert_array_equal(parallel.ensemble(make(), INPUTS["x"]).values, a * INPUTS["x"])


def test_a_module_keeps_its_arrays_even_on_another_device():
    import equinox as eqx

    class Scale(eqx.Module):
        a: jax.Array

        def __call__(self, x):
            traces.append(None)
            return self.a * x

    traces = []
    for a in (2.0, 3.0):
        fn = Scale(jax.device_put(jnp.array(a), DEVICES[0]))
        result = parallel.ensemble(fn, INPUTS["x"], devices=DEVICES[1], chunk_size=8)
        np.testing.assert_array_equal(result.values, a * INPUTS["x"])
    assert len(traces) == 1


def test_typed_keys_go_in_and_come_out():
    keys = jax.random.split(jax.random.key(3), 7)
    result = parallel.ensemble(
        lambda key: (jax.random.normal(key, (2,)), jax.random.fold_in(key, 1)), keys, devices=DEVICES[0]
    )
    normal, folded = jax.vmap(lambda key: (jax.random.normal(key, (2,)), jax.random.fold_in(key, 1)))(keys)
    np.testing.assert_array_equal(result.values[0], normal)
    assert bool(jnp.all(jax.random.key_data(result.values[1]) == jax.random.key_data(folded)))


def test_solutions_come_back_as_solutions_and_agree_with_vmap(solved, reference):
    assert isinstance(solved.values, sj.Solution)
    assert_trees_close(solved.values.y1, reference.y1, rtol=1e-12)
    np.testing.assert_array_equal(solved.values.stats.num_steps, reference.stats.num_steps)


def test_failing_members_are_reported_and_take_no_other_down(solved, reference):
    failed = [failure.index for failure in solved.failures]
    assert failed == np.flatnonzero(np.asarray(reference.status)).tolist() and 20 < len(failed) < 250
    assert [int(failure.status) for failure in solved.failures] == reference.status[np.array(failed)].tolist()
    good = np.setdiff1d(np.arange(300), failed)
    assert np.isnan(solved.values.y1[failed]).all()
    np.testing.assert_allclose(solved.values.y1[good, 0], np.exp(-RATES[good]), rtol=1e-4, atol=1e-7)
    assert "max_steps" in str(solved.failures[0]) and "and" in repr(solved)


def test_the_pilot_predicts_the_costs_and_sorts_the_members(monkeypatch):
    from sciml_jax.parallel import driver

    seen = []
    original = driver.split
    monkeypatch.setattr(driver, "split", lambda order, lanes: seen.append(order) or original(order, lanes))
    result = parallel.ensemble(solve_decay, RATES, chunk_size=16)
    pilot, order = seen[0], seen[-1]
    assert len(pilot) == 64 and sorted(order) == list(range(300))
    steps = result.values.stats.num_steps[order[64:]].astype(float)
    # Lockstep: a chunk costs as much as its slowest member.
    sorted_cost = sum(steps[i : i + 16].max() for i in range(0, len(steps), 16))
    given = result.values.stats.num_steps[np.setdiff1d(np.arange(300), pilot)]
    assert sorted_cost < 0.7 * sum(given[i : i + 16].max() for i in range(0, len(given), 16))


def test_outputs_without_a_status_fail_where_they_hold_nan():
    result = parallel.ensemble(lambda x: jnp.sqrt(x), np.array([1.0, -1.0, 4.0]))
    assert result.failures == (parallel.Failure(1, sj.Status.NON_FINITE),)
    np.testing.assert_array_equal(result.values, [1.0, np.nan, 2.0])


@pytest.mark.slow
def test_members_may_be_gradients_of_solves():
    def gradient(k):
        return jax.grad(lambda k: solve_decay(k).y1[0])(k)

    rates = np.linspace(0.5, 2.0, 9)
    np.testing.assert_allclose(
        parallel.ensemble(gradient, rates, chunk_size=4, devices=DEVICES[0]).values, -np.exp(-rates), rtol=1e-5
    )


def test_float32_inputs_stay_float32():
    result = parallel.ensemble(lambda x: x * 2, np.ones(3, np.float32))
    assert result.values.dtype == np.float32


def test_progress_draws_members_and_failures_on_stderr_and_nothing_else(capfd):
    parallel.ensemble(lambda x: jnp.sqrt(x), np.array([1.0, -1.0, 4.0]), progress=True)
    text = capfd.readouterr()
    assert "3/3" in text.err and "failed=1" in text.err and text.out == ""
    parallel.ensemble(lambda x: jnp.sqrt(x), np.array([1.0, -1.0, 4.0]))
    assert capfd.readouterr().err == ""


def test_an_error_while_tracing_reaches_the_caller():
    with pytest.raises(TypeError, match="dot_general|matmul|shapes|ndim"):
        parallel.ensemble(lambda x: jnp.ones((2, 3)) @ jnp.ones((2, 3)) * x, INPUTS["x"])


def test_the_rule_for_chunks_keeps_caches_full_and_devices_even():
    assert auto_chunk_size(10_000, 1, "cpu", 100) == 256
    assert auto_chunk_size(4_000, 1, "cpu", 100) == 128
    assert auto_chunk_size(1_000, 2, "cpu", 100) == 128
    assert auto_chunk_size(100, 2, "cpu", 100) == 56
    assert auto_chunk_size(3, 1, "cpu", 100) == 3
    assert auto_chunk_size(10_000, 2, "cpu", 2**20) == 8
    assert auto_chunk_size(8_400_000, 1, "gpu", 100) >= 64_000
    assert len(set(pilot_members(1000, 16))) == 64 and len(pilot_members(200, 128)) == 0


@pytest.mark.parametrize("cost", [lambda x: 50 + 900 * x[:, 0] ** 2, lambda x: 10 * np.exp(3 * np.abs(x[:, 1] - 0.2))])
def test_predicted_costs_rank_the_members(cost):
    features = np.random.default_rng(1).uniform(-1, 1, (2000, 2))
    sample = pilot_members(2000, 64)
    truth = cost(features)
    predicted = predict(features, sample, truth[sample])
    assert predicted is not None
    assert np.corrcoef(np.argsort(np.argsort(predicted)), np.argsort(np.argsort(truth)))[0, 1] > 0.85


def test_equal_costs_and_costs_that_inputs_do_not_explain_are_not_predicted():
    features = np.random.default_rng(1).uniform(-1, 1, (2000, 2))
    sample = pilot_members(2000, 64)
    assert predict(features, sample, np.full(64, 100)) is None
    assert predict(features, sample, np.random.default_rng(2).integers(10, 1000, 64)) is None
