"""The arguments of the command `mdx` and of its sub-commands.

Those of `mdx` itself are made of a table: see options.py.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from mdx import terminal
from mdx.checks import did_you_mean
from mdx.options import COMMAND, FIELDS, Command, flag
from mdx.settings import version
from mdx.settings_kinds import fitting

__all__ = ["info", "parsed", "pictures", "said", "samplers", "table"]

EPILOG = """\
Pictures are made for every prompt and every seed: one file, numbered files, or a --grid with
prompts in rows and seeds in columns. Every PNG carries the settings that made it.

Three first words are commands, with a --help of their own: `mdx info FILE` says what a picture was
made of, `mdx samplers` lists what --scheduler takes, `mdx table NAME` shows what a sampler does in
numbers. To draw one of those words, put -- before it: mdx -- table"""


def pictures() -> argparse.ArgumentParser:
    """The arguments of `mdx`. Every default is None, so that `--from` sees what was given."""
    make = _Parser(prog="mdx", description="Make pictures from prompts.", epilog=EPILOG)
    seen = set()
    for name, field in {**COMMAND, **FIELDS}.items():
        option = field.option
        if option is None or option.flag in seen:
            continue
        seen.add(option.flag)
        details: dict[str, Any] = {"help": option.help, "default": None}
        if option.action != "store_true":
            read = str if option.split else field.kind.read
            details |= {"metavar": option.metavar, "type": read}
        if option.nargs is not None:
            details["nargs"] = option.nargs
        if option.flag.startswith("-"):
            details["dest"] = name
        make.add_argument(*option.short, option.flag, action=option.action, **details)
    make.add_argument("--version", action="version", version=f"mdx {version()}")
    return make


def said(found: argparse.Namespace) -> tuple[Command, dict[str, Any]]:
    """What is not of the pictures, and the fields of the settings that were given a value.

    ValueError for one option of several fields whose word says nothing.
    """
    command, given = {}, {}
    for name, value in vars(found).items():
        if value is None or value == []:
            continue
        if name in COMMAND:
            command[name] = fitting(COMMAND[name].kind, flag(name), value)
        elif (option := FIELDS[name].option) and option.split:
            sharing = [k for k, v in FIELDS.items() if v.option and v.option.flag == option.flag]
            given |= zip(sharing, option.split(value), strict=True)
        else:
            given[name] = value
    return Command(**command), given


def info() -> argparse.ArgumentParser:
    """The arguments of `mdx info`."""
    make = _Parser(
        prog="mdx info",
        description="Say what a file holds: of a PNG, the settings that made it, by mdx or by a "
        "program that writes A1111's text; of weights, by the header alone, what they are of, "
        "their parts, and of a LoRA its ranks, base and trigger words.",
    )
    make.add_argument("file", metavar="FILE", type=Path, help="PNG or .safetensors file")
    make.add_argument("--json", action="store_true", help="print one JSON object")
    make.add_argument(
        "--hash", action="store_true", help="read all of it: its SHA-256, and AutoV2 by that"
    )
    return make


def samplers() -> argparse.ArgumentParser:
    """The arguments of `mdx samplers`."""
    make = _Parser(
        prog="mdx samplers",
        description="List the samplers by the models they are for, each by what its table says; "
        "or the options of one, with their defaults and what they may be.",
        epilog="Names, classes and names of menus are good for --scheduler, and for `mdx table`; "
        "options for --set, and for `mdx table`.",
    )
    make.add_argument("name", metavar="NAME", nargs="?", help="of a sampler: list its options")
    make.add_argument(
        "--menus", action="store_true", help="list what A1111's and ComfyUI's names mean here"
    )
    return make


def table() -> argparse.ArgumentParser:
    """The arguments of `mdx table`."""
    make = _Parser(
        prog="mdx table",
        description="Print the numbers of a sampler's run: levels, and what each call adds up.",
        epilog="As in: mdx table dpmpp_2m --steps 20 use_karras_sigmas=true solver_order=3",
    )
    make.add_argument("name", metavar="NAME", help="of the sampler, as `mdx samplers` lists them")
    make.add_argument(
        "options",
        metavar="KEY=VALUE",
        nargs="*",
        default=[],
        help="of its config, as `mdx samplers NAME` lists them; VALUE is JSON",
    )
    make.add_argument("--steps", metavar="N", type=int, default=10, help="default: 10")
    make.add_argument(
        "--model",
        metavar="M",
        help="folder, Hub id or .safetensors file whose levels it visits (default: the packaged "
        "one for samplers that can run it, their own for others)",
    )
    for option in (COMMAND["config"].option, FIELDS["prediction_type"].option):
        if option is not None:
            make.add_argument(option.flag, metavar=option.metavar, help=option.help)
    make.add_argument("--plot", metavar="FILE", type=Path, help="PNG file to draw the table in")
    return make


def parsed(parser: argparse.ArgumentParser, given: Sequence[str]) -> argparse.Namespace:
    """The options that arguments come to. Raises SystemExit for bad ones, and after a --help."""
    found = parser.parse_intermixed_args(given)
    for action in parser._actions:
        # argparse drops the value of "--size=--", and nothing is left of the option.
        if action.nargs is None and getattr(found, action.dest, None) == []:
            parser.error(f"argument {action.option_strings[-1]}: expected one argument")
    return found


class _Parser(argparse.ArgumentParser):
    """argparse prints its whole usage before an error; one line says more."""

    def error(self, message: str) -> NoReturn:
        unknown = message.partition("unrecognized arguments: ")[2].partition(" ")[0]
        known = [flag for flag in self._option_string_actions if flag.startswith("--")]
        meant = did_you_mean(unknown.partition("=")[0], known)
        terminal.fail(f"{message}{meant} ({self.prog} --help lists the options)")

    def _print_message(self, message: str, file: Any = None) -> None:
        for line in message.splitlines():
            terminal.say(line)
