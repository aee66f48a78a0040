"""Bounded Levenberg-Marquardt: classic problems against SciPy, bounds, transforms, failures, transformations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from jax.sharding import Mesh, PartitionSpec

import sciml_jax as sj
from sciml_jax.training import LeastSquaresStatus, Log, Logit, least_squares

INF = np.inf


def rosenbrock(x):
    return jnp.stack([10 * (x[1] - x[0] ** 2), 1 - x[0]])


def wood(x):
    a, b, c, d = x
    root = jnp.sqrt(10.0)
    return jnp.stack([10 * (b - a**2), 1 - a, 3 * root * (d - c**2), 1 - c, root * (b + d - 2), (b - d) / root])


def powell(x):
    return jnp.stack([x[0] + 10 * x[1], 5**0.5 * (x[2] - x[3]), (x[1] - 2 * x[2]) ** 2, 10**0.5 * (x[0] - x[3]) ** 2])


def helical(x):
    angle = jnp.arctan2(x[1], x[0]) / (2 * jnp.pi)
    return jnp.stack([10 * (x[2] - 10 * angle), 10 * (jnp.hypot(x[0], x[1]) - 1), x[2]])


def badly_scaled(x):
    return jnp.stack([1e4 * x[0] * x[1] - 1, jnp.exp(-x[0]) + jnp.exp(-x[1]) - 1.0001])


KOWALIK_T = jnp.array([4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625])
KOWALIK_Y = jnp.array([0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246])


def kowalik(x):
    return KOWALIK_Y - x[0] * (KOWALIK_T**2 + KOWALIK_T * x[1]) / (KOWALIK_T**2 + KOWALIK_T * x[2] + x[3])


BARD_Y = jnp.array([0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39])


def bard(x):
    u = jnp.arange(1.0, 16)
    return BARD_Y - (x[0] + u / ((16 - u) * x[1] + jnp.minimum(u, 16 - u) * x[2]))


# Moré, Garbow & Hillstrom (1981); bounds of Gay (1984), most of them active at the solution.
PROBLEMS = {
    "rosenbrock": (rosenbrock, [-1.2, 1.0], None),
    "rosenbrock, start outside": (rosenbrock, [-1.2, 1.0], ([-INF, 1.5], [INF, INF])),
    "rosenbrock, one bound active": (rosenbrock, [-1.2, 1.0], ([-50, -10], [0.5, 100])),
    "rosenbrock, both bounds active": (rosenbrock, [2.0, 2.0], ([-50, 1.5], [0.5, 100])),
    "wood": (wood, [-3.0, -1, -3, -1], None),
    "wood, bounded": (wood, [-3.0, -1, -3, -1], ([-4] * 4, [0, 10, 10, 0.8])),
    "powell, singular": (powell, [3.0, -1, 0, 1], None),
    "powell, bounded": (powell, [3.0, -1, 0, 1], ([0.1, -20, -1, -1], [100, 20, 1, 50])),
    "helical": (helical, [-1.0, 0, 0], None),
    "helical, bounded": (helical, [-1.0, 0, 0], ([-100, -1, -1], [0.8, 1, 1])),
    "badly scaled": (badly_scaled, [0.0, 1], None),
    "badly scaled, bounded": (badly_scaled, [0.0, 1], ([0, 1], [1, 9])),
    "kowalik": (kowalik, [0.25, 0.39, 0.415, 0.39], None),
    "kowalik, bounded": (kowalik, [0.25, 0.39, 0.415, 0.39], ([0.1928, 0.1916, 0.1234, 0.1362], [100] * 4)),
    "bard": (bard, [1.0, 1, 1], None),
    "bard, bounded": (bard, [1.0, 1, 1], ([0.6, 0.5, -INF], [1, 10, 10])),
}


QUICK = ("rosenbrock, both bounds active", "wood, bounded", "powell, singular", "badly scaled", "kowalik, bounded")


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.full) for name in PROBLEMS]
)
def test_classic_problem_reaches_the_minimum_that_scipy_finds(name):
    residuals, start, bounds = PROBLEMS[name]
    start = jnp.array(start)
    ours = least_squares(residuals, start, bounds=None if bounds is None else tuple(np.array(s, float) for s in bounds))
    low, high = bounds or ([-INF] * start.size, [INF] * start.size)
    inside = np.clip(start, np.array(low) + 1e-10, np.array(high) - 1e-10)
    jacobian = jax.jit(jax.jacfwd(residuals))
    theirs = scipy.optimize.least_squares(
        jax.jit(residuals), inside, jac=jacobian, bounds=(low, high), xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=2000
    )
    assert LeastSquaresStatus(int(ours.status)) is LeastSquaresStatus.CONVERGED
    assert ours.cost <= theirs.cost * (1 + 1e-6) + 1e-14
    assert np.all(ours.params >= np.array(low)) and np.all(ours.params <= np.array(high))
    np.testing.assert_allclose(ours.cost, 0.5 * np.sum(residuals(ours.params) ** 2), rtol=1e-12)


def test_active_bounds_are_exact_and_named():
    found = least_squares(rosenbrock, jnp.array([2.0, 2.0]), bounds=(jnp.array([-50, 1.5]), jnp.array([0.5, 100])))
    np.testing.assert_array_equal(found.params, [0.5, 1.5])
    np.testing.assert_array_equal(found.at_bound, [True, True])
    # With y <= 1/4 no longer binding, only x is held.
    found = least_squares(rosenbrock, jnp.array([-1.0, 2.0]), bounds=(jnp.array([-50, -10.0]), jnp.array([0.5, 100])))
    np.testing.assert_allclose(found.params, [0.5, 0.25], rtol=1e-8)
    np.testing.assert_array_equal(found.at_bound, [True, False])


def test_pytrees_keep_their_structure_and_what_is_no_float():
    params = {"rate": 0.3, "order": 2, "scale": jnp.array([1.0, 1.0])}
    t = jnp.linspace(0, 2, 9)
    target = lambda p: p["scale"][:, None] * jnp.exp(-p["rate"] * t**2)
    goal = target({"rate": 0.7, "scale": jnp.array([2.0, 3.0])})
    found = least_squares(lambda p: {"r": target(p) - goal + 0 * p["order"]}, params, bounds=(0.0, 10.0))
    assert found.params["order"] == 2
    assert found.params["rate"] == pytest.approx(0.7, rel=1e-7)
    np.testing.assert_allclose(found.params["scale"], [2.0, 3.0], rtol=1e-7)
    assert found.jacobian.shape == (18, 3)


@pytest.mark.parametrize("transform", [Log(), Logit(), (Log(), Logit())])
def test_transforms_find_the_same_minimum(transform):
    t = jnp.linspace(0, 4, 20)
    residuals = lambda x: x[0] * jnp.exp(-x[1] * t) - 2.0 * jnp.exp(-0.7 * t) - 0.01 * jnp.sin(40 * t)
    bounds = (jnp.zeros(2), jnp.full(2, 100.0))
    plain = least_squares(residuals, jnp.array([30.0, 0.02]), bounds=bounds)
    method = sj.training.BoundedLevenbergMarquardt(transform=transform)
    found = least_squares(residuals, jnp.array([30.0, 0.02]), bounds=bounds, method=method)
    assert int(found.status) == int(plain.status) == 0
    np.testing.assert_allclose(found.params, plain.params, rtol=1e-5)
    # The Jacobian is by the parameters, whatever the coordinates.
    np.testing.assert_allclose(found.jacobian, jax.jacfwd(residuals)(found.params), rtol=1e-9)


def test_trials_that_are_not_finite_are_rejected():
    # The square root fails left of 1, where the full first step leads.
    residuals = lambda x: jnp.stack([jnp.sqrt(x[0] - 1) - 0.1, 3 * (x[0] - 1.01)])
    found = least_squares(residuals, jnp.array([100.0]))
    assert int(found.status) == LeastSquaresStatus.CONVERGED
    assert found.params[0] == pytest.approx(1.01, rel=1e-8)


def test_statuses_say_how_it_ended():
    status = lambda *args, **kwargs: LeastSquaresStatus(int(least_squares(*args, **kwargs).status))
    short = sj.training.BoundedLevenbergMarquardt(max_steps=3)
    assert status(rosenbrock, jnp.array([-1.2, 1.0]), method=short) is LeastSquaresStatus.MAX_STEPS
    assert status(lambda x: jnp.log(x), jnp.array([-1.0])) is LeastSquaresStatus.NON_FINITE_START
    # Constant, though its derivative says otherwise.
    wrong = lambda x: 1.0 + x - jax.lax.stop_gradient(x)
    assert status(wrong, jnp.array([0.5])) is LeastSquaresStatus.STALLED
    for member in LeastSquaresStatus:
        assert member.name in str(member) and len(member.message) > 20


def test_lanes_of_a_batch_agree_with_single_calls():
    starts = jnp.array([[-1.2, 1.0], [2.0, 2.0], [0.0, -3.0]])
    uppers = jnp.array([[0.5, 100.0], [100.0, 100.0], [100.0, 0.5]])
    one = lambda x, high: least_squares(rosenbrock, x, bounds=(jnp.full(2, -50.0), high))
    many = jax.jit(jax.vmap(one))(starts, uppers)
    for i in range(3):
        single = one(starts[i], uppers[i])
        np.testing.assert_allclose(many.params[i], single.params, rtol=1e-9)
        assert int(many.num_steps[i]) == int(single.num_steps)


def test_a_batch_may_be_sharded():
    mesh = Mesh(np.array(jax.devices()[:2]), ("lanes",))
    starts = jnp.array([[-1.2, 1.0], [2.0, 2.0], [0.0, -3.0], [5.0, 1.0]])
    solve = jax.vmap(lambda x: least_squares(rosenbrock, x, bounds=(-50.0, 50.0)).params)
    spec = PartitionSpec("lanes")
    found = jax.jit(jax.shard_map(solve, mesh=mesh, in_specs=spec, out_specs=spec))(starts)
    np.testing.assert_allclose(found, np.ones((4, 2)), rtol=1e-6)


def test_single_precision_converges_to_its_accuracy():
    found = least_squares(rosenbrock, jnp.array([-1.2, 1.0], jnp.float32), bounds=(-5.0, 5.0))
    assert found.params.dtype == jnp.float32
    assert int(found.status) == LeastSquaresStatus.CONVERGED
    np.testing.assert_allclose(found.params, [1.0, 1.0], rtol=1e-4)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((jnp.array([0.0, 3.0]), jnp.array([1.0, 2.0])), r"crossed.*params\[1\]"),
        ((jnp.zeros(3), jnp.ones(3)), "bounds"),
        (jnp.zeros(2), "pair"),
        ((jnp.array([0.0, jnp.nan]), 1.0), "NaN"),
    ],
)
def test_wrong_bounds_are_refused(bounds, message):
    with pytest.raises(ValueError, match=message):
        least_squares(rosenbrock, jnp.ones(2), bounds=bounds)


def test_wrong_arguments_are_refused():
    with pytest.raises(TypeError, match="real float"):
        least_squares(lambda x: x + 0j, jnp.ones(2))
    with pytest.raises(ValueError, match="at least one float"):
        least_squares(lambda x: x, {"n": 3})
    with pytest.raises(ValueError, match="`Log\\(\\)` needs"):
        least_squares(
            rosenbrock, jnp.ones(2), bounds=(-1.0, 1.0), method=sj.training.BoundedLevenbergMarquardt(transform=Log())
        )
    with pytest.raises(ValueError, match="finite bounds"):
        least_squares(rosenbrock, jnp.ones(2), method=sj.training.BoundedLevenbergMarquardt(transform=Logit()))
    with pytest.raises(ValueError, match="max_steps"):
        sj.training.BoundedLevenbergMarquardt(max_steps=0)
    with pytest.raises(ValueError, match="rtol"):
        sj.training.BoundedLevenbergMarquardt(rtol=-1.0)
    with pytest.raises(TypeError, match="`transform`"):
        sj.training.BoundedLevenbergMarquardt(transform="log")
