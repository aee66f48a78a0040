"""Preconditioners are the solves that they say they are, and keep iterations from growing with the grid."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sciml_jax.numerics.krylov import (
    BlockJacobi,
    FourierDiffusion,
    FunctionPreconditioner,
    Jacobi,
    JacobianData,
    LineADI,
    as_preconditioner,
    dense_entries,
    gmres,
    probed_entries,
    stored_entries,
    tridiagonal_factor,
    tridiagonal_solve,
)

from .krylov_problems import brusselator, brusselator_entries, brusselator_state

RNG = np.random.default_rng(1)


def dense_lines(lower, diagonal, upper, periodic):
    n = len(diagonal)
    matrix = np.diag(diagonal)
    for i in range(n):
        if i > 0 or periodic:
            matrix[i, i - 1] += lower[i]
        if i < n - 1 or periodic:
            matrix[i, (i + 1) % n] += upper[i]
    return matrix


@pytest.mark.parametrize("periodic", [False, True])
def test_tridiagonal_lines_are_solved_and_transposed(periodic):
    n, lines = 6, 3
    lower, upper, rhs = (RNG.normal(size=(n, lines)) for _ in range(3))
    diagonal = 4.0 + RNG.normal(size=(n, 1))
    factors = tridiagonal_factor(*map(jnp.asarray, (lower, diagonal, upper)), periodic=periodic)
    apply = functools.partial(tridiagonal_solve, factors)
    x = apply(jnp.asarray(rhs))
    (z,) = jax.linear_transpose(apply, x)(jnp.asarray(rhs))
    for k in range(lines):
        matrix = dense_lines(lower[:, k], diagonal[:, 0], upper[:, k], periodic)
        np.testing.assert_allclose(matrix @ x[:, k], rhs[:, k], rtol=1e-12, atol=1e-13)
        np.testing.assert_allclose(matrix.T @ z[:, k], rhs[:, k], rtol=1e-12, atol=1e-13)


def test_a_periodic_line_of_two_is_refused():
    with pytest.raises(ValueError, match="at least 3 unknowns"):
        tridiagonal_factor(jnp.ones(2), 4 * jnp.ones(2), jnp.ones(2), periodic=True)


def test_entries_agree_however_the_matrix_is_known():
    matrix = dense_lines(*RNG.normal(size=(3, 9)), periodic=False)
    rows, cols = np.nonzero(matrix)
    shuffled = RNG.permutation(rows.size)
    stored = stored_entries(rows[shuffled], cols[shuffled], jnp.asarray(matrix[rows, cols][shuffled]))
    probed = probed_entries(lambda v: jnp.asarray(matrix) @ v, np.arange(9) % 3)
    at = (np.array([[0, 3], [4, 8]]), np.array([[1, 2], [4, 8]]))
    for entries in (dense_entries(jnp.asarray(matrix)), stored, probed):
        np.testing.assert_array_equal(entries(*at), matrix[at])
    np.testing.assert_array_equal(stored(np.array([0, 8]), np.array([8, 0])), [0.0, 0.0])


def data(matrix):
    return JacobianData(dense_entries(jnp.asarray(matrix)), 0.0, jnp.zeros(len(matrix)))


def test_jacobi_solves_diagonal_systems_and_leaves_empty_rows_alone():
    solve = Jacobi().solver(data(np.diag([1.0, -2.0, 3.0])), 3.0)
    np.testing.assert_allclose(solve(jnp.ones(3)), [0.5, 0.2, 1.0])


@pytest.mark.parametrize("block_size", [1, 3, 9])
@pytest.mark.parametrize("interleaved", [False, True])
def test_block_jacobi_solves_what_couples_only_within_points(block_size, interleaved):
    points = 4
    n = block_size * points
    blocks = RNG.normal(size=(points, block_size, block_size))
    index = np.arange(n).reshape((points, block_size) if interleaved else (block_size, points))
    index = index if interleaved else index.T
    matrix = RNG.normal(size=(n, n)) * 0.0
    for p in range(points):
        matrix[np.ix_(index[p], index[p])] = blocks[p]
    rhs = RNG.normal(size=n)
    solve = BlockJacobi(block_size, interleaved).solver(data(matrix), 0.7)
    np.testing.assert_allclose(solve(jnp.asarray(rhs)), np.linalg.solve(0.7 * np.eye(n) - matrix, rhs), rtol=1e-9)


def diffusion_matrix(shape, field_axis, coefficients, periodic):
    """The Jacobian of diffusion, from a written-out formula; coefficients (fields, axes)."""
    axes = [k for k in range(len(shape)) if k != field_axis]

    def field(y):
        y, total = y.reshape(shape), 0.0
        for number, axis in enumerate(axes):
            d = coefficients[:, number].reshape([-1 if k == field_axis else 1 for k in range(len(shape))])
            pad = [(1, 1) if k == axis else (0, 0) for k in range(len(shape))]
            wide = np.pad(y, pad, mode="wrap" if periodic[number] else "edge")
            before, behind = (np.take(wide, np.arange(start, start + shape[axis]), axis) for start in (0, 2))
            total = total + d * (before - 2 * y + behind)
        return total.ravel()

    n = int(np.prod(shape))
    return np.stack([field(column) for column in np.eye(n)], axis=1)


@pytest.mark.parametrize(
    ("shape", "field_axis"), [((2, 6, 5), 0), ((6, 5, 2), -1), ((4, 2, 3, 5), 1)], ids=["front", "back", "3d"]
)
def test_fourier_diffusion_is_exact_for_periodic_diffusion(shape, field_axis):
    axes = len(shape) - 1
    coefficients = RNG.uniform(1.0, 30.0, size=(2, axes))
    matrix = diffusion_matrix(shape, field_axis % len(shape), coefficients, [True] * axes)
    rhs = RNG.normal(size=len(matrix))
    want = np.linalg.solve(0.8 * np.eye(len(matrix)) - matrix, rhs)
    given = FourierDiffusion(shape, field_axis=field_axis, diffusion=coefficients)
    read = FourierDiffusion(shape, field_axis=field_axis)
    for preconditioner in (given, read):
        np.testing.assert_allclose(preconditioner.solver(data(matrix), 0.8)(jnp.asarray(rhs)), want, rtol=1e-9)
    complex_shift = given.solver(data(matrix), 0.8 + 0.3j)(rhs + 0j)
    want = np.linalg.solve((0.8 + 0.3j) * np.eye(len(matrix)) - matrix, rhs)
    np.testing.assert_allclose(complex_shift, want, rtol=1e-9)


@pytest.mark.parametrize("periodic", [True, False])
def test_adi_on_one_axis_is_the_exact_solve(periodic):
    coefficients = np.array([[3.0], [20.0]])
    matrix = diffusion_matrix((2, 7), 0, coefficients, [periodic])
    rhs = RNG.normal(size=14)
    want = np.linalg.solve(0.5 * np.eye(14) - matrix, rhs)
    for diffusion in (coefficients, None):
        adi = LineADI((2, 7), periodic=periodic, diffusion=diffusion)
        np.testing.assert_allclose(adi.solver(data(matrix), 0.5)(jnp.asarray(rhs)), want, rtol=1e-9)


@pytest.mark.parametrize(
    ("shape", "field_axis", "periodic"), [((2, 8, 6), 0, (True, False)), ((8, 6, 2), -1, (False, False))]
)
def test_more_sweeps_of_adi_approach_the_solve(shape, field_axis, periodic):
    coefficients = np.array([[30.0, 40.0], [3.0, 2.0]])
    matrix = diffusion_matrix(shape, field_axis % 3, coefficients, periodic)
    rhs = RNG.normal(size=len(matrix))
    want = np.linalg.solve(1.0 * np.eye(len(matrix)) - matrix, rhs)

    def error(sweeps, diffusion):
        adi = LineADI(shape, field_axis=field_axis, periodic=periodic, diffusion=diffusion, sweeps=sweeps)
        x = jax.jit(lambda rhs: adi.solver(data(matrix), 1.0)(rhs))(rhs)
        return np.linalg.norm(x - want) / np.linalg.norm(want)

    errors = [error(sweeps, coefficients) for sweeps in (1, 4, 12)]
    assert errors[1] < 0.3 * errors[0]
    assert errors[2] < 0.02 * errors[1]
    np.testing.assert_allclose(error(4, None), errors[1], rtol=1e-9)


@pytest.mark.parametrize(
    "make",
    [
        lambda size, diffusion: Jacobi(),
        lambda size, diffusion: BlockJacobi(2),
        lambda size, diffusion: LineADI((2, size, size), diffusion=diffusion),
        lambda size, diffusion: LineADI((2, size, size)),
        lambda size, diffusion: FourierDiffusion((2, size, size), diffusion=diffusion),
    ],
    ids=["jacobi", "block", "adi", "adi-entries", "fourier"],
)
def test_preconditioners_are_linear_and_their_transposes_are_the_transposed_matrices(make):
    size, diffusion = 4, 50.0
    y = brusselator_state(size)
    entries, _ = brusselator_entries(y, size, diffusion)
    apply = make(size, diffusion).solver(JacobianData(entries, 0.0, y), 2.0)
    matrix = jax.vmap(apply, 1, 1)(jnp.eye(y.size))
    transposed = jax.vmap(lambda v: jax.linear_transpose(apply, v)(v)[0], 1, 1)(jnp.eye(y.size))
    np.testing.assert_allclose(transposed, matrix.T, atol=1e-13 * np.abs(matrix).max())
    np.testing.assert_allclose(apply(jnp.arange(y.size) + 1.0), matrix @ (jnp.arange(y.size) + 1.0), rtol=1e-10)


def iterations(size, preconditioner, shift=10.0):
    """GMRES on the Brusselator's system with the diffusion of a unit square, and a rough right-hand side."""
    diffusion = 10.0 * size**2
    y = brusselator_state(size)
    rhs = jnp.asarray(np.random.default_rng(0).normal(size=y.size))

    @jax.jit
    def run(y):
        product = lambda v: shift * v - jax.jvp(lambda y: brusselator(y, size, diffusion), (y,), (v,))[1]
        approximate = preconditioner and preconditioner(diffusion).solver(JacobianData(None, 0.0, y), shift)
        return gmres(product, rhs, rtol=1e-6, preconditioner=approximate, restart=60, max_iterations=400)[1]

    info = run(y)
    assert bool(info.converged)
    return int(info.iterations)


