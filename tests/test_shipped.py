"""The checkpoint in the package draws what its prompts say, and the README comes true."""

import functools
import re
import sys
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, hub, shapes
from tests.generating import rounded

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "benchmarks")]
import own_loop  # noqa: E402
import prompt_score  # noqa: E402

docs = pytest.mark.docs  # what is claimed of the checkpoint, counted over many pictures

FAST = {"scheduler": "dpmpp_2m", "steps": 15, "progress": False}


@pytest.fixture(scope="module")
def model():
    return mdx.load()


def test_it_is_small_and_half_precision():
    files = [file for file in hub.PACKAGED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 12e6
    weights = [file for file in files if file.suffix == ".safetensors"]
    assert len(weights) == 4  # with the second VAE
    assert all(b'"F32"' not in file.read_bytes()[:200_000] for file in weights)


def chosen(count, things, unseen=False):
    """Scenes and their words."""
    scenes = prompt_score.scenes(count, things, unseen, 7)
    return scenes, prompt_score.captions(scenes)


@pytest.fixture(scope="module")
def drawn(model):
    """A function (count, things, unseen) -> scenes, their words and their pictures, drawn once."""

    @functools.cache
    def of(count, things, unseen=False):
        scenes, words = chosen(count, things, unseen)
        return scenes, words, mdx.generate(model, words, seed=0, **FAST)

    return of


@pytest.mark.parametrize(
    ("things", "unseen"),
    [
        (2, True),
        pytest.param(1, False, marks=docs),
        pytest.param(2, False, marks=docs),
        pytest.param(1, True, marks=docs),
    ],
)
def test_pictures_show_what_their_prompts_say(drawn, things, unseen):
    """Read from pixels: sixteen pictures of a kind; benchmarks/prompt_score.py takes hundreds."""
    scenes, _, pictures = drawn(16, things, unseen)
    found = shapes.score(pictures, scenes)
    assert min(found[name] for name in ("shape", "colour", "size", "background")) >= 0.8, found


@docs
def test_guidance_is_worth_it(model):
    scenes, words = chosen(16, 2)
    alone, guided, default = (
        shapes.score(mdx.generate(model, words, seed=0, guidance=scale, **FAST), scenes)["all"]
        for scale in (1.0, 4.0, 7.5)
    )
    assert guided >= alone + 0.1
    assert default > alone


def colours(model, words, **options):
    """Those of the things in each prompt's picture."""
    some = mdx.generate(model, words, seed=0, **FAST, **options)
    return [{thing.colour for thing in shapes.read(np.asarray(one)).things} for one in some]


def of_colour(model, words, colour, **options):
    """Of how many prompts the picture shows a thing of that colour."""
    return sum(colour in shown for shown in colours(model, words, **options))


@pytest.mark.parametrize(
    ("thing", "colour"), [("square", "red"), pytest.param("star", "black", marks=docs)]
)
def test_what_the_negative_prompt_names_is_gone(model, thing, colour):
    """The colour is left open; without a negative prompt some third are of that colour."""
    words = [f"a {thing} on a white background"] * 16
    assert of_colour(model, words, colour) >= 5
    assert of_colour(model, words, colour, negative_prompt=colour) <= 1


@docs
def test_what_the_negative_prompt_names_is_rare_where_it_was_the_rule(model):
    """The colour that each shape comes out in most often when none is asked for."""
    found = {}
    for thing in shapes.SHAPES:
        words = [f"a {thing} on a white background"] * 8
        [(colour, count)] = Counter(chain(*colours(model, words))).most_common(1)
        found[thing, colour] = count, of_colour(model, words, colour, negative_prompt=colour)
    before, after = (sum(counts) for counts in zip(*found.values(), strict=True))
    assert before >= 6 * 8 / 3, found
    assert after <= before / 8, found
    assert all(after <= before / 2 for before, after in found.values()), found


@pytest.mark.parametrize("batch", [16, pytest.param(8, marks=docs)])
def test_a_seed_is_a_picture_in_any_batch(model, drawn, batch):
    _, words, together = drawn(batch, 2, True)
    alone = [mdx.generate(model, one, seed=seed, **FAST)[0] for seed, one in enumerate(words[:2])]
    for one, other in zip(alone, together, strict=False):
        assert np.abs(np.int16(one) - np.int16(other)).max() <= 1  # a rounding to 8 bits


def held_out(count=6):
    """Pictures that training has not seen, pixels in [0, 1]."""
    generator = np.random.default_rng([11, 1])
    scenes = [shapes.random_scene(generator) for _ in range(count)]
    return np.stack([shapes.draw(one, shapes.place(one, generator)) for one in scenes]) / 255


def decibels(got, expected):
    return -10 * np.log10(np.mean((np.float64(got) - expected) ** 2))


def test_both_autoencoders_give_back_what_they_are_shown(model):
    pixels = held_out()
    latents = mdx.encode(model, pixels)
    first = decibels(mdx.decode(model, latents, output="np"), pixels)
    other = model._replace(vae=mdx.load_vae())
    second = decibels(mdx.decode(other, latents, output="np"), pixels)
    assert min(first, second) >= 30
    assert second != first


def test_another_vae_changes_the_decoding_alone(model):
    words, other = chosen(1, 2)[1], model._replace(vae=mdx.load_vae())
    latents = [mdx.generate(m, words, seed=0, output="latent", **FAST) for m in (model, other)]
    assert np.array_equal(*latents)
    pictures = [mdx.decode(m, latents[0], output="np") for m in (model, other)]
    assert 25 <= decibels(*pictures) < 60


def test_float16_draws_the_same(model):
    """The packaged files hold float16, and a CPU computes in float32 of either."""
    prompt = "a small green star on a white background"
    half, full = (
        np.asarray(mdx.generate(m, prompt, seed=3, **FAST)[0], np.int16)
        for m in (mdx.load(dtype="float16"), model)
    )
    assert np.abs(half - full).max() <= 1
    assert full.std() > 10


def test_bfloat16_draws_nearly_the_same(model):
    """In float32 of the weights that it rounds to: to the same bits."""
    prompt = "a small green star on a white background"
    brain, wide, full = (
        mdx.generate(m, prompt, seed=3, output="np", **FAST)
        for m in (mdx.load(dtype="bfloat16"), rounded(model), model)
    )
    assert np.array_equal(brain, wide)
    assert 45 <= decibels(brain, full) < 60


def first_prompt():
    """That of the README's first command."""
    command = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if "&& mdx" in line
    )
    return re.search(r'mdx "(.*?)"', command).group(1)


