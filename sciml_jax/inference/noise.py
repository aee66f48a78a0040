"""One function per kind of measurement noise, each making a likelihood."""

from collections.abc import Callable
from typing import Any

from jaxtyping import PyTree

from ..core.data import Data
from .likelihoods import Likelihood, make_likelihood
from .noise_families import Gaussian, LogNormal, NegativeBinomial, Poisson, StudentT


def gaussian(
    predict: Callable[[PyTree], PyTree],
    data: PyTree | Data,
    *,
    scale: Any = None,
    mask: PyTree = None,
    left_censored: PyTree = None,
    right_censored: PyTree = None,
) -> Likelihood:
    r"""The likelihood of $y = f(\theta) + \sigma\,\epsilon$, with $\epsilon$ standard normal.

    Parameters
    ----------
    predict
        Parameters to predictions in the shape of the data: an array, a `Solution` (then its `ys` and its status count)
        or, for several experiments, a list or dict of them. Let `sj.solve` return with `on_failure="return"`. One
        number stands for a constant prediction.
    data
        Measured values: an array, one series per entry of the last axis; several experiments as a list or dict of
        arrays, of different lengths if need be; or a `Data`, whose mask is kept and whose noise is the default scale.
    scale
        Standard deviation of the noise: a number, one per series (of the last axis), one per value, a list or dict like
        the data, or a function of the parameters that returns any of these.
    mask
        True where a value was measured. NaN is allowed elsewhere.
    left_censored, right_censored
        True where only "at most `data`" or "at least `data`" is known; such values enter by their probability.

    Returns
    -------
    A `Likelihood`: `likelihood(params)` is the log-likelihood; minus infinity with a zero gradient where the prediction
    is NaN or infinite, a `Solution` has a failed status, or the scale is not positive. Likelihoods of independent data
    add up: `gaussian(...) + poisson(...)`. Inside a NumPyro model: `numpyro.factor("data", likelihood(params))`; of
    functions that are NaN by themselves (the root of a negative number) only `posterior` makes the gradient finite.

    Raises
    ------
    ValueError, TypeError
        For data that are not real and finite under the mask, shapes that do not fit, a scale that is not positive, and
        a scale to be inferred from data that are all the same. Predictions of a wrong shape raise when they are made.

    Notes
    -----
    Normalised densities, so that evidences and LOO can be compared between kinds of noise.
    """
    scale = data.noise if scale is None and isinstance(data, Data) else scale
    return make_likelihood(predict, data, Gaussian(), {"scale": scale}, mask, left_censored, right_censored)


def lognormal(
    predict: Callable[[PyTree], PyTree],
    data: PyTree | Data,
    *,
    scale: Any,
    mask: PyTree = None,
    left_censored: PyTree = None,
    right_censored: PyTree = None,
) -> Likelihood:
    r"""The likelihood of $\log y = \log f(\theta) + \sigma\,\epsilon$: relative errors around the median $f(\theta)$.

    Parameters
    ----------
    predict, data, mask, left_censored, right_censored
        As for `gaussian`; the data must be positive. A prediction that is not positive has zero likelihood.
    scale
        Standard deviation of log y, as for `gaussian`; 0.1 is about 10 %.

    Returns
    -------
    A `Likelihood`, as for `gaussian`; its density is one of y, not of log y.
    """
    return make_likelihood(predict, data, LogNormal(), {"scale": scale}, mask, left_censored, right_censored)


def student_t(
    predict: Callable[[PyTree], PyTree],
    data: PyTree | Data,
    *,
    scale: Any = None,
    df: Any = 4.0,
    mask: PyTree = None,
    left_censored: PyTree = None,
    right_censored: PyTree = None,
) -> Likelihood:
    r"""The likelihood of $y = f(\theta) + \sigma\,t_\nu$, which outliers pull less than with `gaussian`.

    Parameters
    ----------
    predict, data, mask, left_censored, right_censored
        As for `gaussian`.
    scale
        $\sigma$, as for `gaussian`; the standard deviation is $\sigma\sqrt{\nu / (\nu - 2)}$.
    df
        Degrees of freedom $\nu$, given like `scale`.

    Returns
    -------
    A `Likelihood`, as for `gaussian`. With censored values `df` must be a number, not a function of the parameters.

    References
    ----------
    Lange, Little & Taylor, Robust statistical modeling using the t distribution, JASA 84 (1989) 881-896.
    """
    scale = data.noise if scale is None and isinstance(data, Data) else scale
    return make_likelihood(predict, data, StudentT(), {"scale": scale, "df": df}, mask, left_censored, right_censored)


def poisson(
    predict: Callable[[PyTree], PyTree],
    data: PyTree | Data,
    *,
    mask: PyTree = None,
    left_censored: PyTree = None,
    right_censored: PyTree = None,
) -> Likelihood:
    r"""The likelihood of counts $y$ with mean $f(\theta)$: $P(y) = f^y e^{-f} / y!$.

    Parameters
    ----------
    predict, data, mask, left_censored, right_censored
        As for `gaussian`; the data must be integers from 0 (of any dtype). A negative prediction has zero likelihood:
        where a solver may undershoot zero, return `jnp.maximum(prediction, 0)`.

    Returns
    -------
    A `Likelihood`, as for `gaussian`.
    """
    return make_likelihood(predict, data, Poisson(), {}, mask, left_censored, right_censored)


def negative_binomial(
    predict: Callable[[PyTree], PyTree],
    data: PyTree | Data,
    *,
    concentration: Any,
    mask: PyTree = None,
    left_censored: PyTree = None,
    right_censored: PyTree = None,
) -> Likelihood:
    r"""The likelihood of counts with mean $f(\theta)$ and variance $f + f^2/k$: counts scattering more than Poisson's.

    Parameters
    ----------
    predict, data, mask, left_censored, right_censored
        As for `poisson`.
    concentration
        $k$, given like `scale` of `gaussian`; large values approach `poisson`.

    Returns
    -------
    A `Likelihood`, as for `gaussian`. Censored counts cost as many terms as the largest of them.
    """
    shape = {"concentration": concentration}
    return make_likelihood(predict, data, NegativeBinomial(), shape, mask, left_censored, right_censored)
