"""What can become of a solve, each outcome with its remedy. Outcomes are data (integers) inside compiled code."""

from .worded_status import WordedStatus


class Status(WordedStatus):
    """Outcome of a solve. `str(sj.Status(int(code)))` says what happened and what to do.

    `SUCCESS` and `EVENT` are successes; everything else is a failure, for which unreached outputs hold NaN. `RUNNING`
    occurs only between the steps of the stepping interface, `sj.step`.
    """

    RUNNING = -1, "the integration goes on: it has not reached the end yet. Call `sj.step` again."
    SUCCESS = 0, "the solve reached the end."
    EVENT = 1, "a terminal event stopped the solve; `y1` is the state at the event."
    MAX_STEPS = (
        2,
        "the maximum number of steps was reached before the end. Increase `max_steps`, loosen `rtol`/`atol`, or, "
        "if the problem is stiff, use an implicit method such as `sj.Rodas5P()`.",
    )
    STEP_TOO_SMALL = (
        3,
        "the step size fell below what the time can resolve (or below `dtmin`). The solution may have a "
        "singularity, the tolerance may be tighter than the dtype can hold, or the vector field may be "
        "discontinuous: look at the last accepted time in `sol.stats.t_last`, loosen the tolerances, use float64, "
        "or pass `tstops` at known discontinuities.",
    )
    NON_FINITE = (
        4,
        "the vector field or the state became NaN or infinite and no smaller step helped. Check the vector field "
        "near `sol.stats.t_last` (division by zero, log or root of a negative number, overflow) and the initial "
        "values.",
    )
    BAD_INPUT = (
        5,
        "an input value was invalid: `t0 == t1`, a non-finite `t0`, `t1` or `y0`, `saveat` times that are "
        "unsorted, not finite or outside [t0, t1], a negative tolerance, or a `dt0` or `dtmin` that is not "
        "positive. Such values are checked on the host where they are concrete; here they were traced, so fix what "
        "is passed.",
    )
    STIFF = (
        6,
        "the problem is stiff: stability and not accuracy limited the step of an explicit method until `max_steps` "
        "ran out. Use an implicit method such as `sj.Rodas5P()`.",
    )
    SINGULAR = (
        7,
        "an implicit equation inside a step could not be solved (a singular or non-finite matrix). Check the "
        "Jacobian, or start with a smaller `dt0`. With a mass matrix and no step taken, the algebraic equations do "
        "not determine the algebraic variables (index above one, or a structurally singular system): differentiate "
        "the constraint until it does, or use `sj.RadauIIA5()` for index two in Hessenberg form.",
    )
    INCONSISTENT = (
        8,
        "the initial values do not satisfy the algebraic equations (or, in fully implicit form, `y0` and `yp0` do "
        "not satisfy `F(t0, y0, yp0, args) = 0`) to within the tolerances. With a mass matrix, solve for the "
        "algebraic variables first, `sj.find_consistent(problem)`; a `DAEProblem` needs a better `z0`. Else "
        "correct the values, or loosen the tolerances.",
    )
    NOT_CONVERGED = (
        9,
        "the nonlinear equations could not be solved to the tolerances: the iteration stagnated or ran out of "
        "iterations, or the mesh is too coarse. There may be no solution near the guess: start from that of an "
        "easier problem, take more intervals, or loosen the tolerances.",
    )
    ZENO = (
        10,
        "an event happened more often than `max_triggers`, or again within the resolution of time (Zeno behaviour, "
        "such as a ball that comes to rest). Let the event stop the integration or change the equation where that "
        "happens, or, if so many triggers are meant, increase `max_triggers`.",
    )
    BAD_RATE = (
        11,
        "a rate of a jump process was negative, or the sum of the rates exceeded `rate_bound`. Look at the state "
        "at `sol.stats.t_last`: write rates that vanish where a reaction has nothing to act on (`jnp.maximum(..., "
        "0)`), or pass a larger bound.",
    )
    NOT_LOCATED = (
        12,
        "an event could not be located: its condition is NaN or infinite near `sol.stats.t_last`, or it changes "
        "its sign without a root that steps can end on. Make the condition a continuous function of time and "
        "state.",
    )
    UNDECLARED_LAG = (
        13,
        "the vector field looked up `past(s)` at a time that is `t - lag` for none of the declared `lags` (nor `t` "
        "itself). Its breaking points would be missed: declare every lag, and look up `past(t - lag)` with the "
        "same formula.",
    )
    NEGATIVE_LAG = (
        14,
        "a lag was negative: the past was looked up later than `t` at about `sol.stats.t_last`, where the solution "
        "is not known yet. A lag function must be non-negative along the solution; clip it, `jnp.maximum(lag, "
        "0.0)`, if it may miss zero by rounding.",
    )
    HISTORY_FULL = (
        15,
        "the lags reach back over more steps (or breaking points) than are kept. Pass `sj.DDEProblem(..., "
        "history_steps=...)` with a larger number, or loosen the tolerances.",
    )

    @property
    def is_success(self) -> bool:
        """Whether the end, or a terminal event, was reached."""
        return self in (Status.SUCCESS, Status.EVENT)


class SolveError(RuntimeError):
    """A solve with concrete inputs failed and `on_failure="raise"` was in force.

    Attributes
    ----------
    status
        The `Status` of the failed solve.
    solution
        The partial solution; what was not reached holds NaN.
    """

    def __init__(self, status: Status, solution=None, detail: str = ""):
        self.status = status
        self.solution = solution
        found = f" Here {detail}" if detail else ""
        hint = "(To get the partial solution instead of this error, pass `on_failure='status'`.)"
        super().__init__(f"{status}{found} {hint}")
