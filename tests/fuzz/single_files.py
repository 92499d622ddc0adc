"""Checkpoints in one file: spoilt headers, names of other kinds of files, other shapes."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import folders, mutate, odd
from tests.fuzz.fuzzer import Fuzzer, Input, Make
from tests.fuzz.weights_files import file_turn, joined, split

NAME = "one.safetensors"

# What a name may become: of another part, another age, another kind of file.
PREFIXES = (
    "model.diffusion_model.", "diffusion_model.", "", "first_stage_model.", "vae.", "net.",
    "cond_stage_model.transformer.", "cond_stage_model.model.", "conditioner.embedders.0.model.",
    "conditioner.embedders.1.model.", "conditioner.embedders.0.transformer.", "model_ema.",
    "control_model.", "lora_unet_",
)  # fmt: skip
NAMES = (
    "input_blocks.0.0.weight", "input_blocks.999.1.transformer_blocks.9999.attn2.to_k.weight",
    "output_blocks.3.1.conv.weight", "middle_block.1.transformer_blocks.0.x", "v_pred", "ztsnr",
    "edm_mean", "edm_std", "edm_vpred.sigma_max", "label_emb.0.0.weight", "label_emb.weight",
    "double_blocks.0.img_attn.norm.key_norm.scale", "joint_blocks.0.context_block.x",
    "layers.0.adaLN_modulation.0.weight", "encoder.down.99.block.9999.conv1.weight",
    "a.lora_down.weight", "clip_l", "text_model.encoder.layers.9999.x", "position_ids",
    "transformer.resblocks.0.attn.in_proj_weight", "decoder.up_blocks.0.resnets.0.norm1.weight",
)  # fmt: skip


def name_turn(random: Random, raw: bytes) -> bytes:
    """A file some of whose tensors have other names, or stand twice under two."""
    try:
        header, data = split(raw)
    except (ValueError, RecursionError):  # an earlier turn saw to that
        return raw
    tensors = [name for name in header if isinstance(header[name], dict)]
    if not tensors:
        return raw
    kind = random.randrange(4)
    found = dict(header)
    if kind == 0:  # one tensor
        found[random.choice(PREFIXES) + random.choice(NAMES)] = found.pop(random.choice(tensors))
    elif kind == 1:  # all of a part
        old, new = random.choice(PREFIXES), random.choice(PREFIXES)
        found = {
            new + name[len(old) :] if name.startswith(old) else name: one
            for name, one in header.items()
        }
    elif kind == 2:  # by one word of the name
        old = random.choice(random.choice(tensors).split("."))
        new = random.choice((*NAMES, "", "0", "-1", "99999999999", odd.text(random)[:50]))
        found = {name.replace(old, new): one for name, one in header.items()}
    else:  # a tensor has another's shape
        one, other = random.choice(tensors), random.choice(tensors)
        found[one], found[other] = header[other], header[one]
    return joined(json.dumps(found, ensure_ascii=True).encode(), data)


def prepare(folder: Path) -> Make:
    """Spoil the tiny checkpoint's one file."""
    import mdx

    place = folder / "like"
    folders.tiny_checkpoint(place)
    model = mdx.load(place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdx.save(model, folder / NAME)
    file = folder / NAME
    good = {NAME: file.read_bytes()}
    acts = {
        "load, like a folder": lambda dtype: mdx.load(file, config=place, dtype=dtype),
        "load": lambda dtype: mdx.load(file, dtype=dtype),
        "info": lambda dtype: mdx.info(file, hash=dtype == "float16"),
        "load_vae": lambda dtype: mdx.load_vae(file, config=place, dtype=dtype),
        "load_part unet": lambda dtype: mdx.load_part(file, model, "unet", dtype=dtype),
        "load_part text_encoder": lambda dtype: mdx.load_part(file, model, "text_encoder"),
    }

    def attempt(now: Mapping[str, folders.Content], act: str, dtype: str) -> Any:
        with folders.changed(folder, good, now):
            return acts[act](dtype)

    def make(random: Random, turns: list[Random]) -> Input:
        act = random.choice((*acts, "load, like a folder", "load, like a folder"))
        dtype = random.choice(("float32", "float32", "float16", "bfloat16"))
        content: folders.Content = good[NAME]
        for turn in turns:
            if isinstance(content, bytes):
                if turn.random() < 0.5:
                    content = name_turn(turn, content)
                elif turn.random() < 0.9:
                    content = file_turn(turn, content, [])
                else:
                    content = mutate.flip(turn, content)
        told = content[:300] if isinstance(content, bytes) else content
        words = f"{act}, {dtype}: {odd.shown(told, 500)}"
        return Input(words, (NAME, str(folder)), lambda: attempt({NAME: content}, act, dtype))

    return make


FUZZER = Fuzzer("one file", 10, prepare)
