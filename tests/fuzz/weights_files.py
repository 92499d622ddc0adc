"""Weights: safetensors files whose header or numbers are spoilt, and the index of shards."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import folders, mutate, odd
from tests.fuzz.fuzzer import Fuzzer, Input, Make

SUFFIX = ".safetensors"
DTYPES = (
    "F64",
    "F32",
    "F16",
    "BF16",
    "I64",
    "U8",
    "BOOL",
    "F8_E4M3",
    "F4",
    "F8_E8M0",
    "C64",
    "f32",
)


def split(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """A file's header and its data."""
    length = int.from_bytes(raw[:8], "little")
    return json.loads(raw[8 : 8 + length]), raw[8 + length :]


def joined(header: bytes, data: bytes) -> bytes:
    """A file of a header and data."""
    return len(header).to_bytes(8, "little") + header + data


def header_turn(random: Random, header: dict[str, Any], donors: list[dict]) -> dict[str, Any]:
    """One entry of the header spoilt: its dtype, shape, offsets or name."""
    name = random.choice(list(header)) if header else "x"
    entry = header.get(name)
    kind = random.randrange(8)
    whole = isinstance(entry, dict) and all(
        isinstance(entry.get(key), list) for key in ("shape", "data_offsets")
    )
    numbers = whole and all(type(n) is int for n in (*entry["shape"], *entry["data_offsets"]))
    if kind < 2 or not numbers:
        return mutate.tree(random, header, donors)
    changed = dict(entry)
    if kind == 2:
        changed["dtype"] = random.choice(DTYPES)
    elif kind == 3:
        shapes = ([], [0], [1] * 9, [2**63], [2**32, 2**32], [-1, -1], entry["shape"][::-1])
        changed["shape"] = random.choice((*shapes, [f"{n}" for n in entry["shape"]]))
    elif kind == 4:
        shift = random.choice((1, 4, -4, 2**40, 2**63))
        changed["data_offsets"] = [n + shift for n in entry["data_offsets"]]
    elif kind == 5:  # two tensors in one place
        changed["data_offsets"] = header[random.choice(list(header))].get("data_offsets", [0, 0])
    elif kind == 6:
        return {k: v for k, v in header.items() if k != name} | {odd.text(random)[:300]: entry}
    else:
        return {**header, "__metadata__": odd.json_value(random)}
    return {**header, name: changed}


def file_turn(random: Random, raw: bytes, others: list[bytes]) -> folders.Content:
    """A weights file after one turn."""
    kind = random.randrange(20)
    if kind == 0:
        return folders.strange(random)
    try:
        header, data = split(raw)
    except (ValueError, RecursionError):  # an earlier turn saw to that
        header, data = {}, b""
    if (
        not isinstance(header, dict)
        or not header
        or not all(isinstance(entry, dict) for entry in header.values())
    ):
        kind = 19
    if kind < 9:
        text = mutate.text_of(random, header_turn(random, header, [split(o)[0] for o in others]))
        return joined(text, data)
    if kind < 11:
        return joined(mutate.flip(random, json.dumps(header).encode()), data)
    if kind < 14:
        return joined(json.dumps(header).encode(), mutate.flip(random, data))
    if kind < 16:
        length = random.choice((0, 1, 7, 8, 2**24, 2**25 + 1, 10**8, 2**31, 2**63, 2**64 - 1))
        return length.to_bytes(8, "little") + raw[8:]
    return mutate.flip(random, raw, others)


def index_turn(random: Random, index: Any) -> Any:
    """A shard index after one turn; now and then a shard gets a name that leads elsewhere."""
    if (
        random.random() < 0.3
        and isinstance(index, dict)
        and isinstance(index.get("weight_map"), dict)
        and index["weight_map"]
    ):
        names = ("../vae/diffusion_pytorch_model.safetensors", "/etc/passwd", "x.bin", "a/b", "..")
        key = random.choice(list(index["weight_map"]))
        name = random.choice((*names, odd.text(random)[:300] + SUFFIX, "gone.safetensors"))
        return {**index, "weight_map": {**index["weight_map"], key: name}}
    return mutate.tree(random, index)


def sharded(name: str, raw: bytes, random: Random) -> tuple[dict[str, bytes], Any]:
    """A file as two shards: -> their contents by name, and the index of them."""
    header, data = split(raw)
    header.pop("__metadata__", None)
    names, base = list(header), name.removesuffix(SUFFIX)
    cut = random.randrange(len(names))
    weight_map, files = {}, {}
    for number, part in enumerate((names[:cut], names[cut:]), 1):
        own, place, pieces = {}, 0, []
        for key in part:
            first, last = header[key]["data_offsets"]
            own[key] = {**header[key], "data_offsets": [place, place + last - first]}
            place += last - first
            pieces.append(data[first:last])
        file = f"{base}-{number:05}-of-00002{SUFFIX}"
        files[file] = joined(json.dumps(own).encode(), b"".join(pieces))
        weight_map |= dict.fromkeys(part, Path(file).name)
    return files, {"metadata": {"total_size": len(data)}, "weight_map": weight_map}


def prepare(folder: Path) -> Make:
    """Spoil the files of the tiny checkpoint."""
    import mdx

    good = folders.tiny_checkpoint(folder)
    weights = {name: raw for name, raw in good.items() if name.endswith(SUFFIX)}
    donors = list(weights.values())

    def load(now: Mapping[str, folders.Content], options: dict[str, Any], vae: bool) -> None:
        with folders.changed(folder, good, now):
            mdx.load_vae(folder, **options) if vae else mdx.load(folder, **options)

    def make(random: Random, turns: list[Random]) -> Input:
        name = random.choice(list(weights))
        options = {"dtype": random.choice(("float32", "float32", "float16", "bfloat16"))}
        now: dict[str, folders.Content] = {name: weights[name]}
        if random.random() < 0.25:
            files, index = sharded(name, weights[name], random)
            for turn in turns:
                index = index_turn(turn, index)
            text = mutate.text_of(random, index) if turns else json.dumps(index).encode()
            now = {name: folders.missing, **files, f"{name}.index.json": text}
        else:
            for turn in turns:
                raw = now[name]
                if isinstance(raw, bytes):
                    now[name] = file_turn(turn, raw, donors)
        names = (
            name,
            Path(name).name,
            f"{folder}/{Path(name).parent}",
            *(Path(n).name for n in now),
        )
        words = f"load {options}, {odd.shown({k: described(v) for k, v in now.items()}, 700)}"
        vae = name.startswith("vae/")
        return Input(words, names, lambda: load(now, options, vae))

    return make


def described(content: folders.Content) -> Any:
    """A file's content for a reader."""
    if callable(content):
        return getattr(content, "__doc__", None) or "folder"
    length = int.from_bytes(content[:8], "little")
    return f"{len(content)} bytes, header {length}: {content[8:300]!r}"


FUZZER = Fuzzer("safetensors", 15, prepare)
