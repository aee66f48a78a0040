"""Stiff systems with few entries in the Jacobian are eliminated without row exchanges, and nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

import sciml_jax as sj
from sciml_jax.equations.engine import system as engine_system

KNOWN = sj.zoo.hires().problem


def of(known, p=None):
    return sj.ODEProblem(known.vector_field, known.y0, known.t0, known.t1, known.args if p is None else p)


def system_of(problem, method):
    return engine_system.System(problem, None, problem.t0, method)


def pivoted(monkeypatch):
    monkeypatch.setattr(engine_system, "eliminated_form", lambda *_: None)
    jax.clear_caches()


def test_which_systems_are_eliminated():
    rodas = sj.Rodas5P()
    assert system_of(of(KNOWN), rodas).eliminated is not None
    assert system_of(of(KNOWN), sj.BDF()).eliminated is not None
    pollution = system_of(of(sj.zoo.pollution().problem), rodas)
    assert pollution.layout.components
    assert len(pollution.eliminated.elimination.places) == 94
    # Newton iterations of many unknowns take long to compile.
    assert not system_of(of(sj.zoo.pollution().problem), sj.BDF()).layout.components
    full = lambda n: sj.ODEProblem(lambda t, y, a: -y * jnp.sum(y), jnp.ones(n), 0.0, 1.0)
    for n, components in ((6, True), (12, False)):
        system = system_of(full(n), rodas)
        assert system.eliminated is None
        assert system.layout.components == components


def ends(method, rtol):
    def run(p):
        solution = sj.solve(of(KNOWN, p), method, rtol=rtol, atol=1e-4 * rtol)
        return solution.y1, solution.stats.num_steps

    return run


@pytest.mark.parametrize("method", [sj.Rodas5P(), pytest.param(sj.BDF(), marks=pytest.mark.full)], ids=lambda m: m.name)
def test_hires_takes_the_steps_that_it_takes_with_row_exchanges(method, monkeypatch):
    y1, steps = jax.jit(ends(method, 1e-6))(KNOWN.args)
    pivoted(monkeypatch)
    wanted, wanted_steps = jax.jit(ends(method, 1e-6))(KNOWN.args)
    assert abs(int(steps) - int(wanted_steps)) <= 2
    np.testing.assert_allclose(y1, wanted, rtol=1e-6)


def chain(p):
    """Five species, each made of the one before, the last of two of them, and back."""
    flows = lambda y, p: (p[0] * y[0], p[1] * y[1] * y[2], p[2] * y[2], p[3] * y[3] * y[4], p[4] * y[4])

    def field(t, y, p):
        r = flows(y, p)
        return jnp.stack([r[4] - r[0], r[0] - r[1], r[1] - r[2] + jnp.sin(t), r[2] - r[3], r[3] - r[4]])

    return sj.ODEProblem(field, jnp.array([1.0, 0.5, 0.2, 0.1, 0.3]), 0.0, 2.0, p)


def test_derivatives_agree_with_those_through_row_exchanges(monkeypatch):
    rates = jnp.array([1.0, 1e3, 3.0, 1e2, 0.5])
    assert system_of(chain(rates), sj.Rosenbrock23()).eliminated is not None
    end = lambda p: jnp.sum(sj.solve(chain(p), sj.Rosenbrock23(), rtol=1e-3, atol=1e-5).y1 ** 2)
    slope = jax.jit(jax.grad(end))(rates)
    pivoted(monkeypatch)
    wanted = jax.jit(jax.grad(end))(rates)
    np.testing.assert_allclose(slope, wanted, rtol=1e-7, atol=1e-12)


@pytest.mark.full
def test_gradients_of_hires_agree_with_those_through_row_exchanges(monkeypatch):
    end = lambda p: ends(sj.Rodas5P(), 1e-6)(p)[0].sum()
    slope = jax.jit(jax.grad(end))(KNOWN.args)
    pivoted(monkeypatch)
    wanted = jax.jit(jax.grad(end))(KNOWN.args)
    np.testing.assert_allclose(slope, wanted, rtol=1e-7, atol=1e-9 * np.abs(wanted).max())


def test_pollution_agrees_with_its_reference_alone_and_in_a_batch():
    zoo = sj.zoo.pollution()
    known, rtol, floor = zoo.problem, 1e-7, 1e-4
    solve = lambda p: sj.solve(of(known, p), sj.Rodas5P(), rtol=rtol, atol=floor * rtol).y1
    wanted = zoo.references[60.0]
    error = lambda y: np.max(np.abs(np.asarray(y) - wanted) / (np.abs(wanted) + floor))
    # Measured 6e-9.
    assert error(jax.jit(solve)(known.args)) <= 2e-8
    batch = jax.jit(jax.vmap(solve))(jnp.stack([known.args, 2 * known.args]))
    assert error(batch[0]) <= 2e-8
    assert error(batch[1]) > 1e-3


def oscillators(w):
    """Three damped oscillations, the fastest with frequency `w` and a slow decay, each driving the next."""
    matrix = np.zeros((6, 6))
    for block, (damping, frequency) in enumerate(((1e-1 * w, w), (1.0, 10.0), (0.1, 1.0))):
        i = 2 * block
        matrix[i : i + 2, i : i + 2] = [[-damping, frequency], [-frequency, -damping]]
        if block:
            matrix[i, i - 1] = 1.0
    return matrix


@pytest.mark.parametrize("w", [pytest.param(1e3, marks=pytest.mark.full), 1e8])
def test_fast_oscillations_need_no_row_exchanges(w, monkeypatch):
    matrix = oscillators(w)
    rows = [[(j, float(a)) for j, a in enumerate(row) if a] for row in matrix]
    field = lambda t, y, args: jnp.stack([sum(a * y[j] for j, a in row) for row in rows])
    problem = sj.ODEProblem(field, jnp.array([1.0, 0.0, 1.0, 0.0, 1.0, 0.0]), 0.0, 3.0)
    assert system_of(problem, sj.Rodas5P()).eliminated is not None
    solution = sj.solve(problem, sj.Rodas5P(), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(solution.y1, expm(3 * matrix) @ np.asarray(problem.y0), atol=1e-5)
    pivoted(monkeypatch)
    wanted = sj.solve(problem, sj.Rodas5P(), rtol=1e-6, atol=1e-9)
    assert abs(int(solution.stats.num_steps) - int(wanted.stats.num_steps)) <= 2


def test_a_step_whose_factors_lost_their_digits_is_taken_again(monkeypatch):
    from sciml_jax.numerics import sparse_elimination

    calm = jax.jit(ends(sj.Rodas5P(), 1e-4))(KNOWN.args)
    factor = sparse_elimination.Elimination.factor

    def distrustful(self, entries):
        # As if every step longer than one had lost its digits.
        found = factor(self, entries)
        return found._replace(is_reliable=found.entries[0] <= 1 / (1.71 + 1 / 0.2))

    monkeypatch.setattr(sparse_elimination.Elimination, "factor", distrustful)
    jax.clear_caches()
    y1, steps = jax.jit(ends(sj.Rodas5P(), 1e-4))(KNOWN.args)
    assert int(steps) > 3 * int(calm[1])
    np.testing.assert_allclose(y1, calm[0], rtol=1e-3, atol=1e-7)
