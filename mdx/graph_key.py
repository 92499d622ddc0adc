"""What the graph of a function depends on, as one hash.

Of mdx's own code that is the modules that the function reaches: its own, those of what it closes
over, and what they import, and so on. A change in another module leaves the hash as it is.
"""

import ast
import functools
import hashlib
import os
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

import mindspore

from mdx.kernels import native
from mdx.kernels.device import lowering

__all__ = ["key", "reached"]

# What a graph is traced with, beside its function and arguments.
SETTINGS = (
    "device_target", "deterministic", "enable_compile_cache", "jit_config", "jit_syntax_level",
)  # fmt: skip
ENVIRONMENT = ("MS_", "ONEDNN_")  # beginnings of the names of variables

ROOT = Path(__file__).parent
PACKAGE = ROOT.name


def key(function: Callable[..., Any], shapes: tuple[Any, ...]) -> str:
    """A hash of all that the graph of a function depends on, for arguments of such shapes.

    That is the source files of the modules that it reaches; the function, and what it closes over:
    configs and memory settings; the shapes, dtypes and parameters' names; the lowering, which is
    that of the device and the processor; path, hash and class of the library of native operators,
    where they are part of it; the versions of MindSpore and Python; MindSpore's settings
    and environment. What a program puts in the place of mdx's own functions is not seen: it needs
    the cache off. ValueError for a function that closes over anything but numbers, words, records
    and functions, and for one whose source has changed since it was imported.
    """
    environment = sorted(item for item in os.environ.items() if item[0].startswith(ENVIRONMENT))
    settings = [mindspore.get_context(name) for name in SETTINGS]
    versions = mindspore.__version__, platform.python_version()
    modules: set[str] = set()
    itself = _told(function, modules)
    sources = [(name, _unchanged(name)) for name in sorted(reached(modules))]
    how = lowering()
    library = native.identity() if how.fused else None
    told = [sources, versions, settings, environment, how, library, itself, shapes]
    return hashlib.sha256(repr(told).encode()).hexdigest()


def _told(value, modules):
    """A value that a graph is made for, as text that differs where the value does.

    The modules of mdx that define what is in it are added to `modules`.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    if isinstance(value, tuple):
        if type(value) is not tuple:
            modules.add(type(value).__module__)
        return type(value).__qualname__, *(_told(one, modules) for one in value)
    if isinstance(value, FunctionType) and _is_own(value.__module__):
        modules.add(value.__module__)
        inside = [cell.cell_contents for cell in value.__closure__ or ()]
        inside += [value.__defaults__, value.__kwdefaults__]
        return value.__module__, value.__qualname__, *(_told(one, modules) for one in inside)
    raise ValueError(f"a graph that depends on {value!r} has no key")


def _is_own(module):
    return module == PACKAGE or module.startswith(PACKAGE + ".")


def reached(modules: set[str]) -> set[str]:
    """The modules of mdx that are among these or imported by one of them, however indirectly."""
    found: set[str] = set()
    todo = {name for name in modules if _is_own(name)}
    while todo:
        name = todo.pop()
        found.add(name)
        todo |= _imported(name, _digest(_file(name))) - found
    return found


@functools.lru_cache(maxsize=1024)
def _imported(module: str, digest: str) -> frozenset[str]:
    """The modules of mdx that a module imports, at its top or within a function."""
    file = _file(module)
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    found = set()
    for node in _statements(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            found.update(name for alias in node.names for name in _along(alias.name))
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(filter(None, (above, node.module)))
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                # What is no module itself is a name that the package defines or imports.
                found.update(_along(inner if _file(inner).exists() else base))
    return frozenset(name for name in found if _is_own(name) and _file(name).exists())


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Those within a node, at any depth: an import is never in an expression."""
    for inner in ast.iter_child_nodes(node):
        if not isinstance(inner, ast.expr):
            yield inner
            yield from _statements(inner)


def _along(name: str) -> Iterator[str]:
    """A module by its dotted name, and the packages that it is in but for mdx, which is lazy.

    What mdx/__init__.py imports, it imports when it is asked for by name.
    """
    parts = name.split(".")
    yield name
    yield from (".".join(parts[:end]) for end in range(2, len(parts)))


def _file(module: str) -> Path:
    """The source file of a module of mdx, whether it exists or not."""
    path = ROOT.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _unchanged(module: str) -> str:
    """The hash of a module's source; ValueError unless it is what was imported."""
    digest = _digest(_file(module))
    if SOURCES.get(module) != digest:
        raise ValueError(f"{_file(module)} has changed since it was imported")
    return digest


def _sources() -> dict[str, str]:
    """A hash of each of mdx's source files, by the name of the module."""
    found = {}
    for file in ROOT.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join((PACKAGE, *parts))] = _digest(file)
    return found


# What is imported is what the files are now. A graph that is traced later, when they are not the
# same any more, is of neither.
SOURCES = _sources()
