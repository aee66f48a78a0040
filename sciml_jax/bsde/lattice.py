"""Rank-1 lattice rules for quasi-Monte Carlo."""

import functools

import numpy as np


@functools.lru_cache(maxsize=32)
def lattice_vector(num_points: int, dim: int) -> np.ndarray:
    r"""Generating vector of a rank-1 lattice, built component by component; shape (dim,), integers below `num_points`.

    The points are $\{ k z / n \}$, $k = 0 \dots n - 1$. Each component minimises the worst-case error in the weighted
    Korobov space with product weights $1 / j^2$; the search over all candidates is one circular convolution, done by
    FFT in the order of the powers of a primitive root. O(dim n log n).

    Raises
    ------
    ValueError
        If the number of points is not a prime above 2.

    References
    ----------
    Nuyens & Cools, Fast algorithms for component-by-component construction of rank-1 lattice rules in shift-invariant
    reproducing kernel Hilbert spaces, Math. Comp. 75 (2006) 903-920.
    """
    if num_points < 3 or any(num_points % q == 0 for q in range(2, int(num_points**0.5) + 1)):
        msg = f"`num_points` must be a prime above 2; got {num_points}. Pass one such as 509, 1021, 4093 or 16381."
        raise ValueError(msg)
    powers = _powers_of_primitive_root(num_points)
    kernel = 2 * np.pi**2 * ((powers / num_points) ** 2 - powers / num_points + 1 / 6)
    spectrum = np.fft.rfft(kernel)
    products = np.ones(num_points - 1)
    found = np.empty(dim, np.int64)
    for j in range(dim):
        # products[i] belongs to the point k = root^-i and errors[a] to the candidate root^a.
        errors = np.fft.irfft(spectrum * np.fft.rfft(products), num_points - 1)
        best = int(np.argmin(errors)) if j else 0
        found[j] = powers[best]
        products = products * (1 + kernel[(best - np.arange(num_points - 1)) % (num_points - 1)] / (j + 1) ** 2)
        products = products / products.mean()
    return found


def _powers_of_primitive_root(prime: int) -> np.ndarray:
    factors = [q for q in range(2, prime) if (prime - 1) % q == 0 and all(q % r for r in range(2, int(q**0.5) + 1))]
    root = next(r for r in range(2, prime) if all(pow(r, (prime - 1) // q, prime) != 1 for q in factors))
    powers = np.empty(prime - 1, np.int64)
    powers[0] = 1
    for i in range(1, prime - 1):
        powers[i] = powers[i - 1] * root % prime
    return powers
