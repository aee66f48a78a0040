"""Bayesian inference for models with solvers inside; the samplers are BlackJAX's, the priors NumPyro's.

=================================================== =================================================================
`posterior`, `Posterior`                            priors and a likelihood, as a density of an unconstrained vector
`gaussian`, `lognormal`, `student_t`, `poisson`,    likelihoods of measurements around `predict(params)`
`negative_binomial`
`nuts`, `hmc`, `metropolis`                         Markov chains
`chees`, `mclmc`, `sgld`, `smc`                     many chains, many parameters, much data, evidences
`map_estimate`, `laplace`, `pathfinder`, `advi`     modes and approximations
`Draws`, `Summary`                                  what they return: diagnostics, predictions, ArviZ, pictures
`simulation_based_calibration`                      whether a sampler recovers what data were simulated from
`prior_predictive`, `monte_carlo`                   what priors, or random parameters, say about the model
`hamiltonian_flow`                                  Hamiltonian Monte Carlo's path as a differential equation
=================================================== =================================================================

Inside: `priors`, `numpyro_model`, `safe_gradient`, `posterior_checks` (of `posterior`); `observed`, `noise_families`,
`likelihoods` (of the noise); `kernel` (the protocol of a chain), `adaptation`, `chain_program`, `chains`,
`chain_options`, `chain_store`, `chain_progress` (of the chains); `diagnostics`, `summary`, `run_advice`, `predictive`,
`arviz`, `pictures` (of `Draws`); `ascent`, `starting_points`, `gaussian_draws`, `gaussian_families`, `compiled`,
`inference_status` (of the approximations).
"""

from .advi import advi as advi
from .calibration import Calibration as Calibration
from .calibration import simulation_based_calibration as simulation_based_calibration
from .chees import chees as chees
from .draws import Draws as Draws
from .gaussian_families import AbstractGaussianFamily as AbstractGaussianFamily
from .gaussian_families import FullRank as FullRank
from .gaussian_families import LowRank as LowRank
from .gaussian_families import MeanField as MeanField
from .hamiltonian_flow import PosteriorHamiltonian as PosteriorHamiltonian
from .hamiltonian_flow import hamiltonian_flow as hamiltonian_flow
from .hmc import hmc as hmc
from .inference_status import InferenceStatus as InferenceStatus
from .kernel import AbstractKernel as AbstractKernel
from .laplace import laplace as laplace
from .likelihoods import AbstractLikelihood as AbstractLikelihood
from .map_estimate import MapEstimate as MapEstimate
from .map_estimate import map_estimate as map_estimate
from .mclmc import mclmc as mclmc
from .metropolis import metropolis as metropolis
from .monte_carlo import MonteCarloResult as MonteCarloResult
from .monte_carlo import monte_carlo as monte_carlo
from .noise import gaussian as gaussian
from .noise import lognormal as lognormal
from .noise import negative_binomial as negative_binomial
from .noise import poisson as poisson
from .noise import student_t as student_t
from .nuts import nuts as nuts
from .pathfinder import pathfinder as pathfinder
from .pictures import bands as bands
from .posterior import Posterior as Posterior
from .posterior import posterior as posterior
from .predictive import prior_predictive as prior_predictive
from .sgld import sgld as sgld
from .smc import smc as smc
from .summary import Summary as Summary
