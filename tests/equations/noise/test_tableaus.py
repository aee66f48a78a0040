"""Coefficients meet the order conditions of Roessler (2010), and DRI1's those that its weak order needs."""

import numpy as np
import pytest

import sciml_jax as sj


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
