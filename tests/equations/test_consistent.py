"""Algebraic equations inside `M y' = f` at the start: checked by a solve, solved by `find_consistent`, explained."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.consistency import find_consistent
from sciml_jax.equations.dae import DAEProblem
from sciml_jax.equations.methods.rodas4 import Rodas4
from sciml_jax.numerics.row_reduction import row_reduce
from sciml_jax.zoo.linear_dae import linear_dae

MASS = np.diag([1.0, 1.0, 0.0])
RATES = np.array([0.04, 3e7, 1e4])


def robertson(t, y, k):
    r1, r2, r3 = k[0] * y[0], k[1] * y[1] ** 2, k[2] * y[1] * y[2]
    return jnp.stack([r3 - r1, r1 - r3 - r2, y.sum() - 1.0])


def problem(y0, mass=MASS, t1=10.0):
    return sj.ODEProblem(robertson, jnp.asarray(y0), 0.0, t1, RATES, mass_matrix=mass)


OPTIONS = {"rtol": 1e-6, "atol": 1e-10}


def test_row_reduction_finds_rank_null_space_and_solutions():
    rng = np.random.default_rng(0)
    scales = np.diag([1e-9, 1.0, 1e6, 1.0, 1e3])
    matrix = scales @ rng.normal(size=(5, 3)) @ rng.normal(size=(3, 5))
    found = row_reduce(jnp.asarray(matrix))
    reduced = np.asarray(found.transform) @ matrix
    assert np.sum(found.is_dependent) == 2
    assert np.max(np.abs(reduced[np.asarray(found.is_dependent)])) < 1e-12
    x = rng.normal(size=5)
    np.testing.assert_allclose(matrix @ found.solve(matrix @ x), matrix @ x, rtol=1e-10)
    regular = rng.normal(size=(5, 5))
    np.testing.assert_allclose(row_reduce(jnp.asarray(regular)).solve(regular @ x), x, rtol=1e-10)


def test_an_inconsistent_start_is_refused_with_its_equation_its_size_and_the_remedy():
    message = (
        r"INCONSISTENT.*`sj.find_consistent\(problem\)`.*equation 2 is 0.001 instead of 0.*change y\[2\] by -0.001"
    )
    with pytest.raises(sj.SolveError, match=message) as caught:
        sj.solve(problem([1.0, 0.0, 1e-3]), Rodas4(), **OPTIONS)
    assert caught.value.solution.stats.num_steps == 0
    assert np.all(np.isnan(caught.value.solution.y1))


def test_a_start_is_judged_in_units_of_the_tolerance_wherever_it_is_traced():
    """Ten tolerances of the algebraic variable: 10 (1e-10 + 1e-6 y)."""
    status = jax.jit(jax.vmap(lambda z: sj.solve(problem(jnp.array([0.5, 0.0, z])), Rodas4(), **OPTIONS).status))
    good, bad = sj.Status.SUCCESS, sj.Status.INCONSISTENT
    offsets = jnp.array([0.0, 3e-6, -3e-6, 8e-6, 1e-2])
    np.testing.assert_array_equal(status(0.5 + offsets), [good, good, good, bad, bad])


def test_a_traced_mass_matrix_is_treated_like_a_known_one():
    solve = lambda mass, y0: sj.solve(problem(y0, mass), Rodas4(), on_failure="status", **OPTIONS)
    start = jnp.array([1.0, 0.0, 0.0])
    known, traced = solve(MASS, start), jax.jit(solve)(MASS, start)
    np.testing.assert_allclose(traced.y1, known.y1, rtol=1e-10)
    assert traced.stats.num_steps == known.stats.num_steps
    assert jax.jit(solve)(MASS, start + 1e-3).status == sj.Status.INCONSISTENT


def test_find_consistent_keeps_the_differential_variables_and_solves_for_the_others():
    found = find_consistent(problem([0.7, 1e-5, 0.0]))
    np.testing.assert_allclose(found.y0, [0.7, 1e-5, 0.3 - 1e-5], rtol=0, atol=1e-15)
    assert sj.solve(found, Rodas4(), **OPTIONS).status == sj.Status.SUCCESS


def test_find_consistent_works_on_mass_matrices_without_a_row_of_zeros():
    """The circuit's capacitor keeps its voltage; u = v1 + R1 v2 / R2 is what remains."""
    circuit = linear_dae(5.0).problem
    moved = eqx.tree_at(lambda p: (p.y0, p.t0), circuit, (jnp.array([0.4, 0.1]), 0.3))
    with pytest.raises(sj.SolveError, match=r"the combination of equations 0, 1 that is free of derivatives is"):
        sj.solve(moved, Rodas4())
    v1, v2 = find_consistent(moved).y0
    np.testing.assert_allclose(v1 - v2, 0.3, rtol=1e-14)
    np.testing.assert_allclose(v1 + 0.2 * v2 / 0.3, np.sin(0.9), rtol=1e-14)


