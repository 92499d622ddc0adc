"""Odd values, drawn by a seed: numbers at their ends, texts of odd Unicode, other types."""

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

NUMBERS = (
    0, 1, -1, 2, 3, 7, 8, 64, 77, 1000, 1001, 255, 65536, 2**31 - 1, 2**31, 2**32, 2**53 + 1,
    2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**8, 10**19, 10**308, 10**400, -(10**400),
    0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 2.0, 16.0, 1e-320, 1e-9, 1e9, 1e30, 1e300, 1.8e308,
    float("nan"), float("inf"), float("-inf"),
)  # fmt: skip
TEXTS = (
    "", " ", "a", "A" * 300, "b" * 100_000, "\0", "\x1b[31mred\x1b[0m", "a\nb", "a\r\n\tb", "\x7f",
    "\x85", "\u2028", "\u202e", "\ufeff", "\ufffd", "\ud800", "\udfff", "\udc80", "\U0001f600",
    "\U0010ffff", "e\u0301" * 20, "\u200b", "\u1e9e", "\u0130", "\uff11\uff12", "\u0663",
    "./x", "../../x", "~", "~nosuch", "~nosuch/x", "/nosuch/x", "C:\\x", "a/b", "a/b/c", "-", "--",
    "-1", "0", "1e400", "nan", "NaN", "None", "null", "true", "1_000", "0x10", "1" * 5000,
    "%s%n", "{}", "{0}", "$HOME", "<|endoftext|>", "<|startoftext|>", "!", "</w>", "float32",
    "float16", "fp16", "cpu", "epsilon", "v_prediction", "linear", "scaled_linear", "leading",
    "trailing", "ddim", "euler", "PNDMScheduler", "EulerDiscreteScheduler", "6GB", "1.5 GB", "0GB",
    "9" * 400 + "GB", "64x64", "np", "pil", "latent", "fresh", "path", "all", "net", "stage",
)  # fmt: skip
DTYPES = ("f8", "f4", "f2", "i8", "i4", "u1", "?", "c8", "U3", "S3", "O", "M8[s]", "V4")
SHAPES = (
    (), (0,), (1,), (3,), (8, 8), (16, 16, 3), (1, 4, 8, 8), (2, 4, 8, 8), (1, 3, 8, 8),
    (1, 4, 0, 0), (0, 4, 8, 8), (1, 16, 16, 3), (1, 1, 4, 8, 8), (6, 1, 4, 8, 8), (1,) * 9,
)  # fmt: skip


def number(random: Random) -> Any:
    """A whole number or a float."""
    if random.random() < 0.8:
        return random.choice(NUMBERS)
    if random.random() < 0.5:
        return random.randrange(-5, 100)
    return random.choice((random.random(), random.gauss(0, 1e3), 10.0 ** random.randrange(-30, 40)))


def text(random: Random) -> str:
    """A text, of any code points."""
    if random.random() < 0.6:
        return random.choice(TEXTS)
    if random.random() < 0.5:
        return random.choice(TEXTS)[:50] + random.choice(TEXTS)[:50]
    ends = random.choice((0x80, 0x100, 0x3000, 0x20000, 0x110000))
    return "".join(chr(random.randrange(ends)) for _ in range(random.randrange(1, 40)))


def json_value(random: Random, depth: int = 0) -> Any:
    """Whatever JSON can say, not deep."""
    kind = random.randrange(5 if depth > 2 else 7)
    if kind < 2:
        return number(random)
    if kind == 2:
        return text(random)
    if kind < 5:
        return random.choice((None, True, False, [], {}))
    count = random.choice((1, 2, 3, 4, 4, 50))
    if kind == 5:
        return [json_value(random, depth + 1) for _ in range(count)]
    return {text(random)[:80]: json_value(random, depth + 1) for _ in range(count)}


def array(random: Random) -> Any:
    """An array of any type and shape, small."""
    shape, dtype = random.choice(SHAPES), random.choice(DTYPES[:6] * 3 + DTYPES)
    made = np.zeros(shape, dtype)
    if made.dtype.kind in "fiu":
        fills = (0, 1, 0.5, -1, 2, 200, "random", float("nan"), float("inf"), 1e38)
        fill = random.choice(fills if made.dtype.kind == "f" else fills[:6])
        if fill == "random":
            made = np.random.default_rng(random.getrandbits(32)).random(shape).astype(dtype)
        else:
            with np.errstate(all="ignore"):
                made = np.full(shape, fill).astype(dtype)
    return made


def picture(random: Random) -> Image.Image:
    """A picture of any mode, small."""
    mode = random.choice(("RGB", "RGBA", "L", "LA", "P", "1", "I", "I;16", "F", "CMYK", "YCbCr"))
    size = random.choice(((8, 8), (16, 16), (16, 8), (7, 9), (1, 1), (0, 0), (64, 64)))
    return Image.new(mode, size, random.choice((0, 1)) if mode != "F" else random.random())


class Thing:
    """An object of no type that anybody knows."""

    def __repr__(self) -> str:
        return "<Thing>"


def anything(random: Random) -> Any:
    """What a caller might pass by mistake."""
    kind = random.randrange(16)
    if kind < 3:
        return number(random)
    if kind < 5:
        return text(random)
    if kind < 8:
        return array(random)
    if kind < 9:
        return random.choice((np.float16, np.float32, np.float64, np.int8, np.int64))(
            random.choice((0, 1, 3, 7))
        )
    if kind < 11:
        return json_value(random)
    if kind < 12:
        return [anything(random) for _ in range(random.choice((0, 1, 2, 3)))]
    if kind < 13:
        return picture(random)
    return random.choice(
        (
            None, True, False, (), [], {}, set(), b"", b"a" * 2000, Path("."), Path("nosuch"),
            Thing(), Thing, len, json, range(3), iter([1]), 1j, Ellipsis, slice(0, 2),
            np.random.default_rng(0), Random(0), ValueError("x"), lambda *_: None,
        )
    )  # fmt: skip


def shown(value: Any, most: int = 300) -> str:
    """The value in one line of ASCII, cut."""
    try:
        words = ascii(value)
    except Exception as error:  # as for a number of more digits than Python writes
        words = f"a {type(value).__name__} that cannot be written: {type(error).__name__}"
    words = re.sub(" at 0x[0-9A-Fa-f]+", "", " ".join(words.split()))
    return words if len(words) <= most else f"{words[:most]}... ({len(words)})"