def test_iterations_of_adi_and_fourier_grow_slowly_with_the_grid():
    adi = [iterations(n, lambda d, n=n: LineADI((2, n, n), diffusion=d)) for n in (8, 16, 32)]
    fourier = [iterations(n, lambda d, n=n: FourierDiffusion((2, n, n), diffusion=d)) for n in (8, 32)]
    assert adi[2] <= adi[1] + 2 <= adi[0] + 4
    assert adi[2] <= 10
    assert fourier[1] <= fourier[0] <= 6
    assert iterations(16, None) > 5 * adi[1]


def test_a_gradient_through_a_preconditioned_solve_is_that_of_the_dense_one():
    size, shift = 4, 3.0
    y, weights = brusselator_state(size), jnp.asarray(RNG.normal(size=2 * size**2))

    def value(diffusion):
        product = lambda v: shift * v - jax.jvp(lambda y: brusselator(y, size, diffusion), (y,), (v,))[1]
        adi = LineADI((2, size, size), diffusion=diffusion)
        x, _ = gmres(product, weights, preconditioner=adi.solver(JacobianData(None, 0.0, y), shift), rtol=1e-11)
        return jnp.sum(x**2)

    def dense(diffusion):
        jacobian = jax.jacfwd(lambda y: brusselator(y, size, diffusion))(y)
        return jnp.sum(jnp.linalg.solve(shift * jnp.eye(y.size) - jacobian, weights) ** 2)

    np.testing.assert_allclose(jax.jit(jax.grad(value))(20.0), jax.grad(dense)(20.0), rtol=1e-8)