def test_find_consistent_is_differentiable_under_jit_and_vmap():
    """z^3 + z = a y: dz/da = y / (3 z^2 + 1), and d2z/da2 = -6 z (dz/da)^2 / (3 z^2 + 1)."""

    def algebraic(t, y, z, a):
        return z**3 + z - a * y

    def z0(a):
        return find_consistent(DAEProblem(lambda t, y, z, a: -y, algebraic, 2.0, 5.0, 0.0, 1.0, a)).y0[1]

    def by_mass(a):
        field = lambda t, y, a: jnp.stack([-y[0], algebraic(t, y[0], y[1], a)])
        start = jnp.array([2.0, 5.0])
        return find_consistent(sj.ODEProblem(field, start, 0.0, 1.0, a, mass_matrix=np.array([1.0, 0.0]))).y0[1]

    a = jnp.array([0.5, 1.0, 5.0])
    for function in (z0, by_mass):
        z = jax.jit(jax.vmap(function))(a)
        np.testing.assert_allclose(z**3 + z, 2 * a, rtol=1e-14)
        first = jax.jit(jax.vmap(jax.grad(function)))(a)
        np.testing.assert_allclose(first, 2 / (3 * z**2 + 1), rtol=1e-12)
        second = jax.jit(jax.vmap(jax.jacfwd(jax.grad(function))))(a)
        np.testing.assert_allclose(second, -6 * z * first**2 / (3 * z**2 + 1), rtol=1e-11)


def test_find_consistent_leaves_problems_without_algebraic_equations_alone():
    plain = sj.ODEProblem(lambda t, y, args: -y, 1.0, 0.0, 1.0)
    assert find_consistent(plain) is plain
    massive = problem([1.0, 0.0, 0.0], np.eye(3))
    assert find_consistent(massive) is massive
    with pytest.raises(TypeError, match="`problem` must be"):
        find_consistent(lambda t, y: y)


def test_find_consistent_says_when_there_is_nothing_to_find():
    impossible = DAEProblem(lambda t, y, z, k: -y, lambda t, y, z, k: z**2 + y, 1.0, 0.5, 0.0, 1.0)
    with pytest.raises(sj.SolveError, match=r"INCONSISTENT.*instead of 0") as caught:
        find_consistent(impossible)
    assert caught.value.status == sj.Status.INCONSISTENT


STRUCTURES = {
    "an unknown in no equation": (
        lambda t, y, args: jnp.stack([-y[0], y[0] - 1.0, y[1] + y[0]]),
        r"the unknown y\[2\] appears in no equation",
    ),
    "an empty equation": (
        lambda t, y, args: jnp.stack([-y[0], 0.0 * y[1], y[1] + y[2]]),
        "equation 1 contains no unknown",
    ),
    "an index of two": (
        lambda t, y, args: jnp.stack([-y[2], y[0] - jnp.cos(t), y[1] - y[0]]),
        "equation 1 is algebraic and contains no algebraic variable, so the index is above one",
    ),
    "dependent equations": (
        lambda t, y, args: jnp.stack([-y[0], y[1] + y[2], 2 * (y[1] + y[2]) * y[0]]),
        "do not determine the algebraic variables: their Jacobian .* is singular",
    ),
}


