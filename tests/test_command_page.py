"""docs/command.md: its lines run as they stand, and print what it says that they print."""

import re
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from mdx import cli, images
from mdx.settings import version
from tests.commanding import pixels

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import run_tutorial

pytestmark = pytest.mark.docs

TEXT = (Path(__file__).parents[1] / "docs" / "command.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```\n(?:\n```text\n(.*?)```)?", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all lines have run, with what the last of each block printed."""
    place = tmp_path_factory.mktemp("command")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for lines, said in BLOCKS:
            for line in lines.strip().splitlines():
                word, *arguments = shlex.split(line)
                assert word == "mdx"
                with pytest.MonkeyPatch.context() as inner:
                    printed: list[str] = []
                    inner.setattr("mdx.cli_info.say", printed.append)
                    assert cli.main(arguments) == 0, line
            if said:
                assert "\n".join(printed) == said.strip().replace("VERSION", version())
    return place


@pytest.fixture
def ran(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


def test_the_files_are_there(ran):
    names = {path.name for path in ran.glob("*.png")}
    several = {f"{name}-{i}.png" for name in ("stars", "batch") for i in (1, 2, 3, 4)}
    alone = [
        "red",
        "again",
        "grid",
        "karras",
        "ancestral",
        "variation-0",
        "variation-2",
        "bare",
        "weighed",
    ]
    assert names == several | {f"{name}.png" for name in alone}


def test_again_is_the_same(ran):
    assert (ran / "again.png").read_bytes() == (ran / "red.png").read_bytes()


def test_a_grid_holds_the_pictures(ran):
    for i in range(4):
        row, column = divmod(i, 2)
        part = pixels("grid.png")[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        np.testing.assert_array_equal(part, pixels(f"stars-{i + 1}.png"))


def test_a_batch_is_the_same_but_for_last_bits(ran):
    for i in (1, 2, 3, 4):
        apart = np.abs(np.int16(pixels(f"batch-{i}.png")) - np.int16(pixels(f"stars-{i}.png")))
        assert apart.max() <= 1


def test_a_variation_is_near(ran):
    """At 0 the picture of the seed itself, bit for bit; Python's is the command's."""
    cli.main(["a red star", "--seed", "1", "--steps", "8", "--scheduler", "Euler", "-o", "e.png"])
    np.testing.assert_array_equal(pixels("variation-0.png"), pixels("e.png"))
    apart = np.abs(np.int16(pixels("variation-2.png")) - np.int16(pixels("e.png")))
    assert 0 < apart.mean() < 60
    (ran / "e.png").unlink()
    [code] = run_tutorial.blocks(TEXT)
    names: dict = {}
    exec(code, names)
    np.testing.assert_array_equal(np.asarray(names["picture"]), pixels("variation-2.png"))


def test_nothing_is_written_where_nothing_is_wanted(ran):
    assert images.read_text("bare.png", "mdx") is None
    assert images.read_text("bare.png", "parameters") is None
    assert images.read_text("red.png", "parameters").startswith("a large red circle")
