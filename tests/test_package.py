"""What the package shows of itself: every name to type checkers, and no more than is asked for."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import mdx
from mdx import generation

PACKAGE = Path(mdx.__file__).parent
TREE = ast.parse((PACKAGE / "__init__.py").read_text())


def under(condition):
    """What of the module stands under `if condition:`."""
    [block] = [
        node
        for node in TREE.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == condition
    ]
    return block.body


def test_type_checkers_see_every_name_and_no_other():
    """An unconditional __getattr__ would make them believe in names that are misspelt."""
    seen = {
        alias.asname or alias.name
        for node in under("TYPE_CHECKING")
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(mdx.__all__)
    hidden = [node for node in ast.walk(TREE) if isinstance(node, ast.FunctionDef)]
    [lazy] = [node for node in hidden if node.name == "__getattr__"]
    assert lazy in under("not TYPE_CHECKING")
    for file in PACKAGE.rglob("*.py"):
        assert file.name == "__init__.py" or "def __getattr__(" not in file.read_text(), file


def test_types_are_in_what_is_installed():
    assert (PACKAGE / "py.typed").is_file()
    assert '"py.typed"' in (PACKAGE.parent / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", mdx.__all__)
def test_every_name_is_there(name):
    assert getattr(mdx, name) is getattr(mdx, name)
    assert name in dir(mdx)


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'mdx' has no attribute 'generete'"):
        mdx.generete  # noqa: B018


def test_the_import_alone_does_without_mindspore():
    code = "import sys, mdx; dir(mdx); assert not {'mindspore', 'tqdm', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent, timeout=60)


def test_options_of_generate_are_its_arguments():
    """What type checkers see of `generate` beside the arguments that its results go by."""
    arguments = list(inspect.signature(mdx.generate).parameters)
    options = list(generation.Options.__annotations__)
    assert options == [name for name in arguments if name not in ("model", "prompt", "output")]
