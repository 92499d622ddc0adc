"""A file as a model, or as a part of one: what its folder is, and what is refused of it."""

import logging
import pickle

import numpy as np
import pytest
from safetensors.numpy import load_file

import mdx
from mdx import families, tokenizer
from mdx.single_file import vocabulary
from tests import repositories, single_files
from tests.single_files import UNET, VAE, assert_same


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
