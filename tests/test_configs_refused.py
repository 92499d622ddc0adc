"""What changes the picture and is not computed, and fields that do not fit each other."""

import pytest

from mdx.schedulers import from_config
from tests import wild
from tests.net_configs import NETS, one_error

REFUSED = {
    "unet": {
        "time_cond_proj_dim": 255,
        "addition_embed_type": "text_image",
        "class_embed_type": "timestep",
        "encoder_hid_dim": 4096,
        "encoder_hid_dim_type": "text_proj",
        "num_attention_heads": 8,
        "dual_cross_attention": True,
        "num_class_embeds": 0,
        "resnet_skip_time_act": True,
        "resnet_out_scale_factor": 2.0,
        "time_embedding_type": "fourier",
        "time_embedding_act_fn": "gelu",
        "timestep_post_act": "silu",
        "projection_class_embeddings_input_dim": -1,
        "attention_type": "gated",
        "class_embeddings_concat": True,
        "mid_block_only_cross_attention": True,
        "cross_attention_norm": "group_norm",
        "reverse_transformer_layers_per_block": [[1], [1], [1], [1]],
        "quantization_config": {"bits": 4},
    },
    "vae": {
        "latents_mean": [0.0] * 4,
        "latents_std": [1.0] * 4,
        "in_channels": 6,
        "out_channels": 4,
        "temporal_compression_ratio": 4,
    },
    "text_encoder": {
        "model_type": "t5",
        "pruned_heads": {"1": [0]},
        "architectures": ["T5EncoderModel"],
        "relative_attention_num_buckets": 32,
    },
}


@pytest.mark.parametrize(
    ("part", "key"), [(part, key) for part in REFUSED for key in REFUSED[part]]
)
def test_what_is_not_computed_is_refused_by_name(part, key):
    json = next(iter(wild.NETS[part].values())) | {key: REFUSED[part][key]}
    with pytest.raises(ValueError, match=key) as error:
        NETS[part].from_json(json)
    one_error(error, key)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("unet", {"block_out_channels": [15] * 4, "norm_num_groups": 5, "attention_head_dim": 3},
         "15 channels cannot be split into 2 halves .*block_out_channels"),
        ("unet", {"block_out_channels": [2] * 4, "norm_num_groups": 2, "attention_head_dim": 1,
                  "freq_shift": 1}, "freq_shift 1 is not supported, only below half"),
        ("unet", {"layers_per_block": [2, 2]}, "layers_per_block has 2 entries for 4 blocks"),
        ("unet", {"up_block_types": ["UpBlock2D"]}, "4 entries for 4 down_block_types and 1 up"),
        ("unet", {"transformer_layers_per_block": [1, 1, [2, 2], 1]},
         "reverse_transformer_layers_per_block null is not supported where"),
        ("unet", {"transformer_layers_per_block": [1, 1, [2, 2, 2], 1],
                  "reverse_transformer_layers_per_block": [1] * 4},
         r"transformer_layers_per_block\[2\] has 3 entries for 2 layers"),
        ("unet", {"reverse_transformer_layers_per_block": [1, 1, [1, 2], 1]},
         r"reverse_transformer_layers_per_block\[2\] has 2 entries for 3 layers"),
        ("unet", {"reverse_transformer_layers_per_block": [1, 1]},
         "reverse_transformer_layers_per_block has 2 entries for 4 blocks"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 256},
         "projection_class_embeddings_input_dim null is not supported with addition_embed_type"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": None,
                  "projection_class_embeddings_input_dim": 2816},
         "addition_time_embed_dim null is not supported with addition_embed_type"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 255,
                  "projection_class_embeddings_input_dim": 2816},
         "255 channels cannot be split into 2 halves .*addition_time_embed_dim"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                  "projection_class_embeddings_input_dim": 256},
         "projection_class_embeddings_input_dim 256 is not supported, only more than"),
        ("unet", {"time_cond_proj_dim": 2}, "time_cond_proj_dim 2 is not supported, only an even"),
        ("vae", {"latents_mean": [0.0] * 4}, "latents_mean is not supported without latents_std"),
        ("vae", {"latents_std": [1.0] * 4}, "latents_std is not supported without latents_mean"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 3},
         "latents_std has 3 entries for 4 latent_channels"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0, 0.0, 1.0, 1.0]},
         r"latents_std\[1\] 0.0 is not supported, only a number above 0"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4, "shift_factor": 0.1},
         "shift_factor 0.1 is not supported with latents_mean"),
        ("vae", {"up_block_types": ["UpDecoderBlock2D"]}, "up_block_types has 1 entries for 4"),
        ("text_encoder", {"architectures": ["CLIPTextModelWithProjection"], "projection_dim": None},
         "projection_dim null is not supported with a projection"),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_each_other(part, changes, words):
    with pytest.raises(ValueError, match=words) as error:
        NETS[part].from_json(next(iter(wild.NETS[part].values())) | changes)
    one_error(error)


def test_a_scheduler_key_of_2022_that_changes_the_picture():
    old = wild.SCHEDULERS["DreamBooth of 2022"][2]
    assert from_config(old | {"predict_epsilon": True}) == from_config(old)
    with pytest.raises(ValueError, match="predict_epsilon False is not supported"):
        from_config(old | {"predict_epsilon": False})
