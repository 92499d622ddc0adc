"""Fixtures shared by the tests, and a processor for each process that runs some of them."""

import gc
import os
import shutil

import hypothesis
import pytest

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # MindSpore counts the processors when it is first imported, and makes a thread for each; the
    # threads of two processes would get in each other's way, and small graphs gain nothing by two.
    processors = sorted(os.sched_getaffinity(0))
    worker = int(os.environ["PYTEST_XDIST_WORKER"].removeprefix("gw"))
    os.sched_setaffinity(0, {processors[worker % len(processors)]})
    gc.disable()  # until all tests are collected: see pytest_collection_finish

import numpy as np
from PIL import Image

import mdx
from mdx import hub
from tests import tiny
from tests.native import libraries

# The same examples each time, so that a failure is the change's that is tested. For others:
# pytest --hypothesis-profile=new
hypothesis.settings.register_profile("same", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile("new", deadline=None, print_blob=True)
hypothesis.settings.load_profile("same")


def pytest_collection_finish():
    """Leave what is there before the first test out of all collections of garbage.

    Ten thousand tests are nearly a million objects. To look at all of them takes half a second, and
    mdx does so wherever it frees graphs.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_terminal_summary(terminalreporter):
    """Say for which processors native operators could be tested here."""
    tested = ", ".join(libraries.CLASSES) or "none, for want of a compiler or a processor with AVX2"
    terminalreporter.write_line(f"native operators: {tested}")


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


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_checkpoint):
    """An empty working folder, in which no --model means the tiny checkpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "PACKAGED", tiny_checkpoint)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Pictures come from their seed and prompt alone; lists what generate was asked."""
    seen = []

    def generate(model, prompt, *, seed, height=None, width=None, **options):
        seen.append({"prompt": prompt, "seed": seed, **options})
        noise = np.random.default_rng([seed, len(prompt)])
        return [Image.fromarray(noise.integers(0, 256, (height or 16, width or 16, 3), np.uint8))]

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    return seen
