"""Pelts of lynx and snowshoe hare bought by the Hudson's Bay Company, 1900-1920."""

import csv
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from jaxtyping import Float, Int


@dataclass(frozen=True, eq=False)
class LynxHare:
    """Yearly counts of pelts: `years`, and `hare` and `lynx` in thousands of pelts."""

    years: Int[np.ndarray, "21"]
    hare: Float[np.ndarray, "21"]
    lynx: Float[np.ndarray, "21"]


def lynx_hare() -> LynxHare:
    """The lynx and hare counts of the Hudson's Bay Company, 21 years from 1900 to 1920.

    A public record, the usual first data set for fitting predator and prey models. Pelts bought stand for animals
    only up to trapping effort, so fitted rates are indicative. New arrays at every call.

    References
    ----------
    Hudson's Bay Company pelt counts as tabulated by Howard, Modeling Basics (2009), after Elton & Nicholson,
    J. Animal Ecology 11 (1942) 215-244.
    """
    text = (files("sciml_jax.zoo") / "data" / "lynx_hare.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return LynxHare(
        years=np.array([int(row["year"]) for row in rows]),
        hare=np.array([float(row["hare"]) for row in rows]),
        lynx=np.array([float(row["lynx"]) for row in rows]),
    )
