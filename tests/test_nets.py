"""What nets are told and give, against numpy and each other, on parts that compile at once.

tests/parity has them whole, against the references.
"""

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx.nets import clip, unet, unet_stages, vae
from tests import tiny

CLOSE = {"rtol": 1e-5, "atol": 1e-5}

TOLD = {
    "text alone": {},
    "text and sizes": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 12 + 6 * 8,
    },
    "guidance": {"time_cond_proj_dim": 10},
    "all, with another activation": {
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 6,
        "projection_class_embeddings_input_dim": 12 + 5 * 6,
        "time_cond_proj_dim": 6,
        "act_fn": "relu",
        "flip_sin_to_cos": False,
        "freq_shift": 1,
    },
}


def tensors(params):
    return mindspore.mutable({name: Tensor(np.float32(value)) for name, value in params.items()})


def waves(values, channels, sines_first, shift):
    """Sines and cosines of numbers (N,) at falling frequencies -> (N, channels)."""
    half = channels // 2
    angles = np.outer(values, 10000.0 ** (-np.arange(half) / (half - shift)))
    parts = [np.sin(angles), np.cos(angles)]
    return np.concatenate(parts if sines_first else parts[::-1], 1)


def silu(x):
    return x / (1 + np.exp(-x))


def embedding(config, params, t, told):
    """The activated embedding in float64, as the papers write it."""

    def linear(name, x):
        return x @ params[name + ".weight"].T + params.get(name + ".bias", 0)

    act = silu if config.act_fn == "silu" else lambda x: np.maximum(x, 0)
    order, shift = not config.flip_sin_to_cos, config.freq_shift
    x = waves(t, config.block_out_channels[0], order, shift)
    if "guidance" in told:
        w = 1000 * (np.float64(told["guidance"]) - 1)
        x = x + linear("time_embedding.cond_proj", waves(w, config.time_cond_proj_dim, True, 1))
    x = linear("time_embedding.linear_2", act(linear("time_embedding.linear_1", x)))
    if "ids" in told:
        ids = told["ids"]
        sizes = waves(ids.reshape(-1), config.addition_time_embed_dim, order, shift)
        both = np.concatenate([told["pooled"], sizes.reshape(len(ids), -1)], 1)
        x = x + linear("add_embedding.linear_2", silu(linear("add_embedding.linear_1", both)))
    return act(x)


@pytest.mark.parametrize("name", TOLD)
def test_what_the_unet_is_told(name):
    """The time, a text's vector, sizes and guidance are one embedding; a row a picture."""
    config = unet.from_json({**tiny.UNET, **TOLD[name]})
    params = tiny.random_params(unet.embed_shapes(config))
    random = np.random.default_rng(0)
    told = {
        "context": random.standard_normal((2, 3, 16)),
        "pooled": random.standard_normal((2, 12)),
        "ids": random.integers(0, 1024, (2, 6 if name == "text and sizes" else 5)),
        "guidance": np.array([8.0, 1.5]),
    }
    told = {key: np.float32(told[key]) for key in unet.conditioning_names(config)}
    x, t = np.float32(random.standard_normal((2, 4, 3, 5))), np.float32([981, 3.5])

    @mindspore.jit
    def enter(params, x, t, told):
        return unet.embed(config, params, x, t, told)

    first, inputs = enter(tensors(params), Tensor(x), Tensor(t), tensors(told))
    assert first.shape == (2, 16, 3, 5)
    assert np.array_equal(inputs["context"].asnumpy(), told["context"])
    expected = embedding(config, params, t, told)
    np.testing.assert_allclose(inputs["embedding"].asnumpy(), expected, rtol=1e-4, atol=1e-4)


NESTED = {
    "block_out_channels": [16, 16, 32],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "layers_per_block": 2,
}
# Depths of the transformers on the way down, in the middle, and on the way up.
DEPTHS = {
    "SDXL": (
        {"transformer_layers_per_block": [1, 2, 10]},
        [2, 2, 10, 10],
        [10],
        [10] * 3 + [2] * 3,
    ),
    "refiner": ({"transformer_layers_per_block": 4}, [4] * 4, [4], [4] * 6),
    "SSD-1B": (
        {
            "transformer_layers_per_block": [1, [2, 2], [4, 4]],
            "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
            "mid_block_type": "UNetMidBlock2D",
        },
        [2, 2, 4, 4],
        [],
        [4, 4, 10, 2, 1, 1],
    ),
    "no middle": (
        {"transformer_layers_per_block": [0, 1, 2], "mid_block_type": None},
        [1, 1, 2, 2],
        [],
        [2, 2, 2, 1, 1, 1],
    ),
    "of the last list the middle has the first": (
        {
            "transformer_layers_per_block": [1, [0, 1], [3, 2]],
            "reverse_transformer_layers_per_block": [5, [1, 2, 0], 7],
        },
        [0, 1, 3, 2],
        [3],
        [5, 5, 5, 1, 2, 0],
    ),
}


