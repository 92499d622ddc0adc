"""The table of the command's options: each stands once, as a field of the record that holds it.

Of a field are made its argument on the command line, the checks, the JSON in a PNG, the keyword
that `generate` is called with, and what may stand beside --from. So a new option is one new field:
of Settings if it is part of what made a picture, with a default that pictures of before it had; of
Command if it is not.
"""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

from mdx.option_fields import Field, Option, fields_of
from mdx.settings_files import File, file
from mdx.settings_kinds import (
    BUDGET,
    COUNT,
    FILE,
    NAME,
    PART,
    PATH,
    PROMPT,
    SCALE,
    SIDE,
    TRUTH,
    VARIATION,
    size,
    text,
    whole,
    word,
)

__all__ = ["COMMAND", "FIELDS", "Command", "Settings", "flag"]


LORA = Option("--lora", "FILE[:SCALE]", "LoRA; may be repeated", None, "append", beside=True)
WORD = Option("--embedding", "FILE", "new word; may be repeated", None, "append", beside=True)
SIZE = Option("--size", "S", "64, or width and height as 96x64", split=size, key="Size")


class Settings(NamedTuple):
    """Everything `mdx` needs to make its pictures again; None means the checkpoint's default."""

    version: Annotated[str, NAME]
    # a Hub id, an absolute folder, or the bare name of a folder whose place is not said; None is
    # the packaged checkpoint
    model: Annotated[
        str | None,
        PATH,
        Option(
            "--model",
            "M",
            "Hub id, folder or .safetensors file (default: the packaged one)",
            beside=True,
        ),
    ]
    # of the weights' files
    variant: Annotated[
        str | None,
        PART,
        Option("--variant", "V", 'of the weights\' files, such as "fp16"', beside=True),
    ]
    # the Hub commit, or what was asked for
    revision: Annotated[
        str | None,
        NAME,
        Option("--revision", "R", "branch, tag or commit on the Hub", beside=True),
    ]
    dtype: Annotated[
        str,
        word("float32", "float16", "bfloat16"),
        Option("--dtype", "D", "float32 (default), float16 or bfloat16", default="float32"),
    ]
    # pictures are made for every prompt and every seed
    prompts: Annotated[tuple[str, ...], PROMPT, Option("prompts", "PROMPT", "what to draw", "*")]
    seeds: Annotated[
        tuple[int, ...],
        whole(0, 2**128 - 1),
        Option("--seed", "S", "default: a random one", "+", key="Seed"),
    ]
    # negative prompt, for all pictures
    negative: Annotated[
        str | None,
        PROMPT,
        Option("--negative", "TEXT", "what to keep out of the pictures", keyword="negative_prompt"),
    ]
    scheduler: Annotated[
        str | None, NAME, Option("--scheduler", "NAME", "default: the checkpoint's", key="Sampler")
    ]
    # of the scheduler
    steps: Annotated[
        int | None,
        whole(1, 1_000_000),
        Option("--steps", "N", "default: the scheduler's", keyword="steps", key="Steps"),
    ]
    # scale of the classifier-free guidance
    guidance: Annotated[
        float | None,
        SCALE,
        Option(
            "--guidance",
            "G",
            "default: the checkpoint's; 1 is none",
            keyword="guidance",
            key="CFG scale",
        ),
    ]
    # pixels
    width: Annotated[int | None, SIDE, SIZE._replace(keyword="width")]
    height: Annotated[int | None, SIDE, SIZE._replace(keyword="height")]
    # the budget: what keeps within it may change last bits
    memory: Annotated[
        str | None,
        BUDGET,
        Option("--memory", "M", "budget to keep within, as 6GB or 800MB", keyword="memory"),
    ] = None
    # rows and columns; None for pictures of their own
    grid: Annotated[
        tuple[int, int] | None,
        COUNT,
        Option("--grid", ("R", "C"), "one picture of R rows and C columns", 2),
    ] = None
    # options of the scheduler's config, as they were given: "use_karras_sigmas=true"
    set: Annotated[
        tuple[str, ...],
        text(2**17),
        Option(
            "--set",
            "KEY=VALUE",
            "option of the scheduler, as `mdx samplers NAME` lists them; may be repeated",
            action="append",
        ),
    ] = ()
    image: Annotated[
        File | None,
        file(used=str),
        Option(
            "--image", "FILE", "picture to begin with, or to change", keyword="image", beside=True
        ),
    ] = None
    mask: Annotated[
        File | None,
        file(used=str),
        Option("--mask", "FILE", "white where --image is drawn anew", keyword="mask", beside=True),
    ] = None
    strength: Annotated[
        float | None,
        SCALE,
        Option(
            "--strength",
            "X",
            "how far --image is drawn anew, 0 to 1 (default: 0.8, with --mask 1)",
            keyword="strength",
        ),
    ] = None
    # pixels at the left, at the top, at the right and at the bottom
    outpaint: Annotated[
        tuple[int, int, int, int] | None,
        whole(0, 99_999),
        Option("--outpaint", ("L", "T", "R", "B"), "pixels around --image that are drawn", 4),
    ] = None
    # width and height of the second run
    hires: Annotated[
        tuple[int, int] | None,
        SIDE,
        Option("--hires", ("W", "H"), "draw at --size, then on at this size", 2),
    ] = None
    # how prompts and negative are written
    prompt_syntax: Annotated[
        str,
        word("plain", "a1111", "comfyui", "compel"),
        Option(
            "--prompt-syntax",
            "S",
            "plain (default), a1111, comfyui or compel: whose signs weigh words",
            keyword="prompt_syntax",
        ),
    ] = "plain"
    # layers of CLIP beyond those that are always left out
    clip_skip: Annotated[
        int | None,
        whole(0, 99),
        Option(
            "--clip-skip",
            "N",
            "leave out N more of CLIP's last layers; A1111's clip skip is one more",
            keyword="clip_skip",
        ),
    ] = None
    # how many are drawn at once, which may change last bits
    batch: Annotated[
        int, COUNT, Option("--batch", "N", "how many pictures are drawn at once (default: 1)")
    ] = 1
    # "7:0.2": begins with noise between that of the picture's seed and this one
    variation: Annotated[
        str | None,
        VARIATION,
        Option(
            "--variation",
            "SEED:STRENGTH",
            "go from each picture's seed towards another one, as 7:0.2; 0 stays, 1 is the other",
        ),
    ] = None
    prediction_type: Annotated[
        str | None,
        word("epsilon", "v_prediction"),
        Option(
            "--prediction-type",
            "P",
            "of a --model that is one file and does not say it: epsilon or v_prediction",
            beside=True,
        ),
    ] = None
    lora: Annotated[tuple[File, ...], file(scaled=True), LORA] = ()
    embedding: Annotated[tuple[File, ...], file(), WORD] = ()
    # LoRAs that prompts name, <lora:name:0.8>: found by the command
    named: Annotated[tuple[File, ...], file()._replace(kept=None)] = ()


