"""The built libraries that this processor can run; they are built at first use."""

import fcntl
import functools
import os
import shutil
from pathlib import Path

from mdx.kernels.native import build, calls

# Without a compiler, or on another processor, no test runs, and pytest says so.
CLASSES = [kind.name for kind in build.classes()] if shutil.which(build.compiler()[0]) else []


@functools.cache
def load(kind):
    """The library of a class; MDX_NATIVE_LIBRARIES names a folder of others, see sanitize.py."""
    folder = Path(os.environ.get("MDX_NATIVE_LIBRARIES", build.HERE))
    handle = os.open(build.SOURCE, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # of the processes that run tests one builds
        if folder == build.HERE and not build.current():
            build.build()
    finally:
        os.close(handle)
    return calls.opened(folder / next(c for c in build.CLASSES if c.name == kind).file())
