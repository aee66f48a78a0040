"""A function that says itself how a batch of it runs is asked once, with all lanes of all `vmap`s."""

import jax
import jax.numpy as jnp
import pytest
from helpers import assert_trees_close

from sciml_jax.numerics.batching import batch_native, in_blocks


class Recorder:
    """`a * x + b`, with a note of what every call was asked for."""

    def __init__(self):
        self.calls = []
        self.function = batch_native(self._single, self._lanes)

    def _single(self, args, x):
        self.calls.append("single")
        return {"out": args["a"] * x + args["b"]}

    def _lanes(self, size, axes, args, x):
        self.calls.append((size, axes[0]["a"], axes[0]["b"], axes[1]))
        one = lambda args, x: {"out": args["a"] * x + args["b"]}
        return jax.vmap(one, axes, axis_size=size)(args, x)


def inputs(a=(), b=(), x=(3,)):
    count = lambda shape: jnp.arange(1.0, 1.0 + int(jnp.prod(jnp.array(shape, int)))).reshape(shape)
    return {"a": count(a), "b": 10 * count(b)}, count(x)


def plain(args, x):
    return {"out": args["a"] * x + args["b"]}


@pytest.fixture
def recorder():
    return Recorder()


def test_without_vmap_it_is_the_function_of_one_lane(recorder):
    args, x = inputs()
    assert_trees_close(recorder.function(args, x), plain(args, x))
    assert recorder.calls == ["single"]


def test_under_vmap_it_is_the_function_of_the_lanes_and_shared_arguments_stay_shared(recorder):
    args, x = inputs(a=(4,))
    axes = ({"a": 0, "b": None}, None)
    assert_trees_close(jax.vmap(recorder.function, axes)(args, x), jax.vmap(plain, axes)(args, x))
    assert recorder.calls[-1] == (4, 0, None, None)


def test_lanes_on_another_axis_come_in_front(recorder):
    args, x = inputs(x=(3, 5))
    found = jax.vmap(recorder.function, (None, 1), out_axes=1)(args, x)
    assert_trees_close(found, jax.vmap(plain, (None, 1), out_axes=1)(args, x))
    assert recorder.calls[-1] == (5, None, None, 0)


NESTINGS = {
    "the same argument": (
        (({"a": None, "b": None}, 0), ({"a": None, "b": None}, 0)),
        {"x": (2, 5, 3)},
        (None, None, 0),
    ),
    "one argument each": (
        (({"a": None, "b": 0}, None), ({"a": 0, "b": None}, None)),
        {"a": (5,), "b": (2,)},
        (0, 0, None),
    ),
    "both and one": ((({"a": 0, "b": None}, 0), ({"a": 0, "b": None}, None)), {"a": (2, 5), "x": (2, 3)}, (0, None, 0)),
}


@pytest.mark.parametrize("name", NESTINGS)
def test_two_vmaps_are_one_batch_of_the_product_of_their_sizes(recorder, name):
    (outer, inner), shapes, axes = NESTINGS[name]
    args, x = inputs(**shapes)
    found = jax.vmap(jax.vmap(recorder.function, inner), outer)(args, x)
    assert_trees_close(found, jax.vmap(jax.vmap(plain, inner), outer)(args, x))
    assert recorder.calls[-1] == (10, *axes)


def test_three_vmaps_are_one_batch(recorder):
    args, x = inputs(x=(2, 4, 3, 5))
    nested = lambda f: jax.vmap(jax.vmap(jax.vmap(f, (None, 0)), (None, 2)), (None, 0))
    assert_trees_close(nested(recorder.function)(args, x), nested(plain)(args, x))
    assert recorder.calls[-1] == (40, None, None, 0)


def test_the_order_of_results_follows_out_axes(recorder):
    args, x = inputs(x=(2, 5, 3))
    nested = lambda f: jax.vmap(jax.vmap(f, (None, 0), out_axes=1), (None, 0), out_axes=2)
    assert_trees_close(jax.jit(nested(recorder.function))(args, x), nested(plain)(args, x))


def test_a_scan_in_a_vmap_batches_the_function_inside(recorder):
    args, x = inputs(x=(4, 3))
    looped = lambda f: jax.vmap(lambda x: jax.lax.scan(lambda c, _: (f(args, c)["out"], None), x, None, length=3)[0])
    assert_trees_close(jax.jit(looped(recorder.function))(x), looped(plain)(x))
    assert recorder.calls[-1] == (4, None, None, 0)


def test_derivatives_are_left_to_the_rule_around_it(recorder):
    """Inside a custom derivative rule nothing asks the batch for a derivative, in any nesting with `vmap`."""

    @jax.custom_jvp
    def outer(args, x):
        return recorder.function(args, x)

    @outer.defjvp
    def rule(primals, tangents):
        (args, x), (dargs, dx) = primals, tangents
        return outer(args, x), {"out": dargs["a"] * x + args["a"] * dx + dargs["b"]}

    args, x = inputs(a=(4,), x=(4, 3))
    loss = lambda f: lambda args, x: jnp.sum(f(args, x)["out"] ** 2)
    axes = ({"a": 0, "b": None}, 0)
    each = lambda f: jax.vmap(jax.grad(loss(f)), axes)(args, x)
    total = lambda f: jax.grad(lambda args, x: jnp.sum(jax.vmap(loss(f), axes)(args, x)))(args, x)
    assert_trees_close(each(outer), each(plain))
    assert_trees_close(total(outer), total(plain))


# The blocks are as equal as can be: 7 lanes in blocks of at most 3 are 3 blocks of 3, two of the lanes done twice.
@pytest.mark.parametrize(
    ("size", "block", "length"), [(1, 3, 1), (3, 3, 3), (4, 3, 2), (6, 3, 3), (7, 3, 3), (9, 4, 3)]
)
def test_blocks_give_every_lane_once_and_in_order_and_none_is_longer_than_asked(size, block, length):
    asked = []

    def function(count, shared, x):
        asked.append(count)
        assert x.shape == (count, 2)
        return {"out": shared * x, "one": x[:, 0]}

    x = jnp.arange(2.0 * size).reshape(size, 2)
    found = in_blocks(function, size, (None, 0), (jnp.float64(3.0), x), block)
    assert_trees_close(found, {"out": 3.0 * x, "one": x[:, 0]})
    assert set(asked) == {length}


def test_blocks_of_lanes_that_share_everything_give_every_lane_the_same():
    found = in_blocks(lambda count, x: jnp.broadcast_to(x, (count, 2)), 5, (None,), (jnp.arange(2.0),), 2)
    assert_trees_close(found, jnp.tile(jnp.arange(2.0), (5, 1)))
