"""Programs for the tests of the component transform: single operations, vector fields, a network."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax


@jax.custom_jvp
def steep(x):
    """A function whose rule differs from the derivative of what it computes: slope 7 for the identity."""
    return x * 1.0


@steep.defjvp
def _steep_jvp(primals, tangents):
    return steep(primals[0]), 7.0 * tangents[0]


@jax.custom_vjp
def steep_reverse(x):
    return x * 1.0


steep_reverse.defvjp(lambda x: (steep_reverse(x), None), lambda _, ct: (5.0 * ct,))


@jax.custom_jvp
def scaled(x, power, shift):
    """A rule with an integer operand and two results."""
    return x * power + shift, power


@scaled.defjvp
def _scaled_jvp(primals, tangents):
    x, power, shift = primals
    out = scaled(x, power, shift)
    return out, (tangents[0] * power * 3.0 + tangents[2], np.zeros(np.shape(out[1]), jax.dtypes.float0))


def matrix_of(x):
    return jnp.outer(x, jnp.cos(x)) + jnp.eye(x.shape[0], dtype=x.dtype)


def random_walk(x):
    def body(carry, row):
        carry = 0.5 * carry + row[0] * jnp.flip(carry)
        return carry, jnp.sum(carry) + row[1]

    final, sums = lax.scan(body, x, jnp.stack([jnp.sin(x), jnp.cos(x)], axis=1), reverse=True)
    return final + sums


def long_scan(x):
    return lax.scan(lambda c, i: (0.9 * c + jnp.sin(c) / (1 + i), c[0]), x, jnp.arange(300))[0]


def converging(x):
    def unfinished(state):
        return state[1] < 4

    def step(state):
        y, i = state
        return jnp.cos(y) + x, i + 1

    return lax.while_loop(unfinished, step, (x, 0))[0]


# Vector to vector of the same length, any length >= 1, smooth almost everywhere, moderate growth.
OPERATIONS = {
    "stack": lambda x: jnp.stack([x[i] * (i + 1) for i in range(x.shape[0])]),
    "index": lambda x: x[0] - 0.5 * x,
    "last": lambda x: x[-1] * jnp.sin(x),
    "slice": lambda x: x.at[: x.shape[0] // 2 + 1].set(jnp.cos(x[: x.shape[0] // 2 + 1])),
    "strided": lambda x: jnp.concatenate([x[::2], x[1::2]]),
    "set": lambda x: x.at[0].set(0.25),
    "add_at": lambda x: x.at[-1].add(jnp.sin(x[0])),
    "add_twice": lambda x: x.at[np.array([0, 0])].add(jnp.stack([x[0], x[-1]])),
    "multiply_at": lambda x: x.at[0].multiply(x[-1]),
    "max_at": lambda x: x.at[0].max(0.1),
    "drop_outside": lambda x: x.at[np.array([0, 99])].add(0.5, mode="drop"),
    "take": lambda x: x[np.arange(x.shape[0])[::-1].copy()] * 0.5,
    "take_fill": lambda x: x + jnp.nan_to_num(jnp.take(x, np.array([0, 77]), mode="fill"))[1],
    "take_along": lambda x: jnp.take_along_axis(x, np.zeros(x.shape[0], int), axis=0) + x,
    "dynamic": lambda x: lax.dynamic_update_slice(x, lax.dynamic_slice(x, (0,), (1,)) * 2, (x.shape[0] + 3,)),
    "sum": lambda x: x + jnp.sum(x),
    "mean": lambda x: x - jnp.mean(x),
    "var": lambda x: x + jnp.var(x),
    "max": lambda x: x - jnp.max(x),
    "min": lambda x: jnp.maximum(x, jnp.min(x) + 0.1),
    "prod": lambda x: x * jnp.tanh(jnp.prod(x)),
    "dot": lambda x: x * jnp.dot(x, jnp.cos(x)),
    "matvec": lambda x: matrix_of(x) @ jnp.sin(x),
    "matmul": lambda x: (matrix_of(x) @ matrix_of(x).T)[0],
    "einsum": lambda x: jnp.einsum("ij,jk,k->i", matrix_of(x), matrix_of(x), jnp.tanh(x)),
    "where": lambda x: jnp.where(x > 0.2, x * x, -x),
    "where_scalar": lambda x: jnp.where(x[0] > x[-1], x, jnp.exp(-jnp.abs(x))),
    "concatenate": lambda x: jnp.concatenate([x[1:], x[:1] * 3.0]),
    "reshape": lambda x: jnp.stack([x, x + 1]).reshape(-1)[: x.shape[0]],
    "transpose": lambda x: jnp.stack([x, 2 * x, -x]).T.reshape(3, -1).sum(0),
    "cumsum": lambda x: jnp.cumsum(x),
    "cumprod": lambda x: jnp.tanh(jnp.cumprod(x[::-1])),
    "cummax": lambda x: lax.cummax(x, reverse=True) + 0.1 * x,
    "roll": lambda x: jnp.roll(x, 1),
    "flip": lambda x: jnp.flip(x),
    "pad": lambda x: jnp.pad(x, (1, 2), constant_values=0.5)[1 : x.shape[0] + 1],
    "interior_pad": lambda x: lax.pad(x, jnp.asarray(0.5, x.dtype), [(-1, 2, 1)])[: x.shape[0]] if len(x) > 1 else x,
    "norm": lambda x: x / (1 + jnp.linalg.norm(x)),
    "tile": lambda x: jnp.tile(x, 2)[: x.shape[0]],
    "repeat": lambda x: jnp.repeat(x, 2)[: x.shape[0]],
    "cross": lambda x: x * jnp.sum(jnp.cross(jnp.stack([x[0], x[-1], x[0]]), jnp.arange(3, dtype=x.dtype))),
    "diagonal": lambda x: jnp.diag(matrix_of(x)) + jnp.trace(matrix_of(x)),
    "split": lambda x: jnp.concatenate(jnp.split(x, [1])[::-1]),
    "clip": lambda x: jnp.clip(x, -0.3, 0.6),
    "powers": lambda x: x**2 + jnp.abs(x) ** 1.5 + 2.0 ** jnp.tanh(x),
    "divide": lambda x: (1 + x) / (2 + x * x) - (0.0 - x) / 3,
    "integers": lambda x: x * (jnp.arange(x.shape[0]) // 2 + 1) + jnp.sum(jnp.arange(4) % 3 == 1),
    "convert": lambda x: x + jnp.round(x * 4).astype(jnp.int32).astype(x.dtype),
    "relu": lambda x: jax.nn.relu(x) - 0.1 * x,
    "softplus": lambda x: jax.nn.softplus(x),
    "gelu": lambda x: jax.nn.gelu(x),
    "logsumexp": lambda x: x - jax.scipy.special.logsumexp(x),
    "softmax": lambda x: jax.nn.softmax(x),
    "steep": lambda x: steep(x) + steep(x[0]),
    "scaled": lambda x: scaled(x, 2, x[0])[0],
    "erf": lambda x: jax.scipy.special.erf(x) + jnp.arctan2(x, 2.0),
    "complex": lambda x: jnp.abs(x + 1j * jnp.cos(x)) + jnp.real(jnp.exp(1j * x)),
    "cond": lambda x: lax.cond(x[0] > 0, lambda a: jnp.sin(a), lambda a: a.at[0].add(1.0), x),
    "switch": lambda x: lax.switch(jnp.asarray(x[0] * 0, int) + 2, [lambda a: a, lambda a: -a, lambda a: a * x[-1]], x),
    "fori": lambda x: lax.fori_loop(0, x.shape[0], lambda i, c: c.at[i].add(0.5 * x[i]), x),
    "scan": random_walk,
    "long_scan": long_scan,
    "checkpoint": jax.checkpoint(lambda x: jnp.sin(x) * x[0]),
    "jit": jax.jit(lambda x: jnp.sin(x) * x[0]),
    "sort": lambda x: jnp.sort(x),
    "argmax": lambda x: x * x[jnp.argmax(x)],
    "solve": lambda x: jnp.linalg.solve(matrix_of(x) + 3 * jnp.eye(x.shape[0], dtype=x.dtype), x),
    "vmap_set": lambda x: jax.vmap(lambda i, a: jnp.ones_like(x).at[i].set(a))(jnp.arange(x.shape[0])[::-1], x).sum(0),
    "vmap_slice": lambda x: jax.vmap(lambda i: lax.dynamic_slice(x, (i,), (1,)))(jnp.arange(x.shape[0]) * 2).sum(1),
    "alternate": lambda x: lax.fori_loop(0, 300, lambda i, c: lax.cond(i % 2 == 0, lambda c: c * 0.99, jnp.sin, c), x),
    "vmap": lambda x: jax.vmap(lambda a: x.at[0].set(a)[0] * x)(x).sum(1),
}
FORWARD_ONLY = {"while": converging}
REVERSE_ONLY = {"custom_vjp": lambda x: steep_reverse(x) + x[0]}
# Discontinuous at the points used, or ordered differently by rounding: compared alone, not in chains.
UNCHAINED = {"convert", "argmax", "sort"}


def lotka_volterra(y):
    return jnp.stack([1.5 * y[0] - y[0] * y[1], -3.0 * y[1] + y[0] * y[1]])


def lorenz(y):
    a, b, c = y
    return jnp.array([10.0 * (b - a), a * (28.0 - c) - b, a * b - 8.0 / 3.0 * c])


def robertson(y):
    r1, r2, r3 = 0.04 * y[0], 3e7 * y[1] ** 2, 1e4 * y[1] * y[2]
    return jnp.stack([-r1 + r3, r1 - r2 - r3, r2])


def hires(y):
    u = y.at[5].get() * y[7]
    linear = jnp.array(
        [
            [-1.71, 0.43, 8.32, 0, 0, 0, 0, 0],
            [1.71, -8.75, 0, 0, 0, 0, 0, 0],
            [0, 0, -10.03, 0.43, 0.035, 0, 0, 0],
            [0, 8.32, 1.71, -1.12, 0, 0, 0, 0],
            [0, 0, 0, 0, -1.745, 0.43, 0.43, 0],
            [0, 0, 0, 0.69, 1.71, -0.43, 0.69, 0],
            [0, 0, 0, 0, 0, 0, -1.81, 0],
            [0, 0, 0, 0, 0, 0, 1.81, 0],
        ]
    )
    return (linear @ y).at[0].add(0.0007) + jnp.zeros(8).at[jnp.array([5, 6, 7])].set(
        280 * u * jnp.array([-1.0, 1, -1])
    )


FIELDS = {
    "lotka_volterra": (lotka_volterra, 2),
    "lorenz": (lorenz, 3),
    "robertson": (robertson, 3),
    "hires": (hires, 8),
}


def mlp_field(weights, y):
    for w in weights[:-1]:
        y = jnp.tanh(w @ y + 0.1)
    return weights[-1] @ y


def mlp_weights(width):
    shapes = [(width, 2), (width, width), (2, width)]
    return [jnp.sin(jnp.arange(a * b, dtype=jnp.float64)).reshape(a, b) for a, b in shapes]


def pleiades(y):
    x, z, v, w = y.reshape(4, 7)
    mass = jnp.arange(1.0, 8.0)
    dx, dz = x[None] - x[:, None], z[None] - z[:, None]
    cubed = jnp.where(jnp.eye(7, dtype=bool), 1.0, dx**2 + dz**2) ** 1.5
    return jnp.concatenate([v, w, jnp.sum(mass * dx / cubed, 1), jnp.sum(mass * dz / cubed, 1)])
