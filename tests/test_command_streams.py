"""What the command prints, and where: closed, full, broken, narrow streams, and odd characters."""

import ast
import os
import subprocess
import sys
import unicodedata
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mdx import cli, cli_pictures, terminal
from tests import tiny
from tests.commanding import refused, write_png

ROOT = Path(__file__).parents[1]

# The command in a process of its own, where only the network's part is played.
CHILD = """
import os, sys
from types import SimpleNamespace
import mdx
from PIL import Image
def generate(*_, seed, **__):
    # What is opened now is no standard stream, in which MindSpore would print.
    assert os.open(os.devnull, os.O_RDONLY) > 2
    return [Image.new("RGB", (8, 8), (seed, 0, 0))]
mdx.load, mdx.generate = lambda *_, **__: None, generate
from mdx import cli, hub
sys.modules["mdx.loading"] = SimpleNamespace(found=lambda source, **_: hub.resolve(source))
status = cli.main(sys.argv[1:])
assert "mindspore" not in sys.modules
sys.exit(status)
"""


def child(*arguments, redirect="", environment=None, cwd=None):
    """Run the command, its streams as the shell's words for them say."""
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirect}', sys.executable, "-c", CHILD, *arguments],
        capture_output=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        check=False,
    )


def sizes(folder):
    """Of the pictures there, which must be whole."""
    found = {}
    for path in sorted(folder.iterdir()):
        with Image.open(path) as image:
            image.load()
            found[path.name] = image.size
    return found


TWO = ["a", "--seed", "1", "2", "-o", "grün-日本.png"]
FILES = {"grün-日本-1.png": (8, 8), "grün-日本-2.png": (8, 8)}


