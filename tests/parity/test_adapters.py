"""LoRAs and textual inversions as diffusers with PEFT reads them; where it reads them otherwise.

The formulas are those of tests/lora_files.py, in float64, which is what mdx is held to where the
two differ.
"""

import json
import warnings

import numpy as np
import pytest
from safetensors.numpy import save_file

import mdx
from mdx.encoding import clip_rows
from tests import repositories
from tests.generating import apart
from tests.lora_files import expected, factors, write
from tests.parity.pipelines import LEAST as DECIBELS
from tests.repositories_xl import LEAST

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytest.importorskip("peft")
pytestmark = pytest.mark.parity

PROMPT, NEGATIVE, SEEDS = "a red circle on a blue background", "a green square", [4, 5]
STEPS, SCALE = 4, 0.7

LINEARS = ("attn1.to_q", "attn2.to_v", "attn2.to_out.0", "ff.net.2")
CONVOLUTIONS = ("down_blocks.0.resnets.0.conv1", "up_blocks.1.resnets.1.conv2")
TEXTS = tuple(f"text_model.encoder.layers.0.self_attn.{one}" for one in ("q_proj", "out_proj"))


@pytest.fixture(scope="module")
def sd(tiny_checkpoint):
    return tiny_checkpoint


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xl")
    repositories.write(folder, LEAST)
    return folder


def theirs(folder, prepare, prompt=PROMPT):
    """The reference's pictures, after prepare(pipeline)."""
    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    prepare(pipeline)
    channels = pipeline.unet.config.in_channels
    latents = np.concatenate(
        [np.random.default_rng(seed).standard_normal((1, channels, 8, 8)) for seed in SEEDS]
    )
    return pipeline(
        [prompt] * 2, negative_prompt=[NEGATIVE] * 2, height=16, width=16,
        latents=torch.tensor(latents, dtype=torch.float32), num_inference_steps=STEPS,
        guidance_scale=5.0, output_type="np",
    ).images  # fmt: skip


def ours(model, prompt=PROMPT):
    return mdx.generate(
        model, [prompt] * 2, negative_prompt=NEGATIVE, steps=STEPS, seed=SEEDS, guidance=5.0,
        height=16, width=16, output="np", progress=False,
    )  # fmt: skip


def decibels(got, wanted):
    return -10 * np.log10(np.mean((np.float64(got) - wanted) ** 2))


def layers(model, kind="LoRA", convolutions=True, texts=True):
    """Random factors for layers of each part: from (part, layer) to tensors by endings."""
    found = {}
    blocks = dict.fromkeys(
        name.partition(".attn1")[0] for name in model.unet.params if ".attn1.to_q" in name
    )
    names = [("unet", f"{block}.{inner}") for block in blocks for inner in LINEARS]
    names += [("unet", layer) for layer in (CONVOLUTIONS if convolutions else ())]
    parts = ("text_encoder", "text_encoder_2") if texts else ()
    names += [(part, layer) for part in parts if hasattr(model, part) for layer in TEXTS]
    for seed, (part, layer) in enumerate(names):
        net = getattr(model, part)
        if layer + ".weight" in net.params:
            found[part, layer] = factors(kind, tuple(net.params[layer + ".weight"].shape), seed)
            for name, array in found[part, layer].items():
                found[part, layer][name] = array.astype(np.float32)
    return found


def kohya(found, alpha=None):
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te1_", "text_encoder_2": "lora_te2_"}
    if not any(part == "text_encoder_2" for part, _ in found):
        prefix["text_encoder"] = "lora_te_"
    more = {} if alpha is None else {"alpha": np.float32(alpha)}
    return {
        prefix[part] + layer.replace(".", "_"): {**some, **more}
        for (part, layer), some in found.items()
    }


def peft(found):
    ends = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight"}
    return {
        f"{part}.{layer}": {ends.get(name, name): array for name, array in some.items()}
        for (part, layer), some in found.items()
    }


