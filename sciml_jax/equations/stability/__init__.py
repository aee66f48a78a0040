"""Linear stability: of methods, by their stability function; of problems, by the eigenvalues of their Jacobian.

- `stability_function`: `R(z)` of a method. `linear_multistep`: of methods given by coefficients; `abstract`: the type.
- `report`: A-stability, L-stability, the angle and the intervals. `sampling`: what it evaluates.
- `region`: `|R|` on a grid. `picture`: its plot (extra `plot`).
- `stiffness_ratio`: eigenvalues and time scales of a problem at a state.
"""

from .abstract import AbstractStabilityFunction as AbstractStabilityFunction
from .linear_multistep import MultistepStability as MultistepStability
from .linear_multistep import multistep_stability as multistep_stability
from .picture import plot_stability_region as plot_stability_region
from .region import StabilityRegion as StabilityRegion
from .region import stability_region as stability_region
from .report import StabilityReport as StabilityReport
from .report import is_a_stable as is_a_stable
from .report import is_l_stable as is_l_stable
from .report import stability_report as stability_report
from .stability_function import OneStepStability as OneStepStability
from .stability_function import stability_function as stability_function
from .stiffness_ratio import Spectrum as Spectrum
from .stiffness_ratio import jacobian_spectrum as jacobian_spectrum
from .stiffness_ratio import stiffness_ratio as stiffness_ratio
