"""Every net against diffusers and transformers on the same random weights, both in float32.

Tolerance: largest difference over largest value at most 1e-4, as float32 sums in another order
differ by about 1e-6 and a wrong branch by more than 1e-2.
"""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx.nets import clip, unet, vae
from tests.parity.oracle import params_of, randomize

torch = pytest.importorskip("torch", reason="pip install '.[parity]'")
diffusers = pytest.importorskip("diffusers")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity
TOLERANCE = 1e-4

CROSS2 = {
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
}
# name -> (config, latent height and width); together they reach every branch of unet.py.
UNETS = {
    "sd1": (
        {
            "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
            "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
            "block_out_channels": [16, 32, 32, 32],
            "attention_head_dim": 8,
            "cross_attention_dim": 24,
            "norm_num_groups": 8,
        },
        (16, 8),
    ),
    "sd2": (
        {
            **CROSS2,
            "block_out_channels": [16, 32],
            "attention_head_dim": [2, 4],
            "use_linear_projection": True,
            "upcast_attention": True,
            "cross_attention_dim": 24,
            "norm_num_groups": 4,
        },
        (8, 8),
    ),
    "lists": (
        {
            **CROSS2,
            "block_out_channels": [16, 32],
            "layers_per_block": [1, 3],
            "transformer_layers_per_block": [2, 1],
            "cross_attention_dim": [24, 24],
            "only_cross_attention": [True, False],
            "attention_head_dim": [4, 8],
            "norm_num_groups": 4,
            "norm_eps": 1e-3,
            "freq_shift": 1,
            "flip_sin_to_cos": False,
            "in_channels": 9,
            "out_channels": 8,
        },
        (6, 10),
    ),
    "odd sizes, scale and shift": (
        {
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
            "block_out_channels": [16, 16, 32],
            "layers_per_block": 1,
            "attention_head_dim": 4,
            "cross_attention_dim": 12,
            "norm_num_groups": 4,
            "resnet_time_scale_shift": "scale_shift",
            "center_input_sample": True,
            "mid_block_scale_factor": 1.4,
            "act_fn": "gelu",
            "time_embedding_dim": 48,
            "conv_in_kernel": 5,
            "conv_out_kernel": 1,
        },
        (9, 7),
    ),
    "no middle, unpadded": (
        {
            **CROSS2,
            "block_out_channels": [16, 32],
            "attention_head_dim": 2,
            "cross_attention_dim": 12,
            "norm_num_groups": 4,
            "mid_block_type": None,
            "downsample_padding": 0,
            "act_fn": "mish",
        },
        (8, 4),
    ),
    "relu": (
        {
            **CROSS2,
            "block_out_channels": [8, 16],
            "attention_head_dim": 1,
            "cross_attention_dim": 8,
            "norm_num_groups": 2,
            "act_fn": "relu",
        },
        (4, 4),
    ),
}


def block_types(levels):
    return {
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "norm_num_groups": 4,
    }


VAES = {
    "sd": ({**block_types(4), "block_out_channels": [8, 16, 16, 32], "layers_per_block": 2}, 32),
    "one level": ({**block_types(1), "block_out_channels": [8], "scaling_factor": 0.3}, 8),
    "shifted, 16 latent channels": (
        {
            **block_types(2),
            "block_out_channels": [8, 16],
            "latent_channels": 16,
            "shift_factor": 0.1,
            "use_quant_conv": False,
            "use_post_quant_conv": False,
        },
        12,
    ),
    "a mean and a deviation a channel": (
        {
            **block_types(2),
            "block_out_channels": [8, 16],
            "latents_mean": [-1.5, 2.0, 0.1, -0.3],
            "latents_std": [8.0, 0.5, 1.0, 3.0],
            "scaling_factor": 0.5,
        },
        8,
    ),
    "no attention": (
        {**block_types(3), "block_out_channels": [8, 8, 16], "mid_block_add_attention": False},
        16,
    ),
}

