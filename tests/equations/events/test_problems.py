"""Events of differential-algebraic, Hamiltonian and split problems, and of fixed steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

from .problems import OSCILLATOR_ARGS, TIGHT, WALL, oscillator, oscillator_at


def decaying(k, method):
    """y' = -k z, z = y^2 from y = 1, doubled where z passes 1/4: y(T) = 1 / (k T) behind it."""
    problem = sj.DAEProblem(
        lambda t, y, z, k: -k * z, lambda t, y, z, k: z - y**2, jnp.ones(1), jnp.ones(1), 0.0, 3.0, k
    )
    double = sj.Event(
        lambda t, s, k: s[1][0] - 0.25, lambda t, s, k: (2 * s[0], s[1]), direction=-1, max_triggers=4
    )  # fmt: skip
    return sj.solve(problem, method, events=[double], rtol=1e-9, atol=1e-10)


def doubled_at_a_quarter(k):
    """y(3) behind two events: each is where y = 1/2, and behind it y is 1 again."""
    return 1 / (1 + k * (3.0 - 2 / k))


def test_algebraic_variables_are_solved_for_again():
    sol = decaying(0.7, sj.Rodas5P())
    (y,), (z,) = sol.y1
    np.testing.assert_allclose(sol.events[0].ts[:2], [1 / 0.7, 2 / 0.7], rtol=1e-7)
    np.testing.assert_allclose(y, doubled_at_a_quarter(0.7), rtol=1e-6)
    np.testing.assert_allclose(z, y**2, rtol=1e-9)


@pytest.mark.full
@pytest.mark.parametrize(("method", "loose"), [(sj.Rodas5P(), 1e-6), (sj.BDF(), 1e-4)])
def test_derivatives_with_algebraic_variables(method, loose):
    found = jax.jit(jax.value_and_grad(lambda k: decaying(k, method).y1[0][0]))(0.7)
    np.testing.assert_allclose(found, jax.value_and_grad(doubled_at_a_quarter)(0.7), rtol=loose)


def energy(q, p, args):
    return jnp.sum(p**2 + args[0] ** 2 * q**2) / 2


def test_a_symplectic_method_and_an_impact():
    hit = lambda t, s, args: (s[0], -args[2] * s[1])
    wall = sj.Event(lambda t, s, args: s[0][0] - args[1], hit, direction=1)

    def end(args):
        problem = sj.HamiltonianProblem(energy, jnp.zeros(1), args[3:], 0.0, 1.5, args)
        return sj.solve(problem, sj.KahanLi8(), events=[wall], dt0=0.02).y1[0][0]

    found = jax.jit(jax.value_and_grad(end))(OSCILLATOR_ARGS)
    expected = jax.value_and_grad(lambda args: oscillator_at(1.5, args)[0])(OSCILLATOR_ARGS)
    jax.tree_util.tree_map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found, expected)


def test_fixed_steps_are_shortened_to_end_on_the_impact_and_keep_their_order():
    end = lambda n: sj.solve(oscillator(OSCILLATOR_ARGS), sj.RK4(), events=[WALL], dt0=1.5 / n).y1
    exact = oscillator_at(1.5, OSCILLATOR_ARGS)
    errors = [float(np.max(np.abs(end(n) - exact))) for n in (20, 40, 80)]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert np.all(orders > 3.6), (errors, orders)


@pytest.mark.full
@pytest.mark.parametrize(
    "method", [sj.Vern9(), sj.VCABM(), sj.BDF(), sj.RadauIIA5(), sj.TRBDF2(), sj.KenCarp4(), sj.AutoSwitch(), sj.RKC()],
    ids=lambda m: type(m).__name__,
)  # fmt: skip
def test_an_impact_with_every_kind_of_method(method):
    rtol = 1e-6 if isinstance(method, (sj.TRBDF2, sj.RKC)) else 1e-8
    end = lambda args: sj.solve(oscillator(args), method, events=[WALL], rtol=rtol, atol=rtol, max_steps=8192).y1[0]
    found = jax.jit(jax.value_and_grad(end))(OSCILLATOR_ARGS)
    expected = jax.value_and_grad(lambda args: oscillator_at(1.5, args)[0])(OSCILLATOR_ARGS)
    jax.tree_util.tree_map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=3000 * rtol, atol=3000 * rtol), found, expected
    )


def test_the_same_number_of_steps_as_plain_steps_with_a_restart():
    plain = sj.solve(oscillator(OSCILLATOR_ARGS), sj.Tsit5(), **TIGHT)
    sol = sj.solve(oscillator(OSCILLATOR_ARGS), sj.Tsit5(), events=[WALL], **TIGHT)
    # The step over the wall is taken twice or three times, and one more ends at the wall.
    assert int(sol.stats.num_steps) <= int(plain.stats.num_steps) + 5