def compare(folder, path):
    """The pictures of both with a file's LoRA at SCALE; both far from those without."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = theirs(
            folder, lambda one: (one.load_lora_weights(path), one.fuse_lora(lora_scale=SCALE))
        )
    model = mdx.load(folder)
    got = ours(mdx.lora.merge(model, mdx.lora.load(path), SCALE))
    print(f"{decibels(got, wanted):.1f} dB")
    assert decibels(got, ours(model)) < 30, "the LoRA changes nothing"
    return decibels(got, wanted)


@pytest.mark.parametrize("which", ["sd", "xl"])
@pytest.mark.parametrize("dialect", ["kohya", "kohya, alpha", "PEFT", "PEFT, metadata"])
def test_pictures_with_a_lora(request, tmp_path, which, dialect):
    folder = request.getfixturevalue(which)
    model = mdx.load(folder)
    found = layers(model, convolutions=not (which == "xl" and "kohya" in dialect))
    metadata = {"format": "pt"}
    if dialect.startswith("kohya"):
        written = kohya(found, 2.0 if "alpha" in dialect else None)
    else:
        written = peft(found)
    if dialect == "PEFT, metadata":
        own = {"r": 3, "lora_alpha": 5, "use_rslora": True}
        said = {f"{part}.{key}": value for part, _ in found for key, value in own.items()}
        # transformers 5 has no text_model in the names of its modules.
        for part in {part for part, _ in found}:
            names = [n.removeprefix("text_model.") for p, n in found if p == part]
            said[f"{part}.target_modules"] = names
        metadata["lora_adapter_metadata"] = json.dumps(said)
    path = write(tmp_path / "one.safetensors", written, metadata)
    assert compare(folder, path) > DECIBELS


def test_names_of_the_original_code(xl, tmp_path):
    """kohya's names of SDXL, input_blocks_4_1 and so on, of the arrangement that xl has."""
    model = mdx.load(xl)
    from mdx.adapters.lora_ldm import ldm_names

    network = {name.rpartition(".")[0] for name in model.unet.params}
    original = ldm_names(model.unet.config, network)
    found = layers(model, convolutions=False, texts=False)
    written = {"lora_unet_" + original[n].replace(".", "_"): some for (_, n), some in found.items()}
    path = write(tmp_path / "one.safetensors", written, {"format": "pt"})
    assert compare(xl, path) > DECIBELS


def test_dora_of_peft(sd, tmp_path):
    """Lengths a row, which both read."""
    model = mdx.load(sd)
    found = layers(model, "DoRA of PEFT", convolutions=False, texts=False)
    path = write(tmp_path / "one.safetensors", peft(found), {"format": "pt"})

    def prepare(pipeline):
        pipeline.load_lora_weights(path)
        pipeline.fuse_lora()

    wanted = theirs(sd, prepare)
    got = ours(mdx.lora.merge(model, mdx.lora.load(path)))
    assert decibels(got, wanted) > DECIBELS


def test_the_reference_drops_the_lengths_of_kohyas_dora(sd, tmp_path):
    """diffusers leaves dora_scale out; the formula has it."""
    model = mdx.load(sd)
    found = layers(model, "DoRA", convolutions=False, texts=False)
    path = write(tmp_path / "one.safetensors", kohya(found), {"format": "pt"})
    merged = mdx.lora.merge(model, mdx.lora.load(path))
    for (_, layer), some in found.items():
        weight = np.float64(model.unet.params[layer + ".weight"].asnumpy())
        wanted = weight + expected(some, weight)
        got = merged.unet.params[layer + ".weight"].asnumpy()
        assert np.abs(got - wanted).max() < 1e-6 * np.abs(wanted).max()

    def prepare(pipeline):
        pipeline.load_lora_weights(path)
        pipeline.fuse_lora()

    bare = {
        key: {n: a for n, a in some.items() if n != "dora_scale"} for key, some in found.items()
    }
    plain = write(tmp_path / "plain.safetensors", kohya(bare), {"format": "pt"})
    dropped = theirs(sd, prepare)
    assert decibels(ours(merged), dropped) < 30
    assert decibels(ours(mdx.lora.merge(model, mdx.lora.load(plain))), dropped) > DECIBELS


