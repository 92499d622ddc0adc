"""The page on pictures: its blocks run as they stand, and what is counted is what it says."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import run_from_a_picture as page
import run_tutorial

pytestmark = pytest.mark.docs

TEXT = page.PAGE.read_text(encoding="utf-8")
NUMBER = re.compile(r"\d+%")


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What every block printed, and the folder with its figures."""
    folder = tmp_path_factory.mktemp("page")
    return run_tutorial.run(TEXT, folder), folder


def shares(text):
    """All shares in percent, in order."""
    return [int(one[:-1]) for one in NUMBER.findall(text)]


def test_it_prints_what_it_says(ran):
    """But for a picture or two of twelve, which another machine may draw another way."""
    got = run_tutorial.with_output(TEXT, ran[0])
    assert NUMBER.sub("%", got) == NUMBER.sub("%", TEXT), "docs/run_from_a_picture.py --write"
    np.testing.assert_allclose(shares(got), shares(TEXT), atol=17)


def test_its_figures_are_those_that_it_shows(ran):
    shown = set(re.findall(r"!\[[^]]*\]\(from_a_picture/(.+?)\)", TEXT))
    assert shown == {path.name for path in ran[1].glob("*.png")}
    assert shown == {path.name for path in page.FIGURES.iterdir()}
    for name in shown:
        with Image.open(ran[1] / name) as ours, Image.open(page.FIGURES / name) as theirs:
            assert ours.size == theirs.size, name
            assert np.abs(np.int16(ours) - np.int16(theirs)).mean() < 1, name


def test_strength_moves_from_the_picture_to_the_prompt(ran):
    """The less is kept the more is as asked."""
    lines = [line for line in ran[0][1].splitlines() if line.startswith("strength")]
    kept, asked = zip(*(shares(line) for line in lines), strict=True)
    assert kept[0] > 80
    assert kept[-1] < 20
    assert asked[0] < 20
    assert asked[-1] > 80
    assert list(kept) == sorted(kept, reverse=True)


def test_what_a_mask_keeps_is_exact(ran):
    [share] = shares(ran[0][2])
    assert share > 80
    assert "0 of 255 apart" in ran[0][2]


def test_margins_are_drawn_to_fit(ran):
    before, after = shares(ran[0][3])
    assert before < 20
    assert after > 80


def test_two_runs_draw_one_thing_where_one_does_not(ran):
    at_once, latent, by_pixels = shares(ran[0][4])
    assert at_once < 50
    assert min(latent, by_pixels) > 80
