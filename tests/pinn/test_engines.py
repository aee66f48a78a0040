"""Derivative engines against each other, nested reverse mode and symbolic answers."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.networks import MLP
from sciml_jax.pinn.taylor import taylor_mode_is_exact

Z = jnp.array([0.3, -0.7])
DIRECTION = jnp.array([0.6, 1.1])
WEIGHTS = jax.random.normal(jax.random.key(0), (5, 2))

# Those whose operations have a Taylor rule that we trust; the test fails where one of them is wrong.
TAYLOR = {
    "tanh, sin, cos, exp": lambda x: jnp.tanh(x) + jnp.sin(x) * jnp.cos(x) - jnp.exp(x),
    "silu, gelu": lambda x: jax.nn.silu(x) + jax.nn.gelu(x, approximate=False),
    "log, sqrt, rsqrt": lambda x: jnp.log(3 + x) / jnp.sqrt(4 + x) + jax.lax.rsqrt(5 + x),
    "powers, sinh, cosh": lambda x: jnp.square(x) + x**3 + (x + 5) ** -2 + jnp.sinh(x) - jnp.cosh(x),
    "expm1, log1p": lambda x: jnp.expm1(x) * jnp.log1p(x * x),
    "shapes": lambda x: jnp.stack([x[0], x[1] * x[2]])[:, None] * jnp.concatenate([x, x * x]).reshape(2, 5).T[:3, 0],
}
NESTED = {
    "softplus": jax.nn.softplus,
    "power": lambda x: x**2.0,
    "loop": lambda x: jax.lax.fori_loop(0, 3, lambda i, y: jnp.sin(y), x),
    "branch": lambda x: jnp.where(x > 0, x**2, jnp.arctan(x)),
}


@pytest.fixture(scope="module")
def along():
    def compare(name, activation, taylor):
        function = lambda z: activation(WEIGHTS @ z + 0.1)
        assert taylor_mode_is_exact(function, Z) == taylor, name
        reference, nested = function, []
        for _ in range(4):
            reference = lambda z, f=reference: jax.jvp(f, (z,), (DIRECTION,))[1]
            nested.append(reference)
        both = lambda z: (sj.pinn.along(function, z, DIRECTION, 4)[1:], [f(z) for f in nested])
        for ours, theirs in zip(*jax.jit(both)(Z), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-11, err_msg=name)

    return compare


@pytest.mark.parametrize("name", TAYLOR)
def test_taylor_mode_equals_nested_derivatives_to_order_four(along, name):
    along(name, TAYLOR[name], True)


@pytest.mark.parametrize("name", NESTED)
def test_functions_without_a_taylor_rule_fall_back_by_themselves(along, name):
    along(name, NESTED[name], False)


def test_what_depends_on_parameters_only_does_not_forbid_taylor_mode():
    function = lambda z, p: jnp.sin(jax.nn.softplus(p) * z)
    assert taylor_mode_is_exact(lambda z: function(z, jnp.ones(2)), Z)


def field(z):
    t, x = z
    return {"u": jnp.exp(-t) * jnp.sin(2 * x), "v": t**2 * x**3}


ORDERS = ((), (0,), (1,), (1, 1), (0, 1), (1, 0, 1), (1, 1, 1))
T, X = 0.3, -0.7
SYMBOLIC = {
    "u": np.exp(-T)
    * (np.array([1, -1, 0, -4, 0, 4, 0]) * np.sin(2 * X) + np.array([0, 0, 2, 0, -2, 0, -8]) * np.cos(2 * X)),
    "v": np.array([T**2 * X**3, 2 * T * X**3, 3 * T**2 * X**2, 6 * T**2 * X, 6 * T * X**2, 12 * T * X, 6 * T**2]),
}


@pytest.mark.parametrize("engine", ["taylor", "nested"])
def test_partials_equal_the_symbolic_ones(engine):
    if engine == "taylor":
        got = jax.jit(lambda z: sj.pinn.taylor_partials(field, z, ORDERS))(Z)
        start = 0
    else:
        got = jax.jit(lambda z: sj.pinn.nested_forward(field, z, ORDERS[1:]))(Z)
        start = 1
    for name, expected in SYMBOLIC.items():
        np.testing.assert_allclose([value[name] for value in got], expected[start:], rtol=1e-12)


def test_all_engines_agree_on_a_network_and_on_its_gradient():
    net = eqx.filter_jit(lambda: MLP(3, 1, 8, 2, key=0))()
    points = jax.random.normal(jax.random.key(1), (4, 3))
    axes = ((1, 1), (2, 2))
    engines = {
        "reverse": lambda f, z: jnp.trace(jax.jacrev(jax.jacrev(f))(z)[1:, 1:]),
        "nested": lambda f, z: sum(sj.pinn.nested_forward(f, z, axes)),
        "taylor": lambda f, z: sum(sj.pinn.taylor_partials(f, z, axes)),
        "forward": lambda f, z: sj.pinn.laplacian(f, z, axes=(1, 2)),
    }

    def loss(engine):
        return lambda net: jnp.sum(jax.vmap(lambda z: engine(lambda z: net(z)[0], z))(points) ** 2)

    trained, rest = sj.core.tree.partition(net)
    found = jax.jit(
        lambda trained: {
            name: jax.value_and_grad(lambda p, e=engine: loss(e)(sj.core.tree.combine(p, rest)))(trained)
            for name, engine in engines.items()
        }
    )(trained)
    for name in ("nested", "taylor", "forward"):
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11), found[name], found["reverse"]
        )


@pytest.mark.full
def test_the_forward_laplacian_goes_through_loops_branches_and_custom_rules():
    matrix = jnp.array([[4.0, 1.0], [0.5, 3.0]])

    def function(z):
        looped = jax.lax.scan(lambda c, w: (jnp.sin(w @ c), c), z, jnp.stack([matrix, matrix.T]))[0]
        chosen = jax.lax.cond(z[0] > 0, jnp.exp, jnp.tanh, looped)
        solved = jnp.linalg.solve(matrix + jnp.outer(z, z), chosen)
        return {"a": jax.nn.softplus(solved), "n": jnp.argmax(z), "c": jnp.ones(())}

    value, gradient, total = jax.jit(lambda z: sj.pinn.value_gradient_laplacian(function, z))(Z)
    smooth = lambda z: function(z)["a"]
    expected = jax.jit(lambda z: (smooth(z), jax.jacfwd(smooth)(z), jax.hessian(smooth)(z)))(Z)
    np.testing.assert_allclose(value["a"], expected[0], rtol=1e-12)
    np.testing.assert_allclose(gradient["a"], expected[1].T, rtol=1e-10)
    np.testing.assert_allclose(total["a"], np.trace(expected[2], axis1=1, axis2=2), rtol=1e-9)
    assert value["n"] == 0 and total["c"] == 0 and gradient["c"].shape == (2,)


def test_the_stochastic_laplacian_is_unbiased_and_exact_with_all_axes():
    d = 6
    matrix = jax.random.normal(jax.random.key(0), (d, d))
    function = lambda z: jnp.sum(jnp.sin(matrix @ z))
    z = jax.random.normal(jax.random.key(1), (d,)) / d
    exact = -jnp.sum(jnp.sin(matrix @ z) * jnp.sum(matrix**2, axis=1))
    all_axes = jax.jit(lambda k: sj.pinn.stochastic_laplacian(function, z, k, num_samples=d))(jax.random.key(2))
    np.testing.assert_allclose(all_axes, exact, rtol=1e-12)
    keys = jax.random.split(jax.random.key(3), 2000)
    for directions in (sj.pinn.RandomAxes(), sj.pinn.RandomSigns()):
        estimate = jax.jit(
            jax.vmap(lambda k, r=directions: sj.pinn.stochastic_laplacian(function, z, k, num_samples=2, directions=r))
        )(keys)
        error = (jnp.mean(estimate) - exact) / (jnp.std(estimate) / jnp.sqrt(len(keys)))
        assert abs(float(error)) < 4 and float(jnp.std(estimate)) > 0.1


@pytest.mark.full
def test_the_stochastic_operator_takes_a_diffusion_and_many_coordinates():
    d = 10_000
    scales = jnp.linspace(0.5, 1.5, d)
    z = jnp.full((d,), 0.1)
    function = lambda z: jnp.sum(z**2)
    estimate = sj.pinn.stochastic_laplacian(
        function, z, jax.random.key(0), num_samples=4, directions=sj.pinn.RandomSigns(), diffusion=lambda v: scales * v
    )
    np.testing.assert_allclose(estimate, 2 * jnp.sum(scales**2), rtol=1e-10)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sj.pinn.laplacian(jnp.sum, jnp.ones((3, 2))), "one point"),
        (lambda: sj.pinn.laplacian(jnp.sum, Z, axes=(2,)), "axes"),
        (lambda: sj.pinn.stochastic_laplacian(jnp.sum, Z, jax.random.key(0), num_samples=3), "exact"),
        (lambda: sj.pinn.stochastic_laplacian(jnp.sum, Z, jax.random.key(0), num_samples=0), "at least 1"),
    ],
)
def test_wrong_input_is_refused_with_the_rule(call, message):
    with pytest.raises(ValueError, match=message):
        call()
