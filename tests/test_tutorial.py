"""The tutorial's blocks run as they stand, and print what it says that they print."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mdx import compile_cache, memory_plan
from mdx.kernels.device import CPU

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import run_tutorial

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
TEXT = run_tutorial.TUTORIAL.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What every block printed, and the folder with its pictures."""
    folder = tmp_path_factory.mktemp("tutorial")
    with pytest.MonkeyPatch.context() as patch:
        # Plans are those of the device on which the tutorial was written.
        patch.setattr(memory_plan, "lowering", lambda: CPU)
        # What was left of graphs that were traced here counts, and there were none of those there.
        patch.setattr(compile_cache, "left_beside", lambda kind: 0)
        return run_tutorial.run(TEXT, folder), folder


# A number, and what it counts: seconds, of 255, percent, decibels.
NUMBER = re.compile(r" *(-?\d+(?:\.\d+)?)( s\b| of 255|%| dB)?")


def masked(text):
    """Without numbers."""
    return NUMBER.sub(r" 0\2", text)


def fits(said, got, unit):
    """Whether a number that was printed is the one that the tutorial says, on another machine.

    Times are a machine's own. Of a few pictures one may come out another way; distances between
    pictures, and predictions of memory, move by little.
    """
    slack = {" s": np.inf, "%": 25.0, " of 255": max(1, 0.2 * said), " dB": 2.0}
    return abs(got - said) <= slack.get(unit, 0.02 * abs(said) + (said > 200))


def test_it_prints_what_it_says(ran):
    said, got = TEXT, run_tutorial.with_output(TEXT, ran[0])
    assert masked(got) == masked(said), "run docs/run_tutorial.py --write and look at the change"
    for one, other in zip(NUMBER.finditer(said), NUMBER.finditer(got), strict=True):
        where = f"line {said[: one.start()].count(chr(10)) + 1}: {one[0]}, not {other[0]}"
        assert fits(float(one[1]), float(other[1]), one[2]), where


def test_its_pictures_are_those_that_it_shows(ran):
    """Each block's pictures are the ones in docs/pictures, but for a rounding or two."""
    folder = ran[1]
    shown = set(re.findall(r"!\[[^]]*\]\(pictures/(.+?)\)", TEXT))
    assert shown == {path.name for path in folder.glob("*.png")}
    assert shown == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    for name in shown:
        with Image.open(folder / name) as ours, Image.open(ROOT / "docs/pictures" / name) as theirs:
            assert ours.size == theirs.size, name
            apart = np.abs(np.int16(ours) - np.int16(theirs))
        assert apart.mean() < 1, (name, apart.mean(), apart.max())


def test_what_must_be_equal_is(ran):
    """Seeds in another batch, attention in parts, offloading, and latents under another VAE."""
    printed = "".join(ran[0])
    assert "latents equal bit for bit: True" in printed
    apart = [int(n) for n in re.findall(r"^(\d+) of 255 apart", printed, re.MULTILINE)]
    batch, half, parts, offloaded, decoders = apart
    # A rounding to 8 bits; the packaged files hold float16.
    assert max(batch, half, parts, offloaded) <= 1 < decoders


def test_every_block_says_what_to_change_for_stable_diffusion():
    after = re.split(r"```python\n.*?```\n(?:\n```text\n.*?```\n)?", TEXT, flags=re.DOTALL)[1:]
    assert all(text.lstrip().startswith("*SD 1.5:*") for text in after)
    assert len(after) == len(run_tutorial.blocks(TEXT)) >= 12
