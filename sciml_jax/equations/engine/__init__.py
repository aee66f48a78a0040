"""The native integrator: plain JAX loops, no custom call, no private module of another package.

Data flows downwards:

- `run`: from a problem and options to a `Solution` (checks, compilation, failure on the host). `capabilities`: what is
  refused. `inputs`: options as arrays.
- `system`, `bound_system`, `layout`: the user's functions on tuples of arrays, with every operand explicit; `traced`:
  how they are traced; `returned`: what they must return.
- `linear_form`: how a Jacobian is held; `linearisation`, `eliminated_linearisation`, `sparse_linearisation`,
  `krylov_linearisation`: linear systems in each form. `residual`: fully implicit equations. `algebraic`: whether a
  start is consistent; `consistent`: making a state so. `flat`: one vector.
- `operands`, `plan`: what goes in; what is fixed when tracing.
- `forward`: the stepping loop; `aim`, `judge`, `initial_step`, `norms`, `saving`, `stiff_end` serve it.
- `events`: the functions of a solve's events; `event_search`: where in a step they lie; `event_change`, `event_start`:
  what they do; `event_row`: derivatives. `noise`, `noise_form`, `noise_term`: diffusion and Brownian motion. Delays are
  in `equations/delays`, called where a plan has them.
- `record`: the loop with a record of accepted steps, for one lane and for a batch.
- `replay`, `replay_row`, `replay_lanes`: derivatives along the record, of one lane and of a batch; `wanted`: by which
  operands; `unrolled`: the same as one scan, for higher orders.
- `differentiable`: one function with a derivative rule; `linear_part`: its linear map, as a system with a known
  solution; `active`: by what one differentiates; `lane_blocks`: batches in blocks.
"""
