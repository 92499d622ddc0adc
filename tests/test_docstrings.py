"""What public functions say of themselves: each argument, and what comes back."""

import inspect
import re
from types import FunctionType, ModuleType

import pytest

import mdx


def public():
    """The functions that mdx and its public modules export, by their names in a program."""
    found = {}
    for name in mdx.__all__:
        value = getattr(mdx, name)
        if isinstance(value, ModuleType):
            inner = {f"{name}.{one}": getattr(value, one) for one in value.__all__}
        else:
            inner = {name: value}
        found.update({n: v for n, v in inner.items() if isinstance(v, FunctionType)})
    return found


PUBLIC = public()


def sections(function):
    """The parts of a docstring: what comes first is "", and others are under their words."""
    words = re.split(r"^(Args|Returns|Raises):$", inspect.getdoc(function), flags=re.MULTILINE)
    return {"": words[0], **dict(zip(words[1::2], words[2::2], strict=True))}


@pytest.mark.parametrize("name", PUBLIC)
def test_every_argument_is_told(name):
    told = sections(PUBLIC[name])
    heads = re.findall(r"^    (\w+(?:, \w+)*):", told.get("Args", ""), flags=re.MULTILINE)
    named = [one for head in heads for one in head.split(", ")]
    assert named == list(inspect.signature(PUBLIC[name]).parameters)


@pytest.mark.parametrize("name", PUBLIC)
def test_what_comes_back_is_told(name):
    nothing = inspect.signature(PUBLIC[name]).return_annotation in (None, "None")
    assert ("Returns" in sections(PUBLIC[name])) is not nothing


@pytest.mark.parametrize("name", PUBLIC)
def test_the_first_line_is_a_sentence_by_itself(name):
    first, _, rest = inspect.getdoc(PUBLIC[name]).partition("\n")
    assert first.endswith(".")
    assert not rest or rest.startswith("\n")
