"""Reverse loops carry cotangents of those operands only that something is differentiated by."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.engine import replay, replay_lanes
from sciml_jax.equations.engine.operands import Operands
from sciml_jax.equations.engine.wanted import add, nothing_yet, zeros_for_others

X = {
    "y0": jnp.array([1.0, 0.5]),
    "p": jnp.array([0.7, 1.3]),
    "q": jnp.array(0.2),
    "t0": jnp.array(0.1),
    "t1": jnp.array(1.2),
    "ts": jnp.array([0.25, 0.45, 0.8]),
    "stop": jnp.array(0.6),
}
POWERS = jnp.array([1, 2])


def field(t, y, args):
    p, q, powers = args
    kick = jnp.where(t < 0.6, q, 2 * q)
    return -p * y**powers + kick * jnp.sin(t) * y[::-1]


def loss(x, powers=POWERS):
    """Of every kind of operand, integers among the arguments included."""
    problem = sj.ODEProblem(field, x["y0"], x["t0"], x["t1"], (x["p"], x["q"], powers))
    saveat = sj.SaveAt(ts=x["ts"])
    controller = sj.PIDController(tstops=x["stop"][None])
    solution = sj.solve(problem, sj.Bosh3(), saveat=saveat, controller=controller, rtol=1e-4, atol=1e-6, max_steps=64)
    return jnp.sum(solution.ys * jnp.arange(1.0, 4.0)[:, None]) + jnp.sum(solution.y1**2)


def by(names):
    """The gradient with respect to some of the operands; the others are held fixed."""
    some = lambda chosen, x: loss({**x, **chosen})
    return lambda x: jax.grad(some)({name: x[name] for name in names}, x)


@pytest.fixture
def carried(monkeypatch):
    """What the reverse loops carry of the operands."""
    totals = []
    for module in (replay, replay_lanes):
        pull_row = module.pull_row

        def spy(*args, pull_row=pull_row):
            totals.append(args[-1].total)
            return pull_row(*args)

        monkeypatch.setattr(module, "pull_row", spy)
    return totals


def kept(total):
    """Names of the operands of which there is a cotangent; those of `theta` are counted."""
    times = [name for name in ("t0", "t1", "save_ts", "tstops") if getattr(total, name) is not None]
    return sum(leaf is not None for leaf in total.theta), times


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["y0"], (0, [])),
        (["p"], (2, [])),
        (["q", "ts"], (1, ["save_ts"])),
        (["t0", "t1", "stop"], (0, ["t0", "t1", "tstops"])),
    ],
    ids=str,
)
@pytest.mark.parametrize("lanes", [1, 3])
def test_only_what_is_differentiated_by_is_carried(names, expected, lanes, carried):
    """One for each component of `p`, and none for the initial state, whose cotangent is the state's own."""
    gradient = by(names)
    if lanes > 1:
        gradient = jax.vmap(gradient)
    x = X if lanes == 1 else jax.tree_util.tree_map(lambda leaf: jnp.stack([leaf] * lanes), X)
    jax.jit(gradient).lower(x)
    assert carried
    assert all(kept(total) == expected and total.y0 == () for total in carried), [kept(total) for total in carried]


def test_what_is_behind_a_stop_gradient_or_unused_is_not_carried(carried):
    """Its tangent is a symbolic zero."""

    def partly(x):
        return loss({**x, "p": jax.lax.stop_gradient(x["p"]), "ts": X["ts"], "t0": X["t0"], "t1": X["t1"]})

    jax.jit(jax.grad(partly)).lower(X)
    assert carried
    assert all(kept(total) == (1, ["tstops"]) for total in carried)


def test_gradients_by_some_operands_are_those_by_all():
    """Cotangents that are left out change no other."""
    whole = jax.jit(by(list(X)))(X)
    for names in (["y0", "ts"], ["q", "t1"]):
        for name, value in jax.jit(by(names))(X).items():
            np.testing.assert_allclose(value, whole[name], rtol=1e-12, atol=1e-14)
    assert all(np.any(np.abs(leaf) > 1e-6) for leaf in whole.values())


def test_gradients_by_some_operands_are_those_by_all_in_a_batch():
    """Lanes take numbers of steps that differ."""
    many = jax.tree_util.tree_map(lambda leaf: jnp.stack([leaf] * 3), X)
    many["p"] = many["p"] * jnp.array([[0.5], [1.0], [6.0]])
    whole = jax.jit(jax.vmap(by(list(X))))(many)
    for name, value in jax.jit(jax.vmap(by(["p", "t1"])))(many).items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-11, atol=1e-13)


def test_an_integer_argument_has_a_gradient_without_values():
    """Of dtype float0, as everywhere in JAX."""
    by_both = jax.grad(lambda p, powers: loss({**X, "p": p}, powers), argnums=(0, 1), allow_int=True)
    by_p, by_powers = jax.eval_shape(by_both, X["p"], POWERS)
    assert (by_p.dtype, by_powers.dtype) == (X["p"].dtype, jax.dtypes.float0)


def test_trees_of_cotangents_add_up_where_there_are_any():
    """None for what is not wanted stays None, until zeros take its place."""
    operands = Operands((jnp.ones(2),), jnp.array(0.0), jnp.array(1.0), (jnp.ones(3), jnp.ones(())), jnp.ones(4), None)
    wanted = Operands((True,), False, True, (True, False), False, None)
    total = nothing_yet(operands, wanted)
    assert total.t0 is None and total.save_ts is None and total.theta[1] is None and total.y0 == ()
    total = add(total, operands._replace(y0=()))
    assert total.t0 is None and total.theta[1] is None
    full = zeros_for_others(total._replace(y0=operands.y0), operands)
    assert jax.tree_util.tree_structure(full) == jax.tree_util.tree_structure(operands)
    np.testing.assert_array_equal(full.theta[0], np.ones(3))
    np.testing.assert_array_equal(full.theta[1], 0.0)
    np.testing.assert_array_equal(full.save_ts, np.zeros(4))
    everything = nothing_yet(operands, None)
    assert None not in (everything.t0, everything.t1, everything.save_ts, *everything.theta)
