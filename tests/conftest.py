"""Fixtures shared by the tests, and a processor for each process that runs some of them."""

import os
import shutil

import pytest

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # MindSpore counts the processors when it is first imported, and makes a thread for each; the
    # threads of two processes would get in each other's way, and small graphs gain nothing by two.
    processors = sorted(os.sched_getaffinity(0))
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.sched_setaffinity(0, {processors[worker % len(processors)]})

from tests import tiny


@pytest.fixture(scope="session", autouse=True)
def _compile_cache(tmp_path_factory):
    """Graphs are kept in files as by default, but not among the user's own."""
    # The folder that all processes of a run share.
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MDX_COMPILE_CACHE", str(place / "graphs"))
        yield


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory):
    """The tiny checkpoint's folder; read it, never write to it."""
    return tiny.write(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def checkpoint(tiny_checkpoint, tmp_path):
    """A copy of the tiny checkpoint, to be spoilt."""
    return shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint")
