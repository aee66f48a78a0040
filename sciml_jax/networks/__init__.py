"""Trainable layers and what goes around them. Knows no equations.

- `normalise`: `Normalise`, the affine scaling that a model carries with it.
"""

from .normalise import Normalise as Normalise
