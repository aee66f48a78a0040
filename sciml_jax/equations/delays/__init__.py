"""Delay differential equations: the past that a vector field looks up, and the breaking points that it makes.

- `problem`: `DDEProblem`.
- `past`: what `past(s)` does; `field`: a delay equation as an ordinary one that holds what lookups read.
- `system`: the same as the engine sees it; `adapted`: methods whose steps come with their dense output.
- `delays`: what is fixed when tracing; `history`: what is kept between steps.
- `ahead`: what a step can reach and where it has to end; `iterate`: steps longer than a lag; `settle`: breaking points
  that a step has reached, and what is written down; `diagnosis`: why a solve failed.
- `replay`: derivatives along the record.
"""
