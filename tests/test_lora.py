"""LoRAs merged into a model: every kind by its formula, added once, the rest as it was."""

import gc
import json
import pickle
import warnings

import mindspore
import numpy as np
import pytest

import mdx
from mdx import bfloat16, heap
from mdx.adapters import lora_merge
from tests import tiny
from tests.lora_files import KINDS, OF_CONVOLUTIONS, RANK, expected, factors, write

LINEAR = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
CONV = "down_blocks.0.resnets.0.conv1"
TEXT = "text_model.encoder.layers.1.mlp.fc1"
SMALL = np.float64(2) ** -23


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write(tmp_path_factory.mktemp("lora") / "model")


@pytest.fixture(scope="module")
def model(folder):
    return mdx.load(folder)


def numbers(net, name):
    param = net.params[name]
    found = bfloat16.array(param)
    return np.float64(bfloat16.widened(found) if param.dtype == mindspore.bfloat16 else found)


def kohya(layer):
    return "lora_unet_" + layer.replace(".", "_")


def close(got, wanted, most=4):
    """Within a few of float32's smallest steps, of the largest number."""
    assert np.abs(got - wanted).max() <= most * SMALL * np.abs(wanted).max()


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_large_weights_are_merged_like_small_ones(folder, tmp_path, monkeypatch, dtype):
    """Those lie in memory of their own, which stays for as long as the weight does."""
    model = mdx.load(folder, dtype=dtype)
    name = LINEAR + ".weight"
    found = factors("LoRA", numbers(model.unet, name).shape)
    lora = mdx.lora.load(write(tmp_path / "one.safetensors", {kohya(LINEAR): found}))
    small = mdx.lora.merge(model, lora).unet
    monkeypatch.setattr(heap, "LARGE", 1)
    large = mdx.lora.merge(model, lora).unet
    gc.collect()
    assert np.array_equal(numbers(large, name), numbers(small, name))
    assert not np.array_equal(numbers(large, name), numbers(model.unet, name))


@pytest.mark.parametrize("layer", [LINEAR, CONV], ids=["linear", "convolution"])
@pytest.mark.parametrize("alpha", [None, 1.5], ids=["no alpha", "alpha"])
@pytest.mark.parametrize("kind", [*KINDS, *OF_CONVOLUTIONS])
def test_every_kind_is_its_formula(model, tmp_path, kind, alpha, layer):
    if kind in OF_CONVOLUTIONS and layer == LINEAR:
        pytest.skip("has a kernel")
    name = layer + ".weight"
    weight = numbers(model.unet, name)
    found = factors(kind, weight.shape)
    if kind == "difference" and layer == LINEAR:
        del found["diff_b"]
    written = dict(found) if alpha is None else {**found, "alpha": np.array(alpha)}
    path = write(tmp_path / "one.safetensors", {kohya(layer): written})
    lora = mdx.lora.load(path)
    for scale in (1.0, -0.5):
        merged = mdx.lora.merge(model, lora, scale)
        wanted = weight + scale * expected(found, weight, alpha)
        close(numbers(merged.unet, name), wanted)
        if "diff_b" in found:
            bias = numbers(model.unet, layer + ".bias") + scale * found["diff_b"]
            close(numbers(merged.unet, layer + ".bias"), bias)


def test_dora_that_only_keeps_lengths_changes_nothing(model, tmp_path):
    """Factors of zeros, and the lengths that the weight has: the other check of both axes."""
    name = LINEAR + ".weight"
    weight = numbers(model.unet, name)
    for axis, shape in ((1, (-1, 1)), (0, (1, -1))):
        found = factors("LoRA", weight.shape)
        found["lora_up.weight"][...] = 0
        found["dora_scale"] = np.linalg.norm(weight, axis=axis).reshape(shape)
        path = write(tmp_path / "one.safetensors", {kohya(LINEAR): found})
        close(numbers(mdx.lora.merge(model, mdx.lora.load(path)).unet, name), weight)


