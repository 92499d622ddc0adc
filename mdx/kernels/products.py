"""One matrix times the columns of each picture of a batch."""

from mindspore import Tensor, ops

from mdx.kernels.parts import joined, pictures

# A product of a batch copies the matrix for each picture: small ones, for one operator in all.
COPIES = 4 * 1024 * 1024


def products(matrix: Tensor, columns: Tensor, copies: int = COPIES) -> Tensor:
    """matrix (O, K), columns (B, K, N) -> (B, O, N); copies: bytes that they may take."""
    batch, inputs, _ = columns.shape
    outputs = matrix.shape[0]
    if batch > 1 and 4 * batch * outputs * inputs <= copies:
        return ops.matmul(matrix, columns)
    found = ()
    for one in pictures(columns):
        out = ops.MatMul()(matrix, one.reshape((inputs, -1)))
        found = (*found, out.reshape((1, outputs, -1)))
    return joined(found)
