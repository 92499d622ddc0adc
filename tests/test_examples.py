"""The examples of trajectories and corrections do what they say."""

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import shapes

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
import inpaint
import invert
import langevin

pytestmark = pytest.mark.docs

RED = "a large red circle on a blue background"
GREEN = "a large green circle on a blue background"


@pytest.fixture(scope="module")
def model():
    return mdx.load()


@pytest.fixture(scope="module")
def red(model):
    """A picture of the packaged checkpoint."""
    [image] = mdx.generate(
        model, RED, scheduler="dpmpp_2m", steps=12, guidance=3, seed=0, progress=False
    )
    assert shapes.score([image], [RED])["all"] == 1.0
    return image


def test_inversion_and_back(model, red):
    """A round trip misses less and less with more steps, about like 1 / steps."""
    latents, gaps = mdx.encode(model, red), []
    for steps in (10, 20, 40):
        noise = invert.invert(model, latents, RED, steps)
        assert noise.std() < 1.2
        back = invert.draw(model, noise, RED, steps)
        gaps.append(np.sqrt(np.mean((back - latents) ** 2)) / latents.std())
    assert gaps[2] < 0.06, gaps
    assert gaps[2] < 0.7 * gaps[1] < 0.5 * gaps[0], gaps


def test_inversion_as_a_command(red, tmp_path, monkeypatch, capsys):
    """As it was, given back, and with the colour that the second prompt asks for."""
    red.save(tmp_path / "red.png")
    arguments = [str(tmp_path / "red.png"), RED, GREEN, str(tmp_path / "out.png")]
    monkeypatch.setattr(sys, "argv", ["invert.py", *arguments, "--steps", "30"])
    invert.main()
    assert float(capsys.readouterr().out.split()[-2]) > 25
    with Image.open(tmp_path / "out.png") as three:
        parts = [three.crop((64 * i, 0, 64 * i + 64, 64)) for i in range(3)]
    assert shapes.score(parts[:2], [RED, RED])["all"] == 1.0
    assert shapes.score(parts[2:], [GREEN])["all"] == 1.0


def test_inpainting(model, red, tmp_path, monkeypatch):
    """The left half is kept bit for bit, and the right half goes on with it."""
    keep = np.zeros((64, 64))
    keep[:, :32] = 1
    known = mdx.encode(model, red)
    got = inpaint.inpaint(model, red, keep, RED, steps=12)
    half = got.shape[-1] // 2
    np.testing.assert_allclose(got[..., :half], known[..., :half], atol=1e-6)
    assert np.abs(got[..., half:] - known[..., half:]).max() > 0.05
    image = mdx.decode(model, got)[0]
    assert shapes.score([image], [RED])["all"] == 1.0


def test_inpainting_as_a_command(red, tmp_path, monkeypatch):
    red.save(tmp_path / "red.png")
    Image.fromarray(np.full((64, 64), 255, np.uint8)).save(tmp_path / "all.png")
    names = [str(tmp_path / n) for n in ("red.png", "all.png")]
    monkeypatch.setattr(
        sys, "argv", ["inpaint.py", *names, RED, str(tmp_path / "out.png"), "--steps", "3"]
    )
    inpaint.main()
    with Image.open(tmp_path / "out.png") as image:
        # All is kept, as the autoencoder has it.
        apart = (np.float64(image) - np.float64(red)) / 255
    assert -10 * np.log10(np.mean(apart**2)) > 30


def test_langevin_mends_what_the_predictor_misses():
    """At equal calls, on VE's own sampler: seen 0.035 alone and 0.025 corrected."""
    alone, mended = langevin.compare("sde_ve", 20, 0.3, sigma_max=20.0)
    assert mended < 0.85 * alone
    assert alone < 0.06