def test_several_add_and_each_has_its_strength(model, tmp_path):
    name = LINEAR + ".weight"
    weight = numbers(model.unet, name)
    kinds = ("LoRA", "LoKr", "DoRA")
    some = [factors(kind, weight.shape, seed) for seed, kind in enumerate(kinds)]
    loras = [
        mdx.lora.load(write(tmp_path / f"{i}.safetensors", {kohya(LINEAR): one}))
        for i, one in enumerate(some)
    ]
    strengths = (0.3, -1.0, 0.7)
    wanted = weight + 2 * sum(
        s * expected(one, weight) for s, one in zip(strengths, some, strict=True)
    )
    merged = mdx.lora.merge(model, list(zip(loras, strengths, strict=True)), 2)
    close(numbers(merged.unet, name), wanted, 8)
    back = mdx.lora.merge(model, [*loras[:1], (loras[1], 1.0)])
    close(numbers(back.unet, name), weight + sum(expected(one, weight) for one in some[:2]))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision_the_sum_is_cast_once(folder, tmp_path, dtype):
    """Forty changes that are each lost by themselves in half precision."""
    model = mdx.load(folder, dtype=dtype)
    name = LINEAR + ".weight"
    weight = numbers(model.unet, name)
    found = {"diff": np.full(weight.shape, 2.0**-13)}
    lora = mdx.lora.load(write(tmp_path / "one.safetensors", {kohya(LINEAR): found}))
    merged = mdx.lora.merge(model, [(lora, 0.25)] * 40)
    assert str(merged.unet.params[name].dtype).lower() == dtype
    exact = (weight + 10 * 2.0**-13).astype(np.float32)
    nearest = (
        exact.astype(np.float16)
        if dtype == "float16"
        else bfloat16.widened(bfloat16.rounded(exact))
    )
    assert np.array_equal(numbers(merged.unet, name), np.float64(nearest))
    with pytest.raises(ValueError, match=f"too large for {dtype}"):
        mdx.lora.merge(model, [(lora, 3e38)] * 2, 2.0**13)


def test_the_old_model_stays_and_what_is_not_touched_is_shared(model, tmp_path):
    before = {name: numbers(model.unet, name) for name in model.unet.params}
    shape = before[LINEAR + ".weight"].shape
    path = write(tmp_path / "one.safetensors", {kohya(LINEAR): factors("LoRA", shape)})
    lora = mdx.lora.load(path)
    merged = mdx.lora.merge(model, lora)
    for name, numbers_before in before.items():
        assert np.array_equal(numbers(model.unet, name), numbers_before)
        touched = name == LINEAR + ".weight"
        assert (merged.unet.params[name] is model.unet.params[name]) is not touched
        assert (name in merged.unet.places) is not touched
    assert merged.text_encoder is model.text_encoder
    same = mdx.lora.merge(model, lora, 0.0)
    assert same.unet is model.unet
    with pytest.raises(pickle.PicklingError, match="changed since it was loaded"):
        pickle.dumps(merged)


def test_text_encoders_and_strengths_by_name(model, tmp_path):
    """A dict of strengths goes by parts, and by the longest beginning of a layer's name."""
    layers = {}
    for part, layer in (("unet", LINEAR), ("unet", CONV), ("text_encoder", TEXT)):
        shape = getattr(model, part).params[layer + ".weight"].shape
        layers[f"{part}.{layer}"] = factors("LoRA", tuple(shape))
    written = {
        name: {
            "lora_A.weight": found["lora_down.weight"],
            "lora_B.weight": found["lora_up.weight"],
        }
        for name, found in layers.items()
    }
    lora = mdx.lora.load(write(tmp_path / "one.safetensors", written))
    scale = {"text_encoder": 0.25, "unet": 0.5, f"unet.{CONV}": -2}
    merged = mdx.lora.merge(model, lora, scale)
    for (part, layer), factor in zip(
        (("unet", LINEAR), ("unet", CONV), ("text_encoder", TEXT)), (0.5, -2, 0.25), strict=True
    ):
        weight = numbers(getattr(model, part), layer + ".weight")
        change = expected(layers[f"{part}.{layer}"], weight)
        close(numbers(getattr(merged, part), layer + ".weight"), weight + factor * change)
    assert mdx.lora.merge(model, lora, {"unet": 0}).unet is model.unet
    own = mdx.lora.merge(model, [(lora, scale)], -1)
    other = mdx.lora.merge(model, lora, {name: -value for name, value in scale.items()})
    for name in (LINEAR, CONV):
        assert np.array_equal(
            numbers(own.unet, name + ".weight"), numbers(other.unet, name + ".weight")
        )
    with pytest.raises(ValueError, match=r"scale is given for 'unet\.up_block', and no part"):
        mdx.lora.merge(model, lora, {"unet.up_block": 1.0})


