"""The matrices of Winograd's minimal filtering, in both directions of a picture at once.

The product of polynomials of degrees 2 and 3 is known from its values at five points and its
leading coefficient (Toom and Cook). Transposed, that is four results of a filter of three.
arXiv 1803.10986.
"""

import numpy as np

TILE = 4  # pixels of the result each way
VALUES = (TILE + 2) ** 2

# The error is half of what the usual 0, 1, -1, 2, -2 give: the matrices' numbers differ less in
# size. All of them are exact in binary but for those of `of_kernels`.
POINTS = (0.0, 0.75, -0.75, 1.5, -1.5)


def of_kernels() -> np.ndarray:
    """(VALUES, 9) float32: a kernel's nine numbers to its values."""
    matrix = np.zeros((TILE + 2, 3))
    for i, point in enumerate(POINTS):
        matrix[i] = point ** np.arange(3) / np.prod([point - other for other in _others(i)])
    matrix[-1, -1] = 1.0
    return _both_ways(matrix)


def of_patches(doubled: bool) -> np.ndarray:
    """(VALUES, s^2) float32: what a tile reads, s by s pixels, to its values.

    s is TILE + 2. doubled: of a picture whose pixels are doubled, s is TILE / 2 + 2.
    """
    matrix = np.zeros((TILE + 2, TILE + 2))
    for i in range(len(POINTS)):
        matrix[i, :-1] = np.poly(_others(i))[::-1]
    matrix[-1] = np.poly(POINTS)[::-1]
    if doubled:
        # A patch begins one pixel before its tile: with the second of two.
        matrix = matrix @ np.eye(TILE // 2 + 2)[(np.arange(TILE + 2) + 1) // 2]
    return _both_ways(matrix)


def of_products() -> np.ndarray:
    """(TILE^2, VALUES) float32: products of values to a tile's pixels."""
    matrix = np.zeros((TILE, TILE + 2))
    matrix[:, :-1] = np.power.outer(np.array(POINTS), np.arange(TILE)).T
    matrix[-1, -1] = 1.0
    return _both_ways(matrix)


def _others(i: int) -> tuple[float, ...]:
    return POINTS[:i] + POINTS[i + 1 :]


def _both_ways(matrix: np.ndarray) -> np.ndarray:
    return np.kron(matrix, matrix).astype(np.float32)
