"""Bad input, one row each: what is wrong, how to make it, and the one clear error it gives."""

import io
import json
import re
from contextlib import contextmanager

import huggingface_hub
import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, cli_arguments, cli_pictures, images, loading, schedulers, tokenizer, weights
from mdx import settings as recipe
from tests.spoilt import CHECKPOINTS, UNET, rewrite, spoil_value


def too_large(folder):
    rewrite(folder, UNET, spoil_value(1e6))
    loading.load(folder, dtype="float16")


# A call, given a good checkpoint's folder, and the error.
CALLS = {
    "dtype": (
        lambda f: loading.load(f, dtype="int8"),
        "one of float32, float16, bfloat16, not 'int8'",
    ),
    "too large for float16": (too_large, 'too large for float16; load it with dtype="float32"'),
    "no such folder": (lambda f: loading.load("./no/such"), "'./no/such' is neither a folder"),
    "folder as a path": (lambda f: loading.load(f / "gone"), "gone' is neither a folder nor a Hub"),
    "no Hub id": (lambda f: loading.load("a/b/c d"), "'a/b/c d' is neither a folder nor a Hub id"),
    "Hub id that starts with a dot": (lambda f: loading.load(".a/b"), "neither a folder nor a Hub"),
    "Hub id with two dots": (lambda f: loading.load("a/b..c"), "'a/b..c' is not a valid Hub id"),
    "a file": (lambda f: loading.load(f / "model_index.json"), "is a file; give the folder"),
    "variant that is not there": (
        lambda f: loading.load(f, variant="fp16"),
        "no weights of variant 'fp16', nor of any other; leave variant out",
    ),
    "variant of 300 letters": (
        lambda f: loading.load(f, variant="v" * 300),
        "variant is longer than any file's name: 'vvv",
    ),
    "offline and not cached": (
        lambda f: loading.load("someone/never-fetched", offline=True),
        "someone/never-fetched is not .* in the Hub's cache and offline is set",
    ),
    "vae without a vae": (lambda f: loading.load_vae(f / "tokenizer"), "no folder .*vae"),
    "prompt is a number": (
        lambda f: tokenizer.encode(tokenizer.load(f / "tokenizer"), ["a", 3]),
        "a prompt must be a string, not int: 3",
    ),
    "prompt is half a character": (
        lambda f: tokenizer.encode(tokenizer.load(f / "tokenizer"), "\ud83d"),
        "not valid Unicode",
    ),
    "vocabulary too small to train": (
        lambda f: tokenizer.train([], f, vocab_size=100),
        "vocab_size must be at least 514, not 100",
    ),
    "pixels of one channel": (
        lambda f: images.to_pil(np.zeros((1, 1, 8, 8))),
        r"shape \(B, 3, H, W\), not \(1, 1, 8, 8\)",
    ),
    "pixels that are NaN": (
        lambda f: images.to_pil(np.full((1, 3, 8, 8), np.nan)),
        'NaN or infinity; .*dtype="float32"',
    ),
    "grid of too few": (
        lambda f: images.grid([Image.new("RGB", (8, 8))] * 3, 2, 2),
        "2 by 2 needs 4 images .* not 3",
    ),
    "grid of nothing": (lambda f: images.grid([], 0, 0), "grid of 0 by 0"),
    "grid of two sizes": (
        lambda f: images.grid([Image.new("RGB", (8, n)) for n in (8, 9)], 1, 2),
        "must have one size",
    ),
    "plan of another dtype": (
        lambda f: mdx.plan(loading.load(f), 64, 64, 1, "int8"),
        "dtype must be one of float32, float16, bfloat16, not 'int8'",
    ),
    "plan of half a picture": (
        lambda f: mdx.plan(loading.load(f), 64, 64, 0.5),
        "batch must be a whole number, not 0.5",
    ),
    "plan of an odd size": (
        lambda f: mdx.plan(loading.load(f), 64, 65, 1),
        "height and width must be multiples of 2, not 64, 65",
    ),
    "saving into no folder": (
        lambda f: weights.save({}, f / "none" / "x.safetensors"),
        "none",
    ),
}  # fmt: skip


