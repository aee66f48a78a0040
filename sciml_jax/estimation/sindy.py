"""Sparse identification of the equations behind data."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import ArrayLike

from ..core.checks import check_instance
from ..equations.keys import as_key
from .candidate_libraries import polynomials
from .candidates import AbstractLibrary
from .law import Law
from .sindy_data import Trajectory, trajectories
from .smoothing import AbstractSmoother, FiniteDifferences
from .sparse_fit import Bagging, fit_equations
from .sparse_regression import STLSQ, AbstractSparseRegression
from .weak_form import Weak


def sindy(
    ts: Any,
    ys: Any,
    *,
    library: AbstractLibrary | None = None,
    threshold: ArrayLike = 0.1,
    optimizer: AbstractSparseRegression | None = None,
    derivatives: Any = None,
    weak: Weak | bool = False,
    inputs: Any = None,
    names: Any = None,
    input_names: Any = None,
    ensemble: Bagging | int | None = None,
    key: Any = None,
    discrete: bool = False,
) -> Law:
    """Find a sparse law `dy/dt = sum_k c_k candidate_k(t, y, u)` behind data (SINDy).

    Parameters
    ----------
    ts, ys
        Times (T,), strictly increasing, at any spacing, and states, (T, n) or (T,). Several trajectories: (B, T, n)
        with times (T,) or (B, T), or lists of arrays of any lengths.
    library
        The candidates: `polynomials(2)` by default, `fourier(1)`, `custom({...})`, their sums and products.
    threshold
        Smallest coefficient of a law, in the units of the data. For `optimizer=None`.
    optimizer
        `STLSQ(threshold)` by default, or `SR3(threshold)`.
    derivatives
        The derivatives, where they were measured, shaped like `ys`; or how to get them: `FiniteDifferences(8)` by
        default, for data without noise, `LocalPolynomial()` or `SmoothingSpline()` for noisy data (they
        also replace the states by smoothed ones).
    weak
        True or a `Weak(...)`: integrate against test functions instead of differentiating. The choice for noise.
    inputs
        Known inputs u(t) of the system: values (T, m) or (T,), shaped like `ys` for several trajectories, or one
        function of time. They enter the candidates; give `args=` to the law when it is solved.
    names, input_names
        Names of the states and inputs; x, y, z for up to three states, x1, x2, ... for more; u or u1, u2, ...
    ensemble
        A number of members or a `Bagging(...)`: laws of bootstrap samples, for the probability of each term. Needs
        `key`.
    key
        A PRNG key or an integer seed, for `ensemble`.
    discrete
        Whether the data are iterates of a map: the law is then `y[k+1] = ...`, the step of a `sj.MapProblem`. A
        candidate's t is the time of `y[k]`.

    Returns
    -------
    Law
        `print(law)` writes the equations; `law.coefficients`, `law.standard_errors`, `law.status`; callable as a vector
        field.

    Raises
    ------
    ValueError, TypeError
        For shapes that do not fit, times that do not increase, NaN, fewer samples than candidates, and options that
        exclude each other.

    Notes
    -----
    Cost: O(rows K^2) for K candidates, milliseconds for some thousand rows after a compilation per shape (a second).
    Under `jit` too, with data as arguments (the weak form then needs `half_width`). The law is as good as the library:
    with a term missing, the sparse answer is a substitute that fits the sampled region only; try it on data that it
    has not seen.

    References
    ----------
    Brunton, Proctor & Kutz, PNAS 113 (2016) 3932-3937. With inputs: Brunton, Proctor & Kutz, IFAC-PapersOnLine 49
    (2016) 710-715.
    """
    library = polynomials(2) if library is None else library
    optimizer = STLSQ(threshold) if optimizer is None else optimizer
    check_instance(library, AbstractLibrary, "library", "sj.estimation.polynomials(2)")
    check_instance(optimizer, AbstractSparseRegression, "optimizer", "sj.estimation.STLSQ(0.1)")
    smoother, given, form = _form(derivatives, weak, discrete)
    data, scalar = trajectories(ts, ys, inputs, given)
    variables = variable_names(names, data[0].ys.shape[1], "xyz", "names")
    controls = variable_names(input_names, data[0].us.shape[1], "u", "input_names")
    parts = [_rows(one, library, smoother, form, discrete) for one in data]
    theta, targets = (jnp.concatenate([part[i] for part in parts]) for i in (0, 1))
    check_enough(theta.shape, library)
    bagging, key = as_bagging(ensemble, key)
    fit = fit_equations(theta, targets, sum(part[2] for part in parts), optimizer, bagging, key)
    left = tuple(f"{name}[k+1]" if discrete else f"d{name}/dt" for name in variables)
    return Law(*fit, library=library, variables=variables, inputs=controls, left=left, scalar=scalar)


def _form(derivatives: Any, weak: Any, discrete: bool) -> tuple[AbstractSmoother | None, Any, Weak | None]:
    """How rates are found: a smoother, given derivatives, or the weak form; at most one of them."""
    if isinstance(weak, bool):
        weak = Weak() if weak else None
    else:
        check_instance(weak, Weak, "weak", "sj.estimation.Weak()")
    if (derivatives is not None) + (weak is not None) + bool(discrete) > 1:
        msg = (
            "at most one of `derivatives`, `weak` and `discrete` can be given; got "
            f"derivatives={'given' if derivatives is not None else None}, weak={weak}, discrete={discrete}. Drop one."
        )
        raise ValueError(msg)
    if isinstance(derivatives, type) and issubclass(derivatives, AbstractSmoother):
        check_instance(derivatives, AbstractSmoother, "derivatives", "sj.estimation.LocalPolynomial()")
    if isinstance(derivatives, AbstractSmoother):
        return derivatives, None, weak
    return FiniteDifferences() if derivatives is None else None, derivatives, weak


def _rows(one: Trajectory, library: Any, smoother: Any, weak: Any, discrete: bool) -> tuple[Any, Any, float]:
    """Candidates (rows, K), targets (rows, n) and the number of independent rows of one trajectory."""
    ys, rates = one.ys, one.rates
    if weak is None and not discrete and rates is None:
        ys, rates = smoother.smooth(one.ts, ys)
    theta = _evaluate(library, one.ts, ys, one.us)
    if weak is not None:
        return weak.rows(one.ts, ys, theta)
    if discrete:
        return theta[:-1], ys[1:], ys.shape[0] - 1
    return theta, rates, ys.shape[0]


@eqx.filter_jit
def _evaluate(library: AbstractLibrary, ts: Any, ys: Any, us: Any) -> Any:
    return jax.vmap(library.evaluate)(ts, ys, us)


def variable_names(names: Any, count: int, letters: str, option: str) -> tuple[str, ...]:
    """The names that were given, checked, or x, y, z, or x1, x2, ..."""
    if names is None:
        few = letters[:count] if count <= len(letters) else None
        return tuple(few) if few is not None else tuple(f"{letters[0]}{i + 1}" for i in range(count))
    if isinstance(names, str):
        names = (names,)
    names = tuple(names)
    if len(names) != count or len(set(names)) != count or not all(isinstance(name, str) and name for name in names):
        msg = f"`{option}` must be {count} different texts; got {names!r}. Pass, for example, ('prey', 'predator')."
        raise ValueError(msg)
    return names


def check_enough(shape: tuple[int, ...], library: Any) -> None:
    """Refuse fewer rows than candidates."""
    rows, candidates = shape
    if rows < candidates:
        msg = (
            f"there must be at least as many rows of data as candidates; got {rows} rows for {candidates} candidates "
            f"of {type(library).__name__}. Take more samples, or a smaller library."
        )
        raise ValueError(msg)


def as_bagging(ensemble: Any, key: Any) -> tuple[Bagging | None, Any]:
    """An ensemble from a number of members or a `Bagging`, and its key, which must be given."""
    if ensemble is None:
        return None, None
    return ensemble if isinstance(ensemble, Bagging) else Bagging(ensemble), as_key(key, "an ensemble of laws")
