"""What every other folder builds on; knows no numerics.

- `status`: `Status`, the outcomes of a solve with their remedies; `SolveError`.
- `method`: `AbstractMethod`, `AbstractSolution`, the protocols behind `sj.solve`.
- `callables`: one converter for functions.
- `tree`: what is traced and what is static; descriptions for messages.
- `checks`: messages for wrong input.
- `data`: `Data`, what was measured; `data_join`: several experiments; `data_checks`: what it accepts.
- `checkpoint`: atomic saving of pytrees without pickle.
- `xla_cpu`: an opt-in compiler option for loops on CPUs.
"""

from .callables import Function as Function
from .callables import as_callable as as_callable
from .data import Data as Data
from .data_join import join_experiments as join_experiments
from .method import AbstractMethod as AbstractMethod
from .method import AbstractSolution as AbstractSolution
from .status import SolveError as SolveError
from .status import Status as Status
from .xla_cpu import enable_fast_cpu_loops as enable_fast_cpu_loops