def generating(**arguments):
    """A call of generate() that must fail before anything is computed."""

    def act(folder):
        mdx.generate(loading.load(folder), **{"prompt": "a", "progress": False, **arguments})

    return act


generator = np.random.default_rng(0)
# Arguments of generate(), and the error.
GENERATE = {
    "prompt is None": ({"prompt": None}, "prompt must be a str or a list of str, not None"),
    "prompt is bytes": ({"prompt": b"a"}, "prompt must be a str or a list of str, not b'a'"),
    "prompt list with a number": ({"prompt": ["a", 3]}, r"a list of str, not \['a', 3\]"),
    "prompt that is half a character": ({"prompt": "a\ud83d"}, "prompt is not valid Unicode at 1"),
    "negative that is half a character": (
        {"negative_prompt": ["\udfff"]},
        "negative_prompt is not valid Unicode at 0",
    ),
    "no prompts": ({"prompt": []}, "prompt is an empty list"),
    "two negatives for three": (
        {"prompt": ["a", "b", "c"], "negative_prompt": ["x", "y"]},
        "negative_prompt: 2 negative prompts for 3 prompts",
    ),
    "negative is a number": ({"negative_prompt": 3}, "negative_prompt must be a str or a list"),
    "unknown scheduler": ({"scheduler": "foo"}, "'foo'.*(dpmpp_2m|DPMSolverMultistep)"),
    "scheduler is a number": ({"scheduler": 3}, "scheduler must be a name, a Scheduler, a Table"),
    "no steps": ({"steps": 0}, "steps must be 1 or more, not 0"),
    "steps below 0": ({"steps": -4}, "steps must be 1 or more, not -4"),
    "10^9 steps": ({"steps": 10**9}, "1000000000"),
    "half a step": ({"steps": 2.5}, "steps must be a whole number, not 2.5"),
    "steps of a table": (
        {
            "steps": 5,
            "scheduler": schedulers.table(schedulers.from_config({"_class_name": "ddim"}), 5),
        },
        "a Table has its own steps",
    ),
    "table of another batch": (
        {
            "scheduler": schedulers.stack(
                [schedulers.table(schedulers.from_config({"_class_name": "ddim"}), 5)] * 3
            ),
        },
        "the stacked table is for 3 images, but 1 are asked",
    ),
    "one graph with a progress bar": (
        {"one_graph": True, "progress": True},
        "one_graph cannot be watched: leave out progress, callback and after",
    ),
    "one graph with a callback": (
        {"one_graph": True, "callback": print},
        "one_graph cannot be watched",
    ),
    "one graph and stages": (
        {"one_graph": True, "memory": mdx.Memory(weights="stage")},
        'one_graph has the UNet.s weights all at work: ask for weights="net"',
    ),
    "memory is a dict": (
        {"memory": {"tile": 32}},
        "memory must be a mdx.Memory, a budget or None, not",
    ),
    "memory without a unit": ({"memory": "6"}, "a budget is a number of bytes, or text such as"),
    "memory of nothing": ({"memory": 0}, "a budget is a number of bytes, or text such as"),
    "unknown weights": (
        {"memory": mdx.Memory(weights="none")},
        "weights must be one of all, net, stage, not 'none'",
    ),
    "no scores": (
        {"memory": mdx.Memory(part_bytes=0)},
        "part_bytes must be 1 or more, not 0",
    ),
    "half a tile": ({"memory": mdx.Memory(tile=2.5)}, "tile must be a whole number, not 2.5"),
    "tiny tile": ({"memory": mdx.Memory(tile=8)}, "tile must be 16 or more, not 8"),
    "a scheduler too many": (
        {"prompt": ["a", "b"], "scheduler": ["ddim", "euler", "lms"]},
        "3 entries of scheduler for 2 images",
    ),
    "no schedulers": ({"scheduler": []}, "0 entries of scheduler for 1 images"),
    "an unknown scheduler in a list": (
        {"prompt": ["a", "b"], "scheduler": ["ddim", "foo"]},
        "unknown scheduler 'foo'",
    ),
    "a number in a list of schedulers": (
        {"prompt": ["a", "b"], "scheduler": ["ddim", 3]},
        "scheduler must be a name, a Scheduler, a Table or None, not 3",
    ),
    "a stack in a list": (
        {
            "prompt": ["a", "b"],
            "scheduler": [
                "ddim",
                schedulers.stack(
                    [schedulers.table(schedulers.from_config({"_class_name": "ddim"}), 5)] * 2
                ),
            ],
        },
        "a stacked table cannot be one of several",
    ),
    "a guidance too few": (
        {"prompt": ["a", "b", "c"], "guidance": [1.0, 2.0]},
        "2 entries of guidance for 3 images",
    ),
    "guidance with a NaN": (
        {"prompt": ["a", "b"], "guidance": [1.0, float("nan")]},
        "guidance must be a finite number, not nan",
    ),
    "guidance is a string": ({"guidance": "7"}, "guidance must be a number, not '7'"),
    "guidance is NaN": ({"guidance": float("nan")}, "guidance must be a finite number"),
    "seed is a string": ({"seed": "x"}, "seed must be a whole number, not 'x'"),
    "seed below 0": ({"seed": -1}, "seed must be 0 or more, not -1"),
    "seeds for two": ({"seed": [1, 2]}, "2 seeds for 1 images"),
    "generators for two": ({"seed": [generator] * 2}, "2 seeds for 1 images"),
    "no images": ({"images_per_prompt": 0}, "images_per_prompt must be 1 or more, not 0"),
    "height is no multiple": ({"height": 17}, "height must be a multiple of 2.*try 16 or 18"),
    "width is 0": ({"width": 0}, "width must be 1 or more, not 0"),
    "width is no number": ({"width": "16"}, "width must be a whole number, not '16'"),
    "output": ({"output": "jpg"}, "output must be one of pil, np, latent, not 'jpg'"),
    "callback": ({"callback": 3}, "callback must be callable, not 3"),
    "after": ({"after": 3}, "after must be callable, not 3"),
    "one graph with after": (
        {"one_graph": True, "after": lambda table, state: state},
        "one_graph cannot be watched",
    ),
    "scheduler of another kind of network": (
        {"scheduler": "ipndm"},
        "IPNDMScheduler is for other networks than a checkpoint with PNDMScheduler has",
    ),
    "step_noise": ({"step_noise": "white"}, "one of independent, brownian or None, not 'white'"),
    "a path that goes up again": (
        {
            "step_noise": "brownian",
            "scheduler": schedulers.from_config({}, "repaint", jump_length=3, jump_n_sample=3),
        },
        "'brownian' is for samplers whose noise only falls",
    ),
    "start is a number": ({"start": 3.0}, r"latents \(B, C, h, w\), or a State of them, not of"),
    "start is text": ({"start": "x"}, r"latents \(B, C, h, w\), or a State of them, not of"),
    "start of 3 channels": (
        {"start": np.zeros((1, 3, 8, 8))},
        r"of shape \(1, 4, 8, 8\), not \(1, 3, 8, 8\)",
    ),
    "start for two": (
        {"start": np.zeros((2, 4, 8, 8))},
        r"of shape \(1, 4, 8, 8\), not \(2, 4, 8, 8\)",
    ),
    "start of whole numbers": ({"start": np.zeros((1, 4, 8, 8), int)}, "start must be floating"),
    "start of another width": (
        {"start": np.zeros((1, 4, 8, 8)), "width": 24},
        r"of shape \(1, 4, 8, 12\), not \(1, 4, 8, 8\)",
    ),
    "start with a NaN": ({"start": np.full((1, 4, 8, 8), np.nan)}, "start holds NaN or infinity"),
    "a state of two images": (
        {"start": schedulers.State(np.zeros((2, 2, 4, 8, 8), np.float32), 1)},
        r"of shape \(1, 4, 8, 8\), not \(2, 4, 8, 8\)",
    ),
    "a state without slots": (
        {"start": schedulers.State(np.zeros((1, 4, 8, 8), np.float32), 1)},
        r"or a State of them, not of shape \(1, 4, 8, 8\)",
    ),
    "a state beyond the end": (
        {"start": schedulers.State(np.zeros((2, 1, 4, 8, 8), np.float32), 9), "steps": 4},
        "start is at row 9 of a table with 5 rows",
    ),
}
CALLS |= {
    "generate: " + name: (generating(**arguments), message)
    for name, (arguments, message) in GENERATE.items()
}
CALLS["generate: no model"] = (lambda f: mdx.generate("sd", "a"), "what mdx.load returns, not str")


