"""SDXL as a family: what loads and what is refused, its conditioning, its sizes, a whole run."""

import logging
import pickle
import re
import shutil

import numpy as np
import pytest
from huggingface_hub import constants
from safetensors.numpy import load_file

import mdx
from mdx import cli, families, images, loading, run_denoiser, weights
from mdx.families import StableDiffusionXL, stable_diffusion_xl
from mdx.families.stable_diffusion_xl import Reading, inputs
from mdx.sampling import network
from tests import hub_server, repositories, tiny
from tests.generating import TOLERANCE, apart, latents
from tests.repositories_xl import LEAST, LEAST_REFINER, RUN, without

PARTS = ["tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2", "unet", "vae", "scheduler"]
TITLES = "mdx runs Stable Diffusion 1.x and 2.x, SDXL and Stable Diffusion's upscaler"
SIZES = mdx.Sizes(original=(512, 700), crop=(3, 40), target=(96, 130))
NUMBERS = ["original", "crop", "target", "aesthetic"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small SDXL; read it, never write to it."""
    return repositories.write(tmp_path_factory.mktemp("xl"), LEAST)


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="module")
def base(folder):
    return mdx.load(folder)


@pytest.fixture(scope="module")
def refiner(tmp_path_factory):
    return mdx.load(repositories.write(tmp_path_factory.mktemp("refiner"), LEAST_REFINER))


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


# What is not SDXL.


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


# Prompts.


def test_conditioning_has_the_texts_and_their_vector(base, refiner):
    made = mdx.encode_prompt(base, ["a red cat", "a dog"])
    shapes = {name: array.shape for name, array in made.arrays.items()}
    assert shapes == {"context": (2, 77, 40), "pooled": (2, 12)}
    made = mdx.encode_prompt(refiner, "a red cat")
    shapes = {name: array.shape for name, array in made.arrays.items()}
    assert shapes == {"context": (1, 77, 24), "pooled": (1, 12), "aesthetic": (1, 1)}
    assert all(array.dtype == np.float32 for array in made.arrays.values())


def test_the_second_text_is_read_by_the_second_encoder(base):
    both = mdx.encode_prompt(base, ["a red cat", "a dog"])
    mixed = mdx.encode_prompt(base, "a red cat", second="a dog").arrays
    context, pooled = both.arrays["context"], both.arrays["pooled"]
    np.testing.assert_array_equal(mixed["context"][0, :, :16], context[0, :, :16])
    np.testing.assert_array_equal(mixed["context"][0, :, 16:], context[1, :, 16:])
    np.testing.assert_array_equal(mixed["pooled"][0], pooled[1])
    assert np.abs(context[0] - context[1]).max() > 0.01
    with pytest.raises(ValueError, match="second has 2 texts for 1"):
        mdx.encode_prompt(base, "a red cat", second=["a dog", "a cat"])


def test_clip_skip_is_of_both_prompts(base):
    """Two layers: one more to skip are the embeddings, and then there is none."""
    for negative in (False, True):
        usual = mdx.encode_prompt(base, "a dog", negative=negative).arrays
        skipped = mdx.encode_prompt(base, "a dog", negative=negative, clip_skip=1).arrays
        np.testing.assert_array_equal(skipped["pooled"], usual["pooled"])
        assert np.abs(skipped["context"] - usual["context"]).max() > 0.01
    with pytest.raises(ValueError, match="hidden state -4 of a text encoder of 2 layers"):
        mdx.encode_prompt(base, "a dog", clip_skip=2)


@pytest.mark.parametrize(
    ("zeros", "expected"), [(True, True), (None, True), (False, False)], ids=str
)
def test_an_absent_negative_prompt_is_zeros_where_the_index_says_so(base, zeros, expected):
    """The pipeline's default is yes, as of a model that has no index."""
    models = [base._replace(index=base.index._replace(zeros=zeros))]
    if zeros is None:
        models.append(base._replace(index=None))
    for model in models:
        made = mdx.encode_prompt(model, None, negative=True).arrays
        empty = mdx.encode_prompt(model, "", negative=True).arrays
        assert all(np.abs(array).max() > 0.1 for array in empty.values())
        for name, array in made.items():
            right = np.zeros_like(empty[name]) if expected else empty[name]
            np.testing.assert_array_equal(array, right)


def test_zeros_take_no_text_encoder(base, monkeypatch):
    monkeypatch.setattr(stable_diffusion_xl, "clip_rows", None)
    made = mdx.encode_prompt(base, None, negative=True).arrays
    assert {name: array.shape for name, array in made.items()} == {
        "context": (1, 77, 40),
        "pooled": (1, 12),
    }
    assert not any(array.any() for array in made.values())


def test_a_refiner_has_a_score_for_each_half(refiner):
    def score(**asked):
        return mdx.encode_prompt(refiner, ["a", "b"], **asked).arrays["aesthetic"].tolist()

    assert score() == [[6.0], [6.0]]
    assert score(negative=True) == [[2.5], [2.5]]
    assert score(negative=True, sizes=mdx.Sizes(aesthetic=7.25)) == [[7.25], [7.25]]
    # Its UNet says that it reads one, and no index need be there.
    alone = refiner._replace(index=None)
    made = mdx.encode_prompt(alone, "a", negative=True)
    assert made.arrays["aesthetic"].tolist() == [[2.5]]


def test_sizes_that_are_not_read_are_refused(base, refiner):
    with pytest.raises(ValueError, match=r"sizes\.aesthetic is not read .*target size in its"):
        mdx.encode_prompt(base, "a", sizes=mdx.Sizes(aesthetic=6))
    with pytest.raises(ValueError, match=r"sizes\.target is not read .*score in its place"):
        mdx.encode_prompt(refiner, "a", sizes=mdx.Sizes(target=(64, 64)))


NO_SIZES = {
    "a pair": ((64, 64), "sizes must be a mdx.Sizes or None, not "),
    "a fraction": (mdx.Sizes(original=(64.5, 64)), "sizes.original must be"),
    "no height": (mdx.Sizes(target=(0, 64)), "sizes.target must be"),
    "a crop below nothing": (mdx.Sizes(crop=(-1, 0)), "sizes.crop must be"),
    "no crop": (mdx.Sizes(crop=None), "sizes.crop must be two whole numbers, not None"),
    "three numbers": (mdx.Sizes(original=(1, 2, 3)), "sizes.original must be two whole numbers"),
    "no number": (mdx.Sizes(aesthetic=float("nan")), "sizes.aesthetic must be"),
}


@pytest.mark.parametrize("name", NO_SIZES)
def test_what_is_no_size_is_refused_by_its_name(base, name):
    sizes, words = NO_SIZES[name]
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        mdx.encode_prompt(base, "a", sizes=sizes)
    with pytest.raises((TypeError, ValueError), match=re.escape(words)):
        mdx.generate(base, "a", sizes=sizes)


# What the network reads of sizes: original, crop and target, heights before widths.


IDS = {
    "nothing asked": ("base", {}, [16, 32, 0, 0, 16, 32]),
    "all": ("base", {"sizes": SIZES}, [512, 700, 3, 40, 96, 130]),
    "a crop": ("base", {"sizes": mdx.Sizes(crop=(5, 6))}, [16, 32, 5, 6, 16, 32]),
    "refiner": ("refiner", {}, [16, 32, 0, 0, 6]),
    "refiner, negative": ("refiner", {"negative": True}, [16, 32, 0, 0, 2.5]),
    "refiner, all": (
        "refiner",
        {"sizes": SIZES._replace(target=None, aesthetic=9), "negative": True},
        [512, 700, 3, 40, 9],
    ),
}


@pytest.mark.parametrize("name", IDS)
def test_sizes_are_read_in_their_order(request, name):
    which, asked, expected = IDS[name]
    model = request.getfixturevalue(which)
    made = mdx.encode_prompt(model, ["a", "b"], **asked)
    read = inputs(model)(made, (2, 4, 8, 16))
    assert read["ids"].tolist() == [expected] * 2
    assert {*read} == {"context", "pooled", "ids"}


@pytest.mark.parametrize(
    ("total", "pooled", "numbers"), [(2816, 1280, 6), (2560, 1280, 5), (2816, 1281, None)]
)
def test_a_real_network_reads_six_numbers_or_five(total, pooled, numbers):
    assert Reading(256, total, 8, False).numbers(pooled) == numbers


def test_each_image_of_a_batch_has_its_own_sizes(base):
    """Also where those of the negative prompts differ, which diffusers mixes up."""
    some = [SIZES, mdx.Sizes((20, 90), (7, 0), (64, 33))]

    def encoded(sizes, **asked):
        each = [mdx.encode_prompt(base, "a dog", sizes=one, **asked) for one in sizes]
        return mdx.conditioning.concat(*each)

    positive, negative = encoded(some), encoded(some[::-1], negative=True)
    towards, away = (mdx.denoiser(base, one) for one in (positive, negative))
    guided = mdx.guidance.classifier_free(towards, away, 5.0)
    ids = network.inputs(guided, (2, 4, 8, 8), True)["ids"].asnumpy()
    rows = [[*one.original, *one.crop, *one.target] for one in (*some[::-1], *some)]
    assert ids.tolist() == rows


# A run.


def test_sizes_are_those_of_a_conditioning_that_has_them(base):
    made = mdx.encode_prompt(base, "a dog", sizes=SIZES)
    with pytest.raises(ValueError, match="sizes are of a prompt, and this one was encoded"):
        mdx.generate(base, made, sizes=SIZES)


def test_sizes_and_prompts_count(base):
    usual = latents(base)
    same = mdx.Sizes(original=(16, 16), target=(16, 16))
    assert apart(latents(base, sizes=same), usual) < TOLERANCE
    assert apart(latents(base, sizes=SIZES), usual) > 10 * TOLERANCE
    assert apart(latents(base, negative_prompt=""), usual) > 10 * TOLERANCE
    assert apart(latents(base, guidance=5.0), usual) == 0, "5 is SDXL's number"


def test_text_encoders_may_be_dropped(base):
    positive = mdx.encode_prompt(base, "a red circle")
    negative = mdx.encode_prompt(base, None, negative=True)
    bare = base._replace(text_encoder=None, text_encoder_2=None)
    got = latents(bare, positive, negative_prompt=negative)
    np.testing.assert_array_equal(got, latents(base))
    assert mdx.plan(bare, 16, 16, 1).peak < mdx.plan(base, 16, 16, 1).peak
    for model in (bare, base._replace(text_encoder=None)):
        with pytest.raises(ValueError, match=r"model\.text_encoder is None.*give a mdx\.Cond"):
            mdx.encode_prompt(model, "a red circle")


def test_a_conditioning_of_another_model_is_refused(base, refiner, tiny_checkpoint):
    made = mdx.encode_prompt(refiner, "a")
    with pytest.raises(ValueError, match=r"prompt: context .* must be float32 \(B, any, 40\)"):
        mdx.generate(base, made)
    small = mdx.load(tiny_checkpoint)
    with pytest.raises(ValueError, match="for models of stable_diffusion, and this one is of stab"):
        mdx.generate(base, mdx.encode_prompt(small, "a"))
    arrays = mdx.encode_prompt(base, "a").arrays
    for wrong, words in (
        (without(arrays, "pooled"), "has no pooled"),
        ({**arrays, "pooled": np.ones((1, 13))}, "pooled of the conditioning has 13 values"),
        ({**arrays, "aesthetic": np.ones((1, 1))}, "reads no aesthetic"),
        ({**arrays, "guidance": np.ones(1)}, "reads no guidance"),
    ):
        one = mdx.conditioning.make("stable_diffusion_xl", wrong)
        with pytest.raises(ValueError, match=words):
            mdx.denoiser(base, one)


def test_a_plan_counts_both_text_encoders(base, refiner):
    both, one = (mdx.plan(model, 64, 64, 1) for model in (base, refiner))
    assert [step.name for step in both.steps] == ["text encoder", "UNet", "VAE"]
    assert both.steps[0].weights > one.steps[0].weights
    looked_up = "text_model.embeddings.token_embedding.weight"
    expected = sum(
        param.nbytes
        for net in (base.text_encoder, base.text_encoder_2)
        for name, param in net.params.items()
        if name != looked_up
    )
    assert both.steps[0].weights == expected


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


# The command, and the Hub.


def test_the_command_runs_it(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = ["--steps", "2", "--seed", "3", "--model", str(folder)]
    assert cli.main(["a red circle", "-o", "x.png", *options]) == 0
    assert images.read_settings("x.png")["prompts"] == ["a red circle"]
    assert cli.main(["--from", "x.png", "-o", "y.png", "--model", str(folder)]) == 0
    assert (tmp_path / "y.png").read_bytes() == (tmp_path / "x.png").read_bytes()


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


def test_a_negative_is_told_the_sizes_of_what_it_is_the_negative_of(base, refiner, monkeypatch):
    """Whether they come with the text or its conditioning; but not the score that is wanted."""
    seen = []

    def told(model, prompt, **options):
        seen.clear()
        monkeypatch.setattr(run_denoiser, "denoiser", denoiser)
        monkeypatch.setattr(run_denoiser.guiding, "classifier_free", stop)
        with pytest.raises(Stopped):
            mdx.generate(model, prompt, steps=1, seed=0, height=64, width=64, **options)
        return [dict(one.arrays) for one in seen]

    def denoiser(model, one, **_):
        seen.append(one)
        return mdx.denoiser(model, one)

    class Stopped(Exception):
        pass

    def stop(*_):
        raise Stopped

    sizes = mdx.Sizes(original=(32, 48), crop=(4, 8), target=(64, 64))
    for prompt, options in (
        ("a", {"sizes": sizes}),
        (mdx.encode_prompt(base, "a", sizes=sizes), {}),
        (mdx.encode_prompt(base, "a", sizes=sizes), {"negative_prompt": "b"}),
    ):
        positive, negative = told(base, prompt, **options)
        for name in ("original", "crop", "target"):
            assert np.array_equal(positive[name], negative[name]), name
    positive, negative = told(refiner, "a", sizes=mdx.Sizes(aesthetic=9.0))
    assert (positive["aesthetic"].tolist(), negative["aesthetic"].tolist()) == ([[9.0]], [[2.5]])
