"""What tests of the command share."""

import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from mdx import cli, images, png_text, settings


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def refused(capsys, arguments, status=2):
    """The one line that the command leaves with, without its "mdx: error: "."""
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == status
    out, err = capsys.readouterr()
    assert out == ""
    found = re.fullmatch(r"mdx: error: ([^\n]+)\n", err)
    assert found, err
    return found[1]


def write_png(path, **changes):
    """A PNG that carries settings of the packaged model, changed; `...` removes a key."""
    kept = {name: value for name, value in (SETTINGS | changes).items() if value is not ...}
    images.save_png(Image.new("RGB", (8, 8)), path, kept)


# As a picture of the first mdx carries them, but for "memory", which came later.
SETTINGS = {
    "version": settings.version(),
    "model": None,
    "variant": None,
    "revision": None,
    "dtype": "float32",
    "prompts": ["a"],
    "seeds": [1],
    "negative": None,
    "scheduler": None,
    "steps": None,
    "guidance": 7.5,
    "width": 16,
    "height": 16,
    "grid": None,
}


def chunk(kind, data):
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(*chunks, width=8, height=8):
    """The bytes of a PNG of these chunks, between its first and its last."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return png_text.SIGNATURE + head + b"".join(chunks) + chunk(b"IEND", b"")
