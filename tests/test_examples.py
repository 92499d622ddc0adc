"""The examples, and the blocks of the pages in docs/, do what they say."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import schedulers, shapes

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))
sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))
import blend_prompts
import hand_over
import inpaint
import interval
import invert
import langevin
import own_denoiser
import run_tutorial

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]

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


@pytest.mark.parametrize(("sampler", "steps"), [("dpmpp_2m", 40), ("heun", 30), ("ddpm", 100)])
def test_points_find_the_spiral(sampler, steps):
    """Seen 97%, 99% and 99.5%; of noise a fifth lies there by chance."""
    seen = own_denoiser.run(sampler, steps)
    assert own_denoiser.on_spiral(seen[-1]) > 0.95
    assert own_denoiser.on_spiral(seen[0]) < 0.3


def test_the_exact_noise_is_what_was_added():
    """Of a point that is far from all centres but one, and at a small level."""
    eps = np.array([[0.5, -1.0]])
    x = 0.999 * own_denoiser.CENTRES[-1:] + 0.3 * eps
    variance = (0.999 * own_denoiser.SPREAD) ** 2 + 0.3**2
    alone = 0.3 / variance * 0.3 * eps
    np.testing.assert_allclose(own_denoiser.noise_in(x, 0.999, 0.3), alone, atol=1.0)
    x = own_denoiser.CENTRES[-1:] + 1e-3 * eps
    near = 1e-3 / (own_denoiser.SPREAD**2 + 1e-6) * (x - own_denoiser.CENTRES[-1:])
    np.testing.assert_allclose(own_denoiser.noise_in(x, 1.0, 1e-3), near, atol=0.02)


def test_points_as_a_command(tmp_path, monkeypatch, capsys):
    out = tmp_path / "points.png"
    monkeypatch.setattr(sys, "argv", ["own_denoiser.py", str(out), "--steps", "20"])
    own_denoiser.main()
    assert float(capsys.readouterr().out.split("%")[0]) > 80
    with Image.open(out) as image:
        assert image.size == (4 * 192, 192)


def test_prompts_blend_from_one_to_the_other(model):
    """The ends are the two prompts' own, and their pictures show them."""
    both = blend_prompts.between(model, RED, GREEN, 3)
    ends = mdx.encode_prompt(model, [RED, GREEN]).arrays["context"]
    for end, own in zip((0, 2), ends, strict=True):
        np.testing.assert_allclose(both.arrays["context"][end], own, atol=1e-5)
    assert np.abs(both.arrays["context"][1] - ends.mean(0)).max() > 0.01  # an arc is no line
    images = mdx.generate(
        model, both, scheduler="dpmpp_2m", steps=12, guidance=3, seed=[0] * 3, progress=False
    )
    assert shapes.score([images[0], images[2]], [RED, GREEN])["all"] == 1.0


def test_blending_as_a_command(tmp_path, monkeypatch):
    out = tmp_path / "row.png"
    arguments = [RED, GREEN, str(out), "--pictures", "2", "--steps", "2", "--straight"]
    monkeypatch.setattr(sys, "argv", ["blend_prompts.py", *arguments])
    blend_prompts.main()
    with Image.open(out) as image:
        assert image.size == (128, 64)


def test_a_run_is_handed_over(model):
    """Two runs and one run in turns give the same bits, which neither model alone gives."""
    table = schedulers.table(schedulers.from_config(model.scheduler, "dpmpp_2m"), 6)
    noise = np.random.default_rng(0).standard_normal((1, model.unet.config.in_channels, 16, 16))
    base, refiner = (hand_over.guided(model, prompt, 3.0) for prompt in (RED, GREEN))
    whole = hand_over.in_turns(base, refiner, table, noise, 4)
    assert np.array_equal(whole, hand_over.one_after_the_other(base, refiner, table, noise, 4))
    for alone in (base, refiner):
        assert not np.array_equal(
            whole, mdx.sample(alone, table, noise=noise, progress=False).slots.asnumpy()[0]
        )


def test_a_hand_over_as_a_command(tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.png"
    monkeypatch.setattr(sys, "argv", ["hand_over.py", RED, str(out), "--steps", "12"])
    hand_over.main()
    said = capsys.readouterr().out
    assert "10 rows by the base, 2 by the refiner" in said
    assert "two runs: 0 apart" in said
    with Image.open(out) as image:
        assert shapes.score([image], [RED])["all"] == 1.0


def test_guidance_in_an_interval(model, monkeypatch, capsys):
    """The first half of the rows is what makes pictures right; the rest is work for little."""
    assert [interval.computed(*part, 20) for part in ((0, 1), (0, 0.5), (0, 0))] == [40, 30, 20]
    monkeypatch.setattr(sys, "argv", ["interval.py", "--prompts", "4", "--steps", "6"])
    monkeypatch.setattr(interval, "INTERVALS", [(0, 0.5)])
    interval.main()
    assert "guided from 0% to 50%: " in capsys.readouterr().out
    texts = [RED, GREEN]
    guided = interval.right(model, texts, mdx.guidance.interval(3, 0, 0.5), 12)
    assert guided == 1.0


# What blocks print where the page says it in a comment.
PAGES = {
    "compat": [],
    "conditioning": ["Conditioning(stable_diffusion: context (2, 77, 96))"],
    "denoisers": ["[50.]"],
    "families": [],
    "files": [],
    "lora": ["Lora(striped: 56 layers, LoRA)", "striped", "['plain', 'striped']"],
    "memory": [],
    "prompts": ["Conditioning(stable_diffusion: context (2, 154, 96))", "(0, 1, 0, 1, 0)"],
    "samplers": [],
}


@pytest.mark.parametrize("name", PAGES)
def test_the_pages_run(name, tmp_path):
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    printed = "".join(run_tutorial.run(text, tmp_path))
    for line in PAGES[name]:
        assert line in printed.splitlines()
        assert f"# {line}" in text


def test_links_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith("#"):
                assert (page.parent / link.split("#")[0]).exists(), f"{page.name}: {link}"
        for example in re.findall(r"examples/\w+\.py", page.read_text(encoding="utf-8")):
            assert (ROOT / example).exists(), f"{page.name}: {example}"
