"""Turns of spoiling bytes and JSON, each by a Random of its own."""

import copy
import json
from collections.abc import Sequence
from random import Random
from typing import Any

from tests.fuzz import odd

DEEP = 20_000  # levels of nesting, beyond what any parser follows


def flip(random: Random, data: bytes, donors: Sequence[bytes] = ()) -> bytes:
    """Change, add, drop, repeat or splice some bytes."""
    raw, at = bytearray(data), random.randrange(len(data) + 1)
    size = random.choice((1, 1, 2, 8, 100, 5000))
    end = min(len(raw), at + size)
    kind = random.randrange(9)
    if kind < 2 and at < len(raw):
        raw[at] ^= 1 << random.randrange(8)
    elif kind == 2 and at < len(raw):
        raw[at] = random.choice((0, 9, 10, 0x22, 0x30, 0x5B, 0x7B, 0x7F, 0x80, 0xFF))
    elif kind == 3:
        del raw[at:end]
    elif kind == 4:
        raw[at:at] = random.choice((bytes(size), random.randbytes(size), b"\xff" * size))
    elif kind == 5:
        raw[at:at] = raw[at:end]
    elif kind == 6:
        del raw[at:]
    elif kind == 7 and donors:
        other = random.choice(donors)
        raw[at:] = other[random.randrange(len(other) + 1) :]
    else:
        raw[at:end] = bytes(end - at)
    return bytes(raw)


def places(tree: Any, path: tuple = ()) -> list[tuple]:
    """The way to every value of a JSON tree; of a long list or dict, to its first and last ones."""
    found = [path]
    keys: list = []
    if isinstance(tree, dict):
        keys = list(tree)
    elif isinstance(tree, list):
        keys = list(range(len(tree)))
    for key in keys if len(keys) < 60 else [*keys[:30], *keys[-30:]]:
        found += places(tree[key], (*path, key))
    return found


def at(tree: Any, path: tuple) -> Any:
    """The value there."""
    for key in path:
        tree = tree[key]
    return tree


def tree(random: Random, value: Any, donors: Sequence[Any] = ()) -> Any:
    """A JSON tree with one value, key or entry spoilt."""
    value = copy.deepcopy(value)
    ways = places(value)
    path = random.choice(ways)
    if not path:
        # The whole is seldom what is wrong.
        path = random.choice(ways)
    if not path:
        return odd.json_value(random) if random.random() < 0.3 else spoilt(random, value)
    parent, key = at(value, path[:-1]), path[-1]
    kind = random.randrange(8)
    if kind < 3:
        parent[key] = spoilt(random, parent[key])
    elif kind == 3:
        parent[key] = odd.json_value(random)
    elif kind == 4:
        del parent[key]
    elif kind == 5 and isinstance(parent, dict):
        name = str(key)
        new = random.choice((name.upper(), name + "s", name[:-1], odd.text(random)[:200]))
        parent[new] = parent[key] if random.random() < 0.5 else parent.pop(key)
    elif kind == 6 and donors:
        donor = random.choice(donors)
        other = random.choice(places(donor))
        if isinstance(parent, dict) and other and isinstance(other[-1], str):
            parent[other[-1]] = copy.deepcopy(at(donor, other))
        else:
            parent[key] = copy.deepcopy(at(donor, other))
    else:
        parent[key] = copy.deepcopy(at(value, random.choice(ways)))
    return value


def spoilt(random: Random, value: Any) -> Any:
    """The value in another type, or at an end of its own."""
    if isinstance(value, bool) or value is None:
        return random.choice((not value, 0, 1, 1.0, str(value), [value], None, odd.number(random)))
    if isinstance(value, (int, float)):
        whole = int(value) if value == value and abs(value) < 1e300 else 0
        near = (whole + 1, whole - 1, -whole, float(whole), whole * 2, whole * 10**6)
        return random.choice((*near, str(value), [value], {"x": value}, odd.number(random)))
    if isinstance(value, str):
        return random.choice(
            (value.upper(), value[:-1], value + "\0", [value], {"content": value}, odd.text(random))
        )
    if isinstance(value, list):
        return random.choice(
            ([], value[:-1], value + value[-1:], value[::-1], value * 40, [value], None, len(value))
        )
    keys = list(value)
    return random.choice(
        ({}, {k: value[k] for k in keys[1:]}, [value], {str(k): v for k, v in value.items()}, keys)
    )


def text_of(random: Random, value: Any) -> bytes:
    """A JSON tree as a file's bytes: as anybody writes it, but now and then as nobody does."""
    text = json.dumps(value, ensure_ascii=random.random() < 0.5)
    kind = random.randrange(40)
    if kind == 0:
        return text.encode("utf-16", "surrogatepass")
    if kind == 1:
        return b"\xef\xbb\xbf" + text.encode("utf-8", "surrogatepass")
    if kind == 2 and text.startswith("{") and len(text) > 2:  # a key twice
        first = text[1 : text.index(":") + 1] if ":" in text else '"a":'
        text = "{" + first + json.dumps(odd.json_value(random)) + "," + text[1:]
    if kind == 3:
        text = text.replace(": ", ': {"x":' * DEEP, 1)
    if kind == 4:
        text = text[:-1] + ', "x": ' + "[" * DEEP + "]" * DEEP + text[-1:]
    if kind == 5:
        text = text[:-1] + ', "x": ' + "9" * 5000 + text[-1:]
    return text.encode("utf-8", "surrogatepass")
