"""Checkpoints in one file: names, what a file is, its parts, its schedule, and what is refused."""

import hashlib
import json
import logging
import pickle
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import mdx
from mdx import casting, cli, families, file_info, images, tokenizer, weights
from mdx.bfloat16 import array
from mdx.safetensors_file import header
from mdx.single_file import configs, contents, schedule, vocabulary, writing
from mdx.single_file.contents import Held
from mdx.single_file.layouts import names_for
from mdx.single_file.names import read_by
from mdx.single_file.originals import ORIGINALS
from mdx.single_file.recognising import recognised
from tests import repositories, single_files, tiny, wild
from tests.repositories_xl import LEAST, LEAST_REFINER, OWN, RUN
from tests.single_files import KINDS, MODULES

XL, REFINER, SD_2, SD_1 = ORIGINALS


def changed(net, function):
    """A net with other numbers, held as they were."""
    dtype = weights.dtype_of(net.params)
    params = {k: casting.tensor(function(casting.floats(v)), dtype) for k, v in net.params.items()}
    return net._replace(params=params, places={})


def assert_same(got, wanted, *, but=()):
    """Two nets have equal configs, but for some fields, and equal weights."""
    ours = {key: value for key, value in got.config._asdict().items() if key not in but}
    assert ours == {key: value for key, value in wanted.config._asdict().items() if key not in but}
    assert got.params.keys() == wanted.params.keys()
    for name, param in got.params.items():
        np.testing.assert_array_equal(array(param), array(wanted.params[name]), err_msg=name)


# Names.


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_real_sizes_go_both_ways(kind):
    original = KINDS[kind][0]
    for part in original.parts:
        known = single_files.sources(kind, part)
        keys = [where.key for _, where in known.values()]
        what = part if part in MODULES else "clip"
        is_open = original.parts[part].endswith(".model.")
        names = names_for(what, single_files.config(kind, part), is_open)
        back = read_by(names, keys)
        assert {name for some in back.values() for name in some} == known.keys()
        for name, (_, where) in known.items():
            assert name in back[where.key]
        # A file's own names give the same map as the config does.
        held = Held(what, "", "OpenCLIP" if is_open else "transformers")
        held = held if what == "clip" else held._replace(layout="original")
        shapes = {where.key: single_files.stored_shape(*one) for one in known.values()
                  for where in one[1:]}  # fmt: skip
        assert contents.names_of(held, shapes) == names


@pytest.mark.parametrize("kind", KINDS)
def test_configs_are_found_by_shapes(kind):
    """Those of real files equal what was published of them."""
    original = KINDS[kind][0]
    shapes = single_files.shapes(kind)
    what = recognised(shapes)
    assert (what.sort, what.original) == ("checkpoint", original)
    assert ("inpainting" in what.title) == ("inpainting" in kind)
    for part, prefix in original.parts.items():
        own = {key[len(prefix) :]: one for key, one in shapes.items() if key.startswith(prefix)}
        if part == "unet":
            json = configs.of_unet(own, original, kind == "SD 2.1")
        elif part == "vae":
            json = configs.of_vae(own, original.vae)
        else:
            layout = "OpenCLIP" if prefix.endswith(".model.") else "transformers"
            json = configs.of_text(own, Held("clip", prefix, layout), original.text[part], 23)
            json["num_hidden_layers"] = single_files.config(kind, part).num_hidden_layers
        found = single_files.module(part).from_json(json)
        published = single_files.config(kind, part)
        for field in published._fields:
            one, other = getattr(found, field), getattr(published, field)
            silent = field in ("sample_size", "eos_token_id", "projection_dim", "architectures")
            assert one == other or silent, (part, field)


@pytest.mark.parametrize("name", [name for name in wild.NETS["unet"] if "floats" not in name])
def test_blocks_of_every_published_unet_are_read(name):
    """Those that were cut down, too: fewer layers, no middle, lists within lists."""
    published = MODULES["unet"].from_json(wild.NETS["unet"][name])
    names = names_for("unet", published)
    shapes = MODULES["unet"].shapes(published)
    stored = {unet_names_source(names, key): shape for key, shape in shapes.items()}
    assert len(stored) == len(shapes)
    assert contents.names_of(Held("unet", "", "original"), stored) == names
    original = XL if published.addition_embed_type else SD_1 if "1." in name else SD_2
    json = configs.of_unet(stored, original, True)
    found = MODULES["unet"].from_json(json)
    # Numbers of levels without transformers say nothing.
    assert MODULES["unet"].shapes(found) == shapes


