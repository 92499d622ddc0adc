"""Graphs of native operators in memory and in files: the library is part of what they are."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mindspore.graph.api import _pynative_executor

from mdx import graph_key, kernels
from mdx.kernels import native
from mdx.sampling import staged
from tests.compiles import counted
from tests.last_stage import CONFIG, inputs, run
from tests.native.libraries import CLASSES, load

HERE = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=CLASSES[:1], autouse=True)
def native_library(request):
    """The library is there before the package looks for it."""
    load(request.param)
    native.library.cache_clear()
    native.identity.cache_clear()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for graphs."""
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path / "graphs"))
    return tmp_path / "graphs"


def test_one_function_has_a_graph_for_each_kind_of_operators(folder):
    """In memory as in files; each is there again when it is asked for again."""
    function, arguments = staged._exit.__wrapped__(CONFIG, True), inputs()
    found = {}
    for operators, expected in (("plain", 1), ("native", 1), ("plain", 0), ("native", 0)):
        with kernels.lowered(operators), counted() as compiles:
            out = function(*arguments).asnumpy()
        assert compiles.files == expected
        assert np.array_equal(found.setdefault(operators, out), out)
    assert len(list(folder.iterdir())) == 2
    apart = np.abs(found["native"] - found["plain"]).max()
    assert 0 < apart < 1e-5 * np.abs(found["plain"]).max()


def test_another_process_is_served_from_the_file(folder):
    with kernels.lowered("native"):
        out, made = run(inputs())
    assert made == 1
    found = subprocess.run(
        [sys.executable, "-m", "tests.last_stage"],
        cwd=HERE,
        env=os.environ | {"PYTHONPATH": str(HERE), "MDX_NATIVE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(found.stdout) == [out.tobytes().hex(), 0]


def test_another_library_is_another_graph(folder, monkeypatch):
    """Its path, what is in it, and the processors that it is for."""
    path, digest, kind = native.identity()
    others = [("/elsewhere" + path, digest, kind), (path, "0" * 64, kind), (path, digest, "avx2")]

    def key():
        with kernels.lowered("native"):
            return graph_key.key(staged.combined, ())

    keys = [key()]
    for other in others:
        monkeypatch.setattr(native, "identity", lambda other=other: other)
        keys.append(key())
    with kernels.lowered("plain"):
        keys.append(graph_key.key(staged.combined, ()))
    assert len(set(keys)) == 5


def test_derivatives_are_of_plain_operators(folder):
    """Of a compiled function, whatever operators are asked for."""
    function, arguments = staged._exit.__wrapped__(CONFIG, True), inputs()
    with kernels.lowered("plain"):
        expected = function(*arguments).asnumpy()
    _pynative_executor.set_grad_flag(True)
    try:
        with kernels.lowered("native"):
            out = function(*arguments).asnumpy()
    finally:
        _pynative_executor.set_grad_flag(False)
    assert np.array_equal(out, expected)
