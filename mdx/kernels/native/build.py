"""Builds the native library, once for each class of processors.

    python -m mdx.kernels.native.build

builds it in place, as a source checkout wants it; `pip install .` does so for what it installs. A
C++17 compiler is all that is needed: the one that CXX names, or CC, or else c++. Without one, on
another system than Linux or another processor than x86-64, there is no library, and mdx computes
with MindSpore's own operators.
"""

import os
import platform
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
SOURCE = HERE / "source"
CPU_FEATURES = Path("/proc/cpuinfo")

FLAGS = (
    "-std=c++17", "-O3", "-DNDEBUG", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread",
    "-fvisibility=hidden", "-Wall", "-Wextra",
    # GCC 12 thinks so of its own AVX-512 headers.
    "-Wno-uninitialized", "-Wno-maybe-uninitialized",
)  # fmt: skip


class Class(NamedTuple):
    """Processors that run the same library."""

    name: str
    features: tuple[str, ...]  # that a processor must have, as Linux names them

    def file(self) -> str:
        """The library's name."""
        return f"libmdx_{self.name.replace('-', '_')}.so"

    def flags(self) -> list[str]:
        """The compiler's flags for these features."""
        return [f"-m{feature.replace('_', '')}" for feature in self.features]


AVX2 = Class("avx2", ("avx2", "fma", "f16c"))
AVX512 = Class("avx512", (*AVX2.features, "avx512f", "avx512bw", "avx512dq", "avx512vl"))
AVX512_BF16 = Class("avx512-bf16", (*AVX512.features, "avx512_bf16"))
CLASSES = (AVX512_BF16, AVX512, AVX2)  # the best first


def classes(features: str | None = None) -> tuple[Class, ...]:
    """The classes that a processor belongs to, the best first; none on another system.

    features: what CPU_FEATURES says; None reads it.
    """
    if features is None:
        if not _supported() or not CPU_FEATURES.exists():
            return ()
        features = CPU_FEATURES.read_text()
    line = next((line for line in features.splitlines() if line.startswith("flags")), "")
    words = set(line.split())
    return tuple(kind for kind in CLASSES if words.issuperset(kind.features))


class NotBuiltError(Exception):
    """There is no library, and why."""


def build(folder: Path = HERE, extra: tuple[str, ...] = ()) -> list[Path]:
    """Build the library of each class into a folder; `extra` flags go to the compiler.

    Returns the libraries. NotBuiltError where a compiler is not there, or fails.
    """
    if not _supported():
        raise NotBuiltError(f"it is for Linux on x86-64, not {sys.platform} {platform.machine()}")
    folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        return list(threads.map(lambda kind: _compile(kind, folder, extra), CLASSES))


def current(folder: Path = HERE) -> bool:
    """Whether a folder has all libraries, none older than a source or this file."""
    libraries = [folder / kind.file() for kind in CLASSES]
    if not all(library.exists() for library in libraries):
        return False
    newest = max(source.stat().st_mtime for source in (*SOURCE.iterdir(), Path(__file__)))
    return all(library.stat().st_mtime >= newest for library in libraries)


def _supported() -> bool:
    return sys.platform == "linux" and platform.machine() == "x86_64"


def compiler() -> list[str]:
    """The words of the command that compiles: CXX's, or CC's, or c++."""
    return shlex.split(os.environ.get("CXX") or os.environ.get("CC") or "c++")


def _compile(kind: Class, folder: Path, extra: tuple[str, ...]) -> Path:
    library = folder / kind.file()
    # Another process may have the old one loaded: that keeps its file, and never sees half of one.
    fresh = library.with_suffix(f".{os.getpid()}.tmp")
    words = compiler()
    sources = sorted(map(str, SOURCE.glob("*.cpp")))
    # Where the compiler is one for C, its linker must be told.
    command = [*words, *FLAGS, *kind.flags(), *extra, *sources, "-o", str(fresh), "-lstdc++", "-lm"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotBuiltError(f"the compiler {words[0]} does not run: {error}") from error
    if run.returncode != 0 or not fresh.exists():
        fresh.unlink(missing_ok=True)
        said = run.stderr.strip() or f"it ended with {run.returncode} and said nothing"
        raise NotBuiltError(f"the compiler {words[0]} failed for {kind.name}: {said}")
    fresh.replace(library)
    return library


if __name__ == "__main__":
    try:
        for path in build():
            print(path)
    except NotBuiltError as error:
        sys.exit(f"The native library was not built: {error}")
