"""Stability regions as data and as pictures."""

import builtins

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import sciml_jax as sj
from sciml_jax.equations.stability import multistep_stability, plot_stability_region, stability_region


def quartic(z):
    return 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24


def test_a_region_holds_r_on_its_grid():
    region = stability_region(sj.RK4(), bounds=(-4.0, 1.0, -3.0, 3.0), resolution=51)
    assert region.name == "RK4" and region.z.shape == region.values.shape == (51, 51)
    assert region.z[0, 0] == -4 - 3j and region.z[0, -1] == 1 - 3j and region.z[-1, 0] == -4 + 3j
    assert np.allclose(region.values, quartic(region.z), rtol=1e-12)
    assert np.array_equal(region.is_stable, np.abs(region.values) <= 1)
    assert np.allclose(region.order_star, np.abs(quartic(region.z) * np.exp(-region.z)), rtol=1e-11)


@pytest.mark.parametrize("method", [sj.RK4(), sj.AdamsBashforth(3), sj.RKC(0.64 * 99, 10)], ids=lambda m: m.name)
def test_default_bounds_enclose_a_bounded_region(method):
    region = stability_region(method, resolution=61)
    assert region.is_stable.any()
    edge = np.concatenate([region.is_stable[0], region.is_stable[-1], region.is_stable[:, 0], region.is_stable[:, -1]])
    assert not edge.any()
    # The region fills the rectangle: no more than two fifths of any side are empty.
    across = np.flatnonzero(region.is_stable.any(axis=0))
    assert across[-1] - across[0] > 0.6 * 60


def test_default_bounds_enclose_the_complement_of_an_unbounded_region():
    region = stability_region(multistep_stability([1 / 2, -2.0, 3 / 2], [0.0, 0.0, 1.0]), resolution=61)
    assert not region.is_stable.all()
    assert region.is_stable[0].all() and region.is_stable[-1].all() and region.is_stable[:, -1].all()
    assert region.is_stable[region.z.real < 0].all()


def test_values_that_overflow_are_infinite():
    region = stability_region(lambda z: jnp.exp(jnp.exp(jnp.abs(z))), bounds=(0.0, 1e3, 0.0, 1.0), resolution=3)
    assert np.isinf(region.growth[:, -1]).all() and region.growth[0, 0] == pytest.approx(np.e)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (1.0, 0.0, 0.0, 1.0), (0.0, np.inf, 0.0, 1.0), "wide", 3.0])
def test_empty_rectangles_are_refused(bounds):
    with pytest.raises(ValueError, match="`bounds` must be four finite numbers"):
        stability_region(sj.RK4(), bounds=bounds)


@pytest.mark.parametrize("resolution", [1, 2.5, True])
def test_resolutions_that_make_no_grid_are_refused(resolution):
    with pytest.raises(ValueError, match="`resolution` must be an integer of at least 2"):
        stability_region(sj.RK4(), resolution=resolution)


def test_the_picture_shades_the_region_and_draws_its_edge():
    ax = plot_stability_region(sj.RK4(), bounds=(-4.0, 1.0, -4.0, 4.0), resolution=201)
    assert ax.get_title() == "RK4" and ax.get_xlabel() == r"Re $h\lambda$"
    edges = np.concatenate([path.vertices for path in ax.collections[1].get_paths()])
    on_edge = np.abs(quartic(edges[:, 0] + 1j * edges[:, 1]))
    assert len(edges) > 100 and np.max(np.abs(on_edge - 1)) < 2e-3
    assert edges[:, 0].min() == pytest.approx(-2.7853, abs=1e-3)
    plt.close(ax.figure)


def test_the_picture_goes_on_given_axes_with_the_order_star():
    figure, axes = plt.subplots(1, 2)
    assert plot_stability_region(sj.RK4(), axes[1], resolution=61, order_star=True) is axes[1]
    assert len(axes[1].collections) == 3 and not axes[0].collections
    figure.canvas.draw()
    plt.close(figure)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(ImportError, match=r"sciml_jax\[plot\]"):
        plot_stability_region(sj.RK4())
