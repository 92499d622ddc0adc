"""One file against the reference's own converters, its loader, and its tokenizer."""

import json
import random
from types import SimpleNamespace

import numpy as np
import pytest

import mdx
from mdx import families, tokenizer
from mdx.single_file import contents, nets, vocabulary
from mdx.single_file.recognising import recognised
from tests import single_files, tiny
from tests.single_files import KINDS, MODULES

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def converters():
    return pytest.importorskip("diffusers.loaders.single_file_utils")


@pytest.mark.parametrize("kind", KINDS)
def test_the_reference_converts_to_the_same_weights(kind, converters, tmp_path):
    """Name by name and value by value; the names are those of the real sizes."""
    torch = pytest.importorskip("torch")
    original = KINDS[kind][0]
    params = single_files.weights(kind)
    arrays = single_files.stored(kind, params)
    assert arrays.keys() == single_files.shapes(kind).keys()
    tensors = {name: torch.from_numpy(np.ascontiguousarray(one)) for name, one in arrays.items()}
    file = single_files.write(tmp_path / "one.safetensors", arrays)
    for part, prefix in original.parts.items():
        config = single_files.config(kind, part, True)
        if part == "unet":
            said = {**config._asdict(), "class_embed_type": None, "num_class_embeds": None}
            theirs = converters.convert_ldm_unet_checkpoint(dict(tensors), said)
        elif part == "vae":
            theirs = converters.convert_ldm_vae_checkpoint(dict(tensors), config._asdict())
        elif prefix.endswith(".model."):
            whose = SimpleNamespace(config=config)
            theirs = converters.convert_open_clip_checkpoint(whose, dict(tensors), prefix)
        else:
            theirs = converters.convert_ldm_clip_checkpoint(dict(tensors))
        assert theirs.keys() == params[part].keys(), part
        # mdx reads the same of the file.
        what = recognised({name: one.shape for name, one in arrays.items()})
        kind_of = part if part in MODULES else "clip"
        layout = "OpenCLIP" if prefix.endswith(".model.") else "transformers"
        held = what.unet if part == "unet" else contents.Held(
            kind_of, prefix, layout if kind_of == "clip" else "original"
        )  # fmt: skip
        ours = nets.net(file, held, config, "float32", "its test")
        for name, wanted in params[part].items():
            got = theirs[name].numpy()
            np.testing.assert_array_equal(got, wanted, err_msg=name)
            np.testing.assert_array_equal(ours.params[name].asnumpy(), wanted, err_msg=name)


def test_the_reference_loads_what_is_saved(tiny_checkpoint, tmp_path):
    """Its loader of one file, and of a folder, have the weights that mdx has."""
    diffusers = pytest.importorskip("diffusers")
    model = mdx.load(tiny_checkpoint)
    with pytest.warns(UserWarning, match="config="):
        mdx.save(model, tmp_path / "one.safetensors")
    mdx.save(model, tmp_path / "folder")
    pipelines = [
        diffusers.StableDiffusionPipeline.from_single_file(
            str(tmp_path / "one.safetensors"), config=str(tmp_path / "folder"),
            local_files_only=True, safety_checker=None,
        ),
        diffusers.StableDiffusionPipeline.from_pretrained(tmp_path / "folder", safety_checker=None),
    ]  # fmt: skip
    prompts = ["a red circle!", "<|endoftext|> blue  Squares"]
    rows = tokenizer.encode(model.tokenizer, prompts)
    for pipeline in pipelines:
        for part, net in families.nets_of(model).items():
            theirs = getattr(pipeline, part).state_dict()
            for name, value in net.params.items():
                other = theirs.get(name, theirs.get(name.removeprefix("text_model.")))
                np.testing.assert_array_equal(value.asnumpy(), other.numpy())
        found = pipeline.tokenizer(prompts, padding="max_length", max_length=16, truncation=True)
        np.testing.assert_array_equal(rows, found["input_ids"])


def texts(count, seed=0):
    """Random texts: words, signs, scripts, and any code points that are text."""
    choose = random.Random(seed)
    words = ["a", "photo", "CAT's", "it's", "don\u2019t", "na\u00efve", "\u4e2d\u6587", "3d", "!!",
             "(x:1.2)", "\U0001f600", "\u0645\u0631\u062d\u0628\u0627", "Stra\u00dfe", "\u0130x",
             "<|endoftext|>", "&amp;", "\ud55c\uae00", "\u0e44\u0e17\u0e22"]  # fmt: skip
    for number in range(count):
        kind = number % 3
        if kind == 0:
            yield " ".join(choose.choices(words, k=choose.randrange(12)))
        elif kind == 1:
            yield "".join(chr(choose.randrange(32, 0x500)) for _ in range(choose.randrange(30)))
        else:
            points = (choose.randrange(0x11_0000) for _ in range(choose.randrange(20)))
            yield "".join(chr(one) for one in points if not 0xD800 <= one < 0xE000)


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
def test_the_shipped_vocabulary_equals_the_reference(pad, tmp_path):
    """On 3,000 random texts, from the files that hold this vocabulary in the reference's form."""
    transformers = pytest.importorskip("transformers")
    ours = vocabulary.shipped(pad)
    state = json.loads(ours.bpe.to_str())["model"]
    tiny.write_json(tmp_path / "vocab.json", state["vocab"])
    pairs = [one if isinstance(one, str) else " ".join(one) for one in state["merges"]]
    (tmp_path / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", "utf-8")
    tiny.write_json(
        tmp_path / "tokenizer_config.json",
        {"model_max_length": 77, "pad_token": pad, "tokenizer_class": "CLIPTokenizer"},
    )
    theirs = transformers.CLIPTokenizer.from_pretrained(tmp_path)
    some = list(texts(3000))
    with single_files.quiet():  # of texts that are cut off
        rows = tokenizer.encode(ours, some)
    found = theirs(some, padding="max_length", max_length=77, truncation=True)["input_ids"]
    np.testing.assert_array_equal(rows, np.array(found))
