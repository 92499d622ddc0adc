"""Ctrl-C is a KeyboardInterrupt; the process goes on, and its next run has the same bits."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent.parent

# Where the signal comes -> what it makes of the work; see interrupted.py.
MOMENTS = {
    "load": "KeyboardInterrupt",
    "compile": "KeyboardInterrupt",
    "text encoder": "KeyboardInterrupt",
    "UNet": "KeyboardInterrupt",
    "step": "KeyboardInterrupt",
    "decode": "KeyboardInterrupt",
    "between calls": "KeyboardInterrupt",
    "within a call": "KeyboardInterrupt",
    "twice": "KeyboardInterrupt",
    "in a thread": "KeyboardInterrupt",
    "after a thread": "KeyboardInterrupt",
    "a handler of the program's": "went on",
    "ignored": "went on",
    "command, step": 130,
    "command, save, twice": 130,
}


@pytest.fixture(scope="module")
def outcomes(tiny_checkpoint, tmp_path_factory):
    """What one process says of all moments, one after the other."""
    folder = tmp_path_factory.mktemp("pictures")
    arguments = [sys.executable, "-m", "tests.interrupted", tiny_checkpoint, folder]
    done = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, (done.returncode, done.stderr)
    return json.loads(done.stdout.splitlines()[-1]), done.stderr


@pytest.mark.parametrize("moment", MOMENTS)
def test_answered_and_over(outcomes, moment):
    """Once; afterwards SIGINT has its handler, and a run is what it was, bit for bit."""
    found, _ = outcomes
    outcome, digest, handled = found[moment]
    assert (outcome, handled) == (MOMENTS[moment], True)
    assert digest == found["undisturbed"][1]


def test_a_command_says_that_it_stopped(outcomes, tmp_path):
    """In one line each time, and leaves no part of a file."""
    found, said = outcomes
    assert said.split("\n") == ["", "mdx: stopped", "", "mdx: stopped", ""]
    assert found["files"] == []


IMPORT = """
import builtins, os, signal, sys
from mdx import cli
usual = builtins.__import__
def importing(name, *rest):
    if name == "mindspore.nn":
        builtins.__import__ = usual
        os.kill(os.getpid(), signal.SIGINT)
    return usual(name, *rest)
builtins.__import__ = importing
sys.exit(cli.main(["a red circle", "-o", sys.argv[1]]))
"""


def test_while_mindspore_is_imported(tmp_path):
    arguments = [sys.executable, "-c", IMPORT, tmp_path / "out.png"]
    done = subprocess.run(arguments, cwd=HERE, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (130, "\nmdx: stopped\n")
    assert list(tmp_path.iterdir()) == []
