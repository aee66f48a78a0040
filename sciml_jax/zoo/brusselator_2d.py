"""An oscillating reaction with diffusion on a periodic square grid, 2 x N x N unknowns: the large stiff problem."""

from importlib.resources import files

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Bool, Float, Int

from ..equations import ODEProblem
from ..numerics.sparsity import SparsityPattern
from .problem import ZooProblem

SWITCH_TIME = 1.1
REFERENCE_SIZE = 8
REFERENCE_TIMES = (1.1, 11.5)


def heated(size: int) -> Bool[np.ndarray, "size size"]:
    """Where the forcing acts: grid points within 0.1 of (0.3, 0.6)."""
    grid = np.linspace(0.0, 1.0, size)
    return (grid[:, None] - 0.3) ** 2 + (grid[None, :] - 0.6) ** 2 <= 0.1**2


def brusselator_2d_field(
    t: ArrayLike, y: Float[Array, "2 size size"], args: Float[Array, "3"]
) -> Float[Array, "2 size size"]:
    """U' = B + U²V - (A + 1) U + f + αΔU, V' = AU - U²V + αΔV on the grid; args = (A, B, α)."""
    u, v = y[0], y[1]
    size = u.shape[0]
    diffusivity = args[2] * (size - 1) ** 2
    spread = jnp.roll(y, 1, 1) + jnp.roll(y, -1, 1) + jnp.roll(y, 1, 2) + jnp.roll(y, -1, 2) - 4.0 * y
    autocatalysis = u * u * v
    forcing = jnp.where(jnp.greater_equal(t, SWITCH_TIME), 5.0, 0.0) * jnp.asarray(heated(size), u.dtype)
    reaction = jnp.stack([args[1] + autocatalysis - (args[0] + 1.0) * u + forcing, args[0] * u - autocatalysis])
    return reaction + diffusivity * spread


def brusselator_2d_sparsity(size: int) -> tuple[Int[np.ndarray, " nnz"], Int[np.ndarray, " nnz"]]:
    """The places (rows, columns) of the Jacobian's entries, for the state in row-major order, sorted by row.

    Six in each row: the point, its four neighbours, and the other species at the point.
    """
    places = np.arange(2 * size * size).reshape(2, size, size)
    shifted = [places, places[::-1], *(np.roll(places, shift, axis) for shift in (1, -1) for axis in (1, 2))]
    rows = np.repeat(places.ravel(), len(shifted))
    columns = np.stack(shifted, axis=-1).reshape(-1, len(shifted))
    return rows, np.sort(columns, axis=1).ravel()


def brusselator_2d(size: int = 8, t1: float = 11.5) -> ZooProblem:
    """The 2-D Brusselator with (A, B, α) = (3.4, 1, 10) on a `size` by `size` grid.

    The state has shape (2, size, size): U and V at x_i, y_j = 0, 1/(size - 1), ..., 1. The grid wraps round, so that
    both ends count as neighbours, as in the benchmark that defines the problem. It starts from U = 22 (y(1-y))^1.5 and
    V = 27 (x(1-x))^1.5. From t = 1.1 on, 5 is added to U' near (0.3, 0.6): a jump, at which methods reject steps unless
    told of it. The largest eigenvalue is about -80 (size - 1)². At t1 the state is nearly uniform: work done at early
    times, when it is not, does not show in the error there.

    Parameters
    ----------
    size
        Grid points along each side, at least 3. References exist for 8.
    t1
        The end.

    Returns
    -------
    ZooProblem
        `problem.sparsity` is the pattern of its Jacobian; `brusselator_2d_sparsity` gives it as index arrays.

    Raises
    ------
    ValueError
        When `size` is less than 3.

    References
    ----------
    Hairer & Wanner, Solving Ordinary Differential Equations II (1996), IV.10; in this form (periodic, α/dx²) in the
    Brusselator work-precision benchmark of SciMLBenchmarks. Values from collocation in extended precision.
    """
    if size < 3:
        message = f"`size` must be at least 3, so that all neighbours differ; got {size}. Use 8 for the references."
        raise ValueError(message)
    grid = np.linspace(0.0, 1.0, size)
    bump = (grid * (1.0 - grid)) ** 1.5
    y0 = np.stack([np.broadcast_to(22.0 * bump, (size, size)), np.broadcast_to(27.0 * bump[:, None], (size, size))])
    unknowns = 2 * size * size
    known = zip(REFERENCE_TIMES, _reference_states()) if size == REFERENCE_SIZE else ()
    references = {t: state for t, state in known if t <= t1}
    return ZooProblem(
        name="brusselator_2d",
        tags=frozenset({"stiff", "large", "nonautonomous", "chemistry", "pde"}),
        problem=ODEProblem(
            brusselator_2d_field,
            jnp.asarray(y0),
            0.0,
            t1,
            jnp.asarray([3.4, 1.0, 10.0]),
            sparsity=SparsityPattern(*brusselator_2d_sparsity(size), (unknowns, unknowns)),
        ),
        source="Hairer & Wanner, Solving Ordinary Differential Equations II, 1996, IV.10",
        references=references,
        accuracy=dict.fromkeys(references, 1e-14),
    )


def _reference_states() -> list[Float[np.ndarray, "2 8 8"]]:
    """The states at `REFERENCE_TIMES`, one column each in the file, rows in row-major order of the state."""
    text = (files("sciml_jax.zoo") / "data" / "brusselator_2d_8.csv").read_text(encoding="utf-8")
    columns = np.loadtxt(text.splitlines()[1:], delimiter=",").T
    return [column.reshape(2, REFERENCE_SIZE, REFERENCE_SIZE) for column in columns]
