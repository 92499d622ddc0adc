"""Whole SDXL repositories that people have, beside those of SD 1.x and 2.x in repositories.py."""

from tests import tiny, wild
from tests.repositories import LATER, Repository
from tests.tokenizer_folders import FOLDERS, OLD, OLD_MAP, PLAIN, tokenizer_json
from tests.wild import CARRIED, scheduler

# The sizes that are made smaller, of base and refiner; the kinds of blocks stay.
SMALLER: dict[str, dict] = {
    "unet": {
        "addition_time_embed_dim": {256: 8},
        "attention_head_dim": {5: 1, 6: 1, 10: 2, 12: 2, 20: 4, 24: 4},
        "block_out_channels": {320: 32, 384: 32, 640: 32, 768: 32, 1280: 64, 1536: 64},
        "cross_attention_dim": {1280: 32, 2048: 24 + 32},
        "projection_class_embeddings_input_dim": {2560: 20 + 5 * 8, 2816: 20 + 6 * 8},
        "transformer_layers_per_block": {4: 2, 10: 3},
    },
    "vae": {"block_out_channels": {128: 32, 256: 32, 512: 32}, "layers_per_block": {2: 1}},
    "text_encoder": {
        "hidden_size": {768: 24},
        "intermediate_size": {3072: 48},
        "num_attention_heads": {12: 3},
        "num_hidden_layers": {12: 3},
    },
    "text_encoder_2": {
        "hidden_size": {1280: 32},
        "intermediate_size": {5120: 64},
        "num_attention_heads": {20: 4},
        "num_hidden_layers": {32: 4},
        "projection_dim": {1280: 20},
    },
}
FEWER = {**SMALLER, "unet": SMALLER["unet"] | {"layers_per_block": {2: 1}}}
BLOCKS = SMALLER["unet"] | {"reverse_transformer_layers_per_block": {4: 2, 10: 3}}
NESTED = {**SMALLER, "unet": BLOCKS}

BASE, REFINER = "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"
CLIP, PROJECTED = ["transformers", "CLIPTextModel"], ["transformers", "CLIPTextModelWithProjection"]
TOKENIZER, NOTHING = ["transformers", "CLIPTokenizer"], [None, None]


def index(version, sampler, *parts, **own):
    """model_index.json of an SDXL whose scheduler is of this class."""
    found = {
        "_class_name": BASE,
        "_diffusers_version": version,
        "add_watermarker": None,
        "force_zeros_for_empty_prompt": True,
        "scheduler": ["diffusers", sampler],
        "text_encoder": CLIP,
        "text_encoder_2": PROJECTED,
        "tokenizer": TOKENIZER,
        "tokenizer_2": TOKENIZER,
        "unet": tiny.INDEX["unet"],
        "vae": tiny.INDEX["vae"],
    }
    for part in parts:
        found |= part
    return found | own


def nets(unet="SDXL", vae="SDXL", **own):
    """The configs of these names in wild.NETS; the unet's with other values of its own."""
    encoders = wild.NETS["text_encoder"]
    return {
        "text_encoder": encoders["SD 1.4 as first published"],
        "text_encoder_2": encoders["SDXL, the second"],
        "unet": wild.NETS["unet"][unet] | own,
        "vae": wild.NETS["vae"][vae],
    }


def without(found, *names):
    return {name: value for name, value in found.items() if name not in names}


EULER, ANCESTRAL = "EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler"
LCM, EDM = "LCMScheduler", "EDMDPMSolverMultistepScheduler"
OWN = scheduler(
    EULER,
    "0.19.0.dev0",
    CARRIED,
    interpolation_type="linear",
    prediction_type="epsilon",
    sample_max_value=1.0,
    timestep_spacing="leading",
    use_karras_sigmas=False,
)
# The second tokenizer pads with "!", by the files of three ages.
PADS = {"config": OLD | {"pad_token": "!"}, "map": OLD_MAP | {"pad_token": "!"}}
PADS_BY_RECORD = FOLDERS["sd-turbo"]
PADS_BY_JSON = {"config": PLAIN | {"pad_token": "!"}, "json": tokenizer_json()}
XL = Repository(
    index("0.19.0.dev0", EULER),
    OWN,
    nets(),
    FOLDERS["stable-diffusion-v1-5"],
    tokenizer_2=PADS,
    smaller=FEWER,
)
ALL_HALF = dict.fromkeys(XL.nets, ("fp16",))

