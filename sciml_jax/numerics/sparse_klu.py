"""Sparse LU with fill-reducing orders through KLU, an optional package."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Inexact

from .direct_structure import DirectStructure
from .sparse_matrix import check_values
from .sparsity import SparsityPattern


def klu_solve(values: Inexact[Array, " nnz"], pattern: SparsityPattern, rhs: Inexact[Array, "n *columns"]) -> Any:
    """Solve `A x = rhs` with a general sparse matrix by KLU; result of the shape of `rhs`.

    Parameters
    ----------
    values, pattern
        The matrix, of shape (n, n).
    rhs
        One right-hand side (n,) or several (n, k), all solved with one factorisation.

    Raises
    ------
    ImportError
        Without klujax, which the extra `klu` installs. Its licence is LGPL 2.0, unlike this library's.
    TypeError
        In single precision: KLU has double precision only.

    Notes
    -----
    Orders, factors and solves in every call: its factors are pointers that compiled programs cannot own, so nothing is
    kept between calls. Differentiable in both modes, works under `jit` and `vmap`, on CPUs only. When not to use it:
    inside a time step with several solves per matrix, where `direct_structure(pattern).solver(values)` factors once; on
    accelerators.

    References
    ----------
    Davis, Palamadai Natarajan, Algorithm 907: KLU, a direct sparse solver for circuit simulation problems, ACM Trans.
    Math. Softw. 37 (2010).
    """
    try:
        import klujax  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        msg = (
            "`klu_solve` needs the package klujax, which is not installed. "
            "Install the extra with `pip install 'sciml_jax[klu]'`, or use `direct_structure(pattern).solver(values)`."
        )
        raise ImportError(msg) from error
    check_values(values, pattern)
    dtype = jnp.result_type(values, rhs)
    if pattern.shape[0] != pattern.shape[1] or rhs.shape[:1] != pattern.shape[:1]:
        msg = (
            f"`rhs` must have one row per row of a square matrix; got shape {rhs.shape} for {pattern!r}. "
            "Transpose it if the systems lie in front."
        )
        raise ValueError(msg)
    if dtype not in (jnp.float64, jnp.complex128):
        msg = f"KLU solves in double precision only; got {dtype}. Enable `jax_enable_x64` and convert."
        raise TypeError(msg)
    solve: Any = klujax.solve
    return solve(jnp.asarray(pattern.rows), jnp.asarray(pattern.cols), values.astype(dtype), rhs.astype(dtype))


class KLUStructure(DirectStructure):
    """General sparse elimination by KLU, which orders and factors anew in every solve."""

    name = "klu"

    @property
    def flops(self) -> float:
        """Unknown: NaN."""
        return float("nan")

    @property
    def cost(self) -> float:
        """Unknown: NaN."""
        return float("nan")

    def describe(self) -> str:
        """As `DirectStructure.describe`."""
        return f"n={self.size}"

    def factor(self, values: Inexact[Array, " nnz"]) -> Any:
        """The values: KLU's own factors cannot be kept by a compiled program."""
        return values

    def solve(self, factors: Any, rhs: Inexact[Array, " n"]) -> Inexact[Array, " n"]:
        """As `DirectStructure.solve`."""
        return klu_solve(factors, self.pattern, rhs)
