"""Laws in words: equations and a table of their coefficients."""

from typing import Any

import numpy as np


def number_text(value: float, digits: int = 3) -> str:
    """A positive number with so many decimals; very small and very large ones with so many significant digits more."""
    plain = min(0.1, 10.0 ** (2 - digits)) <= value < 1e5
    return f"{value:.{digits}f}" if plain else f"{value:.{digits + 1}g}"


def equation_text(left: str, row: Any, terms: tuple[str, ...], digits: int = 3) -> str:
    """One equation, such as `dx/dt = -10.000 x + 10.000 y`; `0` for one without terms."""
    text = ""
    for value, term in zip(row, terms):
        if value == 0:
            continue
        size = number_text(abs(float(value)), digits)
        body = size if term == "1" else f"{size} {term}"
        if not text:
            text = f"-{body}" if value < 0 else body
        else:
            text += f" - {body}" if value < 0 else f" + {body}"
    return f"{left} = {text or '0'}"


def table_text(left: Any, terms: Any, coefficients: Any, errors: Any, r2: Any, inclusion: Any = None) -> str:
    """Coefficients with their standard errors, one line each, and the explained variance of every equation."""
    width = max((len(term) for term in terms), default=1)
    lines = []
    for i, name in enumerate(left):
        lines.append(f"{name}   explained variance {r2[i]:.6f}")
        shown = coefficients[i] != 0
        if inclusion is not None:
            shown = shown | (inclusion[i] > 0.05)
        for k in np.nonzero(shown)[0]:
            line = f"  {terms[k]:<{width}}  {coefficients[i, k]:>12.6g} ± {errors[i, k]:<10.2g}"
            lines.append(line if inclusion is None else f"{line} in {100 * inclusion[i, k]:.0f} % of the ensemble")
    return "\n".join(line.rstrip() for line in lines)
