"""Vector fields in two parts, and linear parts: every method solves the sum; what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sciml_jax as sj

RATES = jnp.array([-1.0, -4.0])
MATRIX = jnp.array([[-1.0, 0.5], [0.2, -3.0]])


def source(t, y, args):
    return args * jnp.cos(t) * jnp.sin(y[::-1])


def whole(t, y, args):
    return source(t, y, args) + MATRIX @ y


def solve(field, args=0.7, method=None, **options):
    problem = sj.ODEProblem(field, jnp.array([1.0, 2.0]), 0.0, 1.5, args)
    return sj.solve(problem, method, rtol=1e-9, atol=1e-10, max_steps=512, **options)


@pytest.mark.parametrize("method", [None, sj.Tsit5(), sj.Rodas5P()], ids=["default", "Tsit5", "Rodas5P"])
def test_methods_for_any_vector_field_solve_the_sum(method):
    split = sj.Split(source, sj.Linear(MATRIX))
    np.testing.assert_allclose(solve(split, method=method).y1, solve(whole, method=sj.Tsit5()).y1, rtol=1e-7)


def test_the_sum_is_differentiated_like_one_function():
    split = sj.Split(source, sj.Linear(lambda args: MATRIX))
    gradient = lambda field: jax.grad(lambda args: jnp.sum(solve(field, args, sj.Tsit5()).y1))(0.7)
    np.testing.assert_allclose(gradient(split), gradient(whole), rtol=1e-10)


def test_a_split_is_a_pytree_whose_arrays_can_be_differentiated():
    def end(linear):
        return jnp.sum(solve(sj.Split(source, linear), method=sj.ETDRK4()).y1)

    gradient = jax.grad(end)(sj.Linear(RATES)).operator
    h = 1e-4
    shifted = lambda i, sign: float(end(sj.Linear(RATES.at[i].add(sign * h))))
    differences = [(shifted(i, 1) - shifted(i, -1)) / (2 * h) for i in range(2)]
    np.testing.assert_allclose(gradient, differences, rtol=1e-5)


def test_parts_may_close_over_traced_values_under_vmap_of_grad():
    def end(rate):
        split = sj.Split(lambda t, y, args: rate + 0 * y, sj.Linear(lambda args: -rate))
        return sj.solve(sj.ODEProblem(split, jnp.zeros(()), 0.0, 1.0), sj.ETDRK4(), rtol=1e-9, max_steps=32).y1

    rates = jnp.array([0.5, 1.0, 3.0])
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(end)))(rates)
    np.testing.assert_allclose(values, 1 - np.exp(-rates), rtol=1e-9)
    np.testing.assert_allclose(slopes, np.exp(-rates), rtol=1e-7)


def test_discontinuous_tables_inside_a_part_are_stepped_on():
    drive = sj.interpolate(jnp.array([0.0, 0.4, 1.0, 2.0]), jnp.array([1.0, -2.0, 0.5, 0.0]), sj.PiecewiseConstant())
    split = sj.Split(lambda t, y, args: drive(t) + 0 * y, sj.Linear(-1.0))
    sol = sj.solve(sj.ODEProblem(split, jnp.zeros(1), 0.0, 1.5), sj.ETDRK4(), rtol=1e-8, saveat=sj.SaveAt(steps=1))
    assert {0.4, 1.0} <= set(np.asarray(sol.ts))


def test_the_forms_of_a_linear_operator():
    y = {"a": jnp.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "b": jnp.array(2.0)}
    apply = lambda operator: sj.Linear(operator)(0.0, y, 3.0)
    scalar = apply(-2.0)
    np.testing.assert_allclose(scalar["a"], -2 * y["a"])
    np.testing.assert_allclose(scalar["b"], -4.0)
    rows = apply({"a": jnp.array([1.0, 10.0, 100.0]), "b": 5})
    np.testing.assert_allclose(rows["a"], y["a"] * np.array([1.0, 10.0, 100.0]))
    np.testing.assert_allclose(rows["b"], 10.0)
    reversal = apply(jnp.eye(7)[::-1])
    np.testing.assert_allclose(reversal["a"], [[2.0, 6.0, 5.0], [4.0, 3.0, 2.0]])
    np.testing.assert_allclose(reversal["b"], 1.0)
    np.testing.assert_allclose(apply(lambda args: args)["a"], 3 * y["a"])
    square = jnp.arange(9.0).reshape(3, 3)
    # Like the state: a diagonal, although it is a square.
    np.testing.assert_allclose(sj.Linear(square)(0.0, square, None), square * square)


def test_python_numbers_do_not_widen_a_float32_state():
    assert sj.Linear(-2.0)(0.0, jnp.ones(3, jnp.float32), None).dtype == jnp.float32


WRONG = {
    "array": (
        lambda: sj.Split(source, MATRIX),
        TypeError,
        "`implicit` must be a function",
        "[2,2]",
        "sj.Linear(array)",
    ),
    "number": (lambda: sj.Split(1.0, source), TypeError, "`explicit` must be callable", "1.0", "function"),
    "two arguments": (lambda: sj.Split(source, lambda t, y: y), TypeError, "`implicit`", "(t, y)", "Give it 3"),
    "text": (lambda: sj.Linear("heat"), TypeError, "pytree of numbers", "heat", "sj.Linear(-wavenumbers**2)"),
    "no operator": (lambda: sj.Linear(None), TypeError, "pytree of numbers", "None", "sj.Linear"),
    "operator of two arguments": (lambda: sj.Linear(lambda t, args: 1.0), TypeError, "`operator`", "(t, args)", "1"),
    "shapes": (
        lambda: solve(sj.Split(lambda t, y, args: y[:1], source)),
        ValueError,
        "structure and shapes of the state",
        "float64[1]",
        "zeros",
    ),
    "matrix of another size": (
        lambda: solve(sj.Split(source, sj.Linear(jnp.eye(3)))),
        ValueError,
        "fits the state",
        "[3,3]",
        "(2, 2)",
    ),
    "complex factors of a real state": (
        lambda: solve(sj.Split(source, sj.Linear(1j * RATES))),
        TypeError,
        "dtype of the state",
        "complex128",
        "Convert",
    ),
    "complex matrix of a real state": (
        lambda: solve(sj.Split(source, sj.Linear(1j * MATRIX)), method=sj.ETDRK4()),
        TypeError,
        "dtype of the state",
        "complex128",
        "Convert",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_parts_are_refused_with_rule_value_and_fix(name):
    make, kind, *words = WRONG[name]
    with pytest.raises(kind) as caught:
        make()
    assert all(word in str(caught.value) for word in words), str(caught.value)
