"""The polynomial with which mdx/kernels/gelu.py computes GELU, fitted anew.

    python benchmarks/gelu_fit.py

Weighted least squares whose weights are raised where the error is largest (Lawson's method), which
tends to the smallest largest error of x times the logistic function of x times the polynomial.
Prints the coefficients and that error.
"""

import math

import numpy as np

DEGREE = 6  # in x^2
LARGEST = 5.5  # x; beyond it GELU is 0 or x to the last bit of float32


def main() -> None:
    """Run the command."""
    x = np.linspace(1e-3, LARGEST, 6000)
    below = np.array([math.erfc(one / math.sqrt(2)) / 2 for one in x])  # 1 - the distribution
    wanted = np.log((1 - below) / below) / x
    slope = x**2 * below * (1 - below)  # of the GELU's error, by the polynomial's
    basis = np.polynomial.chebyshev.chebvander(2 * (x / LARGEST) ** 2 - 1, DEGREE)
    least, found = math.inf, np.zeros(DEGREE + 1)
    weights = np.ones_like(x)
    for _ in range(300):
        scale = slope * np.sqrt(weights)
        fitted = np.linalg.lstsq(basis * scale[:, None], wanted * scale)[0]
        error = np.abs((basis @ fitted - wanted) * slope)
        if error.max() < least:
            least, found = error.max(), fitted
        weights *= np.sqrt(error / error.max() + 1e-3)
        weights /= weights.mean()
    series = np.polynomial.Chebyshev(found, domain=[0, LARGEST**2])
    for coefficient in series.convert(kind=np.polynomial.Polynomial).coef:
        print(repr(float(coefficient)))
    print(f"largest error of GELU: {least:.1e}")


if __name__ == "__main__":
    main()