def test_the_first_prompt_is_drawn_by_most_seeds(model):
    images = mdx.generate(model, [first_prompt()] * 16, seed=0, **FAST)
    assert shapes.score(images, [first_prompt()] * 16)["all"] >= 0.7


def test_the_command_draws_it_and_again(tmp_path, capsys):
    """The README's first command, and the picture made again from its own PNG."""
    prompt = first_prompt()
    first, second = tmp_path / "out.png", tmp_path / "again.png"
    assert cli.main([prompt, "-o", str(first), "--seed", "1"]) == 0
    assert cli.main(["--from", str(first), "-o", str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()
    assert shapes.score([Image.open(first)], [prompt])["all"] == 1.0
    assert "1 picture in" in capsys.readouterr().out


@docs
def test_the_loop_written_out_is_generate(model, tmp_path):
    """examples/own_loop.py draws the same picture as generate()."""
    prompt = "a large yellow square on a black background"
    own_loop.main(prompt, str(tmp_path / "own.png"))
    [image] = mdx.generate(model, prompt, scheduler="dpmpp_2m", steps=20, seed=0, progress=False)
    apart = np.int16(Image.open(tmp_path / "own.png")) - np.int16(image)
    assert np.abs(apart).max() <= 1  # a rounding to 8 bits


@docs
def test_the_readmes_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile("\n".join(blocks), "README.md", "exec"), {})
    assert Image.open("stars.png").size == (128, 128)
