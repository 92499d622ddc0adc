"""Fixtures shared by the tests."""

import shutil

import pytest

from tests import tiny


@pytest.fixture(scope="session", autouse=True)
def _compile_cache(tmp_path_factory):
    """Graphs are kept in files as by default, but not among the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MDX_COMPILE_CACHE", str(tmp_path_factory.mktemp("graphs")))
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The tiny checkpoint's folder; read it, never write to it."""
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    """A copy of the tiny checkpoint, to be spoilt."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")
