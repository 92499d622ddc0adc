"""The command with pictures: what is drawn by which options, and the PNG that names its inputs."""

import hashlib

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, images
from tests.commanding import refused


@pytest.fixture
def inputs(here):
    """A picture and a mask of it in the working folder."""
    Image.fromarray(np.full((16, 16, 3), 9, np.uint8)).save(here / "x.png")
    Image.fromarray(np.eye(16, dtype=np.uint8) * 255).save(here / "m.png")
    return here


def digits(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_picture_and_its_mask(inputs, calls):
    """By name and bytes, and not by place."""
    (inputs / "sub").mkdir()
    (inputs / "m.png").rename(inputs / "sub" / "m.png")
    cli.main(["a", "--image", "x.png", "--mask", "sub/m.png", "--strength", "0.5"])
    [call] = calls
    assert (call["image"], call["mask"], call["strength"]) == ("x.png", "sub/m.png", 0.5)
    kept = images.read_settings("mdx.png")
    assert kept["image"] == {"name": "x.png", "sha256": digits(inputs / "x.png")}
    assert kept["mask"] == {"name": "m.png", "sha256": digits(inputs / "sub" / "m.png")}
    assert (kept["strength"], kept.get("hires"), kept.get("outpaint")) == (0.5, None, None)


def test_a_picture_without_is_as_before(here, calls):
    cli.main(["a"])
    assert not images.read_settings("mdx.png").keys() & {"image", "mask", "strength", "hires"}


def test_inputs_are_looked_for_beside_the_picture(inputs, calls, capsys):
    cli.main(["a", "--seed", "1", "--image", "x.png", "--mask", "m.png"])
    (inputs / "other").mkdir()
    for name in ("x.png", "m.png", "mdx.png"):
        (inputs / name).rename(inputs / "other" / name)
    cli.main(["--from", "other/mdx.png"])
    assert [calls[-1][name] for name in ("image", "mask")] == ["other/x.png", "other/m.png"]
    again = inputs / "other" / "mdx-again.png"
    assert again.read_bytes() == (inputs / "other" / "mdx.png").read_bytes()
    assert "warning" not in capsys.readouterr().err
    (inputs / "other" / "m.png").unlink()
    error = refused(capsys, ["--from", "other/mdx.png"])
    assert error.endswith("does not say where that is: give it with --mask")
    Image.new("L", (16, 16)).save(inputs / "other" / "m.png")
    error = refused(capsys, ["--from", "other/mdx.png"])
    assert error.endswith("of that name beside it is another: give the right one with --mask")


@pytest.mark.parametrize("name", ["image", "mask"])
def test_another_file_is_refused(inputs, calls, capsys, name):
    """A given one, whatever it is called: a picture is made again of its own files alone."""
    cli.main(["a", "--seed", "1", "--image", "x.png", "--mask", "m.png"])
    file = {"image": "x.png", "mask": "m.png"}[name]
    Image.new("RGB", (16, 16)).save(inputs / "other.png")
    own, other = (digits(inputs / one)[:12] for one in (file, "other.png"))
    capsys.readouterr()
    error = refused(capsys, ["--from", "mdx.png", f"--{name}", "other.png"])
    assert error == (
        f"--{name} names 'other.png' (SHA-256 {other}), but mdx.png was made with '{file}' "
        f"(SHA-256 {own}): give that; or, for another picture, leave out --from and give as "
        "options what `mdx info mdx.png` lists"
    )
    (inputs / file).rename(inputs / "moved.png")
    cli.main(["--from", "mdx.png", f"--{name}", "moved.png"])
    assert calls[-1][name] == "moved.png"
    cli.main(["a", "--seed", "1", "-o", "alone.png"])
    capsys.readouterr()
    error = refused(capsys, ["--from", "alone.png", f"--{name}", "other.png"])
    assert "but alone.png was made with none: leave it out" in error
    assert len(calls) == 3


def test_room_around_a_picture(inputs, calls):
    cli.main(["a", "--image", "x.png", "--outpaint", "4", "0", "8", "2"])
    [call] = calls
    assert call["image"].size == call["mask"].size == (28, 18)
    assert images.read_settings("mdx.png")["outpaint"] == [4, 0, 8, 2]


def test_large_pictures(here, calls, monkeypatch):
    asked = []

    def hires(model, prompt, *, size, **options):
        asked.append((size, options["height"], options["width"], "strength" in options))
        return mdx.generate(model, prompt, seed=options["seed"], height=size[0], width=size[1])

    monkeypatch.setattr(mdx, "hires", hires, raising=False)
    cli.main(["a", "--seed", "1", "--size", "16", "--hires", "24", "32"])
    assert asked == [((32, 24), 16, 16, False)]
    kept = images.read_settings("mdx.png")
    assert (kept["hires"], kept["width"], kept["height"]) == ([24, 32], 16, 16)
    cli.main(["--from", "mdx.png"])
    assert asked[1] == asked[0]
    assert (here / "mdx-again.png").read_bytes() == (here / "mdx.png").read_bytes()


WRONG = {
    "a mask alone": (["--mask", "m.png"], "--mask is of a picture: give --image, too"),
    "strength alone": (["--strength", "0.5"], "--strength is of a picture: give --image, too"),
    "room alone": (["--outpaint", "1", "1", "1", "1"], "--outpaint is of a picture"),
    "hires of a picture": (["--image", "x.png", "--hires", "32", "32"], "leave out --image"),
    "a strength of 2": (["--image", "x.png", "--strength", "2"], "--strength must be from 0 to 1"),
    "two masks": (
        ["--image", "x.png", "--mask", "m.png", "--outpaint", "1", "1", "1", "1"],
        "leave out --mask",
    ),
    "no file": (["--image", "gone.png"], "--image: the file 'gone.png' does not exist"),
    "half a margin": (["--image", "x.png", "--outpaint", "1", "1"], "expected 4 arguments"),
}


@pytest.mark.parametrize(("words", "error"), WRONG.values(), ids=WRONG)
def test_what_says_nothing_is_refused(inputs, calls, capsys, words, error):
    assert error in refused(capsys, ["a", *words])
    assert calls == []