@pytest.mark.parametrize("name", STRUCTURES)
def test_a_structurally_singular_system_names_the_equation(name):
    field, message = STRUCTURES[name]
    singular = sj.ODEProblem(field, jnp.array([1.0, 1.0, -1.0]), 0.0, 1.0, mass_matrix=np.array([1.0, 0.0, 0.0]))
    with pytest.raises(sj.SolveError, match=f"SINGULAR.*{message}") as caught:
        sj.solve(singular, Rodas4())
    assert caught.value.status == sj.Status.SINGULAR
    assert caught.value.solution.stats.num_steps == 0


def heat(t, y, args):
    """Diffusion between two ends that are held at values which move: rows of zeros for these."""
    inner = 900.0 * (y[:-2] - 2 * y[1:-1] + y[2:])
    return jnp.concatenate([(y[0] - jnp.sin(t))[None], inner, (y[-1] - args)[None]])


@pytest.mark.parametrize("is_sparse", [True, False], ids=["sparse", "dense"])
def test_many_unknowns_are_checked_by_their_rows_of_zeros(is_sparse):
    size = 120
    index = np.arange(size)
    pattern = (np.abs(index[:, None] - index[None, :]) <= 1) if is_sparse else None
    mass = np.ones(size)
    mass[[0, -1]] = 0.0
    profile = np.linspace(0.0, 1.0, size)
    make = lambda y0: sj.ODEProblem(heat, jnp.asarray(y0), 0.0, 0.1, 1.0, mass_matrix=mass, sparsity=pattern)
    sol = sj.solve(make(profile), Rodas4())
    np.testing.assert_allclose(sol.y1[jnp.array([0, -1])], [np.sin(0.1), 1.0], rtol=1e-6)
    wrong = profile + (index == 0) * 1e-3
    assert sj.solve(make(wrong), Rodas4(), on_failure="status").status == sj.Status.INCONSISTENT
    np.testing.assert_allclose(find_consistent(make(wrong)).y0, profile, rtol=0, atol=1e-14)


@pytest.mark.parametrize("is_sparse", [True, False], ids=["sparse", "dense"])
def test_an_index_above_one_is_seen_among_many_unknowns(is_sparse):
    """The last unknown is a source that must hold the first one at its value: equation 119 does not contain it."""
    size = 120
    held = lambda t, y, args: jnp.concatenate([(y[-1] - y[0])[None], y[:-2] - y[1:-1], (y[0] - 1.0)[None]])
    index = np.arange(size)
    pattern = (index[:, None] - index[None, :] == 1) | np.eye(size, dtype=bool)
    pattern[0, -1] = pattern[-1, 0] = True
    mass = (index < size - 1).astype(float)
    problem = sj.ODEProblem(held, jnp.ones(size), 0.0, 1.0, mass_matrix=mass, sparsity=pattern if is_sparse else None)
    with pytest.raises(sj.SolveError, match="SINGULAR.*equation 119 is algebraic and contains no algebraic variable"):
        sj.solve(problem, Rodas4())


def test_rounding_in_the_vector_field_is_no_inconsistency():
    """Terms of 1e9 that cancel leave 1e-7, which a tolerance of 1e-12 alone would refuse."""

    def field(t, y, args):
        return jnp.stack([-y[0], 1e9 * (y[0] + args) - 1e9 * args - 1e9 * y[1]])

    cancelling = sj.ODEProblem(field, jnp.array([0.1, 0.1]), 0.0, 1.0, 0.7, mass_matrix=np.array([1.0, 0.0]))
    assert field(0.0, cancelling.y0, 0.7)[1] != 0
    assert sj.solve(cancelling, Rodas4(), rtol=1e-12, atol=1e-15).stats.num_accepted > 5
