"""A batch into its pictures, and parts into one."""

from mindspore import ops


def pictures(x):
    """Each of a batch by itself: (B, ...) -> B times (1, ...)."""
    if x.shape[0] == 1:
        return (x,)
    # Not x[i]: that takes fifty times as long.
    return ops.split(x, 1)


def joined(parts, axis=0):
    """Concatenated, and one alone as it is."""
    if len(parts) == 1:
        return parts[0]
    return ops.concat(parts, axis)
