"""`KenCarp4`: its tableau, its error on stiff, differential-algebraic and split problems, and its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import observed_order

import sciml_jax as sj
from sciml_jax import zoo
from sciml_jax.equations.methods.kencarp4 import CAUTION, KenCarp4

TABLE = KenCarp4.tableau
C = np.array(TABLE.c)
RATES = jnp.array([0.04, 3e7, 1e4])

# The paper's weights of f at the stages: of the embedded method, and of s, s^2 and s^3 in the dense output.
EMBEDDED = (
    4586570599 / 29645900160,
    0,
    178811875 / 945068544,
    814220225 / 1159782912,
    -3700637 / 11593932,
    61727 / 225920,
)
DENSE = (
    (6943876665148 / 7220017795957, -54480133 / 30881146, 6818779379841 / 7100303317025),
    (0.0, 0.0, 0.0),
    (7640104374378 / 9702883013639, -11436875 / 14766696, 2173542590792 / 12501825683035),
    (-20649996744609 / 7521556579894, 174696575 / 18121608, -31592104683404 / 5083833661969),
    (8854892464581 / 2390941311638, -12120380 / 966161, 61146701046299 / 7138195549469),
    (-11397109935349 / 6675773540249, 3843 / 706, -17219254887155 / 4939391667607),
)


def matrices():
    implicit, explicit = np.zeros((6, 6)), np.zeros((6, 6))
    for i, (a, e) in enumerate(zip(TABLE.a, TABLE.explicit or (), strict=True)):
        implicit[i, :i], explicit[i, :i] = a, e
        implicit[i, i] = TABLE.gamma if i else 0.0
    return implicit, explicit


def test_the_tableaus_fulfil_the_conditions_of_order_four_together():
    both = matrices()
    b = both[0][-1]
    np.testing.assert_allclose([b.sum(), b @ C, b @ C**2, b @ C**3], [1, 1 / 2, 1 / 3, 1 / 4], atol=1e-14)
    for a in both:
        np.testing.assert_allclose(a.sum(1), C, atol=1e-14)
        np.testing.assert_allclose([b @ a @ C, b @ (C * (a @ C)), b @ a @ C**2], [1 / 6, 1 / 8, 1 / 12], atol=1e-14)
        for other in both:
            np.testing.assert_allclose(b @ a @ other @ C, 1 / 24, atol=1e-14)


def test_the_error_estimate_and_the_dense_output_are_the_papers():
    """They are given as weights of the stages, which are combinations of f."""
    a = matrices()[0]
    b, dense = a[-1], np.array(DENSE)
    np.testing.assert_allclose(np.array(TABLE.error) / CAUTION @ a[1:], b - EMBEDDED, atol=1e-14)
    for s in (0.2, 0.5, 0.9):
        bend = np.array(TABLE.dense[0]) + s * np.array(TABLE.dense[1])
        np.testing.assert_allclose(s * b + s * (1 - s) * bend @ a[1:], dense @ [s, s**2, s**3], atol=1e-13)


def scaled_error(entry, rtol, method=KenCarp4()):
    """The largest |error| / (atol + rtol |ref|)."""
    problem = entry.problem
    sol = sj.solve(problem, method, rtol=rtol, atol=1e-4 * rtol, max_steps=2**13)
    expected = np.asarray(entry.references[problem.t1])
    return np.max(np.abs(sol.y1 - expected) / (1e-4 * rtol + rtol * np.abs(expected))), sol.stats


@pytest.mark.parametrize("rtol", [1e-4, 1e-6])
@pytest.mark.parametrize(
    "constructor",
    [lambda: zoo.robertson(40.0), zoo.oregonator, pytest.param(zoo.hires, marks=pytest.mark.full)],
    ids=["robertson", "oregonator", "hires"],
)
def test_the_error_stays_within_ten_tolerances_and_jacobians_are_kept(constructor, rtol):
    scaled, stats = scaled_error(constructor(), rtol)
    assert scaled < 10, scaled
    assert int(stats.num_jacobian) < int(stats.num_factorisation) < int(stats.num_steps)


@pytest.mark.parametrize(
    "constructor", [zoo.linear_dae, pytest.param(zoo.akzo_nobel, marks=pytest.mark.full)], ids=["linear", "akzo_nobel"]
)
def test_differential_algebraic_equations_are_solved_to_ten_tolerances(constructor):
    entry = constructor()
    sol = sj.solve(entry.problem, KenCarp4(), rtol=1e-5, atol=1e-9)
    t1 = entry.problem.t1
    expected = np.asarray(entry.references[t1] if entry.exact is None else entry.exact(t1, entry.problem.args))
    assert np.max(np.abs(sol.y1 - expected) / (1e-9 + 1e-5 * np.abs(expected))) < 10


def test_the_order_on_prothero_and_robinsons_problem_falls_to_two_with_a_tiny_constant():
    """The error is about `h^2 / |lambda|`, times some thousandths."""
    entry = zoo.prothero_robinson(-1e5, 1.0)
    exact = entry.exact(1.0, entry.problem.args)
    sizes = [1 / 32, 1 / 64, 1 / 128]
    solve = jax.jit(lambda dt: sj.solve(entry.problem, KenCarp4(), controller=sj.FixedStep(), dt0=dt, max_steps=128).y1)
    errors = [float(abs(solve(dt) - exact)[0]) for dt in sizes]
    assert 1.7 < observed_order(sizes, errors) < 2.3, errors
    assert errors[0] < 1e-10


NUM = 16
GRID = np.arange(NUM) / NUM
COUPLING = (np.roll(np.eye(NUM), 1, 0) + np.roll(np.eye(NUM), -1, 0) - 2 * np.eye(NUM)) * NUM**2


def transport(t, y, args):
    """Advection and a forcing that depends on time."""
    return -args[0] * (y - jnp.roll(y, 1)) * NUM + jnp.sin(3 * t) * jnp.cos(2 * np.pi * GRID)


def reaction(t, y, args):
    """Diffusion and a nonlinear reaction."""
    return args[1] * (COUPLING @ y) + 20 * y * (1 - y)


SPLIT = sj.Split(transport, reaction)
WAVE = jnp.asarray(0.5 + 0.3 * np.sin(2 * np.pi * GRID))
ARGS = jnp.array([0.7, 0.05])


@jax.jit
def solve_split(args, dt):
    problem = sj.ODEProblem(SPLIT, WAVE, 0.0, 0.5, args)
    saveat = sj.SaveAt(ts=jnp.linspace(0.0, 0.5, 12), t1=True)
    return sj.solve(problem, KenCarp4(), saveat=saveat, controller=sj.FixedStep(), dt0=dt, max_steps=160)


def test_a_split_problem_converges_with_order_four_at_the_steps_and_between():
    sizes = [0.5 / n for n in (10, 20, 40, 80)]
    values = [solve_split(ARGS, dt).ys for dt in sizes]
    exact = sj.solve(
        sj.ODEProblem(SPLIT, WAVE, 0.0, 0.5, ARGS),
        sj.Vern7(),
        rtol=1e-12,
        atol=1e-12,
        saveat=sj.SaveAt(ts=jnp.linspace(0.0, 0.5, 12), t1=True),
    ).ys
    for rows in (slice(-1, None), slice(None)):
        errors = [float(jnp.max(jnp.abs(ys - exact)[rows])) for ys in values]
        assert 3.6 < observed_order(sizes[1:], errors[1:]) < 4.6, errors


def test_the_split_and_the_sum_have_the_same_solution_and_the_same_derivative():
    def end(args, field):
        return sj.solve(sj.ODEProblem(field, WAVE, 0.0, 0.5, args), KenCarp4(), rtol=1e-6, atol=1e-8).y1[3]

    both = lambda t, y, args: transport(t, y, args) + reaction(t, y, args)
    whole = jax.jit(lambda args: end(args, both))
    value, gradient = jax.jit(jax.value_and_grad(lambda args: end(args, SPLIT)))(ARGS)
    np.testing.assert_allclose(value, whole(ARGS), rtol=1e-6)
    moves = 1e-3 * np.diag(ARGS)
    differences = [(whole(ARGS + move) - whole(ARGS - move)) / (2 * move.sum()) for move in moves]
    np.testing.assert_allclose(gradient, differences, rtol=1e-4)


def test_reverse_and_forward_mode_agree_to_rounding_and_with_differences():
    problem = zoo.robertson(40.0).problem
    end = jax.jit(
        lambda k: (
            sj.solve(
                sj.ODEProblem(problem.vector_field, problem.y0, 0.0, 40.0, k), KenCarp4(), rtol=1e-6, atol=1e-11
            ).y1
        )
    )
    reverse, forward = jax.jacrev(end)(RATES), jax.jacfwd(end)(RATES)
    np.testing.assert_allclose(reverse, forward, rtol=1e-10)
    move = jnp.array([1e-3, 0.0, 0.0]) * RATES
    np.testing.assert_allclose(reverse[:, 0], (end(RATES + move) - end(RATES - move)) / (2 * move[0]), rtol=1e-4)


def test_a_split_with_a_mass_matrix_is_refused():
    problem = sj.ODEProblem(SPLIT, WAVE, 0.0, 0.5, ARGS, mass_matrix=jnp.ones(NUM))
    with pytest.raises(ValueError, match=r"without a mass matrix only; got `mass_matrix`. Pass the sum"):
        sj.solve(problem, KenCarp4())


def test_a_linear_solver_of_another_kind_is_refused():
    with pytest.raises((TypeError, ValueError), match="linear_solver"):
        KenCarp4(linear_solver="gmres")