class Command(NamedTuple):
    """What a command says that is not of the pictures: nothing of it is written into them."""

    config: Annotated[
        str | None,
        PATH,
        Option(
            "--config",
            "C",
            "of a --model that is one file: folder or Hub id of a checkpoint like it, whose "
            "configs, tokenizers and scheduler it has",
        ),
    ] = None
    output: Annotated[
        str | None,
        FILE,
        Option("--output", "FILE", "PNG file to write (default: mdx.png)", short=("-o",)),
    ] = None
    source: Annotated[
        str | None, FILE, Option("--from", "FILE", "make an mdx PNG again, bit for bit")
    ] = None
    lora_dir: Annotated[
        str | None,
        FILE,
        Option("--lora-dir", "DIR", "where <lora:name:0.8> of prompts in a1111's syntax lies"),
    ] = None
    trust: Annotated[
        bool,
        TRUTH,
        Option(
            "--trust",
            None,
            "with --from: load the model that the picture names, whatever it is",
            action="store_true",
        ),
    ] = False
    keep_path: Annotated[
        bool,
        TRUTH,
        Option(
            "--keep-path",
            None,
            "write into the PNG where the folder of --model is, not its name alone",
            action="store_true",
        ),
    ] = False
    no_settings: Annotated[
        bool,
        TRUTH,
        Option(
            "--no-settings", None, "write nothing but the pixels into the PNG", action="store_true"
        ),
    ] = False
    offline: Annotated[
        bool,
        TRUTH,
        Option("--offline", None, "use only what the Hub's cache holds", action="store_true"),
    ] = False


FIELDS: Mapping[str, Field] = fields_of(Settings)
COMMAND: Mapping[str, Field] = fields_of(Command)


def flag(name: str) -> str:
    """How the command line, or else the settings, call a field."""
    option = {**FIELDS, **COMMAND}[name].option
    return name if option is None else option.flag
