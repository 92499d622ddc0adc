"""The command: its files, what they carry, and pictures made again from them bit for bit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, images, settings
from tests.commanding import pixels, refused


def test_a_picture_and_the_same_again(here, capsys):
    """With the real model: new process or old, the same bytes."""
    assert cli.main(["a red circle", "-o", "x.png", "--steps", "2", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("x.png (seed 3)\n1 picture in ")
    assert cli.main(["--from", "x.png"]) == 0
    assert (here / "x-again.png").read_bytes() == (here / "x.png").read_bytes()
    assert pixels("x.png").std() > 0
    assert sorted(p.name for p in here.iterdir()) == ["x-again.png", "x.png"]


def test_settings_say_everything(here, calls, tiny_checkpoint):
    arguments = "--negative blue --scheduler euler --steps 7 --guidance 2.5 --seed 5 --size 24x8"
    more = ["--memory", "3GB", "--dtype", "float16", "--set", "use_karras_sigmas=true"]
    model = ["--model", str(tiny_checkpoint)]
    cli.main(["a circle", *arguments.split(), *more, *model])
    assert images.read_settings("mdx.png") == {
        "version": settings.version(),
        "model": tiny_checkpoint.name,
        "variant": None,
        "revision": None,
        "dtype": "float16",
        "prompts": ["a circle"],
        "seeds": [5],
        "negative": "blue",
        "scheduler": "euler",
        "steps": 7,
        "guidance": 2.5,
        "width": 24,
        "height": 8,
        "memory": "3GB",
        "grid": None,
        "set": ["use_karras_sigmas=true"],
    }
    assert pixels("mdx.png").shape == (8, 24, 3)
    [call] = calls
    cli.main(["--from", "mdx.png", "-o", "b.png", *model])
    assert calls == [call, call]
    assert call["memory"] == "3GB"


def test_a_budget_is_kept_within(here, capsys):
    """With the real model: the same picture as without, or the plan of why not."""
    options = ["--steps", "1", "--seed", "3"]
    cli.main(["a red circle", "-o", "free.png", *options])
    cli.main(["a red circle", "-o", "held.png", *options, "--memory", "2GB"])
    np.testing.assert_array_equal(pixels("held.png"), pixels("free.png"))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["a red circle", *options, "--memory", "400MB"])
    assert "no choice of memory keeps within the budget" in capsys.readouterr().err


def test_a_random_seed_is_recorded(here, calls):
    cli.main(["a", "-o", "x.png"])
    cli.main(["a", "-o", "y.png"])
    cli.main(["--from", "x.png"])
    assert calls[0]["seed"] != calls[1]["seed"]
    assert calls[0]["seed"] == calls[2]["seed"]


def test_many_pictures_are_numbered_and_each_stands_for_itself(here, calls):
    cli.main(["a", "bb", "-o", "x.png", "--seed", "1", "2"])
    assert [(c["prompt"], c["seed"]) for c in calls] == [("a", 1), ("a", 2), ("bb", 1), ("bb", 2)]
    assert sorted(p.name for p in here.iterdir()) == [f"x-{i}.png" for i in (1, 2, 3, 4)]
    cli.main(["--from", "x-3.png"])
    assert (here / "x-3-again.png").read_bytes() == (here / "x-3.png").read_bytes()
    assert len(calls) == 5


def test_a_grid_is_one_picture(here, calls):
    cli.main(["a", "bb", "-o", "x.png", "--seed", "1", "2", "--grid", "2", "2"])
    cli.main(["bb", "-o", "one.png", "--seed", "1"])
    assert [p.name for p in sorted(here.iterdir())] == ["one.png", "x.png"]
    np.testing.assert_array_equal(pixels("x.png")[16:, :16], pixels("one.png"))
    cli.main(["--from", "x.png"])
    assert (here / "x-again.png").read_bytes() == (here / "x.png").read_bytes()


def test_a_grid_that_gets_too_large_ends_with_its_first_picture(here, calls, capsys, monkeypatch):
    """Where --size does not say it, the checkpoint does."""
    monkeypatch.setattr(settings, "LARGEST", 16 * 16 * 3)
    words = "a grid of 32 by 32 pixels has more than 768: make pictures of their own"
    error = refused(capsys, ["a", "bb", "--seed", "1", "2", "--grid", "2", "2"])
    assert error.startswith(words)
    assert len(calls) == 1
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no\nway"), 2), (OSError("disk"), 2), (FloatingPointError("NaN"), 2)],
)
def test_errors_of_the_work_are_one_line_and_leave_no_file(
    here, monkeypatch, capsys, error, status
):
    def generate(*_, **__):
        raise error

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["a"])
    assert leaving.value.code == 2
    assert capsys.readouterr().err == f"mdx: error: {' '.join(str(error).split())}\n"
    assert list(here.iterdir()) == []


def test_stopping_leaves_no_file(here, monkeypatch, capsys):
    def generate(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    assert cli.main(["a"]) == 130
    assert capsys.readouterr().err == "\nmdx: stopped\n"
    assert list(here.iterdir()) == []


def test_a_failed_write_keeps_the_old_picture(here, calls, monkeypatch):
    cli.main(["a", "--seed", "1"])
    before = (here / "mdx.png").read_bytes()

    def half(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(SystemExit):
        cli.main(["a", "--seed", "2"])
    assert [p.name for p in here.iterdir()] == ["mdx.png"]
    assert (here / "mdx.png").read_bytes() == before


@pytest.mark.parametrize("word", cli.COMMANDS)
def test_a_command_s_name_may_be_a_prompt(here, calls, word):
    cli.main(["--", word])
    cli.main(["--seed", "1", "--", word])
    cli.main([f"{word} and chairs"])
    assert [call["prompt"] for call in calls] == [word, word, f"{word} and chairs"]


def test_help_and_bad_arguments_do_not_wait_for_mindspore():
    code = "import sys\nfrom mdx import cli\ntry: cli.main({})\nexcept SystemExit: pass\n"
    code += "assert not {{'mindspore', 'tokenizers', 'huggingface_hub'}} & sys.modules.keys()"
    good = (["--help"], ["samplers"], ["samplers", "lms"], ["table", "--help"], ["table", "pndm"])
    for arguments in (*good, ["a", "--size", "big"], ["a", "-o", "no/where.png"]):
        subprocess.run([sys.executable, "-c", code.format(arguments)], check=True)


def test_python_m_mdx():
    run = subprocess.run(
        [sys.executable, "-m", "mdx", "--seed", "x"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_the_settings_chunk_is_plain_json(here, calls):
    """Any tool that shows PNG text chunks can read it."""
    cli.main(["ein roter Kreis, größer 🎉"])
    with Image.open("mdx.png") as image:
        assert json.loads(image.text["mdx"])["prompts"] == ["ein roter Kreis, größer 🎉"]
