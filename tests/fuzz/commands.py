"""Command lines of `mdx`, `mdx table` and `mdx samplers`."""

import io
import os
import re
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from random import Random

from tests.fuzz import folders, odd
from tests.fuzz.fuzzer import Broken, Fuzzer, Input, Make, Reached, Refused
from tests.fuzz.judge import ill_written

ERROR, WARNING = "mdx: error: ", "mdx: warning: "

# Words that go well together: groups of an option and its values.
PICTURE = (
    ("a red circle",), ("a", "b"), ("--model", "tiny"), ("--model", "tiny"), ("-o", "x.png"),
    ("--scheduler", "euler"), ("--steps", "3"), ("--guidance", "2.5"), ("--seed", "1", "2"),
    ("--size", "16"), ("--size", "16x32"), ("--memory", "6GB"), ("--grid", "1", "2"),
    ("--dtype", "float16"), ("--dtype", "bfloat16"), ("--negative", "blue"), ("--offline",),
    ("--variant", "fp16"), ("--set", "use_karras_sigmas=true"), ("--set", "solver_order=3"),
    ("--scheduler", "DPM++ 2M Karras"), ("--batch", "2"), ("--variation", "7:0.2"),
    ("--no-settings",), ("--keep-path",), ("--revision", "main"), ("--from", "made.png"),
    ("--version",), ("--help",),
)  # fmt: skip
TABLE = (
    ("dpmpp_2m",), ("ddim",), ("--steps", "5"), ("use_karras_sigmas=true",), ("solver_order=3",),
    ("--model", "tiny"), ("prediction_type=v_prediction",), ("eta=0.5",), ("--help",),
)  # fmt: skip


def run(arguments: Sequence[str]) -> None:
    """Run the command here, and hold what it prints against the rule."""
    from mdx import cli

    # As Python opens them on a terminal.
    out = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="backslashreplace")
    reached = False
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main(list(arguments))
        except SystemExit as leaving:
            code = leaving.code
        except Reached:
            code, reached = 0, True
    out.flush()
    err.flush()
    said = err.buffer.getvalue().decode()
    lines = said.split("\n")[:-1]
    errors = [line for line in lines if line.startswith(ERROR)]
    others = [line for line in lines if not line.startswith((ERROR, WARNING))]
    if code not in (0, 2, 130):
        raise Broken(f"exit code {code!r}: {said[:300]}")
    if len(errors) != (code == 2) or others:
        raise Broken(f"exit code {code} with {len(errors)} lines of error and {others[:3]}")
    for line in [*lines, *out.buffer.getvalue().decode().split("\n")]:
        if fault := ill_written(line, ()):
            raise Broken(f"prints {fault}: {line[:300]!r}")
    if errors:
        raise Refused(errors[0].removeprefix(ERROR))
    if reached:
        raise Reached


def argument(text: str) -> str:
    """A text as a program can be given it: no NUL, and bytes that are no UTF-8 escaped."""
    text = re.sub("[\x00\ud800-\udc7f\udd00-\udfff]", "", text)[:5000]
    # A name that begins at the root could be a file of the machine.
    return "." + text if text.startswith("/") else text


def command_turn(random: Random, words: list[str]) -> list[str]:
    """The words of a command line after one turn."""
    words = list(words)
    place = random.randrange(len(words) + 1)
    kind = random.randrange(9)
    if place == len(words) or kind == 0:
        words.insert(place, argument(odd.text(random)))
    elif kind < 3:
        words[place] = argument(odd.text(random))
    elif kind < 5:
        words[place] = argument(odd.shown(odd.number(random), 5000))
    elif kind == 5:
        del words[place]
    elif kind == 6:
        words.insert(place, words[random.randrange(len(words))])
    elif kind == 7 and words[place].startswith("--"):
        words[place] = random.choice((words[place][:-1], words[place] + "=", words[place] + "x"))
    else:
        key, equals, value = words[place].partition("=")
        value = argument(odd.shown(odd.json_value(random), 3000)) if equals else value
        words[place] = f"{key}{equals or '='}{value}"
    return words


def said(words: Sequence[str], folder: Path) -> tuple[str, ...]:
    """What an error of a command line may name: its options, its words, and what it lacks."""
    plain = [word for word in words if len(word) > 2 or word.startswith("-")]
    shown = [*map(repr, words), *(" ".join(word.split()) for word in plain)]
    keys = [key for word in plain if (key := word.partition("=")[0])]
    options = [word.lstrip("-") for word in plain if word.startswith("--")]
    lacking = ("prompt", "NAME", "KEY=VALUE", "arguments", "checkpoint", str(folder))
    others = (
        "scheduler",
        "output",
        "height",
        "width",
        "Hub id",
        "picture",
    )  # what options are called in words
    return tuple(dict.fromkeys((*plain, *keys, *options, *shown, *lacking, *others)))


def prepare(folder: Path) -> Make:
    """A folder with a checkpoint and a picture, where commands are run."""
    folders.tiny_checkpoint(folder / "tiny")

    def inside(words: Sequence[str]) -> None:
        before = os.getcwd()
        os.chdir(folder)
        try:
            run(words)
        finally:
            os.chdir(before)

    def make(random: Random, turns: list[Random]) -> Input:
        kind = random.random()
        if kind < 0.6:
            groups = random.sample(PICTURE[1:-3], random.randrange(4))
            groups = [random.choice(PICTURE), *groups]
            words = []
        elif kind < 0.995:
            groups = [random.choice(TABLE[:2]), *random.sample(TABLE[2:], random.randrange(3))]
            words = ["table"]
        elif kind < 0.998:
            groups, words = random.choice(([], [("ddim",)], [("unipc",)])), ["samplers"]
        else:
            groups, words = random.choice(([("made.png",)], [("made.png", "--json")])), ["info"]
        words += [word for group in groups for word in group]
        for turn in turns:
            words = command_turn(turn, words)
        return Input(f"mdx {odd.shown(words, 1200)}", said(words, folder), lambda: inside(words))

    return make


FUZZER = Fuzzer("commands", 10, prepare)
