"""Pictures of other programs: `--from` takes what A1111's text says, and `mdx info` prints it."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

import mdx
from mdx import cli, cli_drawing, cli_pictures, hub, images, infotext, terminal
from mdx.options import FIELDS
from mdx.schedulers.menus import A1111
from mdx.schedulers.naming import every, meant
from mdx.settings import checked, of_new, to_json
from mdx.settings_infotext import foreign, names, written
from tests.commanding import SETTINGS, pixels, refused, write_png

TEXT = (
    "a cat,\non a mat\nNegative prompt: dog,\nblurry\n"
    "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 965400086, "
    "Size: 512x768, Model hash: 45dee52b, Model: photon_v1, Version: v1.10.1"
)
NOISE = "x.png was made by another program, whose seeds draw other noise: prompt and numbers are"


def write_text(path, text, keyword="parameters", **more):
    info = PngImagePlugin.PngInfo()
    info.add_text(keyword, text)
    for key, value in more.items():
        info.add_text(key, value)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)


@pytest.fixture
def drawn(monkeypatch):
    """Nothing is loaded or drawn; lists what would have been."""
    seen = []
    monkeypatch.setattr(cli_pictures, "draw", lambda asked, files: seen.append(asked))
    return seen


def test_what_a_text_says_is_drawn_with_the_model_that_is_given(here, drawn, capsys):
    write_text("x.png", TEXT)
    cli.main(["--from", "x.png", "--model", "someone/photon"])
    [asked] = drawn
    assert asked.source == "someone/photon"
    assert to_json(asked.settings) == to_json(
        checked(
            of_new()
            | {
                "model": "someone/photon",
                "prompts": ["a cat,\non a mat"],
                "prompt_syntax": "a1111",
                "negative": "dog,\nblurry",
                "steps": 20,
                "scheduler": "DPM++ 2M Karras",
                "guidance": 6.5,
                "seeds": [965400086],
                "width": 512,
                "height": 768,
            },
            dict.fromkeys(FIELDS, ""),
        )
    )
    [warning] = capsys.readouterr().err.splitlines()
    assert warning == f"mdx: warning: {NOISE} the same, and the picture is another"


def test_without_a_model_it_is_asked_for(here, drawn, capsys):
    write_text("x.png", TEXT)
    words = "x.png was made by another program with 'photon_v1': give the model that is to draw it"
    assert refused(capsys, ["--from", "x.png"]).startswith(words)
    assert refused(capsys, ["--from", "x.png", "--trust"]).startswith(words)
    assert drawn == []


def test_what_is_given_takes_its_place(here, drawn, capsys):
    write_text("x.png", TEXT)
    cli.main(["--from", "x.png", "--model", "a/b", "--steps", "3", "--size", "64", "--seed", "1"])
    [asked] = drawn
    assert (asked.settings.steps, asked.settings.width, asked.settings.height) == (3, 64, 64)
    assert (asked.settings.seeds, asked.settings.guidance) == ((1,), 6.5)


def test_what_is_left_out_is_said(here, drawn, capsys):
    text = TEXT.replace("a cat", "a <lora:cat:1>") + ", Hires upscale: 2, ControlNet 0: \x1b[31m"
    write_text("x.png", text)
    cli.main(["--from", "x.png", "--model", "a/b"])
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    left_out = "'<lora:cat:1>', 'Hires upscale', 'ControlNet 0'"
    assert lines[1].endswith(f"says more, which is left out: {left_out}")
    assert drawn[0].settings.prompts == ("a ,\non a mat",)


def test_a_workflow_is_no_text_of_a1111(here, drawn, capsys):
    write_text("x.png", "{}", keyword="workflow")
    words = "x.png carries a workflow of ComfyUI, which mdx does not read, and no A1111 parameters"
    assert refused(capsys, ["--from", "x.png", "--model", "a/b"]).startswith(words)


def test_own_settings_come_first(here, drawn, capsys):
    write_text("x.png", TEXT, mdx=json.dumps(SETTINGS))
    cli.main(["--from", "x.png"])
    assert [asked.settings.prompts for asked in drawn] == [("a",)]
    assert capsys.readouterr().err == ""
    write_text("x.png", TEXT, mdx="{")
    assert refused(capsys, ["--from", "x.png"]).startswith("x.png: its mdx settings are no JSON")


def of(changes):
    """The text with pairs of its last line changed."""
    last = {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Seed": "1", "Size": "64x64"}
    pairs = ", ".join(f"{key}: {value}" for key, value in (last | changes).items())
    return f"a\n{pairs}"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Steps": "many"}, "its Steps makes none: 'many'"),
        ({"Steps": "0"}, "its Steps must be a whole number from 1 to 1000000, not 0"),
        ({"CFG scale": "1e9"}, "its CFG scale must be a finite number"),
        ({"CFG scale": "nan"}, "its CFG scale must be a finite number"),
        ({"Seed": "-1"}, "its Seed must be a whole number from 0"),
        ({"Seed": "9" * 5000}, "its Seed makes none"),
        ({"Size": "64"}, None),
        ({"Size": "0x64"}, "its Size makes none: '0x64'"),
        ({"Size": "64x64x64"}, "its Size makes none"),
        ({"Sampler": "DPM adaptive"}, "the nearest is 'DPM++ 2M'; give one with --scheduler"),
        ({"Sampler": "\x1b[31m"}, "its Sampler must be a name of 255 printable characters"),
        ({"Sampler": "Eular"}, "did you mean 'euler'?; give one with --scheduler"),
        ({"Schedule type": "Beta57"}, "unknown scheduler 'Euler a Beta57'"),
        ({"Sampler": "DDIM", "Schedule type": "Karras"}, None),
        ({"Sampler": "DPM++ 2M Karras"}, None),
        (
            {"Variation seed": "3", "Variation seed strength": "2"},
            "its variation must be SEED",
        ),
        ({"Variation seed": "3", "Variation seed strength": "0.25"}, None),
        ({"Clip skip": "0"}, "its Clip skip makes none: '0'"),
        ({"Clip skip": "9" * 5000}, "its Clip skip makes none"),
        ({"Clip skip": "2"}, None),
    ],
)
def test_values_of_a_text(here, drawn, capsys, changes, words):
    write_text("x.png", of(changes))
    arguments = ["--from", "x.png", "--model", "a/b"]
    if words is None:
        assert cli.main(arguments) == 0
        return
    error = refused(capsys, arguments)
    assert error.startswith("x.png: ")
    assert words in error
    assert drawn == []


NAMES = [one.spelling for one in every(A1111) if one.sampler and " Automatic" not in one.spelling]
PROMPTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
    lambda text: text == text.strip() and not text.startswith("Negative prompt:")
)
HUNDREDTHS = st.integers(0, 100).map(lambda x: f"{x / 100:g}")
PICTURES = st.fixed_dictionaries(
    {
        "prompts": st.lists(PROMPTS, min_size=1, max_size=1),
        "seeds": st.lists(st.integers(0, 2**128 - 1), min_size=1, max_size=1),
        "negative": st.none() | PROMPTS.filter(bool),
        "prompt_syntax": st.just("a1111"),
        "clip_skip": st.none() | st.integers(1, 11),
        "steps": st.integers(1, 150),
        "scheduler": st.sampled_from(NAMES),
        "guidance": st.floats(0, 30).map(lambda x: round(x, 3)),
        "width": st.integers(1, 9999),
        "height": st.integers(1, 9999),
        "variation": st.none()
        | st.tuples(st.integers(0, 2**32), st.integers(0, 100)).map(
            lambda x: f"{x[0]}:{x[1] / 100:g}"
        ),
    }
)


@settings(max_examples=60)
@given(picture=PICTURES)
def test_settings_come_back_from_their_text(picture):
    """All but the model; a sampler by what it means."""
    kept = checked({**of_new(), **picture}, dict.fromkeys(FIELDS, ""))
    found = foreign(infotext.read(written(kept)))
    assert found.left_out == []
    again = checked({**of_new(), **found.given}, names())
    sampler, before = meant(again.scheduler), meant(kept.scheduler)
    assert (sampler.sampler, sampler.options) == (before.sampler, before.options)
    assert again._replace(scheduler=None) == kept._replace(scheduler=None)


def test_clip_skip_is_that_of_a1111_where_that_heeds_it(here, calls, capsys, monkeypatch):
    """It counts the last layer as 1, and of other text encoders than OpenAI's it says nothing."""
    write_text("x.png", of({"Clip skip": "3"}))
    from_it = ["--from", "x.png", "--model", str(hub.PACKAGED)]
    cli.main(from_it)
    monkeypatch.setattr(cli_drawing, "_skips_as_a1111", lambda model: False)
    cli.main(from_it)
    cli.main([*from_it, "--clip-skip", "1"])
    assert [call["clip_skip"] for call in calls] == [2, None, 1]
    assert [call["prompt_syntax"] for call in calls] == ["a1111"] * 3
    assert capsys.readouterr().err.count("A1111 heeds its clip skip for Stable Diffusion 1.x") == 1
    text = images.read_text("x-again.png", "parameters")
    assert infotext.read(text).pairs["Clip skip"] == "2"


