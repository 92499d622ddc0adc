"""Every dialect's names over the whole lists of SD 1.5's and SDXL's layers: none is left."""

import pytest

from mdx.adapters.lora_names import Place, table
from mdx.families import StableDiffusion, StableDiffusionXL
from mdx.net import Net
from mdx.nets import clip, unet
from tests import wild

TEXTS = ("SD 1.4 as first published", "SDXL, the second")


def net(module, json):
    config = module.from_json(json)
    return Net(config, dict.fromkeys(module.shapes(config)))


def sd(name="SD 1.4 as first published"):
    text, network = wild.NETS["text_encoder"][TEXTS[0]], wild.NETS["unet"][name]
    return StableDiffusion(None, net(clip, text), net(unet, network), None, None)


def xl(name="SDXL"):
    first, second = (wild.NETS["text_encoder"][one] for one in TEXTS)
    network = wild.NETS["unet"][name]
    return StableDiffusionXL(
        None, None, net(clip, first), net(clip, second), net(unet, network), None, None
    )  # pyright: ignore


def layers(one):
    return {name.rpartition(".")[0] for name in one.params}


def current(original, each):
    """diffusers' name of a layer of the original code, by arithmetic on the numbers of blocks.

    each: residual blocks a level.
    """
    ends = {
        "time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
        "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
        "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
    }  # fmt: skip
    if original in ends:
        return ends[original]
    group, *rest = original.split(".")
    if group == "middle_block":
        number, *inner = rest
        block = ("resnets.0", "attentions.0", "resnets.1")[int(number)]
        return ".".join(["mid_block", block, inside(inner, "resnets" in block)])
    number, part, *inner = rest
    i = int(number) - (group == "input_blocks")
    level, layer = divmod(i, each + 1)
    side = "down_blocks" if group == "input_blocks" else "up_blocks"
    if inner == ["op"]:
        return f"{side}.{level}.downsamplers.0.conv"
    if inner == ["conv"]:
        return f"{side}.{level}.upsamplers.0.conv"
    kind = "resnets" if part == "0" else "attentions"
    return f"{side}.{level}.{kind}.{layer}.{inside(inner, part == '0')}"


RESNET = {
    "in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}  # fmt: skip


def inside(inner, resnet):
    name = ".".join(inner)
    return RESNET[name] if resnet else name


def candidates(network, each):
    """Names of the original code that layers may have, each with diffusers' name of it."""
    transformers = {
        name.split(".attentions.")[1].partition(".")[2]
        for name in network
        if ".attentions." in name
    }
    found = ["time_embed.0", "time_embed.2", "label_emb.0.0", "label_emb.0.2"]
    found += ["input_blocks.0.0", "out.0", "out.2"]
    blocks = [f"{g}_blocks.{i}" for g in ("input", "output") for i in range(4 * (each + 1))]
    for block in (*blocks, "middle_block"):
        if block == "input_blocks.0":
            continue
        if block != "middle_block":
            number = int(block.rpartition(".")[2]) if "." in block else 0
            last = block.startswith("input") and number % (each + 1) == 0
            found += [f"{block}.0.op"] if last else []
            found += [f"{block}.1.conv", f"{block}.2.conv"] if block.startswith("output") else []
        residual = ("0", "2") if block == "middle_block" else ("0",)
        found += [f"{block}.{part}.{name}" for part in residual for name in RESNET]
        found += [f"{block}.1.{name}" for name in transformers]
    return {name: current(name, each) for name in found}


@pytest.mark.parametrize("name", ["SD 1.4 as first published", "SDXL", "SDXL refiner"])
def test_original_names(name):
    model = xl(name) if "XL" in name else sd(name)
    known, network = table(model), layers(model.unet)
    original = {old: new for old, new in candidates(network, 2).items() if new in network}
    assert set(original.values()) == network, "the arithmetic reaches every layer"
    for old, new in original.items():
        place = Place("unet", new)
        found = known.get("lora_unet_" + old.replace(".", "_"))
        if old.endswith((".1.conv", ".2.conv")) and found is None:
            continue  # the one of the two that this level does not have
        assert found == place, old
        assert known["diffusion_model." + old] == place
    reached = {known.get("lora_unet_" + old.replace(".", "_")) for old in original}
    assert {place.layer for place in reached if place is not None} == network


@pytest.mark.parametrize("model", [sd(), xl()], ids=["SD 1.5", "SDXL"])
def test_names_of_diffusers_and_peft(model):
    known = table(model)
    for layer in layers(model.unet):
        place = Place("unet", layer)
        for prefix in ("unet.", "", "base_model.model."):
            assert known[prefix + layer] == place
        assert known["lora_unet_" + layer.replace(".", "_")] == place
        if ".attn1.to_" in layer or ".attn2.to_" in layer:
            block, _, last = layer.removesuffix(".0").rpartition(".")
            assert known[f"unet.{block}.processor.{last}"] == place
            assert known[f"{block}.processor.{last}"] == place


@pytest.mark.parametrize("model", [sd(), xl()], ids=["SD 1.5", "SDXL"])
def test_names_of_text_encoders(model):
    known = table(model)
    two = hasattr(model, "text_encoder_2")
    for part, number, comfy in (("text_encoder", "1", "clip_l"), ("text_encoder_2", "2", "clip_g")):
        if part == "text_encoder_2" and not two:
            continue
        for layer in layers(getattr(model, part)):
            place = Place(part, layer)
            scored = layer.replace(".", "_")
            assert known[f"lora_te{number}_{scored}"] == place
            assert known[f"{part}.{layer}"] == place
            assert known[f"{comfy}.transformer.{layer}"] == place
            assert known[f"{part}.{layer.removeprefix('text_model.')}"] == place
            if part == "text_encoder":
                assert known[f"lora_te_{scored}"] == place
            if layer.endswith("out_proj"):
                old = layer.removesuffix(".out_proj") + ".to_out"
                assert known[f"{part}.{old}"] == place


def test_names_that_converters_agree_on():
    """A few of SDXL's that were checked by hand against the converter of another program."""
    known = table(xl())
    for old, new in {
        "input_blocks_4_1_proj_in": "down_blocks.1.attentions.0.proj_in",
        "input_blocks_1_0_in_layers_2": "down_blocks.0.resnets.0.conv1",
        "input_blocks_3_0_op": "down_blocks.0.downsamplers.0.conv",
        "middle_block_1_proj_out": "mid_block.attentions.0.proj_out",
        "output_blocks_2_2_conv": "up_blocks.0.upsamplers.0.conv",
        "output_blocks_5_1_norm": "up_blocks.1.attentions.2.norm",
        "input_blocks_4_0_emb_layers_1": "down_blocks.1.resnets.0.time_emb_proj",
        "input_blocks_4_0_skip_connection": "down_blocks.1.resnets.0.conv_shortcut",
        "output_blocks_8_0_out_layers_3": "up_blocks.2.resnets.2.conv2",
        "label_emb_0_2": "add_embedding.linear_2",
    }.items():
        assert known["lora_unet_" + old] == Place("unet", new)


@pytest.mark.parametrize("name", ["SSD-1B", "Vega"])
def test_networks_with_blocks_left_out(name):
    """Every layer has a name of the original code, and no two the same."""
    model = xl(name)
    known = table(model)
    network = layers(model.unet)
    named = {
        p.layer for n, p in known.items() if n.startswith("diffusion_model.") and p.part == "unet"
    }
    assert named == network
    assert len(known) > 4 * len(network)
