"""Having a graph run by MindSpore's threads, and not by the thread that calls it."""

from mindspore import Tensor, ops

from mdx.kernels.device import choice

# With two processors MindSpore runs a graph of no more operators than this on the calling thread.
# That spins while the others compute, on a processor that one of them needs: they take a third
# longer (benchmarks/caller.py).
ON_CALLER = 100


def on_own_threads(x: Tensor, other: Tensor, operators: int = 0) -> Tensor:
    """x, by a graph that has more operators than that if it has `operators` without them.

    other: a small float tensor made of the graph's inputs. The operators added, which work on it,
    take half a millisecond.
    """
    if not choice("many_operators"):
        return x
    for _ in range(0, ON_CALLER + 1 - operators, 10):
        other = _ten(other)
    return ops.depend(x, other)


def _ten(x: Tensor) -> Tensor:
    """Ten operators. A loop of single ones is traced more slowly."""
    five = ops.sin(ops.sin(ops.sin(ops.sin(ops.sin(x)))))
    return ops.sin(ops.sin(ops.sin(ops.sin(ops.sin(five)))))
