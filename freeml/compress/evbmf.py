"""The rank that a noisy matrix supports: analytic empirical variational Bayes matrix factorisation, no tuning.

Nakajima, Sugiyama, Babacan and Tomioka, "Global Analytic Solution of Fully-Observed Variational Bayesian Matrix
Factorization", JMLR 14 (2013): theorem 2 says which singular values survive for a given noise, and the noise is the
minimiser of the free energy over an interval that section 5 bounds.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# The zero of the equation that separates kept from discarded components, divided by sqrt(alpha); theorem 2.
_TAU = 2.5129
_GRID = 101


def rank(matrix: npt.NDArray[np.floating]) -> int:
    """How many singular values of a matrix (L, M) stand out of noise whose variance is estimated, too; 0 for noise."""
    short = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    n_rows, n_columns = short.shape
    values = np.linalg.svd(short.astype(np.float64), compute_uv=False)
    if not values.any():
        return 0
    values = values / values[0]  # the rank does not depend on units
    alpha = n_rows / n_columns
    tau = _TAU * math.sqrt(alpha)
    limit = (1 + tau) * (1 + alpha / tau)
    noise = _noise(values, n_columns, alpha, limit)
    return int((values**2 > n_columns * noise * limit).sum())


def _noise(values: Floats, n_columns: int, alpha: float, limit: float) -> float:
    """Variance of the noise: where the free energy is least."""
    from scipy.optimize import minimize_scalar

    squares = values**2 / n_columns
    n_rows = len(values)
    upper = float(squares.mean())
    most = min(math.ceil(n_rows / (1 + alpha)) - 1, n_rows - 1)
    # At least so much that no more than `most` components are kept, and at least the mean of those that never are.
    lower = max(float(squares[most]) / limit, float(squares[most:].mean()), upper * 1e-12)
    if lower >= upper:
        return upper
    # The energy may have several minima: the best of a grid, refined between its neighbours.
    grid = np.linspace(math.log(lower), math.log(upper), _GRID)
    best = int(np.argmin([_free_energy(point, squares, alpha, limit) for point in grid]))
    between = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, _GRID - 1)])
    found = minimize_scalar(_free_energy, args=(squares, alpha, limit), bounds=between, method="bounded")
    return math.exp(float(found.x))


def _free_energy(log_noise: float, squares: Floats, alpha: float, limit: float) -> float:
    """Up to a constant and a factor; squares: singular values squared over the longer side."""
    x = np.maximum(squares / math.exp(log_noise), 1e-300)
    kept = x[x > limit]
    centre = kept - (1 + alpha)
    tau = 0.5 * (centre + np.sqrt(centre**2 - 4 * alpha))
    bonus = np.log(tau + 1) + alpha * np.log(tau / alpha + 1) - tau
    return float((x - np.log(x)).sum() + bonus.sum())
