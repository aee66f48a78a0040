"""Trainable layers and what goes around them. Knows no equations.

All networks map one point (in_size,) to (out_size,); use `jax.vmap` for many.

- `mlp`: `MLP`, with Glorot's weights. `modified_mlp`: `ModifiedMLP`, two gates mixed into every layer.
- `pirate_net`: `PirateNet`, residual blocks that start linear; `fit_output`, an output layer fitted to data.
- `separable`: `SeparableNetwork`, a sum of products of functions of one coordinate.
- `fourier_features`: `FourierFeatures`. `periodic_embedding`: `PeriodicEmbedding`, exact. `chain`: `Chain`, to put them
  in front of a network.
- `weight_factorisation`: `factorise`, random weight factorisation of any network; `FactorisedLinear`, its layer.
- `normalise`: `Normalise`, the affine scaling that a model carries with it.

Inside: `arguments`, the checks and the initial weights that they share.
"""

from .chain import Chain as Chain
from .fourier_features import FourierFeatures as FourierFeatures
from .mlp import MLP as MLP
from .modified_mlp import ModifiedMLP as ModifiedMLP
from .normalise import Normalise as Normalise
from .periodic_embedding import PeriodicEmbedding as PeriodicEmbedding
from .pirate_net import PirateNet as PirateNet
from .pirate_net import fit_output as fit_output
from .separable import SeparableNetwork as SeparableNetwork
from .weight_factorisation import FactorisedLinear as FactorisedLinear
from .weight_factorisation import factorise as factorise