def load_spoilt(spoil):
    """The call that a row of CHECKPOINTS stands for."""

    def act(folder):
        spoil(folder)
        with unchanged(folder):
            loading.load(folder)

    return act


CALLS |= {name: (load_spoilt(spoil), message) for name, (spoil, message) in CHECKPOINTS.items()}


@contextmanager
def unchanged(folder):
    """Asserts that no file appears or goes."""
    before = sorted(folder.rglob("*"))
    try:
        yield
    finally:
        assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(("act", "message"), CALLS.values(), ids=CALLS.keys())
def test_bad_input(checkpoint, monkeypatch, act, message):
    monkeypatch.setenv("HF_HUB_CACHE", str(checkpoint / "no-cache"))
    with pytest.raises((ValueError, OSError, TypeError), match=message) as error:
        act(checkpoint)
    # One error, not the story of the one behind it.
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert not list(checkpoint.rglob("*.part*"))


def hub_error(name):
    """The error as the Hub's client raises it, without the request behind it."""
    kind = getattr(huggingface_hub.utils, name)
    error = kind.__new__(kind)
    error.args = (f"{name} for url ...\n\nmany lines",)
    return error


HUB = {
    "RepositoryNotFoundError": "no folder and no Hub repository is called 'some/one'",
    "GatedRepoError": "some/one asks for its terms to be accepted",
    "RevisionNotFoundError": "some/one has no revision 'v9'",
    "LocalEntryNotFoundError": "the Hub cannot be reached to fetch some/one at revision 'v9'",
    "HfHubHTTPError": "the Hub refused some/one at revision 'v9': HfHubHTTPError for url ...$",
}


