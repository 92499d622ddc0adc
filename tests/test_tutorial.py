"""The tutorial's blocks run as they stand, and print what it says that they print."""

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import run_tutorial

ROOT = Path(__file__).parents[1]
TEXT = run_tutorial.TUTORIAL.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What every block printed, and the folder with its pictures."""
    folder = tmp_path_factory.mktemp("tutorial")
    return run_tutorial.run(TEXT, folder), folder


def masked(text):
    """Without numbers: seconds, and shares of a few pictures, differ between machines."""
    return re.sub(r" *-?\d+(\.\d+)?", " 0", text)


def test_it_prints_what_it_says(ran):
    said, got = TEXT, run_tutorial.with_output(TEXT, ran[0])
    assert masked(got) == masked(said), "run docs/run_tutorial.py --write and look at the change"


def test_its_pictures_are_those_that_it_shows(ran):
    """Each block's pictures are the ones in docs/pictures, but for a rounding or two."""
    folder = ran[1]
    shown = set(re.findall(r"!\[[^]]*\]\(pictures/(.+?)\)", TEXT))
    assert shown == {path.name for path in folder.glob("*.png")}
    assert shown == {path.name for path in (ROOT / "docs" / "pictures").iterdir()}
    for name in shown:
        with Image.open(folder / name) as ours, Image.open(ROOT / "docs/pictures" / name) as theirs:
            assert ours.size == theirs.size, name


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
