"""A1111's text of a picture: what it can hold comes back, and texts as they are found are read."""

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mdx import infotext
from mdx.infotext import Text

words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30).map(str.strip)
lines = words.filter(lambda line: not line.startswith(infotext.NEGATIVE))
prompts = st.lists(lines, max_size=4).map(lambda found: "\n".join(found).strip())
keys = st.text("abcXYZ089_ -/é", min_size=2, max_size=12).filter(
    lambda key: key == key.strip(" /-") and len(key) > 1
)
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
pairs = st.dictionaries(keys, values, min_size=3, max_size=6)


@settings(max_examples=60)
@given(prompt=prompts, negative=prompts, pairs=pairs)
@example(prompt="a, b: c, d: e, f: g", negative="", pairs={"Steps": "1", "Seed": "2", "Size": "3"})
@example(prompt="", negative="x", pairs={"aa": '"', "bb": '"a", b', "cc": "\\"})
@example(prompt="a", negative="", pairs={"aa": "", "bb": " ", "cc": '{"x": [1, 2]}'})
def test_what_it_can_hold_comes_back(prompt, negative, pairs):
    text = infotext.write(Text(prompt, negative, pairs))
    assert text is not None
    assert infotext.read(text) == Text(prompt, negative, pairs)


@settings(max_examples=40)
@given(text=st.text(max_size=100) | st.text('ab:," \\\n', max_size=60))
def test_any_text_is_read(text):
    found = infotext.read(text)
    assert len(found.prompt) + len(found.negative) <= len(text)


@settings(max_examples=40)
@given(prompt=st.text(max_size=60), negative=st.text(max_size=60), pairs=pairs)
@example(prompt="a\nNegative prompt: b", negative="", pairs={"aa": "", "bb": "", "cc": ""})
def test_what_is_written_is_read_as_it_was_meant(prompt, negative, pairs):
    """But for space at the ends of lines; else nothing is written."""
    text = infotext.write(Text(prompt, negative, pairs))
    if text is not None:
        found = infotext.read(text)
        assert found.pairs == pairs
        assert [line.strip() for line in found.prompt.split("\n")] == [
            line.strip() for line in prompt.strip().split("\n")
        ]


def test_what_it_cannot_hold_is_not_written():
    three = {"Steps": "1", "Seed": "2", "Size": "8x8"}
    assert infotext.write(Text("a\n Negative prompt: b", "", three)) is None
    assert infotext.write(Text("a", "", {"Steps": "1", "Seed": "2"})) is None


@pytest.mark.parametrize(
    "unit", ['"', "a: ", 'a: "', 'ab: "x, ', 'ab: "\\", ', "a" * 50, "(aa aa", ":", "\\", ", x: y"]
)
def test_long_texts_take_no_time(unit):
    begin = time.process_time()
    infotext.read(unit * (2 * 10**5 // len(unit)))
    assert time.process_time() - begin < 1


# As people find them: (text, prompt, negative, pairs that must be among those found).
FOUND = {
    "plain": (
        "a cat on a mat\nNegative prompt: dog\n"
        "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, "
        "Model hash: 45dee52b",
        "a cat on a mat",
        "dog",
        {"Steps": "20", "Sampler": "Euler a", "CFG scale": "7", "Seed": "965400086",
         "Size": "512x512", "Model hash": "45dee52b"},
    ),
    "no negative": (
        "masterpiece, 1girl\nSteps: 28, Sampler: DPM++ 2M Karras, CFG scale: 5.5, Seed: 1, "
        "Size: 832x1216, Clip skip: 2, Version: v1.6.0",
        "masterpiece, 1girl",
        "",
        {"Sampler": "DPM++ 2M Karras", "CFG scale": "5.5", "Clip skip": "2", "Version": "v1.6.0"},
    ),
    "negative of several lines": (
        "first line,\nsecond line\n\nfourth line\n"
        "Negative prompt: bad,\nworse: much,\n(worst:1.4)\n"
        "Steps: 30, Sampler: DDIM, CFG scale: 11, Seed: 42, Size: 640x384",
        "first line,\nsecond line\n\nfourth line",
        "bad,\nworse: much,\n(worst:1.4)",
        {"Steps": "30", "Sampler": "DDIM", "Size": "640x384"},
    ),
    "schedule type and hires": (
        "x\nSteps: 25, Sampler: DPM++ 2M SDE, Schedule type: Karras, CFG scale: 6, Seed: 7, "
        "Size: 768x512, Model hash: 0123456789, Model: photon_v1, Denoising strength: 0.45, "
        "Hires upscale: 1.5, Hires steps: 12, Hires upscaler: 4x-UltraSharp, Version: v1.10.1",
        "x",
        "",
        {"Schedule type": "Karras", "Hires upscaler": "4x-UltraSharp"},
    ),
    "values in quotes": (
        "x <lora:add_detail:0.8>\nNegative prompt: y\nSteps: 20, Sampler: Euler, CFG scale: 7, "
        'Seed: 3, Size: 512x512, Lora hashes: "add_detail: 7c6bad76eb54, other: 0011", '
        'TI hashes: "easynegative: c74b4e810b03", Version: 1.7.0',
        "x <lora:add_detail:0.8>",
        "y",
        {"Lora hashes": "add_detail: 7c6bad76eb54, other: 0011", "Version": "1.7.0"},
    ),
    "JSON in quotes": (
        'x\nSteps: 4, Sampler: LCM, CFG scale: 1.5, Seed: 9, Size: 1024x1024, Hashes: '
        '{"model": "abc"}, ControlNet 0: "Module: canny, Weight: 1, Resize Mode: \\"Crop\\", '
        'Threshold: (0.5, 0.9)"',
        "x",
        "",
        {"ControlNet 0": 'Module: canny, Weight: 1, Resize Mode: "Crop", Threshold: (0.5, 0.9)'},
    ),
    "no last line": ("just a prompt, nothing: else", "just a prompt, nothing: else", "", {}),
    "no steps, but three pairs": (
        "portrait\nSampler: Euler, Seed: 5, Size: 64x64",
        "portrait",
        "",
        {"Sampler": "Euler", "Seed": "5", "Size": "64x64"},
    ),
    "negative and no last line": ("a\nNegative prompt: b\nc", "a", "b\nc", {}),
    "nothing but the last line": (
        "Steps: 1, Sampler: Euler, CFG scale: 1, Seed: 0, Size: 8x8",
        "",
        "",
        {"Steps": "1", "Seed": "0"},
    ),
    "ends of lines of Windows, and space": (
        "  a cat \r\nNegative prompt:   dog \r\n"
        "Steps: 2,Sampler:Euler a,  CFG scale:7 , Seed: 1\r\n",
        "a cat",
        "dog",
        {"Steps": "2", "Sampler": "Euler a", "CFG scale": "7", "Seed": "1"},
    ),
    "a prompt that looks like pairs": (
        "mood: dark, style: ink, light: low\nSteps: 3, Sampler: Heun, CFG scale: 2, Seed: 8",
        "mood: dark, style: ink, light: low",
        "",
        {"Steps": "3"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "prompt", "negative", "some"), FOUND.values(), ids=FOUND.keys())
def test_texts_as_they_are_found(text, prompt, negative, some):
    found = infotext.read(text)
    assert (found.prompt, found.negative) == (prompt, negative)
    assert {key: found.pairs.get(key) for key in some} == some
