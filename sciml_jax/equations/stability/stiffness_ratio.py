"""How far apart the time scales of a problem are, from the eigenvalues of its Jacobian."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PyTree

from ...core.checks import check_instance
from ...core.tree import is_concrete
from ...numerics.flatten import RealVector
from ..mass_matrix import check_mass_matrix
from ..problem import ODEProblem


class Spectrum(NamedTuple):
    """Eigenvalues of a Jacobian and the time scales that they stand for; made by `jacobian_spectrum`."""

    eigenvalues: Complex[Array, " n"]
    """All of them, by decreasing real part."""
    fastest: Float[Array, ""]
    """`1/max |Re lambda|` over the decaying modes: the shortest time scale, which limits the steps of explicit methods;
    NaN if no mode decays."""
    slowest: Float[Array, ""]
    """`1/min |Re lambda|` over the decaying modes."""
    growth: Float[Array, ""]
    """The largest real part; positive where neighbouring solutions separate."""
    radius: Float[Array, ""]
    """The spectral radius, `max |lambda|`."""

    @property
    def ratio(self) -> Float[Array, ""]:
        """The stiffness ratio, `slowest/fastest`."""
        return self.slowest / self.fastest


def stiffness_ratio(problem: ODEProblem, t: Any = None, y: PyTree = None) -> Float[Array, ""]:
    """`max |Re lambda| / min |Re lambda|` over the decaying modes of the problem linearised at `(t, y)`.

    The eigenvalues lambda are those of the Jacobian df/dy, and the modes that decay are those with a negative real
    part; see `jacobian_spectrum` for the eigenvalues themselves. A ratio of a thousand or more calls for a method for
    stiff problems if the solution is wanted over the slowest time scale; the ratio alone says nothing about how long
    that is. Near 1 with one fast mode only (van der Pol at rest): compare `fastest` with the interval of integration.

    Parameters
    ----------
    problem
        An `ODEProblem`, with a mass matrix or without.
    t
        The time; the problem's `t0` by default.
    y
        The state, shaped like the problem's `y0`, which is the default.

    Returns
    -------
    Float[Array, ""]
        At least one; NaN if no mode decays. `jax.vmap` over times and states gives it along a solution.

    Raises
    ------
    TypeError, ValueError
        For what is not an `ODEProblem`, a state of another structure, and a problem whose Jacobian is singular in the
        algebraic equations (index above 1).

    Notes
    -----
    Costs one Jacobian and n^3 operations for a state of n numbers, with LAPACK on the CPU: for analysis, not inside
    loops. A real part below `10 n eps` times the norm of the Jacobian, such as that of a conserved quantity, cannot be
    told from zero and is taken for it: in float64, ratios up to about 1e14/n can be seen.

    References
    ----------
    Lambert, Numerical Methods for Ordinary Differential Systems (1991), 6.2; Hairer & Wanner, Solving Ordinary
    Differential Equations II (1996), IV.1-IV.2.
    """
    return jacobian_spectrum(problem, t, y).ratio


def jacobian_spectrum(problem: ODEProblem, t: Any = None, y: PyTree = None) -> Spectrum:
    """Eigenvalues of the problem linearised at `(t, y)`, and the fastest and slowest time scales of its decaying modes.

    With a mass matrix, those lambda for which `lambda M - df/dy` is singular: as many as M has rank. Algebraic
    equations have no time scale and give no eigenvalue. The state is taken as one vector of real numbers, complex
    leaves by their real and imaginary parts.

    Parameters
    ----------
    problem, t, y
        As in `stiffness_ratio`, where errors, cost and accuracy are stated too.

    Returns
    -------
    Spectrum
        `eigenvalues`, `fastest`, `slowest`, `growth`, `radius` and `ratio`, in units of 1/time and time.
    """
    check_instance(problem, ODEProblem, "problem", "sj.ODEProblem(vector_field, y0, t0, t1, args)")
    y = problem.y0 if y is None else _like(y, problem.y0)
    t = jnp.asarray(problem.t0 if t is None else t, jnp.finfo(jnp.result_type(*jax.tree_util.tree_leaves(y))).dtype)
    matrix = _without_algebraic_equations(_jacobian(problem, t, y), problem)
    eigenvalues = jnp.linalg.eigvals(matrix)
    eigenvalues = eigenvalues[jnp.argsort(-eigenvalues.real)]
    rates = jnp.abs(eigenvalues.real)
    scale = jnp.max(jnp.sum(jnp.abs(matrix), axis=1))
    decays = (eigenvalues.real < 0) & (rates > 10 * matrix.shape[0] * jnp.finfo(matrix.dtype).eps * scale)
    some = jnp.any(decays)
    fastest = 1 / jnp.where(some, jnp.max(jnp.where(decays, rates, 0)), jnp.nan)
    slowest = 1 / jnp.where(some, jnp.min(jnp.where(decays, rates, jnp.inf)), jnp.nan)
    return Spectrum(eigenvalues, fastest, slowest, eigenvalues.real[0], jnp.max(jnp.abs(eigenvalues)))


def _jacobian(problem: ODEProblem, t: Any, y: PyTree) -> Any:
    if problem.jacobian is not None:
        return jnp.asarray(problem.jacobian(t, y, problem.args))
    vector = RealVector(y)
    return jax.jacfwd(lambda v: vector.pack(problem.vector_field(t, vector.unpack(v), problem.args)))(vector.pack(y))


def _without_algebraic_equations(jacobian: Any, problem: ODEProblem) -> Any:
    """`A` in `x' = A x`, to which `M y' = J y` reduces where M has rank r and the algebraic part can be solved."""
    mass = problem.mass_matrix
    if mass is None:
        return jacobian
    check_mass_matrix(mass, problem.y0)
    if not is_concrete(mass):
        msg = (
            "`mass_matrix` must be known when tracing, because its rank says how many eigenvalues there are; got a "
            "traced array. Close over its value, or call outside `jit`."
        )
        raise TypeError(msg)
    full = np.diag(np.asarray(mass)) if np.ndim(mass) == 1 else np.asarray(mass)
    left, singular, right = np.linalg.svd(full)
    rank = int(np.sum(singular > len(full) * np.finfo(full.dtype).eps * singular[0])) if np.any(full) else 0
    if rank == 0:
        msg = "`mass_matrix` must not be zero; got a problem without differential equations. Solve it for its roots."
        raise ValueError(msg)
    rotated = jnp.asarray(left.T, jacobian.dtype) @ jacobian @ jnp.asarray(right.T, jacobian.dtype)
    a, b, c, d = rotated[:rank, :rank], rotated[:rank, rank:], rotated[rank:, :rank], rotated[rank:, rank:]
    if rank < len(full):
        if is_concrete(d) and np.linalg.cond(np.asarray(d)) > 1 / np.finfo(d.dtype).eps:
            msg = (
                "The algebraic equations must fix the algebraic variables (index 1); got ones whose Jacobian is "
                "singular at this `(t, y)`. Differentiate the constraints, or look at another state."
            )
            raise ValueError(msg)
        a = a - b @ jnp.linalg.solve(d, c)
    return a / jnp.asarray(singular[:rank, None], jacobian.dtype)


def _like(y: PyTree, example: PyTree) -> PyTree:
    """`y` as arrays of the dtypes of the state; refuses another structure."""
    same = jax.tree_util.tree_structure(y) == jax.tree_util.tree_structure(example)
    pairs = zip(jax.tree_util.tree_leaves(y), jax.tree_util.tree_leaves(example), strict=False)
    if not same or any(np.shape(new) != old.shape for new, old in pairs):
        shapes = jax.tree_util.tree_map(np.shape, y), jax.tree_util.tree_map(np.shape, example)
        msg = (
            f"`y` must have the structure and shapes of the problem's state; got {shapes[0]} for {shapes[1]}. "
            "Take one state out of a solution, `tree_map(lambda leaf: leaf[i], solution.ys)`."
        )
        raise ValueError(msg)
    return jax.tree_util.tree_map(lambda new, old: jnp.asarray(new, old.dtype), y, example)