def test_sweeps_on_three_axes_take_stiff_diffusion_to_few_iterations():
    shape, spacing = (1, 9, 8, 7), np.array([[400.0, 500.0, 300.0]])
    system = jnp.asarray(10.0 * np.eye(504) - diffusion_matrix(shape, 0, spacing, [True, False, True]))
    rhs = jnp.asarray(RNG.normal(size=504))
    adi = LineADI(shape, periodic=(True, False, True), diffusion=spacing)
    run = jax.jit(
        lambda b, p: gmres(lambda v: system @ v, b, preconditioner=p, rtol=1e-6, restart=60), static_argnums=1
    )
    plain, swept = (run(rhs, p)[1] for p in (None, adi.solver(JacobianData(), 10.0)))
    assert bool(swept.converged)
    assert 3 * int(swept.iterations) < int(plain.iterations)


def test_a_function_of_the_user_is_a_preconditioner():
    made = as_preconditioner(lambda t, y, shift, vector: vector / (shift + y + t))
    assert isinstance(made, FunctionPreconditioner)
    solve = made.solver(JacobianData(None, 1.0, jnp.ones(2)), 2.0)
    np.testing.assert_allclose(solve(jnp.full(2, 8.0)), [2.0, 2.0])
    assert as_preconditioner(None) is None
    assert isinstance(as_preconditioner(Jacobi()), Jacobi)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: as_preconditioner(3.0), TypeError, "got"),
        (lambda: as_preconditioner(Jacobi), TypeError, "Pass an instance"),
        (lambda: FunctionPreconditioner(lambda v: v), TypeError, "is called with"),
        (lambda: Jacobi().factor(JacobianData(None, 0.0, jnp.ones(2)), 1.0), ValueError, "sparsity pattern"),
        (lambda: BlockJacobi(0), ValueError, "positive integer"),
        (lambda: BlockJacobi(2).factor(data(np.eye(3)), 1.0), ValueError, "must divide"),
        (lambda: LineADI((2, 4, 4), diffusion=np.ones(3)), ValueError, "`diffusion` must be a scalar"),
        (lambda: LineADI((2, 4, 4), sweeps=0), ValueError, "`sweeps` must be a positive"),
        (lambda: LineADI((2, 4, 4), field_axis=3), ValueError, "`field_axis`"),
        (lambda: LineADI((2, 4, 4), periodic=(True,)), ValueError, "one entry for each"),
        (lambda: LineADI((2, 2, 4)), ValueError, "at least 2 points"),
        (lambda: FourierDiffusion((2, 4, 4), diffusion=1.0).factor(data(np.eye(8)), 1.0), ValueError, "of the state"),
        (lambda: probed_entries(lambda v: v, np.ones((2, 2))), ValueError, "`colors`"),
        (lambda: stored_entries([0], [0, 1], jnp.ones(2)), ValueError, "one shape"),
    ],
)
def test_wrong_input_is_refused_with_the_rule_and_the_fix(call, error, message):
    with pytest.raises(error, match=message):
        call()