def test_what_the_metadata_says_of_alpha(model, tmp_path):
    """diffusers' header, with one layer's own alpha, and rsLoRA's root; PEFT's file beside."""
    weight = numbers(model.unet, LINEAR + ".weight")
    found = factors("LoRA", weight.shape)
    written = {
        "lora_A.weight": found["lora_down.weight"], "lora_B.weight": found["lora_up.weight"],
    }  # fmt: skip
    said = {"unet.r": RANK, "unet.lora_alpha": 7, "unet.use_rslora": True}

    def change(path):
        merged = mdx.lora.merge(model, mdx.lora.load(path))
        return numbers(merged.unet, LINEAR + ".weight") - weight

    def header(said):
        text = {"format": "pt", "lora_adapter_metadata": json.dumps(said)}
        return write(tmp_path / "one.safetensors", {f"unet.{LINEAR}": written}, text)

    plain = expected(found, weight)
    tolerance = 1e-6 * np.abs(weight).max()
    assert np.allclose(change(header(said)), plain * 7 / np.sqrt(RANK), atol=tolerance)
    own = {**said, "unet.alpha_pattern": {LINEAR: 2}, "unet.use_rslora": False}
    assert np.allclose(change(header(own)), plain * 2 / RANK, atol=tolerance)
    tiny.write_json(
        tmp_path / "peft" / "adapter_config.json", {"peft_type": "LORA", "lora_alpha": 5}
    )
    write(tmp_path / "peft" / "adapter_model.safetensors", {f"base_model.model.{LINEAR}": written})
    assert np.allclose(change(tmp_path / "peft"), plain * 5 / RANK, atol=tolerance)
    zero = write(tmp_path / "0.safetensors", {f"unet.{LINEAR}": {**written, "alpha": np.zeros(())}})
    assert np.allclose(change(zero), plain, atol=tolerance), "an alpha of 0 is r"
    for bad, match in (
        ({"unet.alpha_pattern": {".*attn1.*": 3}}, "is a pattern"),
        ({"unet.lora_alpha": "4"}, "must be a number"),
        ({"unet.peft_type": "VERA"}, "PEFT's kind 'VERA'"),
    ):
        with pytest.raises(ValueError, match=match):
            mdx.lora.load(header(bad))


def test_what_is_left_over_is_said(model, tmp_path):
    weight = numbers(model.unet, LINEAR + ".weight")
    found = factors("LoRA", weight.shape)
    others = {f"lora_unet_nobody_{i:02}": found for i in range(11)}
    path = write(tmp_path / "one.safetensors", {kohya(LINEAR): found, **others})
    lora = mdx.lora.load(path)
    with pytest.warns(
        UserWarning, match=r"11 names of one are no layer's .*_09, ... \(11 in all\)"
    ):
        merged = mdx.lora.merge(model, lora)
    close(numbers(merged.unet, LINEAR + ".weight"), weight + expected(found, weight))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mdx.lora.merge(
            model, mdx.lora.load(write(tmp_path / "2.safetensors", {kohya(LINEAR): found}))
        )


