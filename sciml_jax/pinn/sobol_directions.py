"""Direction numbers of the Sobol sequence."""

import functools

import numpy as np

# Joe and Kuo, "Constructing Sobol sequences with better two-dimensional projections", SIAM J. Sci. Comput. 30 (2008):
# the primitive polynomial of each dimension after the first as the bits of its coefficients, and the first odd numbers
# of its recurrence.
_POLYNOMIALS = (
    *(3, 7, 11, 13, 19, 25, 37, 41, 47, 55, 59, 61, 67, 91, 97, 103, 109, 115, 131, 137, 143, 145, 157, 167, 171, 185),
    *(191, 193, 203, 211, 213),
)
_INITIAL = (
    *((1,), (1, 3), (1, 3, 1), (1, 1, 1), (1, 1, 3, 3), (1, 3, 5, 13), (1, 1, 5, 5, 17), (1, 1, 5, 5, 5)),
    *((1, 1, 7, 11, 19), (1, 1, 5, 1, 1), (1, 1, 1, 3, 11), (1, 3, 5, 5, 31), (1, 3, 3, 9, 7, 49)),
    *((1, 1, 1, 15, 21, 21), (1, 3, 1, 13, 27, 49), (1, 1, 1, 15, 7, 5), (1, 3, 1, 15, 13, 25)),
    *((1, 1, 5, 5, 19, 61), (1, 3, 7, 11, 23, 15, 103), (1, 3, 7, 13, 13, 15, 69), (1, 1, 3, 13, 7, 35, 63)),
    *((1, 3, 5, 9, 1, 25, 53), (1, 3, 1, 13, 9, 35, 107), (1, 3, 1, 5, 27, 61, 31), (1, 1, 5, 11, 19, 41, 61)),
    *((1, 3, 5, 3, 3, 13, 69), (1, 1, 7, 13, 1, 19, 1), (1, 3, 7, 5, 13, 19, 59), (1, 1, 3, 9, 25, 29, 41)),
    *((1, 3, 5, 13, 23, 1, 55), (1, 3, 7, 3, 13, 59, 17)),
)
MOST_COORDINATES = len(_POLYNOMIALS) + 1
BITS = 32


@functools.cache
def directions(d: int) -> np.ndarray:
    """The direction numbers of the first `d` dimensions, (d, 32), as fractions of 2^32."""
    rows = [[1] * BITS] + [_recurrence(p, m) for p, m in zip(_POLYNOMIALS[: d - 1], _INITIAL[: d - 1], strict=True)]
    return np.array([[m << (BITS - 1 - k) for k, m in enumerate(row)] for row in rows], np.uint32)


def _recurrence(polynomial: int, initial: tuple[int, ...]) -> list[int]:
    degree = polynomial.bit_length() - 1
    numbers = list(initial)
    while len(numbers) < BITS:
        new = numbers[-degree] ^ (numbers[-degree] << degree)
        for i in range(1, degree):
            if polynomial >> (degree - i) & 1:
                new ^= numbers[-i] << i
        numbers.append(new)
    return numbers
