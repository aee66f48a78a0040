"""CVODE with everything compiled: SUNDIALS as scikit-sundae ships it, called without Python inside.

scikit-sundae itself calls a Python function for every evaluation. Here its shared libraries are driven through ctypes:
a solve is one call of `CVode`, and the right-hand side is a function that numba has compiled to machine code.
"""

import ctypes
import importlib.util
from collections.abc import Callable
from ctypes import byref, c_double, c_int, c_int64, c_long, c_void_p
from pathlib import Path

import numpy as np

try:
    import numba
    from numba import types
except ImportError:
    numba = None

BDF, NORMAL, RIGHT = 2, 1, 2
POINTERS = (
    *("N_VMake_Serial", "CVodeCreate", "SUNDenseMatrix", "SUNLinSol_Dense", "SUNLinSol_SPGMR"),
    "N_VGetArrayPointer",
)


class Library:
    """The functions of SUNDIALS that are needed, looked up in the libraries beside scikit-sundae."""

    def __init__(self, folder: Path):
        names = ("core", "nvecserial", "sunmatrixdense", "sunlinsoldense", "sunlinsolspgmr", "cvode")
        self.loaded = [ctypes.CDLL(str(next(folder.glob(f"libsundials_{name}-*")))) for name in names]
        self.context = c_void_p()
        self.call("SUNContext_Create", c_int(0), byref(self.context))

    def function(self, name: str):
        found = next(getattr(library, name) for library in self.loaded if hasattr(library, name))
        found.restype = c_void_p if name in POINTERS else c_int
        return found

    def make(self, name: str, *args) -> c_void_p:
        """A function that returns a pointer."""
        return c_void_p(self.function(name)(*args))

    def call(self, name: str, *args) -> None:
        """A function that returns a flag; negative is a failure."""
        flag = self.function(name)(*args)
        if flag < 0:
            msg = f"{name} of SUNDIALS returned {flag}"
            raise RuntimeError(msg)


def library() -> Library | None:
    """SUNDIALS, or None where scikit-sundae, its libraries or numba are missing."""
    found = importlib.util.find_spec("sksundae")
    if numba is None or found is None or found.origin is None:
        return None
    folder = Path(found.origin).parents[1] / "scikit_sundae.libs"
    return Library(folder) if folder.exists() else None


def array_pointer(sundials: Library):
    """`N_VGetArrayPointer` for compiled code."""
    get = sundials.function("N_VGetArrayPointer")
    get.argtypes, get.restype = [c_void_p], ctypes.POINTER(c_double)
    return get


def compiled_field(sundials: Library, field: Callable, size: int, num_parameters: int):
    """`field(t, u, du, p)` as CVODE wants it, compiled."""
    inner, get = numba.njit(error_model="numpy")(field), array_pointer(sundials)

    @numba.cfunc(types.int32(types.float64, types.voidptr, types.voidptr, types.voidptr))
    def rhs(t, y, ydot, data):
        p = numba.carray(data, num_parameters, np.float64)
        inner(t, numba.carray(get(y), size), numba.carray(get(ydot), size), p)
        return 0

    return rhs


def compiled_preconditioner(sundials: Library, approximate: Callable, size: int, num_parameters: int):
    """`approximate(gamma, r, z, p)`, z about `(I - gamma J)^-1 r`, as CVODE wants it, compiled."""
    inner, get = numba.njit(error_model="numpy")(approximate), array_pointer(sundials)
    pointer, real = types.voidptr, types.float64
    signature = types.int32(real, pointer, pointer, pointer, pointer, real, real, types.int32, pointer)

    @numba.cfunc(signature)
    def solve(t, y, fy, r, z, gamma, delta, side, data):
        p = numba.carray(data, num_parameters, np.float64)
        inner(gamma, numba.carray(get(r), size), numba.carray(get(z), size), p)
        return 0

    return solve


def cvode(sundials: Library, rhs, y0, phases, linear: str = "dense", preconditioner=None) -> Callable:
    """`fn(rtol, atol) -> y1`, BDF.

    Parameters
    ----------
    phases
        A list of (end, parameters): CVODE begins anew in each, as it must after a jump. The first starts at 0.
    linear
        "dense" or "gmres" (Krylov dimension 20, as ours).
    preconditioner
        From `compiled_preconditioner`. It works from the right, as ours; from the left, the Newton iterations leave
        errors in stiff components that cost CVODE four times as many steps on the Brusselator.
    """
    parameters = [np.ascontiguousarray(p, float) for _, p in phases]

    def run(rtol, atol):
        y = np.array(y0, float)
        state = sundials.make("N_VMake_Serial", c_int64(y.size), c_void_p(y.ctypes.data), sundials.context)
        memory = sundials.make("CVodeCreate", c_int(BDF), sundials.context)
        sundials.call("CVodeInit", memory, c_void_p(rhs.address), c_double(0.0), state)
        # Before the linear solver, which keeps the pointer for its preconditioner.
        sundials.call("CVodeSetUserData", memory, c_void_p(parameters[0].ctypes.data))
        sundials.call("CVodeSStolerances", memory, c_double(float(rtol)), c_double(float(atol)))
        matrix = None
        if linear == "dense":
            size = c_int64(y.size)
            matrix = sundials.make("SUNDenseMatrix", size, size, sundials.context)
            solver = sundials.make("SUNLinSol_Dense", state, matrix, sundials.context)
        else:
            side = c_int(RIGHT if preconditioner is not None else 0)
            solver = sundials.make("SUNLinSol_SPGMR", state, side, c_int(20), sundials.context)
        sundials.call("CVodeSetLinearSolver", memory, solver, matrix)
        sundials.call("CVodeSetMaxNumSteps", memory, c_long(1_000_000))
        if preconditioner is not None:
            sundials.call("CVodeSetPreconditioner", memory, None, c_void_p(preconditioner.address))
        reached = c_double()
        for phase, (end, _) in enumerate(phases):
            sundials.call("CVodeSetUserData", memory, c_void_p(parameters[phase].ctypes.data))
            if phase:
                sundials.call("CVodeReInit", memory, c_double(phases[phase - 1][0]), state)
            sundials.call("CVodeSetStopTime", memory, c_double(end))
            sundials.call("CVode", memory, c_double(end), state, byref(reached), c_int(NORMAL))
        sundials.function("CVodeFree")(byref(memory))
        sundials.function("SUNLinSolFree")(solver)
        if matrix is not None:
            sundials.function("SUNMatDestroy")(matrix)
        sundials.function("N_VDestroy")(state)
        return y

    return run