# Those that mdx runs, the refiner below them.
RUN = {
    "base": XL,
    "turbo": XL._replace(
        index=index("0.24.0.dev0", ANCESTRAL, LATER),
        scheduler=wild.SCHEDULERS["SD turbo"][2] | {"_class_name": ANCESTRAL},
        nets=nets("SDXL turbo"),
        tokenizer_2=PADS_BY_RECORD,
        variants=dict.fromkeys(XL.nets, ("", "fp16")),
    ),
    "LCM": XL._replace(
        index=index("0.22.0.dev0", LCM, LATER),
        scheduler=wild.SCHEDULERS["LCM"][2],
        nets=nets("LCM-SDXL"),
    ),
    "SSD-1B": XL._replace(index=index("0.21.4", EULER, LATER), nets=nets("SSD-1B"), smaller=NESTED),
    "Vega": XL._replace(index=index("0.24.0", EULER, LATER), nets=nets("Vega"), smaller=NESTED),
    "v-prediction": XL._replace(
        index=index("0.31.0", EULER, LATER),
        scheduler=OWN
        | {
            "prediction_type": "v_prediction",
            "rescale_betas_zero_snr": True,
            "timestep_spacing": "trailing",
        },
        tokenizer={"config": PLAIN, "json": tokenizer_json()},
        tokenizer_2=PADS_BY_JSON,
    ),
    "conversion": XL._replace(
        index=index("0.27.0", EULER, LATER, force_zeros_for_empty_prompt=False),
        tokenizer_2=PADS_BY_JSON,
    ),
    "Playground": XL._replace(
        index=index("0.27.0.dev0", EDM, LATER),
        scheduler={
            "_class_name": EDM,
            "_diffusers_version": "0.27.0.dev0",
            "algorithm_type": "dpmsolver++",
            "dynamic_thresholding_ratio": 0.995,
            "euler_at_final": False,
            "final_sigmas_type": "zero",
            "lower_order_final": True,
            "num_train_timesteps": 1000,
            "prediction_type": "epsilon",
            "rho": 7.0,
            "sample_max_value": 1.0,
            "sigma_data": 0.5,
            "sigma_max": 80.0,
            "sigma_min": 0.002,
            "solver_order": 2,
            "solver_type": "midpoint",
            "thresholding": False,
        },
        nets=nets(vae="Playground 2.5"),
    ),
    "fp16 alone": XL._replace(variants=ALL_HALF),
}
REFINE = Repository(
    index(
        "0.19.0.dev0",
        EULER,
        _class_name=REFINER,
        force_zeros_for_empty_prompt=False,
        requires_aesthetics_score=True,
        text_encoder=NOTHING,
        tokenizer=NOTHING,
    ),
    OWN,
    without(nets("SDXL refiner"), "text_encoder"),
    None,
    tokenizer_2=PADS,
    smaller=FEWER,
)

# The least that has every part: for tests that run it, and that spoil it.
LEAST = XL._replace(
    nets={
        "text_encoder": tiny.TEXT | {"eos_token_id": 2, "max_position_embeddings": 77},
        "text_encoder_2": tiny.TEXT
        | {
            "architectures": ["CLIPTextModelWithProjection"],
            "eos_token_id": 2,
            "hidden_act": "gelu",
            "hidden_size": 24,
            "max_position_embeddings": 77,
            "projection_dim": 12,
        },
        "unet": tiny.UNET
        | {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": 8,
            "cross_attention_dim": 16 + 24,
            "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
            "projection_class_embeddings_input_dim": 12 + 6 * 8,
            "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
            "use_linear_projection": True,
        },
        "vae": tiny.VAE | {"force_upcast": True, "scaling_factor": 0.13025},
    },
    smaller={part: {} for part in XL.nets},
)
REFINES = {"cross_attention_dim": 24, "projection_class_embeddings_input_dim": 12 + 5 * 8}
LEAST_REFINER = REFINE._replace(
    nets=without(LEAST.nets, "text_encoder") | {"unet": LEAST.nets["unet"] | REFINES},
    smaller=LEAST.smaller,
)
