"""Builds the native library among what is installed; pyproject.toml has all the rest.

Where that fails the package is installed without it, and computes with MindSpore's own operators.
"""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

NATIVE = "mdx/kernels/native"


def _builder() -> ModuleType:
    """The package's build.py, by itself: the package needs MindSpore, and building does not."""
    path = Path(__file__).parent / NATIVE / "build.py"
    spec = importlib.util.spec_from_file_location("mdx_native_build", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # records look their module up
    spec.loader.exec_module(module)
    return module


class BuildWithLibrary(build_py):
    """Copies the package's files, and builds the library beside them."""

    def run(self) -> None:
        """As setuptools has it."""
        super().run()
        if self.editable_mode:
            return
        builder, folder = _builder(), Path(self.build_lib) / NATIVE
        for kind in builder.CLASSES:  # of the source folder, or of an earlier build
            (folder / kind.file()).unlink(missing_ok=True)
        try:
            builder.build(folder)
        except builder.NotBuiltError as error:
            print(f"mdx is installed without its native operators: {error}", file=sys.stderr)


class WithLibrary(Distribution):
    """A package that is not of Python alone."""

    def has_ext_modules(self) -> bool:
        """As setuptools has it."""
        return sys.platform.startswith("linux")


class AnyPythonsWheel(bdist_wheel):
    """A wheel for this platform and any Python 3: the library is C, and knows no Python."""

    def get_tag(self) -> tuple[str, str, str]:
        """As setuptools has it."""
        return ("py3", "none", super().get_tag()[2])


setup(
    distclass=WithLibrary,
    cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": AnyPythonsWheel},
)
