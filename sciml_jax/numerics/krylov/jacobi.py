"""The Jacobi preconditioner: the diagonal."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from .preconditioner import AbstractPreconditioner, JacobianData, required_entries


class Jacobi(AbstractPreconditioner):
    """Divide by the diagonal of `shift I - J`.

    Cost n operations, memory n. It pays where components live on very different scales (stiff kinetics without
    transport, a grid with very different cells). It brings nothing where the diagonal is nearly constant, which a
    diffusion operator on a uniform grid is: use `LineADI` or `FourierDiffusion` there. A diagonal entry that is zero is
    replaced by one.

    References
    ----------
    Saad, "Iterative methods for sparse linear systems", 2nd edition, SIAM, 2003, section 10.2.
    """

    def factor(self, jacobian: JacobianData, shift: Any) -> Any:
        """The inverse diagonal, shape (n,); `jacobian.y` tells how many."""
        index = np.arange(jacobian.size)
        diagonal = shift - required_entries(jacobian, "Jacobi")(index, index)
        return 1.0 / jnp.where(diagonal == 0, 1.0, diagonal)

    def apply(self, factors: Any, vector: Any) -> Any:
        """The vector times the inverse diagonal."""
        return factors * vector
