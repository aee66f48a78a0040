"""The list of all problems, and selection by tag."""

from collections.abc import Callable

from .akzo_nobel import akzo_nobel
from .brusselator_2d import brusselator_2d
from .e5 import e5
from .hessenberg_index2 import hessenberg_index2
from .hires import hires
from .linear_dae import linear_dae
from .linear_oscillator import linear_oscillator
from .lorenz import lorenz
from .lotka_volterra import lotka_volterra
from .modulated_hopf import modulated_hopf
from .modulated_hopf_dae import modulated_hopf_dae
from .oregonator import oregonator
from .pendulum import pendulum, pendulum_index2
from .pleiades import pleiades
from .pollution import pollution
from .problem import TAGS, ZooProblem
from .prothero_robinson import prothero_robinson
from .robertson import robertson, robertson_dae
from .transistor_amplifier import transistor_amplifier
from .van_der_pol import van_der_pol, van_der_pol_scaled

CONSTRUCTORS: tuple[Callable[..., ZooProblem], ...] = (
    linear_oscillator,
    modulated_hopf,
    lotka_volterra,
    lorenz,
    pleiades,
    robertson,
    hires,
    oregonator,
    van_der_pol,
    van_der_pol_scaled,
    pollution,
    prothero_robinson,
    e5,
    brusselator_2d,
    robertson_dae,
    akzo_nobel,
    transistor_amplifier,
    linear_dae,
    modulated_hopf_dae,
    pendulum,
    pendulum_index2,
    hessenberg_index2,
)


def all_problems() -> dict[str, Callable[..., ZooProblem]]:
    """Name -> constructor for every problem; each constructor can be called without arguments."""
    return {constructor.__name__: constructor for constructor in CONSTRUCTORS}


def with_tag(*tags: str) -> dict[str, Callable[..., ZooProblem]]:
    """Name -> constructor for the problems that, constructed without arguments, carry all of the given tags.

    Raises
    ------
    ValueError
        When a tag is not in `TAGS`.
    """
    unknown = [tag for tag in tags if tag not in TAGS]
    if unknown:
        message = f"`tags` must be in the zoo's vocabulary; got {unknown}. Use some of {sorted(TAGS)}."
        raise ValueError(message)
    return {name: constructor for name, constructor in all_problems().items() if set(tags) <= constructor().tags}
