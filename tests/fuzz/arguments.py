"""Arguments of the public functions, of any type and value."""

import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from tests.fuzz import folders, odd, tables
from tests.fuzz.fuzzer import Fuzzer, Input, Make

# Other words that an error may have for an argument.
ALSO = {
    "images": ("picture", "pixels"),
    "budget": ("memory",),
    "start": ("table", "state"),
    "scheduler": ("table", "step"),
    "steps": ("table",),
    "seed": ("generator",),
    "name": ("scheduler", "has no option"),
    "negative_prompt": ("prompt",),
    "strength": ("image",),
    "mask": ("image",),
    "inpaint": ("image", "mask"),
    "size": ("height", "width"),
    "config": ("_class_name", "scheduler", "neither a folder nor a Hub id"),
    "rows": ("grid",),
    "cols": ("grid",),
    "source": ("Hub", "checkpoint"),
    "model": ("vae", "unet", "text_encoder"),
    "i": ("level", "row"),
    "tables": ("table",),
    "state": ("slots", "sample"),
    "keep": ("mask",),
    "timesteps": ("levels",),
    "sigmas": ("levels",),
    "*tables": ("table", "a run"),
    "*other": ("table", "a run"),
    "path": ("table", "state", "is missing", "is a folder"),
    "noise": ("sample",),
    "x0": ("sample",),
}


class Function(NamedTuple):
    """A public function and a call of it that is good."""

    name: str
    call: Callable[..., Any]
    good: dict[str, Any]  # arguments by name; those that begin with "*" are given by position


def functions(folder: Path) -> list[Function]:
    """What is called, each with arguments that it accepts."""
    import mdx
    from mdx import inpainting, schedulers

    folders.tiny_checkpoint(folder / "tiny")
    model = mdx.load(folder / "tiny")
    file = folder / "one.safetensors"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdx.save(model, file)
    ddim = schedulers.from_config(model.scheduler, "ddim")
    table, other = schedulers.table(ddim, 4), schedulers.table(ddim, 4, start=1)
    late = schedulers.table(ddim, sigmas=[float(table.sigma[-1] / table.alpha[-1]), 0.01])
    latents = np.zeros((1, 4, 8, 8), np.float32)
    state = schedulers.init(table, latents)
    mask = np.ones((16, 16), np.float32)
    generate = {
        "model": model, "prompt": "a", "negative_prompt": "b", "scheduler": "euler", "steps": 3,
        "guidance": 7.5, "seed": 0, "height": 16, "width": 16, "images_per_prompt": 1,
        "image": None, "strength": None, "mask": None, "inpaint": None,
        "start": None, "step_noise": None, "output": "np", "progress": False, "callback": None,
        "after": None, "one_graph": False, "memory": None, "batch": None,
    }  # fmt: skip
    where = {"dtype": "float32", "variant": None, "revision": None, "offline": True}
    picture = Image.new("RGB", (16, 16))
    levels = {"scheduler": ddim, "steps": 4, "timesteps": None, "sigmas": None, "start": 0}
    sizes = {"model": model, "height": 16, "width": 16, "batch": 1, "dtype": None, "budget": None}
    found = {
        "load": (mdx.load, {"source": folder / "tiny", **where}),
        "load_vae": (mdx.load_vae, {"source": folder / "tiny", **where}),
        "load one file": (
            mdx.load,
            {"source": file, "config": folder / "tiny", "prediction_type": None, **where},
        ),
        "load_part": (mdx.load_part, {"file": file, "model": model, "part": "vae", "dtype": None}),
        "info": (mdx.info, {"path": file, "hash": False}),
        "blend": (mdx.blend, {"a": model, "b": model, "share": 0.5}),
        "add_difference": (
            mdx.add_difference,
            {"a": model, "b": model, "base": model, "share": {"unet": 0.5}},
        ),
        "save": (mdx.save, {"model": model, "path": folder / "new.safetensors", "dtype": None}),
        "generate": (mdx.generate, generate),
        "inpaint": (
            mdx.generate,
            {
                **generate,
                "image": picture,
                "strength": 0.7,
                "mask": np.eye(16),
                "inpaint": mdx.Inpaint(feather=1),
            },
        ),
        "outpaint": (mdx.outpaint, {"image": picture, "margins": [2, 0, 4, 0]}),
        "hires": (
            mdx.hires,
            {
                "model": model,
                "prompt": "a",
                "size": 1.5,
                "strength": 0.7,
                "upscale": "pixels",
                "output": "np",
                "steps": 3,
                "seed": 0,
                "progress": False,
            },
        ),
        "encode": (mdx.encode, {"model": model, "images": picture}),
        "decode": (
            mdx.decode,
            {"model": model, "latents": latents, "output": "np", "memory": None},
        ),
        "plan": (mdx.plan, {**sizes, "memory": None, "guided": True}),
        "grid": (mdx.grid, {"images": [picture], "rows": 1, "cols": 1}),
        "keep_known": (
            inpainting.keep_known,
            {"latents": latents, "keep": mask[:8, :8], "seed": 0},
        ),
        "downsample_mask": (inpainting.downsample_mask, {"keep": mask, "factor": 2}),
        "from_config": (
            schedulers.from_config,
            {"config": ddim, "name": "dpmpp_2m", "solver_order": 2, "use_karras_sigmas": True},
        ),
        "compatibles": (schedulers.compatibles, {"scheduler": ddim}),
        "table": (schedulers.table, levels),
        "timesteps": (schedulers.table, {**levels, "steps": None, "timesteps": [900, 500, 20]}),
        "sigmas": (schedulers.table, {**levels, "steps": None, "sigmas": [9.0, 1.0, 0.1]}),
        "take": (schedulers.take, {"table": table, "rows": slice(0, 2)}),
        "pad": (schedulers.pad, {"table": table, "slots": 5}),
        "check": (schedulers.check, {"table": table}),
        "concat": (schedulers.concat, {"*tables": table, "*other": late}),
        "stack": (schedulers.stack, {"tables": [table, other]}),
        "init": (schedulers.init, {"table": table, "noise": latents}),
        "begin": (schedulers.begin, {"table": table, "sample": latents}),
        "step": (
            schedulers.step,
            {"table": table, "state": state, "model_output": latents, "noise": latents},
        ),
        "add_noise": (
            schedulers.add_noise,
            {"table": table, "i": 0, "x0": latents, "noise": latents},
        ),
        "correct": (
            schedulers.correct,
            {"table": table, "state": state, "model_output": latents, "noise": latents, "snr": 0.1},
        ),
        "load table": (schedulers.load, {"path": folder / "tiny" / "none"}),
        "load_state": (schedulers.load_state, {"path": folder / "tiny" / "none"}),
    }
    return [Function(name, *rest) for name, rest in found.items()]