@pytest.mark.parametrize(("name", "message"), HUB.items())
def test_hub_error(monkeypatch, name, message):
    def fail(*_, **__):
        raise hub_error(name)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", fail)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises((FileNotFoundError, ConnectionError, PermissionError), match=message):
        loading.load("some/one", revision="v9")


def first_time(arguments):
    """The settings that arguments of `mdx` come to."""
    found = cli_arguments.pictures().parse_args(arguments)
    return cli_pictures.first_time(*cli_arguments.said(found)).settings


def stripped_png(folder):
    Image.new("RGB", (8, 8)).save(folder / "plain.png")


def foreign_png(folder):
    images.save_png(Image.new("RGB", (8, 8)), folder / "old.png", {"prompt": "a", "version": "9"})


def spoilt_png(folder):
    settings = first_time(["a"])._replace(seeds=[-1])
    images.save_png(Image.new("RGB", (8, 8)), folder / "bad.png", settings._asdict())


def cut_png(folder):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, format="PNG")
    (folder / "cut.png").write_bytes(buffer.getvalue()[:200])


def nothing(folder):
    pass


# What is prepared in an empty folder, the arguments of `mdx` there, and the line on stderr.
COMMANDS = {
    "no prompt": (nothing, [], "give a prompt"),
    "unknown option": (nothing, ["a", "--frobnicate"], "unrecognized arguments: --frobnicate"),
    "seed is no number": (nothing, ["a", "--seed", "x"], "--seed: invalid int value: 'x'"),
    "seed below 0": (
        nothing,
        ["a", "--seed", "1", "-3"],
        "--seed must be a whole number from 0 to .*, not -3",
    ),
    "guidance is no number": (nothing, ["a", "--guidance", "hot"], "invalid float value: 'hot'"),
    "guidance is NaN": (
        nothing,
        ["a", "--guidance", "nan"],
        "--guidance must be a finite number from .*, not nan",
    ),
    "steps is no whole number": (nothing, ["a", "--steps", "2.5"], "invalid int value: '2.5'"),
    "dtype": (
        nothing,
        ["a", "--dtype", "int8"],
        "--dtype must be float32, float16 or bfloat16, not 'int8'",
    ),
    "size is no number": (nothing, ["a", "--size", "big"], "--size must be .* not 'big'"),
    "size 0": (nothing, ["a", "--size", "0x8"], "--size must be .* not '0x8'"),
    "size of three": (nothing, ["a", "--size", "8x8x8"], "--size must be .* not '8x8x8'"),
    "grid of one number": (nothing, ["a", "--grid", "2"], "--grid: expected 2 arguments"),
    "grid that does not fit": (
        nothing,
        ["a", "b", "--seed", "1", "2", "3", "--grid", "2", "2"],
        "--grid 2 2 does not fit: 2 prompts times 3 seeds make 6 pictures",
    ),
    "memory without a unit": (nothing, ["a", "--memory", "6"], "--memory must be as 6GB .*not '6'"),
    "memory in words": (nothing, ["a", "--memory", "much"], "--memory must be as 6GB .*not 'much'"),
    "grid below 0": (
        nothing,
        ["a", "--grid", "-1", "-1"],
        "--grid must be a whole number from 1 to 10000, not -1",
    ),
    "model folder does not exist": (nothing, ["a", "--model", "./gone"], "'./gone' is neither"),
    "model folder is empty": (nothing, ["a", "--model", "."], "it has no model_index.json"),
    "output folder does not exist": (nothing, ["a", "-o", "no/x.png"], "folder no does not exist"),
    "output is a folder": (
        lambda f: (f / "x.png").mkdir(),
        ["a", "-o", "x.png"],
        "x.png is a folder",
    ),
    "output cannot be written": (nothing, ["a", "-o", "/proc/x.png"], "cannot write /proc/x.png"),
    "output is a JPEG": (nothing, ["a", "-o", "x.jpg"], "must be a .png file.* not 'x.jpg'"),
    "output without a suffix": (nothing, ["a", "-o", "x"], "must be a .png file"),
    "from and a prompt": (
        foreign_png,
        ["a", "--from", "old.png"],
        "--from takes everything .* prompts",
    ),
    "from a file that is not there": (nothing, ["--from", "x.png"], "x.png does not exist"),
    "from a PNG without settings": (stripped_png, ["--from", "plain.png"], "carries no mdx settin"),
    "from a PNG of another mdx": (
        foreign_png,
        ["--from", "old.png"],
        "from '9'.*missing ",
    ),
    "from a PNG with bad settings": (
        spoilt_png,
        ["--from", "bad.png"],
        r"bad.png: the settings. seeds must be .*, not -1",
    ),
    "from no PNG": (
        lambda f: (f / "x.png").write_text("hello"),
        ["--from", "x.png"],
        "x.png is not a readable PNG",
    ),
    "from a truncated PNG": (cut_png, ["--from", "cut.png"], "cut.png is not a readable PNG"),
}


