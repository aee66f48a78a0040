"""What a solution of a jump problem holds, and that it is the same path however it is asked for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj
from tests.helpers import Counted, assert_no_retrace

from .networks import birth_death, chain

METHODS = [sj.Gillespie(), sj.GroupedDirect(), sj.TauLeaping()]
IDS = ["Gillespie", "GroupedDirect", "TauLeaping"]


def small():
    return birth_death(y0=3, t1=2.0, birth=10.0, death=2.0)


def test_a_path_is_the_same_whatever_is_saved_of_it():
    problem, times = small(), jnp.linspace(0.0, 2.0, 41)
    steps = sj.solve(problem, key=1, saveat=sj.SaveAt(t0=True, steps=1, dense=True, t1=True))
    count = int(steps.stats.num_steps)
    ts, ys = np.asarray(steps.ts), np.asarray(steps.ys)[:, 0]
    assert np.all(np.diff(ts[: count + 1]) > 0) and np.all(np.abs(np.diff(ys[: count + 1])) == 1)
    assert np.all(np.isnan(ts[count + 1 : -1])) and np.all(ys[count + 1 : -1] == np.iinfo(ys.dtype).min)
    expected = ys[np.searchsorted(ts[: count + 1], np.asarray(times), side="right") - 1]
    at_times = sj.solve(problem, key=1, saveat=times)
    assert np.array_equal(at_times.ys[:, 0], expected)
    assert np.array_equal(steps(times)[:, 0], expected)
    assert steps(jnp.array(2.5))[0] == np.iinfo(ys.dtype).min
    assert at_times.y1 == steps.y1 == ys[-1] == sj.solve(problem, key=1).y1
    every = sj.solve(problem, key=1, saveat=sj.SaveAt(steps=3))
    assert np.array_equal(every.ys[: count // 3, 0], ys[1 : count + 1][2::3])
    # A jump exactly at a save time counts: paths are continuous from the right.
    assert np.array_equal(sj.solve(problem, key=1, saveat=steps.ts[1 : count + 1]).ys[:, 0], ys[1 : count + 1])


@pytest.mark.parametrize("method", METHODS, ids=IDS)
def test_a_batch_holds_the_paths_of_its_keys_under_every_transformation(method):
    problem, times = small(), jnp.linspace(0.0, 2.0, 5)
    keys = jax.random.split(jax.random.key(0), 4)

    def path(key, death):
        rated = sj.JumpProblem(problem.rates, [[1], [-1]], problem.y0, 0.0, 2.0, jnp.stack([jnp.array(10.0), death]))
        sol = sj.solve(rated, method, key=key, saveat=times)
        return sol.ys, sol.stats.num_steps

    deaths = jnp.array([1.0, 2.0, 3.0, 4.0])
    one_by_one = [path(key, death) for key, death in zip(keys, deaths, strict=True)]
    ys = np.stack([ys for ys, _ in one_by_one])
    batch = jax.vmap(path)(keys, deaths)
    assert np.array_equal(batch[0], ys)
    assert np.array_equal(batch[1], [count for _, count in one_by_one])
    if not isinstance(method, sj.Gillespie):
        return  # the loop around them is the same, and compiling takes seconds
    nested = jax.jit(jax.vmap(jax.vmap(path)))(keys.reshape(2, 2), deaths.reshape(2, 2))
    assert np.array_equal(nested[0].reshape(ys.shape), ys)
    mesh, over = Mesh(np.array(jax.devices()[:2]), ("lanes",)), PartitionSpec("lanes")
    shared = jax.jit(jax.shard_map(jax.vmap(path), mesh=mesh, in_specs=over, out_specs=over))(keys, deaths)
    assert np.array_equal(shared[0], ys)


def test_an_integer_seed_is_a_key_and_different_keys_differ():
    problem = small()
    zero = sj.solve(problem, key=0, saveat=jnp.linspace(0, 2, 30)).ys
    assert np.array_equal(zero, sj.solve(problem, key=jax.random.key(0), saveat=jnp.linspace(0, 2, 30)).ys)
    assert np.array_equal(zero, sj.solve(problem, key=jax.random.PRNGKey(0), saveat=jnp.linspace(0, 2, 30)).ys)
    assert not np.array_equal(zero, sj.solve(problem, key=1, saveat=jnp.linspace(0, 2, 30)).ys)
    seeds = jax.vmap(lambda seed: sj.solve(problem, key=seed, saveat=jnp.linspace(0, 2, 30)).ys)(jnp.arange(2))
    assert np.array_equal(seeds[0], zero)


def test_a_problem_is_an_argument_and_nothing_is_traced_twice():
    rates = Counted(lambda t, y, k: jnp.stack([k[0], k[1] * y[0]]))
    make = lambda k: sj.JumpProblem(rates, [[1], [-1]], jnp.array([3]), 0.0, 1.0, k)
    run = jax.jit(lambda problem, key: sj.solve(problem, key=key).y1)
    run(make(jnp.array([5.0, 1.0])), jax.random.key(0))
    sj.solve(make(jnp.array([5.0, 1.0])), key=0)
    with assert_no_retrace(rates):
        assert run(make(jnp.array([5.0, 2.0])), jax.random.key(4)) == sj.solve(make(jnp.array([5.0, 2.0])), key=4).y1


def test_pytree_states_and_closures_over_traced_values():
    def total(death):
        rates = lambda t, y, args: jnp.stack([jnp.asarray(8.0), death * y["a"], 0.5 * y["b"][1] * (y["b"][1] > 1)])
        changes = [[1, 0, 0], [-1, 1, 2], [0, 0, -1]]
        y0 = {"a": jnp.array(4), "b": jnp.array([0.0, 1.5])}
        sol = sj.solve(sj.JumpProblem(rates, changes, y0, 0.0, 3.0), key=2, saveat=sj.SaveAt(steps=1), max_steps=200)
        return sol.y1

    y1 = jax.jit(total)(1.0)
    assert y1["a"].dtype == jnp.int64 and y1["b"].dtype == jnp.float64
    assert jax.tree_util.tree_all(jax.tree_util.tree_map(np.array_equal, y1, total(1.0)))
    assert float(y1["b"][0]) == int(y1["b"][0]) > 0 and float(y1["b"][1]) % 1 == 0.5


def test_saved_functions_see_states_and_hold_blanks_where_nothing_was_reached():
    saveat = sj.SaveAt(ts=jnp.linspace(0, 2, 5), fn=lambda t, y, k: {"double": 2 * y[0], "real": t + y[0]})
    sol = sj.solve(small(), key=1, saveat=saveat)
    plain = sj.solve(small(), key=1, saveat=jnp.linspace(0, 2, 5))
    assert np.array_equal(sol.ys["double"], 2 * plain.ys[:, 0])
    assert np.allclose(sol.ys["real"], sol.ts + plain.ys[:, 0])
    cut = sj.solve(small(), key=1, saveat=saveat, max_steps=4, on_failure="status")
    assert sj.Status(int(cut.status)) == sj.Status.MAX_STEPS
    assert np.isnan(cut.ys["real"][-1]) and cut.ys["double"][-1] == np.iinfo(np.int64).min
    assert cut.ys["double"][0] == 6
    assert cut.y1 == np.iinfo(np.int64).min


def test_a_network_that_comes_to_rest_reaches_the_end():
    problem = sj.JumpProblem(lambda t, y, k: y.astype(float), [[-1]], jnp.array([5]), 0.0, 1e3)
    sol = sj.solve(problem, key=0, saveat=jnp.array([0.0, 500.0, 1000.0]))
    assert np.array_equal(sol.ys[:, 0], [5, 0, 0]) and int(sol.stats.num_steps) == 5


def test_the_bound_of_steps_counts_events():
    problem = birth_death(t1=10.0)
    assert int(sj.solve(problem, key=0).stats.num_steps) > 15_000
    with pytest.raises(sj.SolveError, match="MAX_STEPS"):
        sj.solve(problem, key=0, max_steps=4096)
    exact = sj.solve(small(), key=1)
    again = sj.solve(small(), key=1, max_steps=int(exact.stats.num_steps))
    assert again.y1 == exact.y1 and int(again.status) == 0


def test_an_ensemble_of_keys_is_the_batch():
    problem = small()
    keys = jax.random.split(jax.random.key(3), 10)
    result = sj.parallel.ensemble(lambda key: sj.solve(problem, key=key), keys, devices=jax.devices()[:1])
    assert np.array_equal(result.values.y1, jax.vmap(lambda key: sj.solve(problem, key=key).y1)(keys))
    assert not result.failures


def test_a_large_network_saves_and_batches_like_a_small_one():
    problem = chain(40, count=2, t1=0.2)
    keys = jax.random.split(jax.random.key(0), 3)
    run = lambda key: sj.solve(problem, sj.GroupedDirect(), key=key, saveat=sj.SaveAt(ts=jnp.array([0.1]), t1=True)).ys
    batch = jax.vmap(run)(keys)
    assert np.array_equal(batch, np.stack([run(key) for key in keys]))
    assert np.all(np.asarray(batch).sum(axis=-1) == 80)
