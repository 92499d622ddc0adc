"""Group norm where a group is a channel of one picture to BatchNorm.

On a CPU this runs 2 to 3 times as fast as LayerNorm over long rows, forwards and backwards.
"""

from mindspore import ops

from mdx.kernels.constants import filled


def by_batch(x, groups, epsilon, running):
    """x (B, C, H, W), float32, with mean 0 and variance 1 in each group.

    BatchNorm in training writes running statistics: into `running` (1,), copied for each call, for
    in a constant of the graph one NaN would stay for good.
    """
    count = x.shape[0] * groups
    norm = ops.BatchNorm(is_training=True, epsilon=epsilon)
    mean, variance = ops.tile(running, (count,)), ops.tile(running + 1.0, (count,))
    one_picture = x.reshape((1, count, -1, x.shape[3]))
    ones, zeros = filled(1.0, count), filled(0.0, count)
    return norm(one_picture, ones, zeros, mean, variance)[0].reshape(x.shape)