def test_letters_that_the_stream_lacks(tmp_path):
    """They are written out; it ended after the first picture once."""
    done = child(*TWO, cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(rb"gr\xfcn-\u65e5\u672c-1.png (seed 1)")
    assert sizes(tmp_path) == FILES
    done = child("--model", "./größe", "a", environment={"PYTHONIOENCODING": "ascii"})
    assert done.returncode == 2
    assert done.stderr.startswith(rb"mdx: error: './gr\xf6\xdfe' is neither a folder nor a Hub id")


@pytest.mark.parametrize("redirect", [">&-", "2>&-", "<&- >&- 2>&-", "> /dev/full", "2> /dev/full"])
def test_streams_that_take_nothing(tmp_path, redirect):
    """The pictures are what was asked for, and nothing that is printed gets into them."""
    done = child(*TWO, cwd=tmp_path, redirect=redirect)
    lost = b"mdx: warning: cannot write to the standard output: No space left on device\n"
    assert done.returncode == 0
    assert done.stderr == (lost if redirect == "> /dev/full" else b"")
    assert sizes(tmp_path) == FILES


@pytest.mark.parametrize("redirect", ["2>&-", "2> /dev/full"])
def test_errors_that_nobody_sees(redirect):
    done = child("a", "--seed", "x", redirect=redirect)
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def unread(*arguments, cwd=ROOT):
    """Run the command with a standard output whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-c", CHILD, *arguments],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=cwd,
        check=False,
    )
    os.close(writer)
    return done


@pytest.mark.parametrize("arguments", [["samplers"], ["samplers", "euler"], ["--help"]])
def test_a_list_whose_reader_has_gone(arguments):
    """As with `| head -1`: quiet, and the status of a program that a broken pipe has ended."""
    done = unread(*arguments)
    assert (done.returncode, done.stderr) == (141, b"")


def test_pictures_whose_reader_has_gone(tmp_path):
    done = unread(*TWO, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sizes(tmp_path) == FILES


def test_a_list_on_a_full_disk():
    done = child("samplers", redirect="> /dev/full")
    assert done.returncode == 2
    words = b"mdx: error: cannot write to the standard output: No space left on device\n"
    assert done.stderr == words


def test_a_picture_on_a_full_disk(here, calls, capsys, monkeypatch):
    def full(self, path, **_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    error = refused(capsys, ["a", "-o", "x.png"])
    assert error == "cannot write x.png: No space left on device"
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(("is_terminal", "bar"), [(True, True), (False, False)])
def test_a_bar_moves_on_a_terminal_only(here, calls, monkeypatch, is_terminal, bar):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal, raising=False)
    cli.main(["a"])
    assert [call["progress"] for call in calls] == [bar]


def test_no_bar_where_there_is_no_stderr(here, calls, monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["a"]) == 0
    assert [call["progress"] for call in calls] == [False]


# Characters


@given(st.text())
def test_no_character_commands_a_terminal(text):
    found = terminal.plain(text)
    kinds = {unicodedata.category(c) for c in found if c not in "\u200c\u200d"}
    assert not kinds & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    found.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("a\u202eb\u2066c\u200fd", r"a\u202eb\u2066c\u200fd"),
        ("a\r\nb\u2028c\tb\x7f", r"a\r\nb\u2028c\tb\x7f"),
        ("\ud83d\udc9b", r"\ud83d\udc9b"),
        ("größer, 日本語, र\u200dक, 👩\u200d🚀", "größer, 日本語, र\u200dक, 👩\u200d🚀"),
    ],
)
def test_what_a_terminal_would_obey_is_written_out(text, shown):
    assert terminal.plain(text) == shown


ESCAPE = "\x1b]0;x\x07\u202e"


def test_files_do_not_command_the_terminal(here, calls, checkpoint, capsys):
    """Names of files, keys of configs, settings: in reports, warnings and errors."""
    cli.main(["a", "-o", f"{ESCAPE}.png"])
    write_png("x.png", **{ESCAPE: 1})
    write_png("y.png", model=ESCAPE)
    for arguments in (["--from", "x.png"], ["--from", "y.png"], ["--from", f"{ESCAPE}/z.png"]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
    file = checkpoint / "scheduler" / "scheduler_config.json"
    tiny.change_json(file, **{ESCAPE: 1})
    cli.main(["table", "ddim", "--model", str(checkpoint)])
    tiny.change_json(file, beta_schedule=ESCAPE)
    with pytest.raises(SystemExit):
        cli.main(["table", "ddim", "--model", str(checkpoint)])
    out, err = capsys.readouterr()
    assert "mdx: warning: scheduler config keys that no sampler knows: " in err
    assert err.count("mdx: error: ") == 4
    for line in (out + err).split("\n"):
        assert line.isprintable(), line


def test_warnings_and_logs_are_a_line_each(here, capsys, monkeypatch):
    def draw(*_, **__):
        warnings.warn(f"odd\n{ESCAPE}", stacklevel=1)
        terminal.logging.getLogger("mdx").warning("cache %s", ESCAPE)
        terminal.logging.getLogger("mdx").info("not of use to all")

    monkeypatch.setattr(cli_pictures, "draw", draw)
    cli.main(["a"])
    written = r"\x1b]0;x\x07\u202e"
    expected = f"mdx: warning: odd {written}\nmdx: warning: cache {written}\n"
    assert capsys.readouterr().err == expected
    assert terminal.logging.getLogger("mdx").handlers == []


def test_an_error_does_not_fill_the_screen(capsys):
    error = refused(capsys, ["table", "ddim", "--steps", "a" * 10**6 + "z"])
    assert len(error) < 1000
    assert "z' (mdx table --help lists the options)" in error


def test_nothing_of_the_command_prints_by_itself():
    """Another way to a stream would lead around what keeps files from commanding the terminal."""
    # The bar of `progress.py` shows nothing but numbers.
    own = ("terminal.py", "progress.py")
    files = [file for file in (ROOT / "mdx").glob("*.py") if file.name not in own]
    names = {"print", "stdout", "stderr"}
    found = [
        (file.name, node.lineno)
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if (isinstance(node, ast.Name) and node.id in names)
        or (isinstance(node, ast.Attribute) and node.attr in names)
    ]
    assert found == []


# Faults


@pytest.mark.parametrize(
    ("fault", "line", "status"),
    [
        (
            TypeError("can't\nadd"),
            "TypeError: can't add (a fault of mdx, or of what it stands on",
            1,
        ),
        (
            RecursionError(),
            "RecursionError: RecursionError (a fault of mdx, or of what it stands on",
            1,
        ),
        (RuntimeError("many\nlines of C++"), "RuntimeError: many lines of C++ (a fault of mdx", 1),
        (
            ModuleNotFoundError("No module named 'mindspore'"),
            "No module named 'mindspore': inst",
            2,
        ),
        (MemoryError(), "MemoryError", 2),
        (OSError(28, "No space left on device", "x"), "x: No space left on device", 2),
    ],
)
def test_a_fault_is_a_line_and_its_place_is_shown_when_asked(
    here, capsys, monkeypatch, fault, line, status
):
    def draw(*_, **__):
        raise fault

    monkeypatch.setattr(cli_pictures, "draw", draw)
    assert refused(capsys, ["a"], status).startswith(line)
    monkeypatch.setenv("MDX_DEBUG", "1")
    with pytest.raises(SystemExit):
        cli.main(["a"])
    first, *_, last, end = capsys.readouterr().err.split("\n")
    assert first == "Traceback (most recent call last):"
    assert last.startswith(f"mdx: error: {line}")
    assert end == ""


@pytest.mark.parametrize("value", ["", "0"])
def test_debugging_is_off(here, capsys, monkeypatch, value):
    monkeypatch.setenv("MDX_DEBUG", value)
    assert "give a prompt" in refused(capsys, [])


def test_names_that_get_too_long_by_their_numbers(here, calls, capsys):
    name = "é" * 120 + "abcdefghij.png"  # 254 bytes
    error = refused(capsys, ["a", "--seed", "1", "2", "-o", name])
    assert "abcdefghij-1.png" in error
    assert "File name too long" in error
    assert calls == []