def unet_names_source(names, key):
    from mdx.single_file.names import source

    return source(names, key).key


# What a file is.

OTHERS = {
    "FLUX.1": ["double_blocks.0.img_attn.norm.key_norm.scale", "img_in.weight"],
    "FLUX.2": [
        "double_blocks.0.img_attn.norm.key_norm.scale",
        "single_stream_modulation.lin.weight",
    ],
    "Chroma": [
        "double_blocks.0.img_attn.norm.key_norm.scale",
        "distilled_guidance_layer.in_proj.weight",
    ],
    "Stable Diffusion 3": ["joint_blocks.0.context_block.adaLN_modulation.1.bias"],
    "Stable Diffusion 3.5 Medium": [
        "joint_blocks.0.context_block.adaLN_modulation.1.bias",
        "joint_blocks.0.x_block.attn2.qkv.weight",
    ],
    "Stable Diffusion 3.5 Large": [
        "joint_blocks.0.context_block.adaLN_modulation.1.bias",
        "joint_blocks.37.x_block.mlp.fc1.weight",
    ],
    "Z-Image": ["layers.0.adaLN_modulation.0.weight", "cap_embedder.0.weight"],
    "Lumina 2": ["layers.0.adaLN_modulation.1.weight", "cap_embedder.0.weight"],
    "Qwen-Image": ["transformer_blocks.59.img_mod.1.weight"],
    "Krea 2": ["txtfusion.projector.weight"],
    "Wan": ["head.modulation"],
    "LTX-Video": ["patchify_proj.weight"],
    "a T5 text encoder": ["encoder.block.0.layer.0.SelfAttention.q.weight"],
    "a language model": ["model.layers.0.self_attn.q_proj.weight"],
    "a ControlNet": ["control_model.time_embed.0.weight", "control_model.input_blocks.0.0.weight"],
    "an IP-Adapter": ["image_proj.proj.weight", "ip_adapter.1.to_k_ip.weight"],
    "a LoRA": [
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight",
        "lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight",
        "lora_unet_down_blocks_0_attentions_0_proj_in.alpha",
    ],
    "a LoRA (LoHa)": ["lora_unet_mid_block_x.hada_w1_a", "lora_unet_mid_block_x.hada_w1_b"],
    "a LoRA (LoKr)": ["lora_unet_mid_block_x.lokr_w1", "lora_unet_mid_block_x.lokr_w2"],
    "an embedding of words": ["emb_params"],
    "CLIP's encoder of pictures": ["vision_model.embeddings.class_embedding"],
    "FLUX.2's VAE": ["bn.running_mean", "decoder.up_blocks.0.resnets.0.norm1.weight"],
    "of a kind that mdx does not know; its tensors are a.b": ["a.b"],
    "a file without tensors": [],
}


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("title", OTHERS)
def test_other_files_are_named(title, prefix, tmp_path):
    alone = title.startswith(("a ", "an ", "of ", "CLIP", "FLUX.2's"))
    begin = "" if alone else prefix
    file = tmp_path / "it.safetensors"
    save_file({begin + key: np.zeros((2, 768), np.float32) for key in OTHERS[title]}, file)
    with pytest.raises(ValueError, match=r"it\.safetensors is ") as raised:
        mdx.load(file)
    assert f"is {title}" in str(raised.value)
    assert mdx.info(file).title.startswith(title)
    assert not mdx.info(file).runs


def test_parts_alone_are_named(tmp_path):
    params = single_files.weights("SD 1.5")
    stored = single_files.stored("SD 1.5", params)
    for prefix, title in (
        ("model.diffusion_model.", "the UNet of Stable Diffusion 1.x alone"),
        ("first_stage_model.", "a VAE alone"),
        ("cond_stage_model.transformer.", "a text encoder alone"),
    ):
        own = {key: one for key, one in stored.items() if key.startswith(prefix)}
        if "UNet" in title:  # by what it reads, which small ones do not
            own |= {key: np.zeros((4, 768), np.float32) for key in own if "attn2.to_k" in key}
        file = single_files.write(tmp_path / "part.safetensors", own)
        with pytest.raises(ValueError, match=title):
            mdx.load(file)


