"""Fit models to data, say how certain the parameters are, and choose what to measure next.

==================== =====================================================================================
`Data`               what was measured: times, series, masks, noise, experiments (from `core`)
`join_experiments`   several `Data` as one
`shooting`           bounded least squares through solves of the whole interval, from many starts at once
`multiple_shooting`  segments with states of their own that are made to join: for long, oscillating, chaotic records
`collocation`        without solving: `GradientMatching` of smoothed data, or `OrthogonalCollocation`
`multistart`         `shooting` for any function that returns residuals
`Estimate`           parameters, standard errors, intervals, diagnostics, all starts
`EstimationStatus`   how an estimation ended, with the remedy
`profile_likelihood` intervals that do not assume a linear model, and which parameters have none
`fisher_information` how sharply data determine parameters; `sloppy_directions`: which combinations they do not
`design`             times, doses, ... of the next experiment by gradient: `DOptimal`, `AOptimal`
`optimal_weights`    how often to measure each of many candidates
`waterfall`          a picture of all starts
`sindy`              a sparse law behind trajectories, of which the right-hand sides are not known
`recover_law`        the symbolic form of a learned function
`Law`, `LawStatus`   equations in words that are also a vector field; how the search ended, with the remedy
`polynomials`        candidate functions; also `fourier`, `custom`, their sums and products
`STLSQ`, `SR3`       sparse regressions; `Bagging`: how sure each term is; `Weak`: without derivatives of the data
`LocalPolynomial`    derivatives of noisy data, with `kernels`; also `SmoothingSpline`, `FiniteDifferences`
==================== =====================================================================================

Inside: ``segments``, ``matching`` (multiple shooting), ``prediction`` (a model as a plain function), ``unknowns``
(parameters and initial states as a vector), ``starts``, ``search``, ``estimate`` (what searches share),
``covariance``, ``quantiles``, ``residual_diagnostics``, ``summary``; of discovery ``candidates``, ``sindy_data``,
``sparse_fit``, ``local_lagrange``, ``law_text``.
"""

from ..core.data import Data as Data
from ..core.data_join import join_experiments as join_experiments
from . import kernels as kernels
from .candidate_libraries import custom as custom
from .candidate_libraries import fourier as fourier
from .candidate_libraries import polynomials as polynomials
from .candidates import AbstractLibrary as AbstractLibrary
from .collocation import AbstractMatching as AbstractMatching
from .collocation import GradientMatching as GradientMatching
from .collocation import collocation as collocation
from .design import Design as Design
from .design import design as design
from .fisher_information import fisher_information as fisher_information
from .law import Law as Law
from .law_status import LawStatus as LawStatus
from .multiple_shooting import multiple_shooting as multiple_shooting
from .multistart import multistart as multistart
from .optimal_weights import Weights as Weights
from .optimal_weights import optimal_weights as optimal_weights
from .optimality import AbstractCriterion as AbstractCriterion
from .optimality import AOptimal as AOptimal
from .optimality import DOptimal as DOptimal
from .orthogonal_collocation import OrthogonalCollocation as OrthogonalCollocation
from .profile_likelihood import Profiles as Profiles
from .profile_likelihood import profile_likelihood as profile_likelihood
from .recover_law import recover_law as recover_law
from .residual_diagnostics import residual_diagnostics as residual_diagnostics
from .result import Estimate as Estimate
from .result import Starts as Starts
from .shooting import shooting as shooting
from .sindy import sindy as sindy
from .sloppy_directions import SloppyDirections as SloppyDirections
from .sloppy_directions import sloppy_directions as sloppy_directions
from .smoothing import AbstractSmoother as AbstractSmoother
from .smoothing import FiniteDifferences as FiniteDifferences
from .smoothing import LocalPolynomial as LocalPolynomial
from .smoothing import SmoothingSpline as SmoothingSpline
from .sparse_fit import Bagging as Bagging
from .sparse_regression import SR3 as SR3
from .sparse_regression import STLSQ as STLSQ
from .sparse_regression import AbstractSparseRegression as AbstractSparseRegression
from .status import EstimationStatus as EstimationStatus
from .waterfall import waterfall as waterfall
from .weak_form import Weak as Weak
