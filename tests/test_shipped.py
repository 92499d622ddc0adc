"""The checkpoint in the package draws what its prompts say, and the README comes true."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, hub, shapes

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "examples"), str(ROOT / "benchmarks")]
import own_loop  # noqa: E402
import prompt_score  # noqa: E402


@pytest.fixture(scope="module")
def model():
    return mdx.load()


def test_it_is_small_and_half_precision():
    files = [file for file in hub.PACKAGED.rglob("*") if file.is_file()]
    assert sum(file.stat().st_size for file in files) <= 12e6
    weights = [file for file in files if file.suffix == ".safetensors"]
    assert len(weights) == 3
    assert all(b'"F32"' not in file.read_bytes()[:200_000] for file in weights)


def test_pictures_show_what_their_prompts_say(model):
    """Read from pixels; chance is 1 in 5 for the shape, 1 in 8 for each colour."""
    every = prompt_score.plain_captions()
    chosen = [every[i] for i in np.random.default_rng(0).permutation(len(every))[:32]]
    options = {"scheduler": "dpmpp_2m", "steps": 15, "seed": 0, "progress": False}
    found = shapes.score(mdx.generate(model, chosen, **options), chosen)
    assert found["shape"] >= 0.9, found
    assert found["colour"] >= 0.95, found
    assert found["background"] >= 0.95, found


def test_float16_is_finite_and_near_float32(model):
    options = {"steps": 15, "scheduler": "dpmpp_2m", "seed": 3, "output": "np", "progress": False}
    prompt = "a green star on a white background"
    half = mdx.generate(mdx.load(dtype="float16"), prompt, **options)
    full = mdx.generate(model, prompt, **options)
    assert np.isfinite(half).all()
    assert -10 * np.log10(np.mean((half - full) ** 2) + 1e-12) >= 35


def test_the_command_draws_it_and_again(tmp_path, capsys):
    """The README's first command, and the picture made again from its own PNG."""
    command = next(
        line for line in (ROOT / "README.md").read_text().splitlines() if "&& mdx" in line
    )
    prompt = re.search(r'mdx "(.*?)"', command).group(1)
    first, second = tmp_path / "out.png", tmp_path / "again.png"
    assert cli.main([prompt, "-o", str(first), "--seed", "0"]) == 0
    assert cli.main(["--from", str(first), "-o", str(second)]) == 0
    assert first.read_bytes() == second.read_bytes()
    assert shapes.score([Image.open(first)], [prompt])["all"] == 1.0
    assert "1 picture in" in capsys.readouterr().out


def test_the_loop_written_out_is_generate(model, tmp_path):
    """examples/own_loop.py draws the same picture as generate()."""
    prompt = "a yellow square on a black background"
    own_loop.main(prompt, str(tmp_path / "own.png"))
    [image] = mdx.generate(model, prompt, scheduler="dpmpp_2m", steps=20, seed=0, progress=False)
    apart = np.int16(Image.open(tmp_path / "own.png")) - np.int16(image)
    assert np.abs(apart).max() <= 1  # a rounding to 8 bits


def test_the_readmes_python_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    exec(compile("\n".join(blocks), "README.md", "exec"), {})
    assert Image.open("stars.png").size == (128, 128)