TEXT = {"vocab_size": 60, "max_position_embeddings": 12, "bos_token_id": 58, "eos_token_id": 59}
TEXTS = {
    "ViT-L": {"hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 3},
    "OpenCLIP-H": {
        "hidden_size": 48,
        "num_attention_heads": 3,
        "num_hidden_layers": 2,
        "hidden_act": "gelu",
    },
    "projection": {
        "hidden_size": 32,
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "projection_dim": 20,
        "architectures": ["CLIPTextModelWithProjection"],
    },
    "old end token": {
        "hidden_size": 16,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "layer_norm_eps": 1e-3,
        "eos_token_id": 2,
    },
}


def relative(got, expected):
    got = got.asnumpy() if isinstance(got, Tensor) else got
    expected = expected.detach().numpy()
    assert got.shape == expected.shape
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("name", UNETS)
def test_unet(name):
    json, (height, width) = UNETS[name]
    oracle = randomize(diffusers.UNet2DConditionModel(**json))
    config = unet.from_json(dict(oracle.config))
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, config.in_channels, height, width)).astype(np.float32)
    t = np.array([981.0, 3.5], np.float32)
    dim = config.cross_attention_dim
    dim = dim[0] if isinstance(dim, tuple) else dim
    context = rng.standard_normal((2, 5, dim)).astype(np.float32)

    @mindspore.jit
    def apply(params, x, t, context):
        return unet.apply(config, params, x, t, {"context": context})

    params = params_of(oracle, unet.shapes(config))
    got = apply(params, Tensor(x), Tensor(t), Tensor(context))
    with torch.no_grad():
        expected = oracle(*map(torch.tensor, (x, t, context))).sample
    assert relative(got, expected) < TOLERANCE


@pytest.mark.parametrize("name", VAES)
def test_vae(name):
    json, size = VAES[name]
    oracle = randomize(diffusers.AutoencoderKL(**json))
    config = vae.from_json(dict(oracle.config))
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, 3, size, 2 * size)).astype(np.float32)
    small = size // vae.factor(config)
    noise = rng.standard_normal((2, config.latent_channels, small, 2 * small)).astype(np.float32)

    @mindspore.jit
    def encode(params, images, noise):
        mean, log_variance = vae.encode(config, params, images)
        return mean, log_variance, vae.sample(config, mean, log_variance, noise)

    @mindspore.jit
    def decode(params, latents):
        return vae.decode(config, params, latents)

    params = params_of(oracle, vae.shapes(config))
    mean, log_variance, latents = encode(params, Tensor(images), Tensor(noise))
    decoded = decode(params, Tensor(noise))
    # As the pipelines say it, for the reference's autoencoder does not.
    shift, scale = config.shift_factor or 0.0, config.scaling_factor
    if config.latents_mean is not None:
        shift = torch.tensor(config.latents_mean)[:, None, None]
        scale = scale / torch.tensor(config.latents_std)[:, None, None]
    with torch.no_grad():
        posterior = oracle.encode(torch.tensor(images)).latent_dist
        drawn = posterior.mean + posterior.std * torch.tensor(noise)
        expected = oracle.decode(torch.tensor(noise) / scale + shift).sample
    assert relative(mean, posterior.mean) < TOLERANCE
    assert relative(log_variance, posterior.logvar) < TOLERANCE
    assert relative(latents, (drawn - shift) * scale) < TOLERANCE
    assert relative(decoded, expected) < TOLERANCE


@pytest.mark.parametrize("name", TEXTS)
def test_text_encoder(name):
    json = {**TEXT, "intermediate_size": 40, **TEXTS[name]}
    projects = "architectures" in json
    kind = "CLIPTextModelWithProjection" if projects else "CLIPTextModel"
    oracle = randomize(getattr(transformers, kind)(transformers.CLIPTextConfig(**json)))
    config = clip.from_json(oracle.config.to_dict())
    tokens = np.random.default_rng(0).integers(3, 58, (3, 12)).astype(np.int32)
    tokens[:, 0] = 58
    tokens[0, 5:], tokens[1, 11:], tokens[2, 1:] = 59, 59, 59

    @mindspore.jit
    def apply(params, tokens):
        return clip.apply(config, params, tokens)

    params = params_of(oracle, clip.shapes(config))
    hidden, pooled = apply(params, Tensor(tokens))
    with torch.no_grad():
        expected = oracle(torch.tensor(tokens).long(), output_hidden_states=True)
    vectors = expected.text_embeds if projects else expected.pooler_output
    assert relative(hidden, expected.last_hidden_state) < TOLERANCE
    assert relative(pooled, vectors) < TOLERANCE

    # Every hidden state as SDXL reads it, and with clip skip normed as SD 1.x and 2.x do. The norm
    # is the reference's own, for it applies none to hidden states.
    norm = oracle.get_submodule("text_model.final_layer_norm" if projects else "final_layer_norm")
    states, layers = expected.hidden_states, range(-1, -2 - config.num_hidden_layers, -1)

    @mindspore.jit
    def every(params, tokens):
        found = ()
        for layer in layers:
            for normed in (False, True):
                wanted = layer == -2
                hidden, vectors = clip.apply(config, params, tokens, layer, normed, wanted)
                found = (*found, hidden)
                if wanted:
                    found = (*found, vectors)
        return found

    got = iter(every(params, Tensor(tokens)))
    for layer in layers:
        for change in (torch.nn.Identity(), norm):
            with torch.no_grad():
                assert relative(next(got), change(states[layer])) < TOLERANCE, layer
            if layer == -2:
                assert relative(next(got), vectors) < TOLERANCE