@pytest.mark.parametrize("name", DEPTHS)
def test_depths_of_transformers(name):
    changes, *expected = DEPTHS[name]
    config = unet.from_json({**tiny.UNET, **NESTED, **changes})
    reads = [stage for stage in unet_stages.stages(config) if stage.kind == "transformer"]
    found = [
        [stage.depth for stage in reads if stage.name.startswith(part)]
        for part in ("down_blocks", "mid_block", "up_blocks")
    ]
    assert found == expected
    blocks = [name for name in unet.shapes(config) if name.endswith("attn2.to_k.weight")]
    assert len(blocks) == sum(map(sum, expected))
    # One residual block is left of a middle without a transformer.
    middle = [one for one in unet_stages.stages(config) if one.mid and one.kind == "resnet"]
    assert len(middle) == {"SSD-1B": 1, "no middle": 0}.get(name, 2)


TEXT = clip.from_json(tiny.TEXT)
TOKENS = np.int32([[558, 7, 30, 559, 559], [558, 100, 559, 559, 559]])


@pytest.fixture(scope="module")
def states():
    """Hidden states of the tiny text encoder by layer, plain and normed, and the texts' vectors."""
    params = tensors(tiny.random_params(clip.shapes(TEXT)))
    shallow = TEXT._replace(num_hidden_layers=1)

    @mindspore.jit
    def run(params, tokens):
        last, vectors = clip.apply(TEXT, params, tokens)
        raw, _ = clip.apply(TEXT, params, tokens, -1, False, False)
        second, same = clip.apply(TEXT, params, tokens, -2, False)
        normed, _ = clip.apply(TEXT, params, tokens, -2, True, False)
        entry, _ = clip.apply(TEXT, params, tokens, -3, False, False)
        # One layer is all that the second state from the end has seen.
        below, _ = clip.apply(shallow, params, tokens, -1, False, False)
        below_normed, _ = clip.apply(shallow, params, tokens)
        return last, vectors, raw, second, same, normed, entry, below, below_normed

    names = ["last", "vectors", "raw", "second", "same", "normed", "entry", "below", "below_normed"]
    found = run(params, Tensor(TOKENS))
    return dict(zip(names, [one.asnumpy() for one in found], strict=True)), params


def test_which_layer_is_read(states):
    found, params = states
    table = {name: value.asnumpy() for name, value in params.items()}
    norm, embeddings = "text_model.final_layer_norm.", "text_model.embeddings."
    entry = table[embeddings + "token_embedding.weight"][TOKENS]
    entry = entry + table[embeddings + "position_embedding.weight"][: TOKENS.shape[1]]
    np.testing.assert_allclose(found["entry"], entry, **CLOSE)
    np.testing.assert_allclose(found["second"], found["below"], **CLOSE)
    np.testing.assert_allclose(found["normed"], found["below_normed"], **CLOSE)
    raw = np.float64(found["raw"])
    moved = (raw - raw.mean(-1, keepdims=True)) / np.sqrt(raw.var(-1, keepdims=True) + 1e-5)
    expected = moved * table[norm + "weight"] + table[norm + "bias"]
    np.testing.assert_allclose(found["last"], expected, **CLOSE)


def test_a_texts_vector_is_of_all_layers(states):
    """Whatever layer is read, it is the normed last state at the end token."""
    found, _ = states
    assert np.array_equal(found["vectors"], found["same"])
    np.testing.assert_allclose(found["vectors"], found["last"][[0, 1], [3, 2]], **CLOSE)


@pytest.mark.parametrize("layer", [0, 1, -4])
def test_a_layer_that_is_not_there(layer):
    with pytest.raises(ValueError, match=f"hidden state {layer} of a text encoder of 2 layers"):
        clip.layers_run(TEXT, layer)


def test_latents_with_a_mean_and_a_deviation_a_channel():
    """Both ways they are those of a VAE without, moved and scaled."""
    plain = vae.from_json({**tiny.VAE, "scaling_factor": 1})
    statistics = {"latents_mean": [-1.5, 2, 0.1, -0.3], "latents_std": [8, 0.5, 1, 3]}
    own = vae.from_json({**tiny.VAE, **statistics, "scaling_factor": 0.5})
    params = tensors(tiny.random_params(vae.shapes(own)))
    mean, deviation = (np.float32(one)[:, None, None] for one in statistics.values())
    latents = np.float32(np.random.default_rng(0).standard_normal((1, 4, 2, 3)))

    @mindspore.jit
    def both(params, latents, raw):
        middle = vae.decode_mid(own, params, latents)
        sampled = vae.sample(own, raw, raw * 0.0, raw * 0.0)
        return middle, vae.decode_mid(plain, params, raw), sampled

    raw = latents * (deviation / np.float32(0.5)) + mean
    got, expected, back = both(params, Tensor(latents), Tensor(raw))
    np.testing.assert_allclose(got.asnumpy(), expected.asnumpy(), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(back.asnumpy(), latents, **CLOSE)
