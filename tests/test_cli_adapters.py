"""The command with LoRAs and words of ones own: what is added, and how the PNG names files."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import save_file

import mdx
from mdx import cli, images, tokenizer
from tests.commanding import refused
from tests.lora_files import factors, write

LAYER = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture
def inputs(here):
    """Two LoRAs and a word in the working folder."""
    for seed, name in enumerate(("a", "b")):
        write(here / f"{name}.safetensors", {f"unet.{LAYER}": factors("LoRA", (16, 16), seed)})
    save_file({"emb_params": np.ones((2, 16), np.float32)}, here / "zq.safetensors")
    return here


@pytest.fixture
def models(calls, monkeypatch):
    """The models that `generate` is called with."""
    found = []
    plain = mdx.generate

    def generate(model, *args, **options):
        found.append(model)
        return plain(model, *args, **options)

    monkeypatch.setattr(mdx, "generate", generate)
    return found


def digits(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_loras_with_strengths(inputs, models, capsys):
    cli.main(["x", "--seed", "1", "--lora", "a.safetensors:0.5", "--lora", "b.safetensors"])
    [model] = models
    loras = [mdx.lora.load(f"{name}.safetensors") for name in "ab"]
    wanted = mdx.lora.merge(mdx.load(), [(loras[0], 0.5), loras[1]])
    for name, param in wanted.unet.params.items():
        assert np.array_equal(model.unet.params[name].asnumpy(), param.asnumpy()), name
    kept = images.read_settings("mdx.png")
    assert kept["lora"] == [
        {
            "name": f"{name}.safetensors",
            "sha256": digits(inputs / f"{name}.safetensors"),
            "scale": s,
        }
        for name, s in (("a", 0.5), ("b", 1.0))
    ]
    cli.main(["--from", "mdx.png"])
    assert (inputs / "mdx-again.png").read_bytes() == (inputs / "mdx.png").read_bytes()
    capsys.readouterr()
    error = refused(capsys, ["--from", "mdx.png", "--lora", "a.safetensors"])
    assert "--lora names 'a.safetensors' (SHA-256" in error


def test_a_word(inputs, models):
    cli.main(["a zq circle", "--seed", "1", "--embedding", "zq.safetensors"])
    [model] = models
    assert len(tokenizer.ids_of(model.tokenizer, "zq")[0]) == 2
    assert images.read_settings("mdx.png")["embedding"][0]["name"] == "zq.safetensors"


def test_loras_that_prompts_name(inputs, models):
    """Each prompt with its own, in the folder that is given; and again from the picture."""
    (inputs / "loras").mkdir()
    for name in "ab":
        (inputs / f"{name}.safetensors").rename(inputs / "loras" / f"{name}.safetensors")
    words = ["--prompt-syntax", "a1111", "--lora-dir", "loras"]
    prompts = ["x <lora:a:0.5><lora:b:1:0>", "y"]
    cli.main([*prompts, "--seed", "1", "2", *words])
    loras = [mdx.lora.load(f"loras/{name}.safetensors") for name in "ab"]
    wanted = mdx.lora.merge(mdx.load(), [(loras[0], 0.5)])
    got, same, *plain = models
    assert got is same, "merged once for all seeds"
    name = f"{LAYER}.weight"
    assert np.array_equal(got.unet.params[name].asnumpy(), wanted.unet.params[name].asnumpy())
    assert all(one.unet.params[name] is not got.unet.params[name] for one in plain)
    kept = images.read_settings("mdx-1.png")
    assert kept["prompts"] == prompts[:1]
    assert [one["name"] for one in kept["named"]] == ["a.safetensors", "b.safetensors"]
    cli.main(["--from", "mdx-1.png", "--lora-dir", "loras"])
    assert (inputs / "mdx-1-again.png").read_bytes() == (inputs / "mdx-1.png").read_bytes()


def test_loras_that_prompts_name_and_that_are_not_there(inputs, models, capsys):
    words = ["--prompt-syntax", "a1111"]
    error = refused(capsys, ["x <lora:a>", *words])
    assert "names the LoRA 'a': say where it lies by --lora-dir" in error
    assert "there is no" in refused(capsys, ["x <lora:c>", *words, "--lora-dir", "."])
    assert "no bare name" in refused(capsys, ["x <lora:../a>", *words, "--lora-dir", "."])
    many = ["x <lora:a>", "y <lora:b>", *words, "--lora-dir", ".", "--batch", "2"]
    assert "drop --batch" in refused(capsys, many)
    assert models == []


def test_a_picture_without_is_as_before(here, models):
    cli.main(["a"])
    assert not images.read_settings("mdx.png").keys() & {"lora", "embedding"}


WRONG = {
    "no file": (
        ["--lora", "gone.safetensors"],
        "--lora: the file 'gone.safetensors' does not exist",
    ),
    "a pickle": (["--lora", "old.pt"], "--lora: old.pt is no .safetensors file"),
    "another adapter": (["--lora", "zq.safetensors"], "is a textual inversion"),
    "a LoRA as a word": (
        ["--embedding", "a.safetensors"],
        "--embedding: a.safetensors has vectors",
    ),
}


@pytest.mark.parametrize(("words", "error"), WRONG.values(), ids=WRONG)
def test_what_does_not_fit_is_refused(inputs, models, capsys, words, error):
    (inputs / "old.pt").write_bytes(b"x")
    assert error in refused(capsys, ["a", *words])
    assert models == []
