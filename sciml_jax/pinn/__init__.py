"""Physics-informed neural networks: differential equations solved by training, with an estimate of the error.

========================================================= =============================================================
`Box`, `Ball`, `Polygon`, `PointCloud`                    geometries with named coordinates; `a - b`, `a | b`, `a & b`,
                                                          `a * b` combine them
`Face`, `Boundary`, `Mantle`, `Inside`                    where conditions hold
`Dirichlet`, `Neumann`, `Robin`, `Initial`, `Periodic`,   conditions
`Data`, `Integral`, `Condition`
`PDEProblem`                                              the residual with its domain and conditions
`PINN`                                                    the method of `sj.solve`
`TimeMarching`                                            one network after the other, each for a window of time
`DiscreteTimePINN`                                        one implicit Runge-Kutta step with networks as its stages
`PINNSolution`, `PINNStatus`, `load_solution`             what it returns, and how it is read from a file
`nested_forward`                                          derivatives by nested forward mode, the default engine
`taylor_partials`, `along`                                the same by Taylor mode, which falls back by itself
`laplacian`, `value_gradient_laplacian`                   the Laplacian in one forward pass
`stochastic_laplacian`, `RandomAxes`, `RandomSigns`       an estimate of it for many coordinates
`ExactBoundary`                                           a network that holds Dirichlet values on any geometry
`log_density`                                             the posterior of a network, as a function for any sampler
`integrate`, `caputo_derivative`                          integrals and fractional derivatives in residuals
`Uniform`, `LatinHypercube`, `Sobol`, `Halton`            samplers; `RAD`, `RARD`, `R3` follow the residual
`FixedWeights`, `GradNormWeights`, `NTKWeights`,          weights of the terms of a loss
`SelfAdaptiveWeights`, `ReLoBRaLo`
`CausalWeights`, `ResidualAttention`                      weights of points
========================================================= =============================================================

Inside: `geometry`, `constructive`, `product`, `region` (of the domains); `partials`; `condition_values`,
`problem_checks`; `hard_conditions`, `trial_function` (the function that is trained), `residual_system` (equations for
its weights), `matrix_free_step`, `damped_steps`, `gradient_steps` (how they are solved), `points` (where),
`error_estimate`.
"""

from .ball import Ball as Ball
from .box import Box as Box
from .causal import CausalWeights as CausalWeights
from .causal import ResidualAttention as ResidualAttention
from .conditions import AbstractCondition as AbstractCondition
from .conditions import Condition as Condition
from .conditions import Dirichlet as Dirichlet
from .conditions import Initial as Initial
from .conditions import Periodic as Periodic
from .constructive import Difference as Difference
from .constructive import Intersection as Intersection
from .constructive import Union as Union
from .data_conditions import Data as Data
from .data_conditions import Integral as Integral
from .discrete_time import DiscreteTimePINN as DiscreteTimePINN
from .exact_boundary import ExactBoundary as ExactBoundary
from .flux_conditions import Neumann as Neumann
from .flux_conditions import Robin as Robin
from .forward_laplacian import laplacian as laplacian
from .forward_laplacian import value_gradient_laplacian as value_gradient_laplacian
from .geometry import AbstractGeometry as AbstractGeometry
from .hard_conditions import HardConditions as HardConditions
from .log_density import LogDensity as LogDensity
from .log_density import log_density as log_density
from .partials import nested_forward as nested_forward
from .pinn import PINN as PINN
from .pinn_status import PINNStatus as PINNStatus
from .point_cloud import PointCloud as PointCloud
from .polygon import Polygon as Polygon
from .problem import PDEProblem as PDEProblem
from .product import Product as Product
from .quadrature import caputo_derivative as caputo_derivative
from .quadrature import integrate as integrate
from .region import AbstractRegion as AbstractRegion
from .region import Boundary as Boundary
from .region import Face as Face
from .region import Inside as Inside
from .region import Mantle as Mantle
from .sampling import AbstractSampler as AbstractSampler
from .sampling import Halton as Halton
from .sampling import LatinHypercube as LatinHypercube
from .sampling import Sobol as Sobol
from .sampling import Uniform as Uniform
from .sampling_adaptive import R3 as R3
from .sampling_adaptive import RAD as RAD
from .sampling_adaptive import RARD as RARD
from .sampling_adaptive import AbstractAdaptive as AbstractAdaptive
from .solution import PINNSolution as PINNSolution
from .solution_file import load_solution as load_solution
from .stochastic_laplacian import RandomAxes as RandomAxes
from .stochastic_laplacian import RandomSigns as RandomSigns
from .stochastic_laplacian import stochastic_laplacian as stochastic_laplacian
from .taylor import along as along
from .taylor import taylor_partials as taylor_partials
from .time_marching import TimeMarching as TimeMarching
from .weights import AbstractWeights as AbstractWeights
from .weights import FixedWeights as FixedWeights
from .weights import SelfAdaptiveWeights as SelfAdaptiveWeights
from .weights_balanced import GradNormWeights as GradNormWeights
from .weights_balanced import NTKWeights as NTKWeights
from .weights_relobralo import ReLoBRaLo as ReLoBRaLo
