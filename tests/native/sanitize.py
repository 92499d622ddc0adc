"""Runs the operators' tests once with the address and undefined-behaviour sanitizers.

    python tests/native/sanitize.py

builds the library with them into a scratch folder, and runs the tests that need no MindSpore in a
Python of their own. Some minutes. A finding ends the run with its report.
"""

import os
import subprocess
import sys
import tempfile
import types
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TESTS = ("linear", "convolution", "attention", "elementwise", "threads")
FLAGS = (
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=all",
    "-fno-omit-frame-pointer",
    "-g",
    "-O1",
)


def _without_mindspore():
    """mdx's packages, without what they import: MindSpore does not run under a sanitizer."""
    for name in ("mdx", "mdx.kernels", "mdx.kernels.native"):
        package = types.ModuleType(name)
        package.__path__ = [str(ROOT.joinpath(*name.split(".")))]
        sys.modules[name] = package
    sys.path.insert(0, str(ROOT))


def main() -> int:
    """Build, and run the tests in a Python that has the sanitizers' libraries loaded first."""
    _without_mindspore()
    from mdx.kernels.native import build

    with tempfile.TemporaryDirectory() as folder:
        build.build(Path(folder), FLAGS)
        runtimes = [_runtime(build.compiler(), name) for name in ("libasan.so", "libubsan.so")]
        environment = {
            **os.environ,
            "MDX_NATIVE_LIBRARIES": folder,
            "LD_PRELOAD": " ".join(runtimes),
            # Python keeps memory until its end.
            "ASAN_OPTIONS": "detect_leaks=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
        }
        return subprocess.call([sys.executable, __file__, "--tests"], env=environment)


def _runtime(compiler, name):
    command = [*compiler, f"-print-file-name={name}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _run_tests():
    """The tests by themselves: conftest.py and the package's own settings want MindSpore."""
    _without_mindspore()
    import pytest

    files = [str(ROOT / "tests" / "native" / f"test_{name}.py") for name in TESTS]
    plain = [
        "-o",
        "addopts=",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "--noconftest",
        "-q",
        "-s",
    ]
    return pytest.main([*plain, *files])


if __name__ == "__main__":
    sys.exit(_run_tests() if sys.argv[1:] == ["--tests"] else main())
