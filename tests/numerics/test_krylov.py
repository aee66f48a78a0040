"""GMRES solves what a dense solve solves, in as few products as the theory says, and differentiates as a linear map."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from sciml_jax.numerics.krylov import gmres

from .krylov_problems import convection_diffusion, dense_solve, random_system, solve

TIGHT = {"rtol": 1e-11, "restart": 40}


@pytest.mark.parametrize("dtype", [float, complex])
def test_the_solution_is_that_of_a_dense_solve(dtype):
    matrix, rhs = random_system(dtype=dtype)
    x, info = solve(matrix, rhs, **TIGHT)
    np.testing.assert_allclose(x, jnp.linalg.solve(matrix, rhs), rtol=1e-9, atol=1e-10)
    assert bool(info.converged)
    assert x.dtype == rhs.dtype


def test_the_reported_residual_is_that_of_the_system_and_meets_the_tolerance():
    matrix, rhs = random_system()
    for options in ({"rtol": 1e-3}, {"rtol": 0.0, "atol": 1e-5}):
        x, info = solve(matrix, rhs, restart=40, **options)
        residual = np.linalg.norm(rhs - matrix @ x)
        assert residual <= max(options["rtol"] * np.linalg.norm(rhs), options.get("atol", 0.0))
        np.testing.assert_allclose(info.residual_norm, residual, rtol=1e-6)


def test_convection_diffusion_needs_all_dimensions_and_no_more():
    # The wall-to-wall problem has distinct eigenvalues far apart: the residual falls with the last dimensions only.
    matrix, rhs = convection_diffusion(), jnp.ones(40)
    x, info = solve(matrix, rhs, **TIGHT)
    assert 30 <= int(info.iterations) <= 41
    np.testing.assert_allclose(x, jnp.linalg.solve(matrix, rhs), rtol=1e-8)


def test_an_operator_with_three_eigenvalues_takes_three_iterations():
    matrix = jnp.diag(jnp.asarray([1.0, 2.0, 5.0] * 10))
    _, info = solve(matrix, random_system(30)[1], **TIGHT)
    assert int(info.iterations) == 3


def test_an_exact_preconditioner_takes_one_iteration_and_stops_there():
    matrix, rhs = random_system()
    inverse = jnp.linalg.inv(matrix)
    x, info = gmres(lambda v: matrix @ v, rhs, preconditioner=lambda v: inverse @ v, rtol=1e-6)
    assert (int(info.iterations), int(info.products)) == (1, 1)
    np.testing.assert_allclose(matrix @ x, rhs, rtol=1e-9, atol=1e-9)


def test_restarted_iterations_converge_and_count_what_they_do():
    matrix, rhs = random_system()
    x, info = solve(matrix, rhs, rtol=1e-6, restart=4)
    assert bool(info.converged)
    assert np.linalg.norm(rhs - matrix @ x) <= 1.0001e-6 * np.linalg.norm(rhs)
    cycles = -(-int(info.iterations) // 4)
    assert int(info.products) == int(info.iterations) + cycles - 1


def test_a_good_first_iterate_saves_iterations_and_changes_no_solution():
    matrix, rhs = random_system()
    exact = jnp.linalg.solve(matrix, rhs)
    x, info = solve(matrix, rhs, x0=exact + 1e-7, rtol=1e-9)
    assert int(info.iterations) < int(solve(matrix, rhs, rtol=1e-9)[1].iterations) // 2
    np.testing.assert_allclose(x, exact, rtol=1e-7, atol=1e-8)
    assert int(solve(matrix, rhs, x0=exact, rtol=1e-9)[1].iterations) == 0


def test_with_weights_the_norm_is_the_weighted_root_mean_square():
    matrix, rhs = random_system()
    weights = jnp.logspace(-3.0, 3.0, 40)
    x, info = solve(matrix, rhs, weights=weights, rtol=0.0, atol=1e-3, restart=40)
    residual = np.sqrt(np.mean((weights * (rhs - matrix @ x)) ** 2))
    assert residual <= 1.001e-3
    np.testing.assert_allclose(info.residual_norm, residual, rtol=1e-6)
    # The iterate minimises this norm: the Euclidean minimiser of as many dimensions is worse in it.
    count = int(info.iterations)
    plain, _ = dense_solve(matrix, rhs, rtol=1e-14, restart=count, max_iterations=count)
    assert np.sqrt(np.mean((weights * (rhs - matrix @ plain)) ** 2)) > 1.1 * residual


@pytest.mark.parametrize(
    ("matrix", "rhs"),
    [
        (jnp.eye(5), jnp.zeros(5)),  # nothing to do
        (jnp.diag(jnp.arange(5.0)), jnp.array([0.0, 1.0, 2.0, 3.0, 4.0])),  # singular, with a solution
        (2.0 * jnp.eye(5), jnp.arange(5.0)),  # the Krylov space ends after one step
    ],
    ids=["zero", "consistent", "lucky"],
)
def test_breakdowns_with_a_solution_find_it(matrix, rhs):
    x, info = solve(matrix, rhs, rtol=1e-10)
    assert bool(info.converged)
    np.testing.assert_allclose(matrix @ x, rhs, atol=1e-9)


@pytest.mark.parametrize(
    ("matrix", "rhs"),
    [
        (jnp.zeros((5, 5)), jnp.ones(5)),
        (jnp.diag(jnp.arange(5.0)), jnp.ones(5)),
        (jnp.eye(5, k=1), jnp.ones(5)),
        (jnp.full((5, 5), jnp.nan), jnp.ones(5)),
        (jnp.eye(5).at[2, 2].set(jnp.inf), jnp.ones(5)),
    ],
    ids=["nothing", "inconsistent", "nilpotent", "nan", "infinite"],
)
def test_systems_without_a_solution_are_flagged_and_leave_finite_numbers(matrix, rhs):
    x, info = solve(matrix, rhs, rtol=1e-10)
    assert not bool(info.converged)
    assert np.all(np.isfinite(x))
    assert int(info.iterations) <= 200


def test_stagnation_ends_the_iteration():
    shift = jnp.roll(jnp.eye(12), 1, axis=0)
    x, info = solve(shift, jnp.eye(12)[0], rtol=1e-10, restart=5)
    assert not bool(info.converged)
    assert (int(info.iterations), float(info.residual_norm)) == (5, 1.0)
    assert bool(solve(shift, jnp.eye(12)[0], rtol=1e-10, restart=12)[1].converged)


def test_the_limit_of_iterations_is_kept():
    matrix, rhs = convection_diffusion(), jnp.ones(40)
    _, info = solve(matrix, rhs, rtol=1e-10, restart=4, max_iterations=10)
    assert int(info.iterations) == 10
    assert not bool(info.converged)


def test_single_precision_stays_single():
    matrix, rhs = (x.astype(jnp.float32) for x in random_system())
    x, info = solve(matrix, rhs, rtol=1e-5)
    assert x.dtype == info.residual_norm.dtype == jnp.float32
    assert bool(info.converged)


def loss(matrix, rhs):
    x, _ = dense_solve(matrix, rhs, preconditioner=lambda v: v / jnp.diag(matrix), **TIGHT)
    return jnp.sum(jnp.sin(jnp.abs(x)))


def dense_loss(matrix, rhs):
    return jnp.sum(jnp.sin(jnp.abs(jnp.linalg.solve(matrix, rhs))))


@pytest.mark.parametrize("dtype", [float, complex])
def test_gradients_are_those_of_the_linear_system_for_what_the_operator_closes_over(dtype):
    matrix, rhs = random_system(dtype=dtype)
    got = jax.jit(jax.grad(loss, (0, 1)))(matrix, rhs)
    for a, b in zip(got, jax.grad(dense_loss, (0, 1))(matrix, rhs), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)


def test_hessians_agree_with_the_dense_solve():
    matrix, rhs = random_system(20)
    along = lambda f, p: f(matrix + p[0] * jnp.outer(rhs, rhs) / 20, rhs * jnp.sin(p[1]))
    p = jnp.array([0.3, 1.1])
    got = jax.jit(jax.hessian(functools.partial(along, loss)))(p)
    np.testing.assert_allclose(got, jax.hessian(functools.partial(along, dense_loss))(p), rtol=1e-7, atol=1e-8)


def test_small_tangents_are_solved_to_a_relative_tolerance():
    matrix, rhs = random_system()
    value = lambda rhs: dense_solve(matrix, rhs, rtol=0.0, atol=1e-9)[0]
    _, got = jax.jvp(value, (rhs,), (1e-12 * rhs,))
    np.testing.assert_allclose(got, 1e-12 * jnp.linalg.solve(matrix, rhs), rtol=1e-6, atol=1e-19)


def test_an_operator_that_cannot_be_transposed_still_solves_and_has_forward_derivatives():
    matrix, rhs = random_system()

    def product(v):
        return lax.while_loop(lambda c: c[0] < 1, lambda c: (c[0] + 1, matrix @ c[1]), (0, v))[1]

    x, got = jax.jvp(lambda b: gmres(product, b, **TIGHT)[0], (rhs,), (2.0 * rhs,))
    np.testing.assert_allclose(got, 2.0 * x, rtol=1e-8, atol=1e-10)


def test_a_batch_solves_each_lane_with_its_own_count():
    systems = [random_system(seed=seed) for seed in range(3)]
    matrices = jnp.stack([m for m, _ in systems] + [2.0 * jnp.eye(40)])
    sides = jnp.stack([b for _, b in systems] + [jnp.ones(40)])
    xs, info = jax.jit(jax.vmap(functools.partial(dense_solve, rtol=1e-6, restart=8)))(matrices, sides)
    for lane in range(4):
        x, alone = solve(matrices[lane], sides[lane], rtol=1e-6, restart=8)
        np.testing.assert_allclose(xs[lane], x, rtol=1e-9, atol=1e-12)
        assert int(info.iterations[lane]) == int(alone.iterations)
        assert int(info.products[lane]) == int(alone.products)
    assert int(info.iterations[3]) == 1


def test_batches_of_gradients_over_shared_and_own_operands():
    matrix, rhs = random_system()
    sides = jnp.stack([rhs, 2.0 * rhs, jnp.cos(rhs)])
    got = jax.jit(jax.vmap(jax.grad(loss, (0, 1)), (None, 0)))(matrix, sides)
    want = jax.vmap(jax.grad(dense_loss, (0, 1)), (None, 0))(matrix, sides)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("check_vma", [True, False])
def test_inside_shard_map_a_shared_matrix_meets_sharded_sides(check_vma):
    matrix, rhs = random_system(20)
    sides = jnp.stack([rhs, 2.0 * rhs])
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))

    def local(matrix, sides):
        # A shared right-hand side with a sharded operator is the harder way round.
        scale = sides[0, 0]
        gradient = jax.grad(lambda s: jnp.sum(gmres(lambda v: matrix @ v * s, rhs, **TIGHT)[0] ** 2))(scale)
        return jax.vmap(lambda b: dense_solve(matrix, b, **TIGHT)[0])(sides), gradient[None]

    run = jax.shard_map(
        local, mesh=mesh, in_specs=(P(), P("lanes")), out_specs=(P("lanes"), P("lanes")), check_vma=check_vma
    )
    got, gradients = jax.jit(run)(matrix, sides)
    np.testing.assert_allclose(got, jnp.linalg.solve(matrix, sides.T).T, rtol=1e-8, atol=1e-10)
    for gradient, scale in zip(gradients, sides[:, 0], strict=True):
        want = jax.grad(lambda s: jnp.sum(jnp.linalg.solve(matrix * s, rhs) ** 2))(scale)
        np.testing.assert_allclose(gradient, want, rtol=1e-7, atol=1e-9)


def test_a_solve_inside_a_loop_is_the_solve_outside():
    matrix, rhs = random_system()
    twice = jax.jit(lambda b: lax.fori_loop(0, 2, lambda i, b: dense_solve(matrix, b, **TIGHT)[0], b))
    np.testing.assert_allclose(twice(rhs), jnp.linalg.solve(matrix @ matrix, rhs), rtol=1e-8, atol=1e-9)


def test_nothing_is_computed_beyond_convergence():
    matrix, rhs = random_system()
    calls = []

    def product(v):
        jax.debug.callback(lambda: calls.append(1))
        return matrix @ v

    _, info = jax.jit(lambda b: gmres(product, b, rtol=1e-4))(rhs)
    jax.effects_barrier()
    assert len(calls) == int(info.products) == int(info.iterations)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rhs": jnp.ones((2, 2))}, ValueError, "must be a vector"),
        ({"rhs": jnp.arange(3)}, TypeError, "float or complex"),
        ({"matvec": jnp.eye(3)}, TypeError, "must be a function"),
        ({"matvec": lambda v: v[:2]}, ValueError, r"shape \(3,\)"),
        ({"matvec": lambda v: v * 1j}, TypeError, "Convert `rhs` to complex128"),
        ({"preconditioner": lambda v: v[:2]}, ValueError, "`preconditioner"),
        ({"x0": jnp.ones(2)}, ValueError, "`x0` must have the shape"),
        ({"x0": 1j * jnp.ones(3)}, TypeError, "must fit into the dtype"),
        ({"weights": jnp.ones(2)}, ValueError, "`weights` must be real"),
        ({"restart": 0}, ValueError, "`restart` must be a positive integer"),
        ({"max_iterations": 2.5}, ValueError, "`max_iterations` must be a positive integer"),
        ({"rtol": -1.0}, ValueError, "`rtol` must be finite and not negative"),
        ({"rtol": 0.0, "atol": 0.0}, ValueError, "must not both be zero"),
    ],
)
def test_wrong_input_is_refused_with_the_rule_and_the_fix(change, error, message):
    options = {"matvec": lambda v: 2.0 * v, "rhs": jnp.ones(3)} | change
    with pytest.raises(error, match=message):
        gmres(options.pop("matvec"), options.pop("rhs"), **options)
