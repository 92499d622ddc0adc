"""The small JSON files of checkpoints that people have, as they were published."""

import json

from tests import tiny

BETAS = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
}
# What Stable Diffusion's configs have carried from class to class since the end of 2022.
CARRIED = {
    "clip_sample": False,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
# And since the middle of 2023, of classes that bound what they predict.
BOUNDS = {
    "clip_sample_range": 1.0,
    "dynamic_thresholding_ratio": 0.995,
    "sample_max_value": 1.0,
    "thresholding": False,
}


def scheduler(name, version, *parts, **own):
    config = {"_class_name": name, "_diffusers_version": version, **BETAS}
    for part in parts:
        config |= part
    return config | own


# Name -> (pipeline of the index, scheduler of the index, scheduler_config.json).
SCHEDULERS = {
    "SD 1.4 as first published": (
        "StableDiffusionPipeline",
        "PNDMScheduler",
        scheduler("PNDMScheduler", "0.2.2", skip_prk_steps=True),
    ),
    "SD 1.5": (
        "StableDiffusionPipeline",
        "PNDMScheduler",
        scheduler("PNDMScheduler", "0.6.0", CARRIED),
    ),
    "SD 2.1 base": (
        "StableDiffusionPipeline",
        "PNDMScheduler",
        scheduler("PNDMScheduler", "0.10.0.dev0", CARRIED, prediction_type="epsilon"),
    ),
    "SD 2.1": (
        "StableDiffusionPipeline",
        "DDIMScheduler",
        scheduler("DDIMScheduler", "0.8.0", CARRIED, prediction_type="v_prediction"),
    ),
    "SD turbo": (
        "StableDiffusionPipeline",
        "EulerDiscreteScheduler",
        scheduler(
            "EulerDiscreteScheduler",
            "0.24.0.dev0",
            CARRIED,
            interpolation_type="linear",
            prediction_type="epsilon",
            sample_max_value=1.0,
            sigma_max=None,
            sigma_min=None,
            timestep_spacing="trailing",
            timestep_type="discrete",
            use_karras_sigmas=False,
        ),
    ),
    "tiny SD": (
        "StableDiffusionPipeline",
        "DPMSolverMultistepScheduler",
        scheduler(
            "DPMSolverMultistepScheduler",
            "0.19.0.dev0",
            CARRIED,
            algorithm_type="dpmsolver++",
            dynamic_thresholding_ratio=0.995,
            lambda_min_clipped=float("-inf"),
            lower_order_final=True,
            prediction_type="epsilon",
            sample_max_value=1.0,
            solver_order=2,
            solver_type="midpoint",
            thresholding=False,
            timestep_spacing="linspace",
            use_karras_sigmas=False,
            variance_type=None,
        ),
    ),
    "LCM": (
        "LatentConsistencyModelPipeline",
        "LCMScheduler",
        scheduler(
            "LCMScheduler",
            "0.22.0.dev0",
            CARRIED,
            BOUNDS,
            original_inference_steps=50,
            prediction_type="epsilon",
            rescale_betas_zero_snr=False,
            set_alpha_to_one=True,
            steps_offset=0,
            timestep_spacing="leading",
        ),
    ),
    "LCM LoRA, fused": (
        "StableDiffusionPipeline",
        "LCMScheduler",
        scheduler(
            "LCMScheduler",
            "0.24.0",
            CARRIED,
            BOUNDS,
            original_inference_steps=50,
            prediction_type="epsilon",
            rescale_betas_zero_snr=False,
            timestep_scaling=10.0,
            timestep_spacing="leading",
        ),
    ),
    "DreamBooth of 2023": (
        "StableDiffusionPipeline",
        "DDPMScheduler",
        scheduler(
            "DDPMScheduler",
            "0.17.0.dev0",
            CARRIED,
            BOUNDS,
            prediction_type="epsilon",
            timestep_spacing="leading",
            variance_type="fixed_small",
        ),
    ),
    "DreamBooth of 2022": (
        "StableDiffusionPipeline",
        "DDIMScheduler",
        scheduler("DDIMScheduler", "0.5.1", set_alpha_to_one=False, tensor_format="pt"),
    ),
    "conversion older than 0.9": (
        "StableDiffusionPipeline",
        "PNDMScheduler",
        scheduler(
            "PNDMScheduler",
            "0.7.2",
            set_alpha_to_one=False,
            skip_prk_steps=True,
            steps_offset=0,
            trained_betas=None,
        ),
    ),
    "conversion without steps_offset": (
        "StableDiffusionPipeline",
        "PNDMScheduler",
        scheduler("PNDMScheduler", "0.3.0", set_alpha_to_one=False, skip_prk_steps=True),
    ),
    "index and config differ": (
        "StableDiffusionPipeline",
        "DDIMScheduler",
        scheduler("PNDMScheduler", "0.6.0", skip_prk_steps=True, set_alpha_to_one=False),
    ),
    "offset and clip said": (
        "StableDiffusionPipeline",
        "DDIMScheduler",
        scheduler("DDIMScheduler", "0.9.0", steps_offset=0, clip_sample=True),
    ),
    "defaults marked as such": (
        "StableDiffusionPipeline",
        "DDIMScheduler",
        scheduler(
            "DDIMScheduler",
            "0.19.3",
            _use_default_values=["clip_sample", "steps_offset", "timestep_spacing"],
            clip_sample=True,
            set_alpha_to_one=False,
            steps_offset=0,
            timestep_spacing="trailing",
        ),
    ),
    "image to image": (
        "StableDiffusionImg2ImgPipeline",
        "DDIMScheduler",
        scheduler("DDIMScheduler", "0.3.0"),
    ),
}

DOWN = ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"]
UP = ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3
UNET_1 = {
    "_class_name": "UNet2DConditionModel",
    "_diffusers_version": "0.2.2",
    "act_fn": "silu",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "center_input_sample": False,
    "cross_attention_dim": 768,
    "down_block_types": DOWN,
    "downsample_padding": 1,
    "flip_sin_to_cos": True,
    "freq_shift": 0,
    "in_channels": 4,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-05,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 32,
    "up_block_types": UP,
}
UNET_2 = UNET_1 | {
    "_diffusers_version": "0.10.0.dev0",
    "attention_head_dim": [5, 10, 20, 20],
    "cross_attention_dim": 1024,
    "dual_cross_attention": False,
    "num_class_embeds": None,
    "only_cross_attention": False,
    "sample_size": 96,
    "upcast_attention": True,
    "use_linear_projection": True,
}
# As a library of 2023 writes it: every key it knows.
UNET_TURBO = UNET_2 | {
    "_diffusers_version": "0.24.0.dev0",
    "_name_or_path": "somewhere/else",
    "addition_embed_type": None,
    "addition_embed_type_num_heads": 64,
    "addition_time_embed_dim": None,
    "attention_type": "default",
    "class_embed_type": None,
    "class_embeddings_concat": False,
    "conv_in_kernel": 3,
    "conv_out_kernel": 3,
    "cross_attention_norm": None,
    "dropout": 0.0,
    "encoder_hid_dim": None,
    "encoder_hid_dim_type": None,
    "mid_block_only_cross_attention": None,
    "mid_block_type": "UNetMidBlock2DCrossAttn",
    "num_attention_heads": None,
    "projection_class_embeddings_input_dim": None,
    "resnet_out_scale_factor": 1.0,
    "resnet_skip_time_act": False,
    "resnet_time_scale_shift": "default",
    "reverse_transformer_layers_per_block": None,
    "sample_size": 64,
    "time_cond_proj_dim": None,
    "time_embedding_act_fn": None,
    "time_embedding_dim": None,
    "time_embedding_type": "positional",
    "timestep_post_act": None,
    "transformer_layers_per_block": 1,
    "upcast_attention": None,
}
PLAIN_DOWN, CROSS_DOWN = "DownBlock2D", "CrossAttnDownBlock2D"
PLAIN_UP, CROSS_UP = "UpBlock2D", "CrossAttnUpBlock2D"
UNET_XL = UNET_TURBO | {
    "_diffusers_version": "0.19.0.dev0",
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "attention_head_dim": [5, 10, 20],
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "down_block_types": [PLAIN_DOWN, CROSS_DOWN, CROSS_DOWN],
    "projection_class_embeddings_input_dim": 2816,
    "sample_size": 128,
    "transformer_layers_per_block": [1, 2, 10],
    "up_block_types": [CROSS_UP, CROSS_UP, PLAIN_UP],
}
UNET_XL_REFINER = UNET_XL | {
    "attention_head_dim": [6, 12, 24, 24],
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "down_block_types": [PLAIN_DOWN, CROSS_DOWN, CROSS_DOWN, PLAIN_DOWN],
    "projection_class_embeddings_input_dim": 2560,
    "transformer_layers_per_block": 4,
    "up_block_types": [PLAIN_UP, CROSS_UP, CROSS_UP, PLAIN_UP],
}
AVERAGED = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 37000,
    "power": 2 / 3,
    "update_after_step": 0,
    "use_ema_warmup": False,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.2.2",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "out_channels": 3,
    "sample_size": 256,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT = {
    "_name_or_path": "openai/clip-vit-large-patch14",
    "architectures": ["CLIPTextModel"],
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "dropout": 0.0,
    "eos_token_id": 2,
    "hidden_act": "quick_gelu",
    "hidden_size": 768,
    "initializer_factor": 1.0,
    "initializer_range": 0.02,
    "intermediate_size": 3072,
    "layer_norm_eps": 1e-05,
    "max_position_embeddings": 77,
    "model_type": "clip_text_model",
    "num_attention_heads": 12,
    "num_hidden_layers": 12,
    "pad_token_id": 1,
    "projection_dim": 768,
    "torch_dtype": "float32",
    "transformers_version": "4.22.0.dev0",
    "vocab_size": 49408,
}
# Part -> its config.json in several checkpoints.
NETS = {
    "unet": {
        "SD 1.4 as first published": UNET_1,
        "SD 1.5": UNET_1 | {"_diffusers_version": "0.6.0", "sample_size": 64},
        "SD 2.1": UNET_2,
        "SD turbo": UNET_TURBO,
        "SD turbo, averaged weights": UNET_TURBO | AVERAGED,
        "tiny SD": UNET_TURBO
        | {
            "attention_head_dim": 8,
            "block_out_channels": [320, 640, 1280],
            "cross_attention_dim": 768,
            "down_block_types": DOWN[:3],
            "layers_per_block": 1,
            "mid_block_type": None,
            "up_block_types": UP[1:],
            "use_linear_projection": False,
        },
        "SDXL": UNET_XL,
        "SDXL, averaged weights": UNET_XL | AVERAGED,
        "SDXL refiner": UNET_XL_REFINER,
        "SDXL turbo": UNET_XL | {"sample_size": 64},
        "LCM-SDXL": UNET_XL | {"time_cond_proj_dim": 256},
        "SSD-1B": UNET_XL
        | {
            "mid_block_type": "UNetMidBlock2D",
            "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 1],
            "transformer_layers_per_block": [1, [2, 2], [4, 4]],
        },
        "Vega": UNET_XL
        | {
            "mid_block_type": "UNetMidBlock2D",
            "reverse_transformer_layers_per_block": [[2, 2, 2], [1, 1, 1], 1],
            "transformer_layers_per_block": [1, [1, 1], [2, 2]],
        },
        "KOALA": UNET_XL
        | {
            "layers_per_block": 1,
            "mid_block_type": None,
            "transformer_layers_per_block": [0, 2, 5],
        },
        "floats for whole numbers": UNET_1
        | {
            "block_out_channels": [320.0, 640.0, 1280.0, 1280.0],
            "cross_attention_dim": 768.0,
            "freq_shift": 0.0,
            "layers_per_block": 2.0,
            "sample_size": 64.0,
        },
    },
    "vae": {
        "SD 1.4 as first published": VAE,
        "ft-mse": VAE | {"_diffusers_version": "0.4.2", "norm_num_groups": 32},
        "SD 2.1": VAE
        | {
            "norm_num_groups": 32,
            "sample_size": 768,
            "_name_or_path": "x",
            "scaling_factor": 0.18215,
        },
        "of 2024": VAE
        | {
            "force_upcast": True,
            "latents_mean": None,
            "latents_std": None,
            "mid_block_add_attention": True,
            "scaling_factor": 0.18215,
            "shift_factor": None,
            "use_post_quant_conv": True,
            "use_quant_conv": True,
        },
        "averaged weights": VAE | AVERAGED,
        "SDXL": VAE | {"force_upcast": True, "sample_size": 1024, "scaling_factor": 0.13025},
        "Playground 2.5": VAE
        | {
            "force_upcast": True,
            "latents_mean": [-1.6574, 1.886, -1.383, 2.5155],
            "latents_std": [8.4927, 5.9022, 6.5498, 5.2299],
            "sample_size": 1024,
            "scaling_factor": 0.5,
        },
    },
    "text_encoder": {
        "SD 1.4 as first published": TEXT,
        "SD 2.1": TEXT
        | {
            "bos_token_id": 0,
            "hidden_act": "gelu",
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_attention_heads": 16,
            "num_hidden_layers": 23,
            "projection_dim": 512,
            "torch_dtype": "float16",
        },
        "SDXL, the second": TEXT
        | {
            "architectures": ["CLIPTextModelWithProjection"],
            "hidden_act": "gelu",
            "hidden_size": 1280,
            "intermediate_size": 5120,
            "num_attention_heads": 20,
            "num_hidden_layers": 32,
            "projection_dim": 1280,
            "torch_dtype": "float16",
        },
        # All that transformers 4 knew of any model.
        "everything": TEXT
        | json.loads(
            """{"add_cross_attention": false, "bad_words_ids": null, "chunk_size_feed_forward": 0,
            "begin_suppress_tokens": null, "cross_attention_hidden_size": null, "do_sample": false,
            "decoder_start_token_id": null, "diversity_penalty": 0.0, "early_stopping": false,
            "encoder_no_repeat_ngram_size": 0, "exponential_decay_length_penalty": null,
            "finetuning_task": null, "forced_bos_token_id": null, "forced_eos_token_id": null,
            "id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "is_decoder": false,
            "is_encoder_decoder": false, "label2id": {"LABEL_0": 0, "LABEL_1": 1},
            "length_penalty": 1.0, "max_length": 20, "min_length": 0, "no_repeat_ngram_size": 0,
            "num_beam_groups": 1, "num_beams": 1, "num_return_sequences": 1, "prefix": null,
            "output_attentions": false, "output_hidden_states": false, "output_scores": false,
            "problem_type": null, "pruned_heads": {}, "remove_invalid_values": false,
            "repetition_penalty": 1.0, "return_dict": true, "return_dict_in_generate": false,
            "sep_token_id": null, "suppress_tokens": null, "task_specific_params": null,
            "temperature": 1.0, "tf_legacy_loss": false, "tie_encoder_decoder": false,
            "tie_word_embeddings": true, "tokenizer_class": null, "top_k": 50, "top_p": 1.0,
            "torchscript": false, "typical_p": 1.0, "use_bfloat16": false}"""
        ),
    },
}


def write(folder, name):
    """The index and the scheduler's config of one of SCHEDULERS, in a folder."""
    pipeline, cls, config = SCHEDULERS[name]
    index = tiny.INDEX | {"_class_name": pipeline, "scheduler": ["diffusers", cls]}
    tiny.write_json(folder / "model_index.json", index)
    tiny.write_json(folder / "scheduler" / "scheduler_config.json", config)
    return folder