def test_what_no_checkpoint_is_has_its_words(tmp_path):
    for name in ("a.ckpt", "a.pt", "a.bin"):
        (tmp_path / name).write_bytes(b"PK")
        with pytest.raises(ValueError, match=r"is pickled.*safetensors\.torch\.save_file"):
            mdx.load(tmp_path / name)
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    with pytest.raises(ValueError, match="quantised"):
        mdx.load(tmp_path / "a.gguf")
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors is missing"):
        mdx.load(tmp_path / "gone.safetensors")
    (tmp_path / "torn.safetensors").write_bytes(b"\0\0")
    with pytest.raises(ValueError, match="no safetensors file"):
        mdx.load(tmp_path / "torn.safetensors")


# Whole checkpoints.


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """Small checkpoints of both families: name -> its folder and its one file."""
    place, found = tmp_path_factory.mktemp("single"), {}
    folders = {
        "SD": tiny.write(place / "sd"),
        "XL": repositories.write(place / "xl", LEAST),
        "refiner": repositories.write(place / "refiner", LEAST_REFINER),
    }
    for name, folder in folders.items():
        file = place / f"{name}.safetensors"
        with single_files.quiet():
            mdx.save(mdx.load(folder), file)
        found[name] = (folder, file)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ["SD", "XL", "refiner"])
def test_a_file_is_what_its_folder_is(checkpoints, name, dtype):
    folder, file = checkpoints[name]
    wanted, got = mdx.load(folder, dtype=dtype), mdx.load(file, config=folder, dtype=dtype)
    assert type(got) is type(wanted)
    for part, net in families.nets_of(wanted).items():
        assert_same(getattr(got, part), net)
    assert got.scheduler == wanted.scheduler
    assert got.index.zeros == wanted.index.zeros
    for part in ("tokenizer", "tokenizer_2"):
        if getattr(wanted, part, None) is not None:
            rows = [tokenizer.encode(getattr(one, part), "a red circle") for one in (got, wanted)]
            np.testing.assert_array_equal(*rows)


def test_weights_stay_in_the_file(checkpoints):
    """But what lies transposed there, and a third of attention's rows does not."""
    folder, file = checkpoints["XL"]
    model = mdx.load(file, config=folder)
    for part, net in families.nets_of(model).items():
        copied = net.params.keys() - net.places.keys()
        assert copied == ({"text_projection.weight"} if part == "text_encoder_2" else set())
    name = "text_model.encoder.layers.0.self_attn.{}_proj.weight"
    places = [model.text_encoder_2.places[name.format(one)] for one in "qkv"]
    assert [p.start - places[0].start for p in places] == [0, places[0].size, 2 * places[0].size]


def test_a_file_pickles_as_where_it_lies(checkpoints):
    folder, file = checkpoints["SD"]
    net = mdx.load(file, config=folder).unet
    assert_same(pickle.loads(pickle.dumps(net)), net)


def test_old_names_of_text_encoders(checkpoints, tmp_path):
    """Merges of 2022 lack a module's name; some hold buffers, and the means of weights."""
    folder, file = checkpoints["SD"]
    begin = "cond_stage_model.transformer."
    tensors = load_file(file)
    for key in [key for key in tensors if key.startswith(begin)]:
        tensors[key.replace("text_model.", "")] = tensors.pop(key)
    tensors[begin + "embeddings.position_ids"] = np.arange(16)[None]
    tensors["model_ema.diffusion_modelout2weight"] = np.ones(3, np.float32)
    tensors["alphas_cumprod"] = np.ones(3, np.float32)
    got = mdx.load(single_files.write(tmp_path / "old.safetensors", tensors), config=folder)
    assert_same(got.text_encoder, mdx.load(folder).text_encoder)


def test_what_is_left_aside_is_said(checkpoints, tmp_path, caplog):
    folder, file = checkpoints["SD"]
    tensors = load_file(file)
    tensors |= {f"model_ema.{i}": np.ones(3, np.float32) for i in range(3)}
    tensors["strange.weight"] = np.ones(3, np.float32)
    caplog.set_level(logging.INFO, "mdx")
    mdx.load(single_files.write(tmp_path / "more.safetensors", tensors), config=folder)
    assert "means over training (model_ema....) are left aside" in caplog.text
    assert "1 of its tensors are of no part that mdx knows" in caplog.text
    assert "strange.weight" in caplog.text