@pytest.mark.parametrize("kind", ["LoHa", "LoKr"])
def test_the_reference_reads_no_lycoris(sd, tmp_path, kind):
    """diffusers raises, or loads nothing of it; the formula is in tests/test_lora.py."""
    model = mdx.load(sd)
    found = layers(model, kind, convolutions=False, texts=False)
    path = write(tmp_path / "one.safetensors", kohya(found), {"format": "pt"})
    got = ours(mdx.lora.merge(model, mdx.lora.load(path)))
    assert decibels(got, ours(model)) < 40
    said = ""
    try:
        wanted = theirs(sd, lambda one: one.load_lora_weights(path))
    except Exception as error:
        said = str(error)
    assert said or decibels(wanted, ours(model)) > DECIBELS


def test_pictures_with_words_of_ones_own(sd, tmp_path):
    rows = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32)
    path = tmp_path / "one.safetensors"
    save_file({"<zq>": rows}, path)
    prompt = "a <zq> red circle"
    wanted = theirs(sd, lambda one: one.load_textual_inversion(path), prompt)
    model = mdx.load(sd)
    got = ours(mdx.textual_inversion.add(model, path), prompt)
    assert decibels(got, wanted) > DECIBELS
    assert apart(got, ours(model, prompt)) > 1e-2


def test_the_vector_of_a_text_with_ones_own_word(xl, tmp_path):
    """An old config looks for the end as the largest id, which is the new word's: the reference
    reads the text there, mdx at the end."""
    random = np.random.default_rng(0)
    pair = {"clip_l": random.standard_normal((2, 16)), "clip_g": random.standard_normal((2, 24))}
    path = tmp_path / "zq.safetensors"
    save_file({name: array.astype(np.float32) for name, array in pair.items()}, path)
    model = mdx.load(xl)
    assert model.text_encoder_2.config.eos_token_id == 2
    taught = mdx.textual_inversion.add(model, path)
    tokens, got = clip_rows(
        taught.tokenizer_2, taught.text_encoder_2, ["a zq cat"], normed=True, pooled=True
    )
    from mdx import tokenizer

    row = tokenizer.encode(taught.tokenizer_2, "a zq cat")[0].tolist()
    end, word = row.index(taught.tokenizer_2.end), int(np.argmax(row))
    projection = taught.text_encoder_2.params["text_projection.weight"].asnumpy()
    assert np.allclose(got[0], tokens[0, end] @ projection.T, atol=1e-4)
    assert word < end
    pipeline = diffusers.DiffusionPipeline.from_pretrained(xl)
    for part, words, name in (
        (pipeline.text_encoder, pipeline.tokenizer, "clip_l"),
        (pipeline.text_encoder_2, pipeline.tokenizer_2, "clip_g"),
    ):
        vectors = torch.tensor(pair[name], dtype=torch.float32)
        pipeline.load_textual_inversion(vectors, "zq", text_encoder=part, tokenizer=words)
    prompt = pipeline.maybe_convert_prompt("a zq cat", pipeline.tokenizer_2)
    ids = pipeline.tokenizer_2(prompt, padding="max_length", return_tensors="pt").input_ids
    assert ids[0].tolist()[: end + 1] == row[: end + 1]
    wanted = pipeline.text_encoder_2(ids).text_embeds.detach().numpy()[0]
    assert np.allclose(wanted, tokens[0, word] @ projection.T, atol=1e-3), "read at the word"
    assert not np.allclose(wanted, got[0], atol=1e-2)
