"""SDXL's UNet and its kin against diffusers on the same random weights, both in float32.

Each config is a published one made small: base, refiner, turbo, LCM-distilled, SSD-1B, Vega, KOALA.
Tolerance: see test_nets.py.
"""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx.nets import unet
from tests.parity.oracle import params_of, randomize
from tests.parity.test_nets import TOLERANCE, relative

torch = pytest.importorskip("torch", reason="pip install '.[parity]'")
diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.parity

POOLED, WAVES, WIDTH = 12, 8, 24
PLAIN = ("DownBlock2D", "UpBlock2D")
CROSS = ("CrossAttnDownBlock2D", "CrossAttnUpBlock2D")
BASE = {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [16, 24, 32],
    "layers_per_block": 1,
    "attention_head_dim": [2, 3, 4],
    "transformer_layers_per_block": [1, 1, 2],
    "cross_attention_dim": WIDTH,
    "use_linear_projection": True,
    "norm_num_groups": 4,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": WAVES,
    "projection_class_embeddings_input_dim": POOLED + 6 * WAVES,
    "sample_size": 16,
}
# name -> (config, latent height and width)
UNETS = {
    "base": (
        {**BASE, "layers_per_block": 2, "transformer_layers_per_block": [1, 2, 3]},
        (9, 14),
    ),
    "refiner": (
        {
            **BASE,
            "down_block_types": [PLAIN[0], CROSS[0], CROSS[0], PLAIN[0]],
            "up_block_types": [PLAIN[1], CROSS[1], CROSS[1], PLAIN[1]],
            "block_out_channels": [16, 24, 32, 32],
            "attention_head_dim": [2, 3, 4, 4],
            "transformer_layers_per_block": 2,
            "projection_class_embeddings_input_dim": POOLED + 5 * WAVES,
        },
        (8, 11),
    ),
    "turbo, of a converted file": (
        {**BASE, "transformer_layers_per_block": [0, 1, 2], "sample_size": 8, "act_fn": "gelu"},
        (8, 5),
    ),
    "LCM": ({**BASE, "time_cond_proj_dim": 20}, (4, 6)),
    "LCM of SD 1.x": (
        {
            **BASE,
            "addition_embed_type": None,
            "addition_time_embed_dim": None,
            "projection_class_embeddings_input_dim": None,
            "time_cond_proj_dim": 6,
            "flip_sin_to_cos": False,
            "freq_shift": 1,
            "use_linear_projection": False,
        },
        (6, 4),
    ),
    "SSD-1B": (
        {
            **BASE,
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, [2, 1], [1, 2]],
            "reverse_transformer_layers_per_block": [[2, 1, 3], [2, 1, 1], 1],
            "mid_block_type": "UNetMidBlock2D",
            "mid_block_scale_factor": 1.3,
        },
        (10, 7),
    ),
    "Vega": (
        {
            **BASE,
            "transformer_layers_per_block": [1, [1], [2]],
            "reverse_transformer_layers_per_block": [[2, 2], [1, 1], 1],
            "mid_block_type": "UNetMidBlock2D",
        },
        (4, 4),
    ),
    "KOALA": (
        {
            **BASE,
            "transformer_layers_per_block": [0, 2, 1],
            "mid_block_type": None,
            "addition_time_embed_dim": 2 * WAVES,
            "projection_class_embeddings_input_dim": POOLED + 12 * WAVES,
        },
        (4, 8),
    ),
    "a list for the middle, none in a transformer": (
        {
            **BASE,
            "layers_per_block": [1, 1, 2],
            "transformer_layers_per_block": [1, [0], [2, 1]],
            "reverse_transformer_layers_per_block": [1, 0, 1],
            "freq_shift": 1,
            "flip_sin_to_cos": False,
        },
        (4, 8),
    ),
}


def inputs_of(config, height, width):
    """Two pictures' inputs with nothing in common, as numpy arrays by name; ids as they may be."""
    rng = np.random.default_rng(0)
    found = {
        "x": rng.standard_normal((2, config.in_channels, height, width)),
        "t": np.array([981.0, 3.5]),
        "context": rng.standard_normal((2, 5, WIDTH)),
    }
    if config.addition_embed_type:
        count = config.projection_class_embeddings_input_dim - POOLED
        ids = [[1024, 768, 0, 16, 6.0, 1344], [512, 2048, 100, 0, 2.5, 640]]
        found["pooled"] = rng.standard_normal((2, POOLED))
        found["ids"] = np.array(ids)[:, : count // config.addition_time_embed_dim]
    if config.time_cond_proj_dim:
        found["guidance"] = np.array([8.0, 1.7])
    return {name: value.astype(np.float32) for name, value in found.items()}


def expected_of(oracle, x, t, context, pooled=None, ids=None, guidance=None, **options):
    """What diffusers makes of those inputs."""
    if pooled is not None:
        options["added_cond_kwargs"] = {"text_embeds": pooled, "time_ids": ids}
    if guidance is not None:
        embed = diffusers.StableDiffusionXLPipeline.get_guidance_scale_embedding
        options["timestep_cond"] = embed(None, guidance - 1, oracle.config.time_cond_proj_dim)
    with torch.no_grad():
        return oracle(x, t, context, **options).sample


@pytest.mark.parametrize("name", UNETS)
def test_unet(name):
    json, (height, width) = UNETS[name]
    oracle = randomize(diffusers.UNet2DConditionModel(**json))
    config = unet.from_json(dict(oracle.config))
    inputs = inputs_of(config, height, width)
    assert {*inputs} == {"x", "t", *unet.conditioning_names(config)}

    @mindspore.jit
    def apply(params, x, t, conditioning):
        return unet.apply(config, params, x, t, conditioning)

    params = params_of(oracle, unet.shapes(config))
    x, t, *rest = map(Tensor, inputs.values())
    names = unet.conditioning_names(config)
    got = apply(params, x, t, mindspore.mutable(dict(zip(names, rest, strict=True))))
    expected = expected_of(oracle, **{name: torch.tensor(value) for name, value in inputs.items()})
    assert relative(got, expected) < TOLERANCE
    # Each input counts.
    for name, value in inputs.items():
        changed = {**inputs, name: value + 0.5 * np.abs(value).max()}
        moved = expected_of(oracle, **{name: torch.tensor(v) for name, v in changed.items()})
        assert relative(moved.numpy(), expected) > 100 * TOLERANCE, name
