"""Seconds of `mdx.info` of an SDXL in one file: 7 GB, of which it reads the header.

    python benchmarks/file_info.py

The file has the names and shapes of a real one; its numbers are a hole, which takes no room. Each
time is of a process of its own, after mdx was imported.
"""

import argparse
import json
import math
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from checkpoint import configs, module
from processes import fresh

TURNS = 5


def shapes() -> dict[str, tuple[int, ...]]:
    """The tensors of an SDXL in one file."""
    from mdx.single_file.layouts import names_for
    from mdx.single_file.names import source
    from mdx.single_file.originals import ORIGINALS

    original = next(one for one in ORIGINALS if one.parts.keys() == configs()["SDXL"].keys())
    found: dict[str, tuple[int, ...]] = {}
    for part, prefix in original.parts.items():
        net: Any = module(part)
        config = net.from_json(configs()["SDXL"][part])
        is_open = prefix.endswith("model.") and "transformer" not in prefix
        names = names_for(part if part in ("unet", "vae") else "clip", config, is_open)
        for name, shape in net.shapes(config).items():
            where = source(names, name)
            if where is None:
                raise ValueError(f"{part} {name} has no name in one file")
            if where.transposed:
                shape = shape[::-1]
            shape = (shape[0] * where.blocks, *shape[1:])
            if ".mid.attn_1." in where.key and len(shape) == 2:
                shape = (*shape, 1, 1)
            found[prefix + where.key] = shape
    return found


def write(file: Path) -> int:
    """Write a header, and nothing for its numbers; returns the size of the file."""
    header, end = {}, 0
    for name, shape in shapes().items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as opened:
        opened.write(len(text).to_bytes(8, "little") + text)
        opened.truncate(8 + len(text) + end)
    return 8 + len(text) + end


def told(file: Path) -> tuple[str, int, float]:
    """What the file is, the number of its parameters, and the seconds that it took to say."""
    import mdx

    begin = time.perf_counter()
    found = mdx.info(file)
    return found.title, found.parameters, time.perf_counter() - begin


def main() -> None:
    """Run the command."""
    argparse.ArgumentParser(description=str(__doc__).splitlines()[0]).parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "large.safetensors"
        size = fresh(write, file)
        runs = [fresh(told, file) for _ in range(TURNS)]
    title, parameters, _ = runs[0]
    seconds = statistics.median(run[2] for run in runs)
    print(f"{title}, {parameters:,} parameters, {size / 1e9:.2f} GB: {seconds:.2f} s")


if __name__ == "__main__":
    main()