# Arguments of `mdx` with a good checkpoint, and the line on stderr.
REQUESTS = {
    "unknown scheduler": (["--scheduler", "foo"], "'foo'"),
    "no steps": (["--steps", "0"], "--steps must be a whole number from 1 to 1000000, not 0"),
    "10^9 steps": (["--steps", str(10**9)], "1000000000"),
    "too little memory": (
        ["--memory", "1MB"],
        "no choice of memory keeps within the budget.* 1 MB",
    ),
    "size is no multiple": (["--size", "17x16"], "width must be a multiple of 2"),
    "offline Hub id": (["--model", "some/one", "--offline"], "offline is set"),
}


@pytest.mark.parametrize(("arguments", "message"), REQUESTS.values(), ids=REQUESTS.keys())
def test_bad_request(tiny_checkpoint, tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-cache"))
    with unchanged(tmp_path), pytest.raises(SystemExit) as leaving:
        cli.main(["a", "--model", str(tiny_checkpoint), *arguments])
    assert leaving.value.code == 2
    assert re.fullmatch(rf"mdx: error: [^\n]*{message}[^\n]*\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("prepare", "arguments", "message"), COMMANDS.values(), ids=COMMANDS.keys()
)
def test_bad_command(tmp_path, monkeypatch, capsys, prepare, arguments, message):
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    with unchanged(tmp_path), pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(rf"mdx: error: [^\n]*{message}[^\n]*\n", err)


def test_settings_survive_json():
    settings = first_time(["é", "--size", "96x64", "--set", "eta=0.5"])
    again = recipe.from_json(json.loads(json.dumps(recipe.to_json(settings))))
    assert again == settings
    assert (again.width, again.height) == (96, 64)