def test_a_picture_carries_both(here, calls):
    """What A1111 would show; of several pictures in one, and where it is not wanted, nothing."""
    words = ["--negative", "blue", "--scheduler", "Euler a", "--steps", "7", "--seed", "5"]
    cli.main(["ein Kreis 🎉", *words, "--guidance", "2.5", "--size", "24x8"])
    text = images.read_text("mdx.png", "parameters")
    assert text.startswith(
        "ein Kreis 🎉\nNegative prompt: blue\nSteps: 7, Sampler: Euler a, Schedule type: Uniform, "
        "CFG scale: 2.5, Seed: 5, Size: 24x8, Version: mdx "
    )
    cli.main(["a", "--seed", "1", "2", "--grid", "1", "2", "-o", "grid.png"])
    assert images.read_text("grid.png", "parameters") is None
    cli.main(["a\nNegative prompt: b", "-o", "odd.png"])
    assert images.read_text("odd.png", "parameters") is None
    cli.main(["a", "--no-settings", "-o", "bare.png"])
    with Image.open("bare.png") as bare:
        assert bare.info == {}
    assert refused_from(here, "bare.png")


def refused_from(here, picture):
    with pytest.raises(ValueError, match="carries no mdx settings"):
        images.read_settings(picture)
    return True


# mdx info


quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def told(capsys, *arguments):
    assert cli.main(["info", *arguments]) == 0
    return capsys.readouterr().out


def test_info_of_an_own_picture(here, capsys):
    write_png("x.png", negative="red\x1b[31m\nblue")
    out = told(capsys, "x.png")
    assert out.startswith("x.png: settings of mdx\n")
    assert r"  negative   red\x1b[31m\nblue" in out.splitlines()
    assert "  seeds      [1]" in out.splitlines()
    assert json.loads(told(capsys, "x.png", "--json")) == {"mdx": images.read_settings("x.png")}


def test_info_of_a_foreign_picture(here, capsys):
    write_text("x.png", TEXT)
    out = told(capsys, "x.png")
    assert out.startswith("x.png: parameters as A1111 writes them\n")
    assert r"  Negative prompt  dog,\nblurry" in out.splitlines()
    found = json.loads(told(capsys, "x.png", "--json"))["parameters"]
    assert (found["Prompt"], found["Sampler"]) == ("a cat,\non a mat", "DPM++ 2M")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80))
def test_nothing_that_a_file_says_is_obeyed(here, capsys, text):
    write_text("x.png", of({}) + text)
    out = told(capsys, "x.png") + told(capsys, "x.png", "--json")
    assert all(terminal.plain(line) == line for line in out.split("\n"))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone.png", "'gone.png' does not exist"),
        (".", "'.' is no file"),
        ("bare.png", "bare.png carries no mdx settings"),
        ("a.txt", "'a.txt' is not a PNG"),
    ],
)
def test_info_of_what_says_nothing(here, capsys, name, words):
    Image.new("RGB", (8, 8)).save("bare.png")
    (here / "a.txt").write_text("x")
    assert refused(capsys, ["info", name]).startswith(words)


# Several at once, and variations


def together(monkeypatch):
    """Pictures come from their seed and prompt alone; lists what generate was asked."""
    seen = []

    def generate(model, prompt, *, seed, **options):
        seen.append((prompt, seed, options))
        made = []
        for words, one in zip(prompt, seed, strict=True):
            noise = np.random.default_rng([one, len(words)])
            made.append(Image.fromarray(noise.integers(0, 256, (16, 16, 3), np.uint8)))
        return made

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    return seen


def test_a_batch_is_drawn_at_once(here, calls, monkeypatch):
    cli.main(["a", "bb", "-o", "one.png", "--seed", "1", "2", "3"])
    seen = together(monkeypatch)
    cli.main(["a", "bb", "-o", "many.png", "--seed", "1", "2", "3", "--batch", "4"])
    assert [(prompt, seed) for prompt, seed, _ in seen] == [
        (["a", "a", "a", "bb"], [1, 2, 3, 1]),
        (["bb", "bb"], [2, 3]),
    ]
    for i in range(1, 7):
        np.testing.assert_array_equal(pixels(f"one-{i}.png"), pixels(f"many-{i}.png"))
    kept = [images.read_settings(f"many-{i}.png")["batch"] for i in (1, 4, 5, 6)]
    assert kept == [4, 4, 2, 2]
    assert "batch" not in images.read_settings("one-1.png")


def test_one_of_a_batch_is_drawn_alone_and_that_is_said(here, calls, capsys):
    write_png("x.png", batch=4)
    cli.main(["--from", "x.png"])
    words = "x.png was drawn with 3 others at once, and is drawn alone: last bits may differ"
    assert capsys.readouterr().err == f"mdx: warning: {words}\n"
    assert "batch" not in images.read_settings("x-again.png")


def test_a_variation_begins_elsewhere(here, calls):
    cli.main(["a", "--seed", "3", "--size", "16", "--variation", "8:0.25", "--steps", "4"])
    [call] = calls
    model = mdx.load()
    expected = mdx.variations.start(model, 3, 8, 0.25, steps=4, height=16, width=16)
    np.testing.assert_array_equal(call["start"].slots.asnumpy(), expected.slots.asnumpy())
    assert images.read_settings("mdx.png")["variation"] == "8:0.25"
    cli.main(["--from", "mdx.png"])
    assert (here / "mdx-again.png").read_bytes() == (here / "mdx.png").read_bytes()
