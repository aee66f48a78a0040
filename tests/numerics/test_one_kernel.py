"""One kernel instead of many: the same results and derivatives, and only where XLA can take it."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import assert_trees_close
from jax import lax
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

import sciml_jax
from sciml_jax.numerics.one_kernel import MOST_MULTIPLY_ADDS, one_kernel

TAG = "xla_cpu_small_call"


def loop(x, rate=1.0):
    return lax.scan(lambda c, _: (jnp.sin(c) * rate + x, None), x, None, length=5)[0]


def x3():
    return jnp.arange(3.0)


def is_tagged(function, *args):
    return TAG in jax.jit(function).lower(*args).as_text()


def mesh():
    return Mesh(np.array(jax.devices()[:2]), ("lanes",))


PROGRAMS = {
    "a loop": (loop, (np.arange(3.0), 0.5)),
    "an argument without use": (lambda x, y: loop(x), (np.arange(3.0), np.arange(7))),
    "no argument in use": (lambda x, y: jnp.ones(3), (np.arange(3.0), np.arange(7))),
    "arguments handed through": (lambda x, y: (y, x, x), (np.arange(3.0), np.arange(4))),
    "equal arguments": (lambda x, y: (x - y + 1, x * 0), (np.arange(3.0), np.arange(3.0))),
    "no argument": (lambda: loop(jnp.arange(3.0)), ()),
    "constant results": (lambda x: (x, jnp.float64(2.0), 3), (np.arange(3.0),)),
    "a boolean result in front": (lambda x: (x > 1, x), (np.arange(3.0),)),
    "integers and booleans": (lambda n, b: lax.fori_loop(0, n, lambda i, c: c + b, 0), (5, np.array(True))),
    "single precision": (loop, (np.arange(3, dtype=np.float32),)),
    "half precision": (loop, (np.arange(3, dtype=np.float16),)),
    "complex numbers": (lambda z: jnp.exp(1j * z) * z, (np.arange(3.0) + 0.5j,)),
    "arrays without elements": (
        lambda e, x: lax.fori_loop(0, 3, lambda i, c: (c[0] * 2, c[1] + 1), (e, x)),
        (np.zeros((0, 2)), np.ones(2)),
    ),
    "nothing but arrays without elements": (lambda e: e * 2, (np.zeros((0, 3)),)),
    "no result": (lambda x: {}, (np.arange(3.0),)),
    "pytrees": (lambda d: {"a": d["b"][0] * 2, "c": (d["b"][1], None)}, ({"b": [np.ones(2), np.arange(3)]},)),
    "a branch": (lambda x: lax.cond(x[0] > 1, lambda x: jnp.arange(3.0), jnp.sin, x), (np.arange(3.0),)),
    "a loop without iterations": (
        lambda x, y: lax.fori_loop(0, 0, lambda i, c: (c[0] + 1, c[1]), (x, y)),
        (np.arange(3.0), np.arange(3.0)),
    ),
    "a table inside": (lambda i, t=np.linspace(0, 1, 300): jnp.asarray(t)[i] * 2.0, (5,)),  # noqa: B008
    "a small product": (lambda a, b: jnp.tanh(a @ b), (np.ones((4, 5)), np.arange(5.0))),
    "a kernel inside": (lambda x: one_kernel(loop)(x) + 1, (np.arange(3.0),)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_results_are_those_of_the_function_and_it_is_compiled_as_one(name):
    function, args = PROGRAMS[name]
    args = jax.tree_util.tree_map(jnp.asarray, args)
    expected = jax.tree_util.tree_map(jnp.asarray, function(*args))
    assert_trees_close(jax.tree_util.tree_map(jnp.asarray, jax.jit(one_kernel(function))(*args)), expected)
    has_results = any(leaf.size for leaf in jax.tree_util.tree_leaves(expected))
    assert is_tagged(one_kernel(function), *args) == has_results


LEFT_ALONE = {
    "a scatter": lambda x: x.at[jnp.array([0, 2])].add(1.0),
    "a sort": jnp.sort,
    "a factorisation": lambda x: jnp.linalg.cholesky(jnp.diag(x + 1)),
    "a Fourier transform": jnp.fft.fft,
    "random bits": lambda x: x + jax.random.uniform(jax.random.key(1), (3,)),
    "a callback": lambda x: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((3,), float), x),
    "a large product": lambda x: jnp.outer(x, jnp.ones(80)).T @ jnp.outer(x, jnp.ones(80)),
    "a product of two matrices": lambda x: jnp.outer(x, jnp.ones(2)).T @ jnp.outer(x, jnp.ones(8)),
    "a sum of thousands of entries": lambda x: x + jnp.sum(jnp.outer(x, jnp.ones(2000))),
    "a scatter in a loop in a branch": lambda x: lax.cond(
        x[0] < 1, lambda x: lax.fori_loop(0, 2, lambda i, c: c.at[jnp.array([0, 2])].add(1.0), x), jnp.sin, x
    ),
}


@pytest.mark.parametrize("name", LEFT_ALONE)
def test_a_function_with_something_that_needs_a_library_is_left_as_it_is(name):
    function = LEFT_ALONE[name]
    assert_trees_close(jax.jit(one_kernel(function))(x3()), function(x3()))
    assert not is_tagged(one_kernel(function), x3())


def test_a_product_is_taken_in_up_to_its_bound_and_not_beyond():
    inner = 64
    most = MOST_MULTIPLY_ADDS // inner
    product = one_kernel(lambda a, b: a @ b)
    assert is_tagged(product, jnp.ones((most, inner)), jnp.ones(inner))
    assert not is_tagged(product, jnp.ones((most + 1, inner)), jnp.ones(inner))


def test_a_function_of_more_equations_than_the_bound_is_left_as_it_is(monkeypatch):
    module = sys.modules["sciml_jax.numerics.one_kernel"]
    assert is_tagged(one_kernel(loop), x3())
    monkeypatch.setattr(module, "MOST_EQUATIONS", 3)
    assert not is_tagged(one_kernel(loop), x3())


TRANSFORMS = {
    "jvp": lambda f: lambda x: jax.jvp(f, (x,), (x + 1,)),
    "grad": lambda f: jax.grad(lambda x: jnp.sum(f(x) ** 2)),
    "hessian": lambda f: jax.hessian(lambda x: jnp.sum(f(x) ** 2)),
    "linearize": lambda f: lambda x: jax.linearize(f, x)[1](x),
    "checkpoint": lambda f: jax.grad(lambda x: jnp.sum(jax.checkpoint(f)(x))),
    "vmap": lambda f: lambda x: jax.vmap(f)(jnp.outer(x + 1, x)),
    "vmap over other axes": lambda f: lambda x: jax.vmap(f, in_axes=1, out_axes=1)(jnp.outer(x + 1, x)),
    "vmap of grad": lambda f: lambda x: jax.vmap(jax.grad(lambda x: jnp.sum(f(x))))(jnp.outer(x + 1, x)),
    "scan": lambda f: lambda x: lax.scan(lambda c, y: (f(c), c + y), x, jnp.ones((4, 3))),
    "grad of scan": lambda f: jax.grad(lambda x: jnp.sum(lax.scan(lambda c, _: (f(c), None), x, None, length=3)[0])),
    "while": lambda f: lambda x: lax.while_loop(lambda c: jnp.sum(c) < 40, lambda c: f(c) + c + 1, x),
    "cond": lambda f: lambda x: lax.cond(x[1] > 0, f, jnp.cos, x),
    "map": lambda f: lambda x: lax.map(f, jnp.outer(x + 1, x), batch_size=2),
    "jit": lambda f: lambda x: jax.jit(f)(x) + 1,
    "twice": lambda f: lambda x: (f(x), f(f(x)), f(x + 1)),
    "results unread": lambda f: lambda x: (f(x), x + 1)[1],
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_a_transformation_gives_what_it_gives_of_the_function(name):
    transformed = TRANSFORMS[name]
    assert_trees_close(jax.jit(transformed(one_kernel(loop)))(x3()), jax.jit(transformed(loop))(x3()), rtol=1e-13)


def test_a_derivative_inside_the_kernel_is_that_of_the_function():
    gradient = jax.grad(lambda x, rate: jnp.sum(loop(x, rate)), argnums=(0, 1))
    assert_trees_close(jax.jit(one_kernel(gradient))(x3(), 0.5), gradient(x3(), 0.5), rtol=1e-13)


def test_rules_of_custom_derivatives_are_kept():
    @jax.custom_jvp
    def sine(x):
        return jnp.sin(x)

    sine.defjvp(lambda primals, tangents: (sine(*primals), 7.0 * tangents[0]))
    assert float(jax.jit(jax.grad(one_kernel(sine)))(0.3)) == 7.0
    assert float(jax.jit(one_kernel(jax.grad(sine)))(0.3)) == 7.0


def test_random_keys_pass_through():
    key, number = jax.jit(one_kernel(lambda key, x: (key, x + 1)))(jax.random.key(3), 1.0)
    assert_trees_close(jax.random.key_data(key), jax.random.key_data(jax.random.key(3)))
    assert float(number) == 2.0


def test_donated_arguments_may_be_results():
    function = jax.jit(one_kernel(lambda x, y: (x, y + 1)), donate_argnums=(0, 1))
    assert_trees_close(function(jnp.arange(3.0), jnp.arange(3.0)), (x3(), x3() + 1))


def test_compiling_ahead_of_time_gives_the_same():
    compiled = jax.jit(one_kernel(loop)).lower(jax.ShapeDtypeStruct((3,), float)).compile()
    assert_trees_close(compiled(x3()), loop(x3()))


def test_a_shard_of_shard_map_is_compiled_as_one():
    lanes = jnp.outer(jnp.arange(4.0), x3())
    sharded = jax.shard_map(jax.vmap(one_kernel(loop)), mesh=mesh(), in_specs=P("lanes"), out_specs=P("lanes"))
    assert_trees_close(np.asarray(jax.jit(sharded)(lanes)), np.asarray(jax.vmap(loop)(lanes)))
    assert is_tagged(sharded, lanes)


def test_collectives_are_left_as_they_are():
    mean = one_kernel(lambda x: lax.pmean(x, "lanes"))
    sharded = jax.shard_map(mean, mesh=mesh(), in_specs=P("lanes"), out_specs=P())
    assert float(jax.jit(sharded)(jnp.array([1.0, 3.0]))[0]) == 2.0
    assert not is_tagged(sharded, jnp.array([1.0, 3.0]))


def test_an_argument_that_jit_divides_among_devices_gives_the_same():
    """XLA then puts collectives into the function, which cannot be in one kernel."""
    function = lambda x: (x.sum(), x + x.mean(axis=0))
    lanes = jnp.arange(12.0).reshape(4, 3)
    divided = jax.device_put(lanes, NamedSharding(mesh(), P("lanes")))
    found = jax.jit(one_kernel(function))(divided)
    assert_trees_close(jax.tree_util.tree_map(np.asarray, found), jax.tree_util.tree_map(np.asarray, function(lanes)))


OPTIMISED = """
import jax, jax.numpy as jnp, numpy as np
from jax import lax
from sciml_jax.numerics.one_kernel import one_kernel as ok
jax.config.update("jax_enable_x64", True)
loop = lambda x: lax.fori_loop(0, 5, lambda i, c: jnp.sin(c) + x, x)
x, z = jnp.arange(3.0), jnp.zeros((0, 2))
run = lambda f, *a: jax.block_until_ready(jax.jit(f)(*a))
run(lambda: ok(lambda n, x: lax.fori_loop(0, n, lambda i, c: c * 2, x))(jnp.int32(3), 1.0))
run(lambda: ok(lambda p, x, y: lax.cond(p, lambda: x + 1, lambda: y + 2))(jnp.array(True), jnp.ones(3), jnp.ones(3)))
run(ok(lambda x, y: x * 0 * y), x, x)
run(ok(lambda x, y: lax.fori_loop(0, 0, lambda i, c: (c[0] + 1, c[1]), (x, y))[0]), x, x)
run(ok(lambda z, x: lax.fori_loop(0, 3, lambda i, c: (c[0] * 2, c[1] + 1), (z, x))), z, x)
run(lambda x: jax.jvp(ok(loop), (x,), (jnp.ones(3),))[1], x)
run(jax.vmap(ok(lambda x, y: loop(x)), (0, None)), jnp.ones((4, 3)), x)
run(lambda x: (ok(loop)(x), x + 1)[1], x)
run(lambda x: lax.scan(lambda c, _: (ok(loop)(ok(loop)(c)), None), x, None, length=3)[0], x)
print("survived")
"""


@pytest.mark.full
def test_optimised_programs_do_not_abort_the_process():
    """XLA may find out on its own that an argument of a kernel is not needed; it then aborts the process."""
    path = [str(Path(sciml_jax.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "XLA_FLAGS": "", "JAX_PLATFORMS": "cpu", "PYTHONPATH": os.pathsep.join(path)}
    child = subprocess.run([sys.executable, "-c", OPTIMISED], env=environment, capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    assert child.stdout.strip() == "survived"
