"""Banded, block-tridiagonal and reordered sparse solves agree with LAPACK, in values and derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from jax.sharding import PartitionSpec

from sciml_jax.numerics.banded_lu import BandedMatrix, banded_lu_factor, banded_lu_solve
from sciml_jax.numerics.block_tridiagonal import BlockTridiagonal, block_tridiagonal_factor, block_tridiagonal_solve
from sciml_jax.numerics.dense_lu import LAPACK_SIZE
from sciml_jax.numerics.reordering import narrowest_order, reverse_cuthill_mckee
from sciml_jax.numerics.sparse_direct import BandedStructure, BlockStructure, DenseStructure, direct_structure
from sciml_jax.numerics.sparse_matrix import sparse_to_dense
from sciml_jax.numerics.sparsity import SparsityPattern

from .sparse_patterns import brusselator_pattern, laplacian, tridiagonal


@jax.jit
def banded_solution(matrix, rhs):
    return banded_lu_solve(banded_lu_factor(matrix), rhs)


@jax.jit
def block_solution(matrix, rhs):
    return block_tridiagonal_solve(block_tridiagonal_factor(matrix), rhs)


def residual_bound(dense, x):
    return 100 * len(x) * np.finfo(x.dtype).eps * np.abs(dense).sum(axis=1).max() * np.abs(x).max()


def band(size, lower, upper, seed=0, dtype=float):
    generator = np.random.default_rng(seed)
    dense = np.triu(np.tril(generator.normal(size=(size, size)), upper), -lower).astype(dtype)
    if dtype is complex:
        dense = dense * np.exp(1j * generator.normal(size=(size, size)))
    return dense, generator.normal(size=size).astype(dtype)


@pytest.mark.parametrize(
    ("size", "lower", "upper", "dtype"),
    [(1, 0, 0, float), (7, 0, 2, float), (7, 2, 0, float), (4, 5, 6, float), (30, 2, 4, complex)],
)
def test_a_banded_system_is_solved_to_rounding(size, lower, upper, dtype):
    dense, rhs = band(size, lower, upper, dtype=dtype)
    matrix = BandedMatrix.from_dense(jnp.asarray(dense), lower, upper)
    x = banded_solution(matrix, jnp.asarray(rhs))
    assert np.abs(dense @ x - rhs).max() <= residual_bound(dense, x)
    np.testing.assert_array_equal(matrix.to_dense(), dense)
    np.testing.assert_allclose(matrix @ jnp.asarray(rhs), dense @ rhs, rtol=0, atol=1e-13)


def test_the_factors_of_a_band_are_those_of_lapack():
    size, lower, upper = 12, 2, 1
    dense, _ = band(size, lower, upper)
    bands = np.zeros((lower + upper + 1, size))
    for i, j in zip(*np.nonzero(dense), strict=True):
        bands[upper + i - j, j] = dense[i, j]
    matrix = BandedMatrix.from_lapack(jnp.asarray(bands), lower, upper)
    np.testing.assert_array_equal(matrix.to_dense(), dense)
    lu, pivots, _ = scipy.linalg.lapack.dgbtrf(np.vstack([np.zeros((lower, size)), bands]), lower, upper)
    factors = jax.jit(banded_lu_factor)(matrix)
    np.testing.assert_array_equal(np.arange(size) + factors.pivots, pivots)
    np.testing.assert_allclose(factors.upper[:, 0], lu[lower + upper], rtol=1e-12)


def test_rows_of_a_band_are_exchanged_where_a_pivot_vanishes():
    dense = np.array([[1e-20, 2.0, 0.0], [1.0, 1.0, 4.0], [0.0, 3.0, 1.0]])
    x = banded_solution(BandedMatrix.from_dense(jnp.asarray(dense), 1, 1), jnp.asarray(dense @ [1.0, 2.0, 3.0]))
    np.testing.assert_allclose(x, [1, 2, 3], rtol=1e-14)


@pytest.mark.parametrize(("number", "size"), [(1, 3), (5, 1), (4, 5), (3, LAPACK_SIZE)])
def test_a_block_tridiagonal_system_is_solved_to_rounding(number, size):
    generator = np.random.default_rng(2)
    matrix = BlockTridiagonal(*(jnp.asarray(generator.normal(size=(number, size, size))) for _ in range(3)))
    matrix = matrix._replace(diagonal=matrix.diagonal + 2 * size * jnp.eye(size)[::-1])
    rhs = jnp.asarray(generator.normal(size=number * size))
    dense = np.asarray(matrix.to_dense())
    x = block_solution(matrix, rhs)
    assert np.abs(dense @ x - rhs).max() <= residual_bound(dense, x)
    np.testing.assert_allclose(matrix @ rhs, dense @ rhs, rtol=0, atol=1e-11)


def test_a_singular_matrix_gives_no_finite_solution():
    ones = BandedMatrix.from_dense(jnp.ones((2, 2)), 1, 1)
    assert not np.all(np.isfinite(banded_solution(ones, jnp.array([1.0, 2.0]))))
    blocks = BlockTridiagonal(jnp.zeros((1, 2, 2)), jnp.ones((1, 2, 2)), jnp.zeros((1, 2, 2)))
    assert not np.all(np.isfinite(block_solution(blocks, jnp.array([1.0, 2.0]))))


def test_a_band_of_the_wrong_width_is_refused():
    with pytest.raises(ValueError, match=r"shape \(n, lower \+ upper \+ 1\)"):
        BandedMatrix(jnp.ones((4, 4)), 1, 1)


@pytest.mark.parametrize("pattern", [laplacian(9, periodic=True), brusselator_pattern(6), tridiagonal(40)])
def test_reordering_finds_a_narrow_band_in_a_shuffled_matrix(pattern):
    shuffle = np.random.default_rng(3).permutation(pattern.shape[0])
    shuffled = pattern.permuted(shuffle)
    order = reverse_cuthill_mckee(shuffled)
    assert sorted(order.tolist()) == list(range(pattern.shape[0]))
    widest = 1 if pattern.nnz < 3 * 40 else 4 * int(np.sqrt(pattern.shape[0])) + 2
    assert max(shuffled.permuted(order).bandwidths) <= widest
    np.testing.assert_array_equal(narrowest_order(tridiagonal(6)), np.arange(6))


def test_reordering_covers_every_component_of_the_graph():
    pattern = SparsityPattern([0, 3, 5], [3, 0, 1], (6, 6))
    order = reverse_cuthill_mckee(pattern)
    assert sorted(order.tolist()) == list(range(6))
    assert max(pattern.permuted(order).bandwidths) == 1


def system(pattern, seed=0):
    pattern = pattern.with_diagonal()
    generator = np.random.default_rng(seed)
    values = generator.normal(size=pattern.nnz)
    values[pattern.diagonal] += 6
    return pattern, jnp.asarray(values), jnp.asarray(generator.normal(size=pattern.shape[0]))


PATTERN, VALUES, RHS = system(laplacian(4, periodic=True))
STRUCTURES = [DenseStructure(PATTERN)] + [
    kind(PATTERN, narrowest_order(PATTERN)) for kind in (BandedStructure, BlockStructure)
]


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)
def test_every_structure_solves_with_exact_derivatives_of_first_and_second_order(structure):
    loss = lambda values, rhs: jnp.sum(jnp.sin(structure.solver(values)(rhs)))
    dense = lambda values, rhs: jnp.sum(jnp.sin(jnp.linalg.solve(sparse_to_dense(values, PATTERN), rhs)))
    along = (jnp.cos(VALUES), jnp.sin(RHS))
    second = lambda f: jax.jvp(jax.grad(f), (VALUES, RHS), along)[1]
    ways = lambda f: (f(VALUES, RHS), *jax.grad(f, (0, 1))(VALUES, RHS), second(f))
    for got, want in zip(jax.jit(lambda: ways(loss))(), jax.jit(lambda: ways(dense))(), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("structure", STRUCTURES, ids=lambda structure: structure.name)
def test_batches_of_gradients_run_inside_shard_map_with_the_default_check(structure):
    gradient = jax.vmap(jax.grad(lambda values: jnp.sum(structure.solver(values)(RHS) ** 2)))
    spec = PartitionSpec("batch")
    mesh = jax.make_mesh((2,), ("batch",), axis_types=(jax.sharding.AxisType.Auto,))
    sharded = jax.shard_map(gradient, mesh=mesh, in_specs=spec, out_specs=spec)
    batch = jnp.stack([VALUES, VALUES * 1.1])
    dense = jax.grad(lambda v: jnp.sum(jnp.linalg.solve(sparse_to_dense(v, PATTERN), RHS) ** 2))
    np.testing.assert_allclose(jax.jit(sharded)(batch)[1], dense(batch[1]), rtol=1e-10, atol=1e-13)


def test_factors_are_a_pytree_that_can_be_kept():
    structure = STRUCTURES[1]
    factors = jax.jit(structure.factor)(VALUES)
    kept = jax.tree_util.tree_map(lambda leaf: leaf, factors)
    x = jax.jit(lambda factors, rhs: structure.solve(factors, rhs))(kept, RHS)
    np.testing.assert_allclose(sparse_to_dense(VALUES, PATTERN) @ x, RHS, atol=1e-13)
    assert x.dtype == jnp.float64
    single = structure.solve(structure.factor(VALUES.astype(jnp.float32)), RHS.astype(jnp.float32))
    assert single.dtype == jnp.float32


def test_the_cheapest_structure_follows_the_bandwidth():
    assert isinstance(direct_structure(system(tridiagonal(100))[0]), BandedStructure)
    assert isinstance(direct_structure(SparsityPattern(*np.nonzero(np.ones((20, 20))), (20, 20))), DenseStructure)
    wide = brusselator_pattern(24)
    structure = direct_structure(wide)
    assert isinstance(structure, BlockStructure)
    assert structure.block * structure.num_blocks >= wide.shape[0]
    assert 90 <= structure.block <= 96
    assert structure.flops == pytest.approx(14 / 3 * structure.num_blocks * structure.block**3)
    assert not isinstance(direct_structure(wide, exchange_all_rows=True), BlockStructure)


def test_blocks_are_no_larger_than_coupled_neighbours_need():
    # Four species that react with each other and move between neighbouring cells: bandwidth 7, blocks of 4.
    cells = np.arange(20)
    near = np.abs(cells[:, None] - cells) <= 1
    pattern = SparsityPattern(*np.nonzero(np.kron(near, np.ones((4, 4)))), (80, 80))
    assert BlockStructure(pattern).block == 4
    assert BandedStructure(pattern).bandwidths == (7, 7)


def test_structures_are_constants_equal_by_content():
    one, other = BandedStructure(tridiagonal(5)), BandedStructure(tridiagonal(5))
    assert one == other
    assert hash(one) == hash(other)
    assert one != BlockStructure(tridiagonal(5))
    assert one != BandedStructure(tridiagonal(5), np.arange(5)[::-1])
    assert jax.tree_util.tree_leaves(one) == []


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: DenseStructure(SparsityPattern([0], [0], (2, 3))), "square pattern"),
        (lambda: reverse_cuthill_mckee(SparsityPattern([0], [0], (2, 3))), "square pattern"),
        (lambda: BandedStructure(tridiagonal(3), [0, 0, 1]), "permutation of 0 to 2"),
    ],
)
def test_structures_that_make_no_sense_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
