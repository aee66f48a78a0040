"""Events under vmap, grad, shard_map, in float32, with pytrees, closures and modules."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

import sciml_jax as sj

from .problems import BOUNCE, OSCILLATOR_ARGS, TIGHT, WALL, ball, ball_at, impacts, oscillate, oscillator, oscillator_at

HEIGHTS = jnp.array([400.0, 50.0, 20.0, 6.0])
TIMES = jnp.array([0.5, 3.0, 6.0])
BOUNCES = (0, 1, 2, 3)
"""How often each ball bounces up to t = 6."""


def bouncing(h, e, saveat=None, **options):
    options = options or TIGHT
    return sj.solve(ball(h, 9.8, e, t1=6.0), sj.Tsit5(), events=[BOUNCE], saveat=saveat, max_steps=512, **options)


def position(h, e, t, bounces):
    return h - 4.9 * t**2 if bounces == 0 else ball_at(t, h, 9.8, e, bounces)[0]


def test_every_lane_has_its_own_triggers():
    sol = jax.jit(jax.vmap(lambda h: bouncing(h, 0.9, TIMES)))(HEIGHTS)
    np.testing.assert_array_equal(sol.events[0].count, BOUNCES)
    for lane, (h, count) in enumerate(zip(HEIGHTS, BOUNCES, strict=True)):
        ts = sol.events[0].ts[lane]
        assert np.all(np.isnan(ts[count:]))
        np.testing.assert_allclose(ts[:count], impacts(h, 9.8, 0.9, max(count, 1))[:count], rtol=1e-10)
        at = [int(np.sum(np.asarray(ts) < t)) for t in TIMES]
        expected = [position(h, 0.9, t, n) for t, n in zip(TIMES, at, strict=True)]
        np.testing.assert_allclose(sol.ys[lane, :, 0], expected, rtol=1e-8)
    for lane in (0, 3):
        single = bouncing(HEIGHTS[lane], 0.9, TIMES)
        np.testing.assert_allclose(sol.ys[lane], single.ys, rtol=1e-9)
        np.testing.assert_allclose(sol.events[0].ts[lane], single.events[0].ts, rtol=1e-12)


def test_gradients_of_every_lane_inside_shard_map_with_its_default_check():
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    slopes = jax.vmap(jax.grad(lambda h, e: bouncing(h, e).y1[0], (0, 1)))
    sharded = jax.jit(jax.shard_map(slopes, mesh=mesh, in_specs=P("lanes"), out_specs=P("lanes")))
    found = jax.device_get(sharded(HEIGHTS, jnp.full(4, 0.9)))
    for lane, (h, count) in enumerate(zip(HEIGHTS, BOUNCES, strict=True)):
        expected = jax.grad(position, (0, 1))(h, 0.9, 6.0, count)
        np.testing.assert_allclose([found[0][lane], found[1][lane]], expected, rtol=1e-8, atol=1e-9)


@pytest.mark.full
def test_gradients_of_a_sum_over_lanes_and_hessians_of_lanes():
    total = lambda e: jnp.sum(jax.vmap(lambda h: bouncing(h, e).y1[0])(HEIGHTS))
    exact = lambda e: sum(position(h, e, 6.0, n) for h, n in zip(HEIGHTS, BOUNCES, strict=True))
    np.testing.assert_allclose(jax.jit(jax.grad(total))(0.9), jax.grad(exact)(0.9), rtol=1e-8)
    curved = jax.jit(jax.vmap(jax.hessian(lambda h: bouncing(h, 0.9).y1[0])))(HEIGHTS)
    expected = [jax.hessian(position)(h, 0.9, 6.0, n) for h, n in zip(HEIGHTS, BOUNCES, strict=True)]
    np.testing.assert_allclose(curved, expected, rtol=1e-6, atol=1e-8)


def test_float32_to_its_own_accuracy():
    args = OSCILLATOR_ARGS.astype(jnp.float32)

    def end(args):
        sol = sj.solve(oscillator(args, t1=jnp.float32(1.5)), sj.Tsit5(), events=[WALL], rtol=1e-5, atol=1e-6)
        return sol.y1[0], (sol.events[0].ts[0], sol.y1)

    (_, (t, y1)), slope = jax.jit(jax.value_and_grad(end, has_aux=True))(args)
    assert {t.dtype, y1.dtype, slope.dtype} == {jnp.dtype("float32")}
    w, wall, _, v0 = OSCILLATOR_ARGS
    np.testing.assert_allclose(t, jnp.arcsin(wall * w / v0) / w, rtol=1.2e-5)
    np.testing.assert_allclose(y1, oscillator_at(1.5, OSCILLATOR_ARGS), rtol=1e-4)
    np.testing.assert_allclose(slope, jax.grad(lambda a: oscillator_at(1.5, a)[0])(OSCILLATOR_ARGS), rtol=1e-3)


def test_states_may_be_pytrees():
    field = lambda t, s, args: {"y": s["v"], "v": -(args[0] ** 2) * s["y"]}
    hit = lambda t, s, args: {"y": args[1] * jnp.ones(()), "v": -args[2] * s["v"]}
    event = sj.Event(lambda t, s, args: s["y"] - args[1], hit, direction=1, max_triggers=3)

    def end(args):
        start = {"y": jnp.zeros(()), "v": args[3]}
        sol = sj.solve(sj.ODEProblem(field, start, 0.0, 1.5, args), sj.Tsit5(), events=[event], **TIGHT)
        return sol.y1["y"], sol.events[0].ys

    (value, kept), slope = jax.jit(jax.value_and_grad(end, has_aux=True))(OSCILLATOR_ARGS)
    expected = jax.value_and_grad(lambda args: oscillator_at(1.5, args)[0])(OSCILLATOR_ARGS)
    np.testing.assert_allclose(value, expected[0], rtol=1e-10)
    np.testing.assert_allclose(slope, expected[1], rtol=1e-8)
    assert set(kept) == {"y", "v"} and kept["y"].shape == (3,)
    np.testing.assert_allclose(kept["y"][0], OSCILLATOR_ARGS[1], rtol=1e-11)


class Wall(eqx.Module):
    """A condition with a parameter."""

    place: jax.Array

    def __call__(self, t, y, args):
        return y[0] - self.place


class Bounce(eqx.Module):
    """An affect with a parameter."""

    restitution: jax.Array

    def __call__(self, t, y, args):
        return jnp.stack([y[0], -self.restitution * y[1]])


def of_modules(args):
    event = sj.Event(Wall(args[1]), Bounce(args[2]), direction=1)
    return sj.solve(oscillator(args), sj.Tsit5(), events=[event], **TIGHT).y1[0]


def of_closures(args):
    event = sj.Event(lambda t, y, _: y[0] - args[1], lambda t, y, _: jnp.stack([y[0], -args[2] * y[1]]), direction=1)
    problem = sj.ODEProblem(oscillate, jnp.stack([0.0 * args[3], args[3]]), 0.0, 1.5, (args[0],))
    return sj.solve(problem, sj.Tsit5(), events=[event], **TIGHT).y1[0]


@pytest.mark.parametrize("end", [pytest.param(of_modules, marks=pytest.mark.full), of_closures])
def test_parameters_of_modules_and_closures_have_derivatives(end):
    expected = jax.grad(lambda args: oscillator_at(1.5, args)[0])(OSCILLATOR_ARGS)
    np.testing.assert_allclose(jax.jit(jax.grad(end))(OSCILLATOR_ARGS), expected, rtol=1e-8)


def test_a_second_call_with_other_numbers_compiles_nothing():
    traces = []

    def condition(t, y, args):
        traces.append(1)
        return y[0]

    solve = lambda h, e: sj.solve(ball(h, 9.8, e, t1=4.0), sj.Tsit5(), events=[sj.Event(condition, direction=-1)])
    solve(5.0, 0.9)
    before = len(traces)
    solve(6.0, 0.8)
    assert len(traces) == before