def argument_turn(random: Random, value: Any) -> Any:
    """An argument after one turn."""
    kind = random.randrange(10)
    if kind < 3 and isinstance(value, (bool, int, float, str, list)):
        from tests.fuzz import mutate

        return mutate.spoilt(random, value)
    if kind < 3 and isinstance(value, np.ndarray):
        return tables.array_turn(random, value)
    if kind < 5 and hasattr(value, "_fields"):
        return tables.field_turn(random, value)[0]
    if kind == 5:
        return [value, odd.anything(random)]
    if kind == 6 and not isinstance(value, np.ndarray):
        return odd.number(random)
    return odd.anything(random)


def memory_turn(random: Random) -> Any:
    """What a run holds at once, with a field of another kind."""
    import mdx

    fields = mdx.Memory()._fields
    return mdx.Memory(**{random.choice(fields): odd.anything(random)})


def harmless(name: str, value: Any) -> Any:
    """A path that begins at the root could be a file of the machine; a relative one stays here."""
    if (
        name in ("source", "path", "config", "image", "mask", "file")
        and isinstance(value, str)
        and value.startswith("/")
    ):
        return "." + value
    return value


def names(changed: dict[str, Any]) -> tuple[str, ...]:
    """What an error may say for the arguments that were changed."""
    found = list(changed)
    for name, value in changed.items():
        found += ALSO.get(name, ())
        if hasattr(value, "_fields"):
            found += value._fields
        if isinstance(value, (str, Path)) and len(str(value)) > 2:
            found += [str(value), repr(str(value))[1:-1], str(Path(value))]
    return tuple(name.lstrip("*") for name in found)


def prepare(folder: Path) -> Make:
    """Good calls, of which one or more arguments are changed."""
    calls = functions(folder)
    shares = [12 if call.name == "generate" else 2 for call in calls]

    def make(random: Random, turns: list[Random]) -> Input:
        [function] = random.choices(calls, shares)
        changed: dict[str, Any] = {}
        for turn in turns:
            name = turn.choice(list(function.good))
            before = changed.get(name, function.good[name])
            spoil = turn.random() < 0.3 and name == "memory"
            value = memory_turn(turn) if spoil else argument_turn(turn, before)
            changed[name] = harmless(name, value)
        given = {**function.good, **changed}
        by_place = [value for name, value in given.items() if name.startswith("*")]
        by_name = {name: value for name, value in given.items() if not name.startswith("*")}
        words = f"{function.name} with {odd.shown(changed, 900)}"
        return Input(words, names(changed), lambda: function.call(*by_place, **by_name))

    return make


FUZZER = Fuzzer("arguments", 15, prepare)
