"""The small files of a checkpoint: its index, the configs, and the tokenizer's."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

from tests import tiny
from tests.fuzz import folders, mutate, odd
from tests.fuzz.fuzzer import Fuzzer, Input, Make

# What real checkpoints say beside what the tiny one does; keys and values for others to take.
SCHEDULERS = (
    {
        "_class_name": "DDIMScheduler",
        "_diffusers_version": "0.2.4",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "num_train_timesteps": 1000,
        "clip_sample": False,
        "trained_betas": None,
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "timestep_spacing": "trailing",
    },
    {
        "_class_name": "EulerDiscreteScheduler",
        "beta_schedule": "scaled_linear",
        "interpolation_type": "linear",
        "use_karras_sigmas": True,
        "sigma_min": None,
        "timestep_type": "discrete",
        "final_sigmas_type": "zero",
    },
    {
        "_class_name": "DPMSolverMultistepScheduler",
        "algorithm_type": "dpmsolver++",
        "solver_order": 2,
        "solver_type": "midpoint",
        "lower_order_final": True,
        "thresholding": True,
        "dynamic_thresholding_ratio": 0.995,
        "sample_max_value": 1.0,
        "lambda_min_clipped": -5.1,
        "variance_type": None,
    },
    {"_class_name": "UniPCMultistepScheduler", "disable_corrector": [0], "solver_p": None},
    {"_class_name": "LCMScheduler", "original_inference_steps": 50, "timestep_scaling": 10.0},
    {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0, "base_shift": 0.5},
)
UNETS = (
    {**tiny.UNET, "attention_head_dim": [2, 2], "transformer_layers_per_block": [1, 1]},
    {**tiny.UNET, "use_linear_projection": True, "upcast_attention": None, "norm_eps": 1e-5},
    {
        **tiny.UNET,
        "act_fn": "silu",
        "flip_sin_to_cos": True,
        "freq_shift": 0,
        "class_embed_type": None,
    },
    {
        **tiny.UNET,
        "mid_block_type": "UNetMidBlock2DCrossAttn",
        "resnet_time_scale_shift": "default",
    },
    {**tiny.UNET, "sample_size": [8, 8], "decay": 0.9999, "inv_gamma": 1.0, "power": 0.6667},
)
VAES = ({**tiny.VAE, "act_fn": "silu", "latent_channels": 4, "shift_factor": None},)
TEXTS = ({**tiny.TEXT, "torch_dtype": "float32", "layer_norm_eps": 1e-5, "bos_token_id": 0},)
TOKENS = (
    {"bos_token": {"content": "<|startoftext|>", "lstrip": False, "normalized": True}},
    {"pad_token": "!", "added_tokens_decoder": {"559": {"content": "<cat>", "special": False}}},
    {"<cat-toy>": 560, "<dog>": 561},
)
DONORS = {
    "model_index.json": (tiny.INDEX, {"text_encoder_2": ["transformers", "CLIPTextModel"]}),
    "scheduler/scheduler_config.json": SCHEDULERS,
    "unet/config.json": UNETS,
    "vae/config.json": VAES,
    "text_encoder/config.json": TEXTS,
    "tokenizer/tokenizer_config.json": TOKENS,
    "tokenizer/special_tokens_map.json": TOKENS,
    "tokenizer/added_tokens.json": TOKENS,
    "tokenizer/vocab.json": TOKENS,
    "tokenizer/tokenizer.json": TOKENS,
}
MERGES = "tokenizer/merges.txt"
# How often each is spoilt: nets' configs and schedulers' have most to say.
SHARES = (2, 5, 5, 3, 3, 2, 1, 1, 1, 1)


def merges_turn(random: Random, raw: bytes) -> bytes:
    """merges.txt after one turn: a line dropped, repeated, joined or of odd characters."""
    lines = raw.split(b"\n")
    place = random.randrange(len(lines))
    kind = random.randrange(6)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(place, lines[random.randrange(len(lines))])
    elif kind == 2:
        lines[place] = lines[place].replace(b" ", random.choice((b"", b"  ", b"\t", b" x ")))
    elif kind == 3:
        lines[place] = odd.text(random)[:200].encode("utf-8", "surrogatepass")
    elif kind == 4:
        lines[place] = b"a " + odd.text(random)[:50].encode("utf-8", "surrogatepass")
    else:
        return mutate.flip(random, raw)
    return b"\n".join(lines)


def both(good: dict[str, bytes]) -> dict[str, Any]:
    """The tiny vocabulary as tokenizer.json has it."""
    lines = good[MERGES].decode().splitlines()[1:]
    vocab = json.loads(good["tokenizer/vocab.json"])
    model = {"type": "BPE", "vocab": vocab, "merges": [line.split(" ") for line in lines if line]}
    added = [{"id": 559, "content": "<|endoftext|>", "special": True}]
    return {"version": "1.0", "added_tokens": added, "model": model}


def keys_apart(one: Any, other: Any) -> set[str]:
    """The keys of one whose value is another one in the other."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        return set()
    return {key for key in one if key not in other or repr(other[key]) != repr(one[key])}


def words_of(keys: set[str]) -> list[str]:
    """What an error may call a key, where no file is read any more: a size, the betas."""
    return [word for key in keys for word in key.split("_") if len(word) > 3]


def prepare(folder: Path) -> Make:
    """Spoil a file, load what has it, and use what was loaded up to the first graph."""
    import mdx

    good = folders.tiny_checkpoint(folder)
    trees = {name: json.loads(good[name]) for name in DONORS if name in good}
    trees |= {"tokenizer/added_tokens.json": {}, "tokenizer/tokenizer.json": both(good)}

    def use(now: dict[str, folders.Content]) -> None:
        with folders.changed(folder, good, now):
            model = mdx.load(folder)
            repr(model.scheduler)
            mdx.plan(model, 64, 64, 1)
            mdx.generate(model, "a <cat-toy> is red", steps=3, seed=0, progress=False)

    def make(random: Random, turns: list[Random]) -> Input:
        now: dict[str, folders.Content] = {}
        if random.random() < 0.06:
            name, raw = MERGES, good[MERGES]
            for turn in turns:
                raw = merges_turn(turn, raw)
            now[name] = raw
            words, changed = odd.shown(raw, 600), set()
        else:
            [name] = random.choices(list(DONORS), SHARES)
            value, donors = trees[name], DONORS[name]
            # A turn may as well begin at what real checkpoints say.
            if random.random() < 0.4 and not name.startswith("tokenizer"):
                value = random.choice(donors)
            before = value
            for turn in turns:
                value = mutate.tree(turn, value, donors)
            changed = keys_apart(before, value)
            way = random.random()
            if not turns or way < 0.85:
                now[name] = json.dumps(value).encode("utf-8", "surrogatepass")
            elif way < 0.93:
                now[name] = mutate.text_of(random, value)
            elif way < 0.98:
                raw = json.dumps(value).encode("utf-8", "surrogatepass")
                now[name] = mutate.flip(random, raw)
            else:
                now[name] = folders.strange(random)
            words = odd.shown(value, 900)
            if name == "tokenizer/tokenizer.json":
                now |= {"tokenizer/vocab.json": folders.missing, MERGES: folders.missing}
        part = re.sub("/.*", "", name)
        names = (name, f"{folder}/{part}", f"{folder}:", f"{folder} ", *words_of(changed))
        return Input(f"{name}: {words}", names, lambda: use(now))

    return make


FUZZER = Fuzzer("configs", 25, prepare)
