"""Coefficients meet the order conditions of Roessler (2010), and DRI1's those that its weak order needs."""

import diffrax
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.noise import skencarp


def lower(rows):
    """Rows for stages 2, 3, ... as a square matrix."""
    out = np.zeros((len(rows) + 1, len(rows) + 1))
    for i, row in enumerate(rows):
        out[i + 1, : len(row)] = row
    return out


@pytest.mark.parametrize("method", [sj.SRIW1(), sj.SOSRI()], ids=lambda m: m.name)
def test_conditions_of_strong_order_three_halves_for_diagonal_noise(method):
    """Theorem 5.1; those of SOSRI are met to the digits in which it was found."""
    table = method.tableau
    a0, b0, a1, b1 = (lower(rows) for rows in (table.a0, table.b0, table.a1, table.b1))
    alpha, *beta = (np.array(x) for x in (table.alpha, table.beta1, table.beta2, table.beta3, table.beta4))
    e = np.ones(4)
    conditions = [alpha @ e - 1, *(b @ e - s for b, s in zip(beta, (1, 0, 0, 0), strict=True))]
    conditions += [b @ b1 @ e - s for b, s in zip(beta, (0, 1, 0, 0), strict=True)]
    conditions += [alpha @ a0 @ e - 1 / 2, alpha @ b0 @ e - 1, alpha @ (b0 @ e) ** 2 - 3 / 2]
    conditions += [b @ a1 @ e - s for b, s in zip(beta, (1, 0, -1, 0), strict=True)]
    conditions += [b @ (b1 @ e) ** 2 - s for b, s in zip(beta, (1, 0, -1, 2), strict=True)]
    conditions += [b @ b1 @ b1 @ e - s for b, s in zip(beta, (0, 0, 0, 1), strict=True)]
    conditions += [0.5 * beta[0] @ a1 @ b0 @ e + beta[2] @ a1 @ b0 @ e / 3]
    assert np.max(np.abs(conditions)) < 5e-13, conditions


@pytest.mark.parametrize("method", [sj.SRA1(), sj.SRA3(), sj.SOSRA()], ids=lambda m: m.name)
def test_conditions_of_strong_order_three_halves_for_additive_noise(method):
    table = method.tableau
    a0, b0 = lower(table.a0), lower(table.b0)
    alpha, beta1, beta2, c1 = (np.array(x) for x in (table.alpha, table.beta1, table.beta2, table.c1))
    e = np.ones(len(alpha))
    conditions = [alpha @ e - 1, beta1 @ e - 1, beta2 @ e, alpha @ b0 @ e - 1, alpha @ a0 @ e - 1 / 2]
    conditions += [alpha @ (b0 @ e) ** 2 - 3 / 2, beta1 @ c1 - 1, beta2 @ c1 + 1]
    assert np.max(np.abs(conditions)) < 5e-13, conditions
    np.testing.assert_allclose(table.c0, a0 @ e, atol=1e-15)


def test_conditions_of_strong_order_three_halves_for_stages_with_both_motions():
    """SKenCarp: stage i holds `e_i W + b_i I_10/h`; its drift is that of KenCarp3, whose order is three."""
    gamma, c = skencarp._GAMMA, np.array(skencarp._C)
    a = lower(skencarp._A[1:]) + gamma * np.diag([0, 1, 1, 1])
    alpha, e, b = a[-1], np.array(skencarp._OF_W), np.array(skencarp._OF_AREA)
    third = [alpha @ c**2 - 1 / 3, alpha @ a @ c - 1 / 6, 6 * gamma**3 - 18 * gamma**2 + 9 * gamma - 1]
    conditions = [alpha.sum() - 1, alpha @ c - 1 / 2, *third, *(a.sum(1) - c), *(a @ c - c**2 / 2)[[1, 2]]]
    conditions += [alpha @ e, alpha @ b - 1, alpha @ (b**2 / 3 + b * e + e**2) - 1 / 2]
    second = np.array(skencarp._SECOND)
    conditions += [second.sum() - 1, second @ c - 1 / 2]
    assert np.max(np.abs(conditions)) < 5e-13, conditions
    published = np.array(diffrax.KenCarp3.tableau.tableaus[1].b_sol)
    np.testing.assert_allclose(alpha, published, rtol=1e-12)
    np.testing.assert_allclose(alpha - second, diffrax.KenCarp3.tableau.tableaus[1].b_error, rtol=1e-10)
