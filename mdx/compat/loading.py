"""What from_pretrained is called with, as arguments of `mdx.load`."""

from collections.abc import Mapping
from typing import Any

from mdx.checks import did_you_mean, flag
from mdx.compat.unmapped import Neutral, neutral

__all__ = ["NAMES", "OF_FILES", "ONLY", "loaded_as"]

# Arguments that ask for nothing where they have one of these values, and what else is mdx's way.
ONLY: dict[str, Neutral] = {
    "use_safetensors": ((None, True), "only safetensors are read: convert the checkpoint once"),
    "cache_dir": ((None,), "the Hub's cache is where the environment variable HF_HOME says"),
    "token": ((None, False), "a Hub token is read from the environment variable HF_TOKEN"),
    "force_download": ((None, False), "delete the repository's folder in the Hub's cache"),
    "resume_download": ((None, False), "downloads always go on where they stopped"),
    "proxies": ((None,), "set the environment variable HTTPS_PROXY"),
    "mirror": ((None,), "set the environment variable HF_ENDPOINT"),
    "output_loading_info": ((None, False), "what does not fit is an error that names it"),
    "low_cpu_mem_usage": (
        (None, True, False),
        "it is True or False",
    ),  # weights are mapped from their files
    "device_map": ((None,), "mindspore.set_device says where it runs"),
    "max_memory": ((None,), 'mdx.generate(..., memory="6GB") keeps within a budget'),
    "offload_folder": ((None,), "weights stay in the checkpoint's own files: pipe.enable_..."),
    "offload_state_dict": ((None, False), "weights stay in the checkpoint's own files"),
    "custom_pipeline": ((None,), "no code of others is run: mdx's own functions compose"),
    "custom_revision": ((None,), "no code of others is run"),
    "trust_remote_code": ((None, False), "no code of others is run"),
    "use_onnx": ((None, False), "examples/export.py writes MindIR"),
    "provider": ((None,), "mindspore.set_device says where it runs"),
    "sess_options": ((None,), "there are no sessions"),
    "torch_dtype": ((), "say mindspore_dtype=mindspore.float16"),
    "original_config": ((None,), "config=, a folder of a checkpoint like it, says what a file is"),
    "safety_checker": ((None,), "look at pictures with a program of your own"),
    "feature_extractor": ((None,), "it is the safety checker's, which mdx does not run"),
    "image_encoder": ((None,), "there is no IP-Adapter"),
    "requires_safety_checker": (
        (None, True, False),
        "it is True or False",
    ),  # none is run either way
    "add_watermarker": ((None, False), "mark pictures with a program of your own"),
}

# Those of `mdx.load` under scripts' names.
NAMES = {
    "mindspore_dtype": "dtype",
    "variant": "variant",
    "revision": "revision",
    "local_files_only": "offline",
}
OF_FILES = {"config": "config", "prediction_type": "prediction_type"}

PARTS = (
    "vae", "unet", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "scheduler",
)  # fmt: skip


def loaded_as(
    where: str, asked: Mapping[str, Any], names: Mapping[str, str] = NAMES
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The arguments of `mdx.load`, and the parts that are given in the place of the folder's.

    ValueError or TypeError by name for what is not mapped.
    """
    options: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    for name, value in asked.items():
        if name in ONLY:
            neutral(f"{where}: {name}", value, ONLY[name])
        elif name in PARTS:
            parts[name] = value
        elif name not in names:
            meant = did_you_mean(name, [*names, *PARTS])
            raise TypeError(f"{where} has no argument {name!r}{meant}")
        elif value is not None:
            options[names[name]] = flag(name, value) if name == "local_files_only" else value
    return options, parts
