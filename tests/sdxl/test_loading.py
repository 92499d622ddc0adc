"""A folder of SDXL, and one on the Hub: what loads, and what is refused."""

import logging
import pickle
import re
import shutil

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file

import mdx
from mdx import families, loading, weights
from mdx.families import StableDiffusionXL
from tests import hub_server, repositories, tiny
from tests.repositories_xl import LEAST, RUN, without

PARTS = ["tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2", "unet", "vae", "scheduler"]
TITLES = "mdx runs Stable Diffusion 1.x and 2.x, SDXL and Stable Diffusion's upscaler"


def test_a_folder_loads(base, refiner):
    assert isinstance(base, StableDiffusionXL)
    assert families.family_of(base).name == "stable_diffusion_xl"
    assert [*base._fields] == [*PARTS, "index"]
    assert [name for name in PARTS if getattr(base, name) is None] == []
    absent = [name for name in PARTS if getattr(refiner, name) is None]
    assert absent == ["tokenizer", "text_encoder"]
    # Each pads with its own token, "!" and the end of a text.
    assert (base.tokenizer.pad, base.tokenizer_2.pad) == (base.tokenizer.end, 0)


def test_its_parts_are_shown(base, refiner):
    first, *lines = repr(base).splitlines()
    assert first == "StableDiffusionXL("
    assert [line.split(":")[0].strip() for line in lines] == PARTS
    assert "text_encoder: none" in repr(refiner)


def test_it_pickles(base):
    again = pickle.loads(pickle.dumps(base))
    assert again.index == base.index
    assert again.text_encoder_2.config == base.text_encoder_2.config
    for name, param in base.unet.params.items():
        np.testing.assert_array_equal(again.unet.params[name].asnumpy(), param.asnumpy())


def named(**changes):
    return lambda folder: tiny.change_json(folder / "model_index.json", **changes)


def gone(part):
    return lambda folder: shutil.rmtree(folder / part)


def unprojected(folder):
    """The second text encoder as a CLIP without a projection."""
    tiny.change_json(folder / "text_encoder_2" / "config.json", architectures=["CLIPTextModel"])
    file = folder / "text_encoder_2" / "model.safetensors"
    weights.save(without(load_file(file), "text_projection.weight"), file)


def depth(folder):
    """The UNet of a picture and its depth: one channel more."""
    tiny.change_json(folder / "unet" / "config.json", in_channels=5)
    file = folder / "unet" / "diffusion_pytorch_model.safetensors"
    params = load_file(file)
    wide = np.concatenate([params["conv_in.weight"]] * 2, 1)[:, :5]
    weights.save(params | {"conv_in.weight": np.ascontiguousarray(wide)}, file)


def widened(part, name, **changes):
    """A weight with twice the rows, as a config says."""

    def spoil(folder):
        tiny.change_json(folder / part / "config.json", **changes)
        file = folder / part / "model.safetensors"
        params = load_file(file)
        weights.save(params | {name: np.repeat(params[name], 2, 0)}, file)

    return spoil


