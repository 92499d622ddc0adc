"""Operators in C++ for a CPU: fused, in MindSpore's graphs, where they could be built.

    linear = native.custom("Linear", (2, 320, 4096))
    maps = linear(Tensor(options.linear(...)), x, weight, bias)

source/operators.h says what the operators compute, options.py how graphs ask for it, build.py how
the library is built: once for each class of processors, of which the best that this one can run is
loaded, from this folder and nowhere else. ../fused.py is what nets' lowerings call.
"""

import ctypes
import functools
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore
from mindspore import ops

from mdx.kernels.native.build import HERE, classes
from mdx.kernels.native.calls import opened
from mdx.kernels.native.derivatives import REFUSED

__all__ = [
    "OPERATORS", "custom", "identity", "library", "path", "processor_class", "set_threads",
]  # fmt: skip

OPERATORS = ("Linear", "Convolution", "Attention", "Norm", "Activation", "Rotary")

log = logging.getLogger("mdx")


def processor_class() -> str | None:
    """The class whose library runs here: avx2, avx512 or avx512-bf16; None without a library."""
    found = library()
    return None if found is None else found.mdx_class().decode()


def path() -> Path | None:
    """The file of the library that runs here, or None."""
    found = library()
    return None if found is None else Path(found._name)


@functools.cache
def identity() -> tuple[str, str, str] | None:
    """Path, hash and class of the library that runs here, for what keeps graphs; or None."""
    found = path()
    if found is None:
        return None
    return str(found), hashlib.sha256(found.read_bytes()).hexdigest(), processor_class() or ""


def set_threads(count: int) -> None:
    """Let operators use so many threads, the calling one among them, from the next call on.

    Without it, one for each processor that the process may use. ValueError for less than 1.
    """
    if count < 1:
        raise ValueError(f"native operators need at least 1 thread, not {count}")
    found = library()
    if found is not None:
        found.mdx_set_threads(count)


def custom(name: str, shape: Sequence[int], inputs: int = 0) -> ops.Custom:
    """The primitive of one of OPERATORS for a graph, whose result is float32 of that shape.

    inputs: how many it is called with, so that it says what is wrong where a derivative of it is
    asked for; 0 leaves that to MindSpore. A graph that is exported to MindIR names the library by
    its path. RuntimeError without one, ValueError for a name that is no operator's.
    """
    if name not in OPERATORS:
        raise ValueError(f"{name!r} is none of the native operators {', '.join(OPERATORS)}")
    found = path()
    if found is None:
        raise RuntimeError(f"there is no native library for {name}: see the log")
    operator: Any = ops.Custom(
        f"{found}:{name}",
        out_shape=tuple(shape),
        out_dtype=mindspore.float32,
        func_type="aot",
        bprop=REFUSED.get(inputs),  # pyright: ignore[reportCallIssue]
    )
    # Of operators that are equal otherwise MindSpore takes one's `bprop` for all.
    operator.add_prim_attr("inputs_of_mdx", inputs)
    return operator


@functools.cache
def library() -> ctypes.CDLL | None:
    """The library for this processor, loaded once; None, and one line in the log, without one."""
    try:
        return _loaded(HERE)
    except OSError as error:
        log.warning(
            "mdx computes without its native operators, in about 1.5 of their time: %s. "
            "`python -m mdx.kernels.native.build` builds them.",
            error,
        )
        return None


def _loaded(folder: Path) -> ctypes.CDLL:
    suitable = classes()
    if not suitable:
        raise OSError("they are for Linux on x86-64 with AVX2")
    file = folder / suitable[0].file()
    if not file.exists():
        raise OSError(f"{file} was not built")
    if ":" in str(file):
        raise OSError(f"MindSpore loads no library from a folder with a colon in its name: {file}")
    return opened(file)