def test_what_does_not_fit_names_both_bases(model, tmp_path):
    wide = {"lora_down.weight": np.ones((2, 2048)), "lora_up.weight": np.ones((640, 2))}
    name = "lora_unet_input_blocks_4_1_transformer_blocks_3_attn2_to_k"
    lora = mdx.lora.load(write(tmp_path / "xl.safetensors", {name: wide}))
    with pytest.raises(
        ValueError, match=r"nothing of xl fits .* SDXL, and the model is .*16 values"
    ):
        mdx.lora.merge(model, lora)
    path = write(
        tmp_path / "xl.safetensors", {kohya(LINEAR): wide}, {"ss_base_model_version": "sdxl_base"}
    )
    with pytest.raises(
        ValueError,
        match=r"xl does not fit the model: unet\.down_blocks.* \(640, 2048\), not \(16, 16\); "
        r"it says that it was trained on sdxl_base and looks made for SDXL",
    ):
        mdx.lora.merge(model, mdx.lora.load(path))
    flux = {"transformer.single_transformer_blocks.0.attn.to_q": wide}
    lora = mdx.lora.load(write(tmp_path / "f.safetensors", flux))
    with pytest.raises(ValueError, match="looks made for FLUX"):
        mdx.lora.merge(model, lora)
    shift = write(tmp_path / "b.safetensors", {kohya(LINEAR): {"diff_b": np.ones(16)}})
    with pytest.raises(ValueError, match="has no bias in the model"):
        mdx.lora.merge(model, mdx.lora.load(shift))


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("320.0.linear.0.weight", "a hypernetwork"),
        ("lora_unet_mid.a1.weight", "a GLoRA"),
        ("lora_unet_mid.on_input", r"an \(IA\)\^3"),
        ("lora_unet_mid.oft_blocks", "an OFT"),
        ("lora_controlnet", "a control-LoRA"),
        ("ip_adapter.1.to_k_lora.down.weight", "an IP-Adapter"),
        ("emb_params", "a textual inversion"),
        ("lora_unet_mid.wd_for_diff", "a DoRA of the difference"),
    ],
)
def test_other_adapters_are_refused_by_name(tmp_path, name, what):
    layer, _, ending = name.rpartition(".")
    path = write(tmp_path / "one.safetensors", {layer: {ending: np.ones(2)}} if layer else {})
    if not layer:
        from safetensors.numpy import save_file

        save_file({name: np.ones(2)}, path)
    with pytest.raises(ValueError, match=f"one.safetensors is {what}"):
        mdx.lora.load(path)


@pytest.mark.parametrize(
    ("found", "match"),
    [
        ({"lora_down.weight": np.ones((2, 16))}, r"\(LoRA\) lacks its up"),
        ({"hada_w1_a": np.ones((2, 2))}, r"\(LoHa\) lacks its w1_b, w2_a, w2_b"),
        ({"lokr_w1_a": np.ones((2, 2))}, r"\(LoKr\) lacks its lokr_w1, lokr_w2"),
        ({"alpha": np.ones(())}, "lacks its factors"),
        ({"weight": np.ones(3)}, "holds no LoRA: x.weight"),
        ({"diff": np.full(3, np.nan)}, "x has values that are not finite"),
        ({"diff": np.ones(3, np.int32)}, "stored as I32"),
    ],
)
def test_files_that_make_no_sense(tmp_path, found, match):
    with pytest.raises(ValueError, match=match):
        mdx.lora.load(write(tmp_path / "one.safetensors", {"x": found}))


def test_where_a_file_is_looked_for(tmp_path):
    found = {"x": {"diff": np.ones(3)}}
    write(tmp_path / "a.safetensors", found)
    assert mdx.lora.load(tmp_path).name == "a"
    write(tmp_path / "b.safetensors", found)
    with pytest.raises(ValueError, match=r"several .safetensors files, say which by file="):
        mdx.lora.load(tmp_path)
    assert mdx.lora.load(tmp_path, file="b.safetensors").name == "b"
    write(tmp_path / "pytorch_lora_weights.safetensors", found)
    assert mdx.lora.load(tmp_path).name == "pytorch_lora_weights"
    (tmp_path / "old.pt").write_bytes(b"")
    with pytest.raises(ValueError, match="pickled"):
        mdx.lora.load(tmp_path / "old.pt")
    with pytest.raises(FileNotFoundError, match="is missing"):
        mdx.lora.load(tmp_path / "c.safetensors")
    with pytest.raises(FileNotFoundError, match="neither a file, a folder nor a Hub id"):
        mdx.lora.load("no such thing")


def test_a_lora_is_a_value(tmp_path):
    one, two = ({"x": {"diff": np.full(3, float(n))}} for n in (1, 2))
    first, second = (
        mdx.lora.load(write(tmp_path / f"{n}.safetensors", found))
        for n, found in enumerate((one, two))
    )
    again = pickle.loads(pickle.dumps(first))
    assert first == again
    assert hash(first) == hash(again)
    assert first != second
    assert {first: 1}[again] == 1
    assert repr(first) == "Lora(0: 1 layers, difference)"


@pytest.mark.parametrize("bad", [None, "one", [], [("a", 1)], 3])
def test_what_is_no_lora(model, bad):
    with pytest.raises(TypeError, match="lora"):
        mdx.lora.merge(model, bad)
    assert lora_merge.listed  # the same check serves generate
