"""Difference equations: maps that are iterated.

- `problem`: `MapProblem`. `iterate`: `Iterate`, the method. `indices`: which states are kept.
"""

from .iterate import Iterate as Iterate
from .problem import MapProblem as MapProblem
