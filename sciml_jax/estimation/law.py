"""A law: a sparse combination of candidate functions for every rate of change."""

from typing import Any

import equinox as eqx
import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, ArrayLike, Float

from ..core.tree import describe
from .candidates import AbstractLibrary
from .law_status import LawStatus
from .law_text import equation_text, table_text


class Law(eqx.Module):
    """What `sindy` and `recover_law` find: `left_i = sum_k coefficients[i, k] candidate_k(t, y, u)`.

    `print(law)` writes the equations in words, `law.summary()` adds standard errors and the fit. A law of rates is a
    vector field: `sj.ODEProblem(law, y0, t0, t1)`; a law of a map is the `step` of `sj.MapProblem`. It is a frozen
    pytree whose arrays are its numbers.

    Attributes
    ----------
    coefficients, standard_errors
        Shape (equations, candidates); zero where a candidate is not part of the law. The errors are those of the
        regression with the selected terms taken as known (with an ensemble, the spread of its members): too small where
        the selection itself is doubtful, and blind to the bias from noise inside the candidates.
    r2
        Explained part of the variance of each left-hand side, shape (equations,).
    inclusion, members
        With an ensemble: the part of its members that hold a candidate (equations, candidates), and their coefficients
        (members, equations, candidates). Else None.
    code
        `status` as an integer array.
    library, variables, inputs, left
        The candidates; the names of the states, of the inputs, and of what each equation gives.
    """

    coefficients: Float[Array, "equations K"]
    standard_errors: Float[Array, "equations K"]
    r2: Float[Array, "equations"]
    inclusion: Any
    members: Any
    code: Any
    library: AbstractLibrary
    variables: tuple[str, ...] = eqx.field(static=True)
    inputs: tuple[str, ...] = eqx.field(static=True)
    left: tuple[str, ...] = eqx.field(static=True)
    scalar: bool = eqx.field(static=True)

    def __call__(self, t: ArrayLike, y: Any, args: Any = None) -> Any:
        """The right-hand sides at one state.

        Parameters
        ----------
        t, y
            Time and state, shape (n,) (a scalar where the data were one series of shape (T,)).
        args
            For a law with inputs: their values (m,), or a function of time that returns them. Else ignored.
        """
        return self._value(self.coefficients, t, y, args)

    def _value(self, coefficients: Any, t: Any, y: Any, args: Any) -> Any:
        state = jnp.asarray(y)
        expected = () if self.scalar else (len(self.variables),)
        if state.shape != expected:
            msg = f"the law of {', '.join(self.variables)} takes a state of shape {expected}; got {describe(state)}."
            raise ValueError(msg)
        u = self._input_values(t, args, state.dtype)
        values = self.library.evaluate(t, state.reshape(-1), u)
        right = jnp.asarray(coefficients, values.dtype) @ values
        return right.reshape(()) if self.scalar and len(self.left) == 1 else right

    def _input_values(self, t: Any, args: Any, dtype: Any) -> Any:
        if not self.inputs:
            return jnp.zeros((0,), dtype)
        u = args(t) if callable(args) else args
        if u is None or np.size(u) != len(self.inputs):
            received = "nothing" if u is None else describe(jnp.asarray(u))
            msg = (
                f"this law has the inputs {', '.join(self.inputs)}: `args` must be their values or a function of time "
                f"that returns them; got {received}. Pass, for example, `args=sj.interpolate(ts, inputs)`."
            )
            raise ValueError(msg)
        return jnp.asarray(u, dtype).reshape(-1)

    @property
    def status(self) -> Any:
        """A `LawStatus`; the integer array under `jit` and `vmap`."""
        concrete = not isinstance(self.code, jax.core.Tracer) and np.ndim(self.code) == 0
        return LawStatus(int(self.code)) if concrete else self.code

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of all candidates, in the order of the columns of `coefficients`."""
        return self.library.names(self.variables, self.inputs)

    @property
    def support(self) -> Any:
        """Which candidates are part of which equation: booleans, shape (equations, candidates)."""
        return self.coefficients != 0

    def as_dict(self) -> dict[str, dict[str, float]]:
        """The law as numbers: `{"dx/dt": {"x": -10.0, "y": 10.0}, ...}`, only the terms that are part of it."""
        values = np.asarray(self.coefficients)
        return {
            left: {term: float(c) for term, c in zip(self.terms, row) if c != 0} for left, row in zip(self.left, values)
        }

    def equations(self, digits: int = 3) -> tuple[str, ...]:
        """One line of text per equation, such as `dx/dt = -10.000 x + 10.000 y`."""
        values = np.asarray(self.coefficients)
        return tuple(equation_text(left, row, self.terms, digits) for left, row in zip(self.left, values))

    def summary(self) -> str:
        """Equations, standard errors, explained variance, and inclusion probabilities of an ensemble, as text."""
        inclusion = None if self.inclusion is None else np.asarray(self.inclusion)
        numbers = [np.asarray(values) for values in (self.coefficients, self.standard_errors, self.r2)]
        return f"{self}\n\n{table_text(self.left, self.terms, numbers[0], numbers[1], numbers[2], inclusion)}"

    def parametric(self) -> tuple[Any, Float[Array, "P"]]:
        """The law with free coefficients, to fit them again: a vector field `f(t, y, params)` and `params` now.

        `params` are the nonzero coefficients, equation by equation. The law must have no inputs: join those in a
        function of your own around `law.with_coefficients`.
        """
        rows, columns = np.nonzero(np.asarray(self.coefficients))
        free = _FreeLaw(self, tuple(map(int, rows)), tuple(map(int, columns)))
        return free, self.coefficients[rows, columns]

    def with_coefficients(self, params: Float[Array, "P"]) -> "Law":
        """The same terms with other coefficients, in the order of `parametric`; standard errors become NaN."""
        rows, columns = np.nonzero(np.asarray(self.coefficients))
        if np.shape(params) != (rows.size,):
            msg = f"`params` must hold the {rows.size} coefficients of the law; got shape {np.shape(params)}."
            raise ValueError(msg)
        new = self.coefficients.at[rows, columns].set(params)
        nothing = jnp.full_like(self.standard_errors, jnp.nan)
        return eqx.tree_at(lambda law: (law.coefficients, law.standard_errors), self, (new, nothing))

    def __str__(self) -> str:
        if any(isinstance(leaf, jax.core.Tracer) for leaf in (self.coefficients, self.code)):
            return f"a law of {', '.join(self.left)} that is being traced"
        text = "\n".join(self.equations())
        return text if self.status is LawStatus.FOUND else f"{text}\n({self.status})"


class _FreeLaw(eqx.Module):
    """A law as a vector field whose `args` are its nonzero coefficients."""

    law: Law
    rows: tuple[int, ...] = eqx.field(static=True)
    columns: tuple[int, ...] = eqx.field(static=True)

    def __call__(self, t: ArrayLike, y: Any, args: Any) -> Any:
        """The right-hand sides with `args` as coefficients."""
        zeros = jnp.zeros(self.law.coefficients.shape, jnp.result_type(args))
        coefficients = zeros.at[jnp.asarray(self.rows, int), jnp.asarray(self.columns, int)].set(args)
        return self.law._value(coefficients, t, y, None)