FLUX = {
    "_class_name": "FluxPipeline",
    "unet": ...,
    "transformer": ["diffusers", "FluxTransformer2DModel"],
    "text_encoder_2": ["transformers", "T5EncoderModel"],
    "tokenizer_2": ["transformers", "T5TokenizerFast"],
}
SD3 = FLUX | {
    "_class_name": "StableDiffusion3Pipeline",
    "text_encoder_3": ["transformers", "T5EncoderModel"],
    "tokenizer_3": ["transformers", "T5TokenizerFast"],
    "transformer": ["diffusers", "SD3Transformer2DModel"],
}
KOLORS = {
    "_class_name": "KolorsPipeline",
    "text_encoder": ["kolors", "ChatGLMModel"],
    "text_encoder_2": ...,
    "tokenizer": ["kolors", "ChatGLMTokenizer"],
    "tokenizer_2": ...,
}
REFUSED = {
    "Flux": (named(**FLUX), f"FluxPipeline with transformer; {TITLES}"),
    "SD 3": (
        named(**SD3),
        f"StableDiffusion3Pipeline with text_encoder_3, tokenizer_3, transformer; {TITLES}",
    ),
    "Kolors": (
        named(**KOLORS),
        "KolorsPipeline with a text_encoder of class 'ChatGLMModel', where mdx has only "
        f"CLIPTextModel or CLIPTextModelWithProjection; {TITLES}",
    ),
    "another second text encoder": (
        named(text_encoder_2=["transformers", "T5EncoderModel"]),
        "text_encoder_2 of class 'T5EncoderModel', where mdx has only CLIPTextModelWithProjection",
    ),
    "no second tokenizer": (
        named(tokenizer_2=...),
        f"has no tokenizer_2; {TITLES}, and SDXL has the parts {', '.join(PARTS)}",
    ),
    "no unet": (named(unet=[None, None]), f"has no unet; {TITLES}, and SDXL has the parts"),
    "a second text encoder that does not project": (
        unprojected,
        "text_encoder_2 has no projection (architectures), which the unet reads: expected "
        "CLIPTextModelWithProjection",
    ),
    "another projection": (
        widened("text_encoder_2", "text_projection.weight", projection_dim=24),
        "the unet takes 60 values of text and sizes (projection_class_embeddings_input_dim), which "
        "are not those of the text encoder, 24 (projection_dim), and 6 or 5 numbers of 8",
    ),
    "a channel more": (
        depth,
        "the unet takes 5 (in_channels): one more is a depth map's, and depth checkpoints are not "
        "supported",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sdxl_is_refused_by_name(copy, name):
    spoil, words = REFUSED[name]
    spoil(copy)
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        mdx.load(copy)
    assert str(copy) in str(caught.value)


@pytest.mark.parametrize("part", ["text_encoder_2", "tokenizer_2", "text_encoder"])
def test_a_folder_that_the_index_names_is_missed(copy, part):
    gone(part)(copy)
    with pytest.raises(FileNotFoundError, match=f"{re.escape(str(copy / part))}\\b"):
        mdx.load(copy)


def test_parts_that_do_not_fit_are_refused(base, refiner, tiny_checkpoint):
    check = families.family_of(base).check
    with pytest.raises(ValueError, match=r"text encoders together give 40 .*unet takes 24"):
        check(base._replace(unet=refiner.unet))
    with pytest.raises(ValueError, match=r"the text encoder gives 24 .*unet takes 40"):
        check(refiner._replace(unet=base.unet))
    small = mdx.load(tiny_checkpoint)
    with pytest.raises(ValueError, match=r"told no vector .*addition_embed_type None.*text_time"):
        check(base._replace(unet=small.unet))
    with pytest.raises(ValueError, match="addition_embed_type"):
        families.family_of(small).check(small._replace(unet=base.unet))
    words = base.tokenizer._replace(size=561)
    with pytest.raises(ValueError, match=r"tokenizer_2 has ids up to 560, but .* encoder_2 embeds"):
        check(base._replace(tokenizer_2=words))
    short = base.tokenizer._replace(length=60)
    with pytest.raises(ValueError, match=r"the tokenizer makes rows of 60 .*tokenizer_2 of 77"):
        check(base._replace(tokenizer=short))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("says", [True, ..., False], ids=str)
def test_a_vae_that_overflows_is_held_in_float32(copy, dtype, says):
    """SDXL's says force_upcast, and one that says nothing means it."""
    tiny.change_json(copy / "vae" / "config.json", force_upcast=says)
    model = mdx.load(copy, dtype=dtype)
    held = {
        part: {str(p.dtype) for p in getattr(model, part).params.values()} for part in PARTS[2:6]
    }
    half = {dtype.capitalize().replace("Bf", "BF")}
    expected = {"Float32"} if says is not False else half
    alone = mdx.load_vae(copy, dtype=dtype)
    assert {str(param.dtype) for param in alone.params.values()} == expected
    assert held == {"text_encoder": half, "text_encoder_2": half, "unet": half, "vae": expected}


HINTS = {
    "base": "",
    "turbo": "EulerAncestralDiscreteScheduler, timestep_spacing trailing",
    "LCM": "reads how far it is guided",
    "v-prediction": "",
    "Playground": "",
}


@pytest.mark.parametrize("name", HINTS)
def test_what_may_be_distilled_is_said(tmp_path, caplog, name):
    nets = dict(LEAST.nets)
    if name == "LCM":
        nets["unet"] = nets["unet"] | {"time_cond_proj_dim": 6}
    repository = LEAST._replace(index=RUN[name].index, scheduler=RUN[name].scheduler, nets=nets)
    folder = repositories.write(tmp_path / "repository", repository)
    with caplog.at_level(logging.INFO, "mdx"):
        mdx.load(folder)
    said = [record.getMessage() for record in caplog.records if "steps" in record.getMessage()]
    assert len(said) == bool(HINTS[name])
    assert not said or HINTS[name] in said[0]


# What the repository of the base holds beside what is loaded.
BESIDE = [
    "LICENSE.md", "README.md", "01.png", "comparison.png", "pipeline.png",
    "sd_xl_base_1.0.safetensors", "sd_xl_base_1.0_0.9vae.safetensors",
    "sd_xl_offset_example-lora_1.0.safetensors", "text_encoder/flax_model.msgpack",
    "text_encoder/model.onnx", "text_encoder/openvino_model.bin", "text_encoder/openvino_model.xml",
    "text_encoder_2/flax_model.msgpack", "text_encoder_2/model.onnx",
    "text_encoder_2/model.onnx_data", "text_encoder_2/openvino_model.bin", "unet/model.onnx",
    "unet/diffusion_flax_model.msgpack", "unet/openvino_model.bin",
    "vae/diffusion_flax_model.msgpack", "vae_1_0/config.json",
    "vae_1_0/diffusion_pytorch_model.safetensors", "vae_decoder/config.json",
    "vae_decoder/model.onnx", "vae_decoder/openvino_model.bin", "vae_encoder/config.json",
    "vae_encoder/model.onnx",
]  # fmt: skip


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub on this machine, and an empty cache."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    with hub_server.running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        template = server.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server


def with_halves(folder):
    """The folder with fp16 files of all parts beside the plain ones, and the other files."""
    for file in folder.rglob("*.safetensors"):
        shutil.copyfile(
            file, file.with_name(file.name.replace(".safetensors", ".fp16.safetensors"))
        )
    for name in BESIDE:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(("dtype", "dot"), [("float32", ""), ("float16", ".fp16")])
def test_only_what_is_needed_is_fetched(hub, copy, dtype, dot):
    hub.repositories["someone/xl"] = with_halves(copy)
    words = (copy / "tokenizer_2" / "vocab.json").read_text()
    found = loading.found("someone/xl", dtype=dtype)
    fetched = set(hub.fetched)
    assert {name for name in fetched if name.endswith(".safetensors")} == {
        f"text_encoder/model{dot}.safetensors",
        f"text_encoder_2/model{dot}.safetensors",
        f"unet/diffusion_pytorch_model{dot}.safetensors",
        f"vae/diffusion_pytorch_model{dot}.safetensors",
    }
    assert {name.partition("/")[0] for name in fetched} == {"model_index.json", *PARTS}
    assert not fetched & {*BESIDE}
    # The same as the first tokenizer's, which is fetched once.
    assert (found / "tokenizer_2" / "vocab.json").read_text() == words
    mdx.load("someone/xl", dtype=dtype, offline=True)


def test_of_a_family_that_mdx_lacks_nothing_but_the_index_is_fetched(hub, copy):
    named(**FLUX)(copy)
    hub.repositories["someone/flux"] = with_halves(copy)
    with pytest.raises(ValueError, match=f"FluxPipeline with transformer; {TITLES}"):
        mdx.load("someone/flux")
    assert hub.fetched == ["model_index.json"]
