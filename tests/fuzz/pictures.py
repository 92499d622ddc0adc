"""PNG files for --from, by their bytes and by the settings they carry; pictures to be encoded."""

import io
import json
import struct
import zlib
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, PngImagePlugin

from tests.fuzz import commands, folders, mutate, odd
from tests.fuzz.fuzzer import Fuzzer, Input, Make

SETTINGS = {
    "version": "unknown", "model": None, "variant": None, "revision": None, "dtype": "float32",
    "prompts": ["a red circle"], "seeds": [1], "negative": None, "scheduler": "euler", "steps": 3,
    "guidance": 7.5, "width": 16, "height": 16, "memory": None, "grid": None,
}  # fmt: skip
# As another program writes it.
PARAMETERS = (
    b"a red circle\nNegative prompt: blue\nSteps: 3, Sampler: Euler a, Schedule type: Karras, "
    b"CFG scale: 7.5, Seed: 1, Size: 16x16, Variation seed: 2, Variation seed strength: 0.5, "
    b'Lora hashes: "a: 0, b: 1", Version: v1.10.1'
)
PAIRS = ("Steps", "Sampler", "CFG scale", "Seed", "Size", "variation", "prompts", "negative")
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunks(raw: bytes) -> list[tuple[bytes, bytes]]:
    """The chunks of a PNG: kinds and data."""
    found, at = [], len(SIGNATURE)
    while at + 8 <= len(raw):
        length, kind = struct.unpack(">I4s", raw[at : at + 8])
        found.append((kind, raw[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def png(parts: list[tuple[bytes, bytes]]) -> bytes:
    """A PNG of chunks, each with its right sum."""
    written = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
    return SIGNATURE + b"".join(written)


def carrying(text: str | bytes, keyword: str = "mdx") -> bytes:
    """A small picture whose text chunk holds the text under a keyword."""
    file, info = io.BytesIO(), PngImagePlugin.PngInfo()
    if isinstance(text, str):
        info.add_text(keyword, text)
    else:
        info.add(b"tEXt", keyword.encode() + b"\0" + text)
    Image.new("RGB", (16, 16)).save(file, format="PNG", pnginfo=info)
    return file.getvalue()


def chunk_turn(random: Random, raw: bytes) -> bytes:
    """A PNG after one turn: a chunk changed, dropped, repeated, or the first one's sizes."""
    parts = chunks(raw)
    if not parts:
        return mutate.flip(random, raw)
    place = random.randrange(len(parts))
    kind, data = parts[place]
    turn = random.randrange(6)
    if turn == 0:
        del parts[place]
    elif turn == 1:
        parts.insert(place, random.choice(parts))
    elif turn == 2:
        parts[place] = kind, mutate.flip(random, data)
    elif turn == 3:
        sides = (0, 1, 7, 20_000, 65_535, 2**31 - 1, 2**32 - 1)
        size = struct.pack(">II", random.choice(sides), random.choice(sides))
        parts[0] = parts[0][0], size + parts[0][1][8:]
    elif turn == 4:
        bomb = zlib.compress(bytes(random.choice((10, 10**6, 3 * 10**7))))
        kinds = ((b"zTXt", b"mdx\0\0" + bomb), (b"iTXt", b"mdx\0\1\0\0\0" + bomb))
        parts.insert(random.randrange(1, len(parts)) if len(parts) > 1 else 0, random.choice(kinds))
    else:
        return mutate.flip(random, raw)
    return png(parts)


def prepare(folder: Path) -> Make:
    """A folder with a checkpoint, where pictures are read."""
    import mdx

    folders.tiny_checkpoint(folder / "tiny")
    model = mdx.load(folder / "tiny")
    settings = {**SETTINGS, "model": str(folder / "tiny")}

    def again(content: folders.Content, options: list[str]) -> None:
        with folders.changed(folder, {}, {"made.png": content}):
            commands.run(["--from", str(folder / "made.png"), *options])

    def make(random: Random, turns: list[Random]) -> Input:
        kind = random.random()
        ways = (["--trust"], ["--trust", "--offline"], ["--model", str(folder / "tiny")], [])
        trust = random.choice(ways)
        content: folders.Content
        if kind < 0.15:
            images: Any = odd.picture(random)
            for turn in turns:
                images = random.choice(([images], [images, odd.picture(turn)], odd.array(turn)))
            words, names = f"encode {odd.shown(images)}", ("image", "picture", "pixels")
            return Input(words, names, lambda: mdx.encode(model, images))
        tree: Any = settings
        if kind < 0.7:
            for turn in turns:
                tree = mutate.tree(turn, tree)
            content = carrying(mutate.text_of(random, tree))
        elif kind < 0.8:
            raw = PARAMETERS
            for turn in turns:
                raw = mutate.flip(turn, raw)
            content = carrying(raw, "parameters")
        elif kind < 0.98:
            raw = carrying(json.dumps(tree))
            for turn in turns:
                raw = chunk_turn(turn, raw)
            content = raw
        else:
            content = folders.strange(random)
        shown = content[:400] if isinstance(content, bytes) else content.__doc__
        detail = odd.shown(tree if tree is not settings else shown, 900)
        names = ("made.png", "made-again.png", "--from", "Hub id", *SETTINGS, *PAIRS)
        return Input(f"--from: {detail}", names, lambda: again(content, trust))

    return make


FUZZER = Fuzzer("pictures", 10, prepare)