UNET, VAE = "model.diffusion_model.", "first_stage_model."
SPOILT = {
    "a tensor is missing": (lambda t: t.pop(UNET + "out.2.weight"), r"1 missing: conv_out\.weight"),
    "a tensor is strange": (
        lambda t: t.update({UNET + "input_blocks.0.0.more": np.ones(2, np.float32)}),
        r"1 that are not read: input_blocks\.0\.0\.more",
    ),
    "a tensor is misshapen": (
        lambda t: t.update({UNET + "out.2.bias": np.ones(7, np.float32)}),
        r"1 misshapen: conv_out\.bias \[7\] instead of \[4\]",
    ),
    "there is no VAE": (
        lambda t: [t.pop(key) for key in list(t) if key.startswith(VAE)],
        r"without its vae \(first_stage_model",
    ),
    "there is no text encoder": (
        lambda t: [t.pop(key) for key in list(t) if key.startswith("cond_")],
        "a UNet that mdx does not know|without its text_encoder",
    ),
    "numbers are none": (
        lambda t: t.update({UNET + "out.2.bias": np.full(4, np.nan, np.float32)}),
        "not finite",
    ),
    "it is told of a picture": (
        lambda t: t.update({UNET + "label_emb.0.0.weight": np.ones((2, 2), np.float32)}),
        "unCLIP",
    ),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_refused(checkpoints, tmp_path, what):
    folder, file = checkpoints["SD"]
    change, words = SPOILT[what]
    tensors = load_file(file)
    change(tensors)
    spoilt = single_files.write(tmp_path / "spoilt.safetensors", tensors)
    with pytest.raises(ValueError, match=words) as raised:
        mdx.load(spoilt, config=folder)
    assert "spoilt.safetensors" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_arguments_of_one_file(checkpoints):
    folder, file = checkpoints["SD"]
    other, _ = checkpoints["XL"]
    for options, words in (
        ({"variant": "fp16"}, "variant is of a folder's files"),
        ({"revision": "main"}, "revision is of a Hub id"),
        ({"config": other}, "of the family Stable Diffusion 1.x and 2.x, but config is"),
        ({"config": folder, "prediction_type": "v"}, "prediction_type must be one of"),
        ({}, "reads 16 values a token instead of 768: give config="),
    ):
        with pytest.raises(ValueError, match=words):
            mdx.load(file, **options)
    with pytest.raises(TypeError, match="config must be a folder"):
        mdx.load(file, config=3)
    for options in ({"config": folder}, {"prediction_type": "epsilon"}):
        with pytest.raises(ValueError, match=r"is of one \.safetensors file"):
            mdx.load(folder, **options)
    told = mdx.load(file, config=folder, prediction_type="v_prediction")
    assert mdx.schedulers.prediction(told.scheduler) == "v_prediction"


def test_inpainting_and_upscaling_checkpoints(tmp_path):
    """The one from a folder's configs or alone, the other from configs."""
    for name in repositories.OF_PICTURES:
        folder = repositories.write(tmp_path / name, repositories.OF_PICTURES[name])
        model = mdx.load(folder)
        with single_files.quiet():
            mdx.save(model, file := tmp_path / f"{name}.safetensors")
        assert mdx.info(file).runs
        again = mdx.load(file, config=folder)
        for part, net in families.nets_of(model).items():
            assert_same(getattr(again, part), net)
        for part in ("scheduler", "low_res_scheduler"):
            assert getattr(again, part, None) == getattr(model, part, None)
        with pytest.raises(ValueError, match="give config="):
            mdx.load(file)
        mdx.save(model, tmp_path / f"{name}, again")
        assert type(mdx.load(tmp_path / f"{name}, again")) is type(model)


# Schedules.


def planned(tmp_path, original, tensors, metadata=None, asked=None):
    """The schedule of a file with such tensors."""
    file = single_files.write(tmp_path / "marked.safetensors", tensors, metadata)
    found = header(file)
    held = Held("unet", UNET, "original")
    return schedule.schedule(found.entries, found.metadata, original, held, asked)


MARK = np.zeros(0, np.float32)


def test_a_bare_file_has_the_scheduler_of_its_kind(tmp_path):
    nothing = {"x": MARK}
    assert planned(tmp_path, SD_1, nothing).scheduler["_class_name"] == "PNDMScheduler"
    assert planned(tmp_path, XL, nothing).scheduler["_class_name"] == "EulerDiscreteScheduler"
    assert not planned(tmp_path, SD_1, nothing).predicts_v
    asked = planned(tmp_path, SD_1, nothing, asked="v_prediction")
    assert asked.scheduler["prediction_type"] == "v_prediction"


def test_markers_are_honoured(tmp_path):
    plain = planned(tmp_path, XL, {"v_pred": MARK})
    assert plain.scheduler["prediction_type"] == "v_prediction"
    assert "rescale_betas_zero_snr" not in plain.scheduler
    zero = planned(tmp_path, XL, {UNET + "v_pred": MARK, "ztsnr": MARK}).scheduler
    assert zero["rescale_betas_zero_snr"] is True
    assert zero["timestep_spacing"] == "trailing"
    asked = planned(tmp_path, XL, {"v_pred": MARK}, asked="epsilon")
    assert asked.scheduler.get("prediction_type", "epsilon") == "epsilon"
    said = planned(tmp_path, XL, {"x": MARK}, {"modelspec.prediction_type": "v"})
    assert said.scheduler["prediction_type"] == "v_prediction"
    statistics = {
        "edm_mean": np.float32([1, 2, 3, 4]).reshape(1, 4, 1, 1),
        "edm_std": np.float32([5, 6, 7, 8]).reshape(1, 4, 1, 1),
    }
    edm = planned(tmp_path, XL, statistics)
    assert edm.scheduler["_class_name"] == "EDMDPMSolverMultistepScheduler"
    assert edm.vae["latents_mean"] == [1, 2, 3, 4]
    assert edm.vae["scaling_factor"] == 0.5
    levels = {"edm_vpred.sigma_max": np.float32(80), "edm_vpred.sigma_min": np.float32(0.01)}
    cos = planned(tmp_path, XL, levels).scheduler
    assert (cos["sigma_max"], cos["prediction_type"]) == (80, "v_prediction")
    for config in (plain.scheduler, zero, edm.scheduler, cos):
        made = mdx.schedulers.from_config(config)
        assert mdx.schedulers.table(made, 4).rows
    with pytest.raises(ValueError, match=r"edm_vpred\.sigma_max must be one number above 0"):
        planned(tmp_path, XL, {"edm_vpred.sigma_max": np.float32([1, 2])})


def test_sd_2_is_told_by_its_numbers_or_by_the_user(tmp_path):
    telling = UNET + schedule.TELLING
    wide, narrow = np.float32([-0.2, 0.2] * 8), np.float32([-0.05, 0.05] * 8)
    v = planned(tmp_path, SD_2, {telling: wide})
    assert v.predicts_v
    assert v.scheduler["_class_name"] == "DDIMScheduler"
    assert "a guess by the spread of output_blocks" in v.why
    assert not planned(tmp_path, SD_2, {telling: narrow}).predicts_v
    step = {telling: wide, "global_step": np.int64([875000])}
    assert not planned(tmp_path, SD_2, step).predicts_v
    inpaint = {telling: wide, UNET + schedule.FIRST: np.ones((3, 9, 3, 3), np.float32)}
    assert not planned(tmp_path, SD_2, inpaint).predicts_v
    assert not planned(tmp_path, SD_2, {telling: wide}, asked="epsilon").predicts_v
    assert planned(tmp_path, SD_2, {telling: narrow}, asked="v_prediction").predicts_v


# The vocabulary.


def test_the_shipped_vocabulary():
    words, second = vocabulary.shipped(), vocabulary.shipped("!")
    assert (words.size, words.length, words.start, words.end) == (49408, 77, 49406, 49407)
    assert (words.pad, second.pad) == (49407, 0)
    # Ids that CLIP's own tokenizer gives.
    rows = {
        "a photo of a cat": [320, 1125, 539, 320, 2368],
        "Hello, World!": [3306, 267, 1002, 256],
    }
    for text, ids in rows.items():
        assert tokenizer.encode(words, text)[0, 1 : len(ids) + 1].tolist() == ids
    licence = vocabulary.FILE.with_name("clip_merges.LICENSE").read_text()
    assert "Permission is hereby granted" in licence


# Parts.


def test_parts_of_files(checkpoints, tmp_path):
    folder, file = checkpoints["XL"]
    model = mdx.load(folder)
    for part, net in families.nets_of(model).items():
        base = families.NETS[families.family_of(model).parts[part].kind].base
        for source in (file, folder / part / f"{base}.safetensors"):
            assert_same(mdx.load_part(source, model, part), net)
    tensors = load_file(file)
    own = {key[len(UNET) :]: one for key, one in tensors.items() if key.startswith(UNET)}
    wide = own["input_blocks.0.0.weight"]
    own["input_blocks.0.0.weight"] = np.concatenate([wide, wide, wide[:, :1]], axis=1)
    got = mdx.load_part(single_files.write(tmp_path / "a.safetensors", own), model, "unet")
    assert got.config == model.unet.config._replace(in_channels=9)
    half = mdx.load_part(file, model, "unet", dtype="float16")
    assert {str(param.dtype) for param in half.params.values()} == {"Float16"}
    with pytest.raises(ValueError, match="part must be a net that the model has"):
        mdx.load_part(file, model, "tokenizer")
    with pytest.raises(ValueError, match="has no vae of SDXL: it is"):
        mdx.load_part(tmp_path / "a.safetensors", model, "vae")
    with pytest.raises(TypeError, match="file must be a"):
        mdx.load_part(3, model, "vae")
    with pytest.raises(ValueError, match=r"model\.unet\.config: .* misshapen"):
        mdx.load_part(checkpoints["SD"][1], model, "unet")


def test_vaes_of_files(checkpoints, tmp_path):
    folder, file = checkpoints["XL"]
    wanted = mdx.load_vae(folder)
    alone = tmp_path / "alone.safetensors"
    alone.write_bytes((folder / "vae" / "diffusion_pytorch_model.safetensors").read_bytes())
    first = tmp_path / "first.safetensors"
    tensors = load_file(file)
    own = {key[len(VAE) :]: np.float16(one) for key, one in tensors.items() if key.startswith(VAE)}
    single_files.write(first, own)
    for source, options in (
        (folder / "vae" / "diffusion_pytorch_model.safetensors", {}),
        (alone, {"config": folder}),
        (alone, {"config": folder / "vae"}),
        (file, {"config": folder}),
    ):
        assert_same(mdx.load_vae(source, **options), wanted)
    half = mdx.load_vae(first, config=folder, dtype="float16")
    assert half.config == wanted.config
    assert {str(param.dtype) for param in half.params.values()} == {"Float32"}  # as it says
    for source in (alone, first):
        with pytest.raises(ValueError, match="does not say by what its latents are scaled"):
            mdx.load_vae(source)
    with pytest.raises(ValueError, match="config is of one"):
        mdx.load_vae(folder, config=folder)


# What is told of a file.


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_is_told_of_at_once(kind, tmp_path):
    """By its header alone: of SDXL 7 GB, which are a hole here."""
    file = single_files.sparse(tmp_path / "large.safetensors", single_files.shapes(kind))
    begin = time.perf_counter()
    found = mdx.info(file)
    assert time.perf_counter() - begin < 1
    original = KINDS[kind][0]
    assert (found.sort, found.family, found.runs) == ("checkpoint", original.family, True)
    assert found.parts.keys() == original.parts.keys()
    assert sum(part.parameters for part in found.parts.values()) == found.parameters
    assert found.dtypes == {"F16": found.parameters}
    assert found.unknown == ()
    assert (found.sha256, found.autov2) == (None, None)
    assert found.size == file.stat().st_size > 1.5e9


def test_what_is_told_of_a_file(checkpoints, tmp_path):
    folder, file = checkpoints["SD"]
    found = mdx.info(file, hash=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (found.sha256, found.autov2) == (digest, digest[:10].upper())
    tensors = load_file(file) | {UNET + "input_blocks.77.0.what": np.ones(2, np.float32)}
    strange = mdx.info(single_files.write(tmp_path / "s.safetensors", tensors))
    assert strange.unknown == (UNET + "input_blocks.77.0.what",)
    told = json.loads(file_info.as_json(found))
    assert told["parts"]["unet"]["dtypes"] == {"F32": 200644}
    with pytest.raises(ValueError, match="is a folder"):
        mdx.info(folder)
    with pytest.raises(FileNotFoundError):
        mdx.info(tmp_path / "gone")


def test_headers_are_read_without_mindspore(checkpoints):
    code = (
        "import sys, mdx; found = mdx.info(sys.argv[1]); assert found.parts; "
        "assert 'mindspore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, checkpoints["SD"][1]], check=True, timeout=60)


def test_what_is_told_of_a_lora(tmp_path):
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {
        f"{name}.lora_down.weight": np.ones((8, 2048), np.float32),
        f"{name}.lora_up.weight": np.ones((640, 8), np.float32),
        f"{name}.alpha": np.float32(4),
    }
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": '{"10_cat": {"cat": 9, "a toy": 12}, "more": {"cat": 2}}',
    }
    found = mdx.info(single_files.write(tmp_path / "l.safetensors", tensors, metadata)).lora
    assert (found.ranks, found.layers, found.base) == ((8,), 1, "SDXL")
    assert found.triggers == ("a toy", "cat")
    assert not found.text_encoder


# The command.


def test_the_command_tells_of_files(checkpoints, capsys):
    _, file = checkpoints["SD"]
    assert cli.main(["info", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("SD.safetensors: a file of weights")
    assert "  title       Stable Diffusion 1.x" in lines
    assert cli.main(["info", str(file), "--json", "--hash"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"]["parts"].keys() == {"text_encoder", "unet", "vae"}
    assert told["hash"] == {"sha256": (full := mdx.info(file, hash=True).sha256),
                            "autov2": full[:10].upper()}  # fmt: skip


def test_the_command_draws_with_a_file(checkpoints, here, calls, capsys):
    folder, file = checkpoints["SD"]
    model = ["--model", str(file), "--config", str(folder)]
    assert cli.main(["a red circle", *model, "--prediction-type", "v_prediction"]) == 0
    settings = images.read_settings("mdx.png")
    assert (settings["model"], settings["prediction_type"]) == (file.name, "v_prediction")
    assert "config" not in settings
    assert cli.main(["--from", "mdx.png", *model]) == 0
    assert images.read_settings("mdx-again.png")["prediction_type"] == "v_prediction"
    for given, words in (
        (["a red circle", "--model", str(file)], "give config="),
        (["a red circle", "--model", str(folder), "--config", str(folder)], "config is of one"),
        (["--from", "mdx.png", "--config", str(folder)], "--config is of the model"),
    ):
        with pytest.raises(SystemExit):
            cli.main(given)
        assert words in capsys.readouterr().err


# Saving and blending.


def test_a_folder_is_saved_whole_or_not_at_all(checkpoints, tmp_path):
    model = mdx.load(checkpoints["XL"][0])
    mdx.save(model, tmp_path / "out")
    again = mdx.load(tmp_path / "out")
    for part, net in families.nets_of(model).items():
        assert_same(getattr(again, part), net)
    assert again.scheduler == model.scheduler
    assert again.index.zeros == model.index.zeros
    assert (again.tokenizer.pad, again.tokenizer_2.pad) == (model.tokenizer.pad, 0)
    half = tmp_path / "half"
    mdx.save(again, half, dtype="float16")
    entries = header(half / "unet" / "diffusion_pytorch_model.safetensors").entries
    assert {entry.dtype for entry in entries.values()} == {"F16"}
    with pytest.raises(FileExistsError, match="folder with files in it"):
        mdx.save(model, half)
    broken = model.unet._replace(params={**model.unet.params, "conv_in.bias": model.vae})
    before = sorted(tmp_path.iterdir())
    for path in (tmp_path / "broken", tmp_path / "broken.safetensors"):
        with pytest.raises((AttributeError, TypeError, ValueError, KeyError)), single_files.quiet():
            mdx.save(model._replace(unet=broken), path)
    assert sorted(tmp_path.iterdir()) == before


def test_what_changed_under_a_model_is_not_saved(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints["SD"][0], tmp_path / "folder")
    model = mdx.load(folder)
    with (folder / "unet" / "diffusion_pytorch_model.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match="was cut short"):
        mdx.save(model, tmp_path / "out")


def test_a_file_is_replaced_under_its_own_model(checkpoints, tmp_path):
    folder, file = checkpoints["SD"]
    own = shutil.copy(file, tmp_path / "own.safetensors")
    model, wanted = mdx.load(own, config=folder), mdx.load(folder)
    with single_files.quiet():
        mdx.save(model, own)
    assert_same(mdx.load(own, config=folder).unet, wanted.unet)


def test_what_a_file_cannot_say_is_warned_of(checkpoints, tmp_path):
    model = mdx.load(checkpoints["SD"][0])
    with pytest.warns(UserWarning, match=r"does not say .*model\.tokenizer.*load it with config="):
        mdx.save(model, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="writes no pickled weights"):
        mdx.save(model, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"model\.text_encoder is None"), single_files.quiet():
        mdx.save(model._replace(text_encoder=None), tmp_path / "b.safetensors")
    large = changed(model.unet, lambda numbers: numbers * np.float32(1e9))
    with pytest.raises(ValueError, match=r"values too large for float16"), single_files.quiet():
        mdx.save(model._replace(unet=large), tmp_path / "c.safetensors", dtype="float16")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_usual_schedulers_are_known_as_such(tmp_path):
    """Those that SD 1.5, SD 2.1 and SDXL were published with; no other is."""
    for original, published in (
        (SD_1, wild.SCHEDULERS["SD 1.5"][2]),
        (SD_2, wild.SCHEDULERS["SD 2.1 base"][2]),
        (SD_2, wild.SCHEDULERS["SD 2.1"][2]),
        (XL, OWN),
        (XL, RUN["v-prediction"].scheduler),
        (XL, RUN["Playground"].scheduler),
    ):
        own = mdx.schedulers.from_config(published)
        predicts_v = mdx.schedulers.prediction(own) == "v_prediction"
        model = SimpleNamespace(scheduler=own)
        assert writing._is_usual(model, original, predicts_v), published
        model.scheduler = mdx.schedulers.from_config(own, "dpmpp_2m")
        assert not writing._is_usual(model, original, predicts_v)


def test_markers_are_written(checkpoints, tmp_path):
    folder, _ = checkpoints["XL"]
    model = mdx.load(folder)
    v = mdx.schedulers.from_config(
        model.scheduler, prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    with single_files.quiet():
        mdx.save(model._replace(scheduler=v), tmp_path / "v.safetensors")
    found = header(tmp_path / "v.safetensors")
    assert {"v_pred", "ztsnr"} <= found.entries.keys()
    assert found.metadata["modelspec.prediction_type"] == "v"


def test_a_blend_lies_between(checkpoints, tmp_path):
    model = mdx.load(checkpoints["SD"][0])
    moved = changed(model.unet, lambda numbers: numbers + 1)
    kept = "conv_out.bias"
    moved.params[kept] = model.unet.params[kept]
    other = model._replace(unet=moved)
    mixed = mdx.blend(model, other, 0.25)
    for name, param in mixed.unet.params.items():
        wanted = model.unet.params[name].asnumpy() + 0.25 * (name != kept)
        np.testing.assert_allclose(param.asnumpy(), wanted, atol=1e-6)
    assert mixed.unet.places.keys() == {kept}  # where both are the same it stays mapped
    assert mixed.vae.places.keys() == model.vae.places.keys()
    same = mdx.blend(model, other, 1.0)
    np.testing.assert_array_equal(
        same.unet.params["conv_in.weight"].asnumpy(), moved.params["conv_in.weight"].asnumpy()
    )
    alone = mdx.blend(model, other, {"vae": 0.5})
    assert alone.unet is model.unet
    added = mdx.add_difference(model, other, model, 0.5)
    np.testing.assert_allclose(
        added.unet.params["conv_in.weight"].asnumpy(),
        model.unet.params["conv_in.weight"].asnumpy() + 0.5,
        atol=1e-6,
    )
    assert added.unet.places.keys() == {kept}
    with pytest.raises(ValueError, match="share has no part 'nose'"):
        mdx.blend(model, other, {"nose": 1})
    with pytest.raises(ValueError, match="expected one family"):
        mdx.blend(model, mdx.load(checkpoints["XL"][0]), 0.5)
    wide = {**model.unet.params, kept: model.unet.params["conv_in.bias"]}
    with pytest.raises(ValueError, match=r"b\.unet has conv_out\.bias of shape"):
        mdx.blend(model, model._replace(unet=model.unet._replace(params=wide)), 0.5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_blends_in_float32(checkpoints, dtype):
    model = mdx.load(checkpoints["SD"][0], dtype=dtype)
    other = changed(model.unet, lambda numbers: -numbers)
    mixed = mdx.blend(model, model._replace(unet=other), 0.25)
    assert weights.dtype_of(mixed.unet.params) == dtype
    got, wanted = (casting.floats(one.unet.params["conv_in.weight"]) for one in (mixed, model))
    np.testing.assert_array_equal(got, wanted / 2)  # exact in any dtype
