"""Networks with known answers, and statistics for comparing samples with them."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats
from scipy.linalg import expm

import sciml_jax as sj


def birth_death(y0=0, t1=1.0, birth=1000.0, death=10.0):
    """Born at a constant rate, dying one by one: the mean is `birth / death (1 - exp(-death t))` from zero."""
    rates = lambda t, y, k: jnp.stack([k[0], k[1] * y[0]])
    return sj.JumpProblem(rates, [[1], [-1]], jnp.array([y0]), 0.0, t1, jnp.array([birth, death]))


def dimerisation(t1=0.3, size=12):
    """Two A to one B and back: a master equation of a few states."""
    rates = sj.MassAction([[2, 0], [0, 1]], [0.5, 2.0])
    return sj.JumpProblem(rates, [[-2, 1], [2, -1]], jnp.array([size, 0]), 0.0, t1)


def dimerisation_probabilities(t, size=12):
    """Probabilities of 0, 1, ... B at a time, from the master equation."""
    count = size // 2 + 1
    generator = np.zeros((count, count))
    for b in range(count):
        a = size - 2 * b
        forward, backward = 0.5 * a * (a - 1) / 2, 2.0 * b
        if b + 1 < count:
            generator[b + 1, b] += forward
        if b > 0:
            generator[b - 1, b] += backward
        generator[b, b] -= forward + backward
    return expm(generator * t)[:, 0]


def repressor():
    """A protein that represses its own gene; the JumpProblemLibrary gives the mean of P(1000) as 592.655375."""
    log2 = np.log(2.0)
    reactants = [[1, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [1, 0, 1, 0], [0, 0, 0, 1]]
    changes = [[0, 1, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, -1, 0], [-1, 0, -1, 1], [1, 0, 1, -1]]
    constants = [0.5, 20 * log2 / 120, log2 / 120, log2 / 600, 0.025, 1.0]
    rates = sj.MassAction(reactants, constants)
    return sj.JumpProblem(rates, changes, jnp.array([1, 0, 0, 0]), 0.0, 1000.0)


def nonlinear():
    """Reactions of order up to three; the JumpProblemLibrary gives the mean of A(0.01) as 84.876015625."""
    reactants = [[2, 0, 0], [0, 1, 0], [1, 1, 0], [0, 0, 1], [0, 0, 3]]
    changes = [[-2, 1, 0], [2, -1, 0], [-1, -1, 1], [1, 1, -1], [3, 0, -3]]
    rates = sj.MassAction(reactants, [1.0, 2.0, 0.5, 0.75, 0.25])
    return sj.JumpProblem(rates, changes, jnp.array([200, 100, 150]), 0.0, 0.01)


def chain(length, count=20, t1=1.0):
    """Particles that hop between neighbouring sites of a ring, all as likely: large networks of small reactions."""
    reactants, changes = np.zeros((2 * length, length), int), np.zeros((2 * length, length), int)
    for i in range(length):
        for row, (source, target) in zip(
            (2 * i, 2 * i + 1), ((i, (i + 1) % length), ((i + 1) % length, i)), strict=True
        ):
            reactants[row, source] = 1
            changes[row, source], changes[row, target] = -1, 1
    rates = sj.MassAction(reactants, np.linspace(0.5, 1.5, 2 * length))
    return sj.JumpProblem(rates, changes, jnp.full(length, count), 0.0, t1)


def sample(problem, method, number, seed=0, of=lambda sol: sol.y1, **options):
    """`of(solution)` for many keys, as NumPy arrays."""
    keys = jax.random.split(jax.random.key(seed), number)
    run = jax.jit(jax.vmap(lambda key: of(sj.solve(problem, method, key=key, **options))))
    return jax.tree_util.tree_map(np.asarray, run(keys))


def standard_errors(values, mean):
    """How many standard errors the sample mean is away from a mean."""
    return (values.mean() - mean) / (values.std() / np.sqrt(len(values)))


def chi_square_p(values, probabilities):
    """The p-value of counts 0, 1, 2, ... under probabilities; rare ones are put together."""
    expected = np.append(probabilities, max(1 - probabilities.sum(), 0)) * len(values)
    found = np.bincount(np.minimum(values.astype(int), len(probabilities)), minlength=len(expected))
    common = expected >= 5
    expected = np.append(expected[common], expected[~common].sum())
    found = np.append(found[common], found[~common].sum())
    if expected[-1] < 1:
        assert found[-1] < 10
        expected, found = expected[:-1], found[:-1]
    return stats.chi2.sf(np.sum((found - expected) ** 2 / expected), len(expected) - 1)
