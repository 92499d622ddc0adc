"""Random runs of generate(), and the memory that each of their steps holds at most."""

import argparse
import functools
import json
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from checkpoint import configs, module, write
from machine import about
from processes import fresh, peak_memory

import mdx
from mdx.memory_counts import Nets, Size, Work, counted, weighed
from mdx.net import Net
from mdx.nets import vae

NETS = ("text_encoder", "unet", "vae")  # of the checkpoints that are measured
SIZES = {
    "packaged": (32, 48, 64, 80, 96, 128, 160, 192, 256),
    "SD 1.5": (256, 320, 384, 448, 512, 768),
}
BATCHES = {"packaged": (1, 2, 3, 4, 6, 8), "SD 1.5": (1, 1, 2, 3)}
MOST = {"packaged": 8 * 256**2, "SD 1.5": 5 * 256**2}  # pixels of a batch


class Setting(NamedTuple):
    """What is asked of generate()."""

    checkpoint: str  # "packaged", or one of checkpoint_configs.json
    height: int  # pixels
    width: int
    batch: int
    memory: mdx.Memory
    guidance: float
    dtype: str
    one_graph: bool


class Peaks(NamedTuple):
    """The most bytes that a process held in each step of a run."""

    text: int  # loading the model included
    unet: int
    vae: int


def every(packaged: int, sd15: int, seed: int) -> list[Setting]:
    """So many settings of each checkpoint."""
    return [*settings("packaged", packaged, seed), *settings("SD 1.5", sd15, seed)]


def settings(checkpoint: str, count: int, seed: int) -> Iterator[Setting]:
    """Random ones, the same for a seed; none so large that it takes many minutes."""
    random = np.random.default_rng(seed)

    def one(*choices: Any) -> Any:
        return choices[random.integers(len(choices))]

    for _ in range(count):
        height = width = MOST[checkpoint]
        while height * width > MOST[checkpoint]:
            height, width = one(*SIZES[checkpoint]), one(*SIZES[checkpoint])
        batch = one(*BATCHES[checkpoint])
        while batch > 1 and batch * height * width > MOST[checkpoint]:
            batch -= 1
        latents = max(height, width) // (4 if checkpoint == "packaged" else 8)
        tile = one(None, None, None, *(tile for tile in (16, 32, 48, 64) if tile < latents))
        memory = mdx.Memory(one("all", "net", "stage"), one(2**24, 2**26, 2**26, 2**28), tile)
        guidance, dtype = one(1.0, 7.5, 7.5), one("float32", "float32", "float16")
        # All of a large UNet in one graph takes minutes to compile.
        whole = one(True, *[False] * 5) and checkpoint == "packaged" and memory.weights != "stage"
        yield Setting(checkpoint, height, width, batch, memory, guidance, dtype, whole)


def folder(checkpoint: str, scratch: Path) -> Path | None:
    """The checkpoint's folder, written to `scratch` where it is not the packaged one.

    With files in both dtypes, so that weights of either stay mapped; the packaged ones are float16.
    """
    if checkpoint == "packaged":
        return None
    import side_mdx

    place = write(scratch / checkpoint.replace(" ", "-"), configs()[checkpoint])
    if not list((place / NETS[-1]).glob("*.fp16.*")):
        fresh(side_mdx.convert, place, "float16", "fp16")
    return place


def measured(setting: Setting, scratch: Path, times: int) -> list[Peaks]:
    """Peaks with an empty cache of graphs, and then with the files that the first run left."""
    source = folder(setting.checkpoint, scratch)
    with tempfile.TemporaryDirectory(dir=scratch) as cache:
        os.environ["MDX_COMPILE_CACHE"] = str(Path(cache).resolve())
        return [fresh(run, source, setting) for _ in range(times)]


def measure(
    path: Path, device: str, chosen: Iterable[Setting], scratch: Path, times: int
) -> dict[str, Any]:
    """Run settings, and keep their peaks in a file as this device's; what the file then holds."""
    everything = json.loads(path.read_text()) if path.exists() else {}
    found = {"machine": about(len(os.sched_getaffinity(0))), "runs": []}
    everything[device] = found
    for setting in chosen:
        peaks = measured(setting, scratch, times)
        found["runs"].append(as_json(setting, peaks))
        store(path, everything)
        print(setting, *(f"{peak / 1e6:.0f}" for one in peaks for peak in one), flush=True)
    return everything


def arguments(text: str, packaged: int, sd15: int, seed: int) -> argparse.ArgumentParser:
    """What the commands have in common."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--packaged", type=int, default=packaged)
    parser.add_argument("--sd15", type=int, default=sd15)
    parser.add_argument("--seed", type=int, default=seed)
    parser.add_argument("--scratch", type=Path, help="keeps SD 1.5's weights for the next time")
    return parser


def run(source: Path | None, setting: Setting) -> Peaks:
    """Make the pictures, two steps of each; called in a process of its own.

    The text is encoded once more with the UNet's step, which shows only where that takes less.
    """
    from mdx.memory import release

    memory, guided = setting.memory, setting.guidance > 1
    prompts = ["a photograph"] * setting.batch
    model = mdx.load(source, dtype=setting.dtype)
    mdx.encode_prompt(model, [*prompts, ""] if guided else prompts)
    text = peak_memory()
    release(model.text_encoder, memory)
    _forget_peak()
    latents = mdx.generate(
        model, prompts, steps=2, guidance=setting.guidance, seed=0, height=setting.height,
        width=setting.width, one_graph=setting.one_graph, memory=memory, output="latent",
        progress=None if setting.one_graph else False,
    )  # fmt: skip
    unet = peak_memory()
    _forget_peak()
    mdx.decode(model, latents, memory=memory)
    return Peaks(text, unet, peak_memory())


def _forget_peak() -> None:
    """Let Linux count this process's peak from now on."""
    Path("/proc/self/clear_refs").write_text("5")


@functools.cache
def _model(checkpoint: str, dtype: str, scratch: Path) -> mdx.Model:
    return mdx.load(folder(checkpoint, scratch), dtype=dtype)


def model_of(setting: Setting, scratch: Path) -> mdx.Model:
    """The model that a setting runs."""
    return _model(setting.checkpoint, setting.dtype, scratch)


@functools.cache
def _nets(checkpoint: str, dtype: str) -> Nets:
    root = Path(mdx.__file__).parent / "checkpoints" / "shapes-64"
    packaged = checkpoint == "packaged"
    found = {}
    for part in NETS:
        file = root / part / "config.json"
        json_of = json.loads(file.read_text()) if packaged else configs()[checkpoint][part]
        net = module(part)
        config = net.from_json(json_of)
        params = {
            name: SimpleNamespace(size=math.prod(shape), dtype=dtype)
            for name, shape in net.shapes(config).items()
        }
        # The packaged files are float16.
        mapped = not packaged or dtype == "float16"
        found[part] = Net(config, params, dict.fromkeys(params) if mapped else {})
    return weighed([found["text_encoder"]], found["unet"], found["vae"])


def works_of(setting: Setting) -> tuple[Work, ...]:
    """The steps of a setting, counted without its weights."""
    nets = _nets(setting.checkpoint, setting.dtype)
    factor = vae.factor(nets.vae.net.config)
    size = Size(
        (setting.height // factor, setting.width // factor), setting.batch, setting.guidance > 1,
        setting.batch, setting.one_graph,
    )  # fmt: skip
    return counted(nets, size, setting.memory)


def as_json(setting: Setting, peaks: Sequence[Peaks]) -> dict[str, Any]:
    """What was measured, for a file."""
    asked = {**setting._asdict(), "memory": setting.memory._asdict()}
    return {"setting": asked, "peaks": [one._asdict() for one in peaks]}


def from_json(run: Mapping[str, Any]) -> tuple[Setting, list[Peaks]]:
    """What `as_json` made a record of."""
    asked = dict(run["setting"])
    setting = Setting(**{**asked, "memory": mdx.Memory(**asked["memory"])})
    return setting, [Peaks(**one) for one in run["peaks"]]


def store(path: Path, everything: Mapping[str, Mapping[str, Any]]) -> None:
    """Write what was measured by device, a run a line."""
    devices = []
    for device, found in everything.items():
        runs = ",\n".join(json.dumps(run) for run in found["runs"])
        rest = {name: value for name, value in found.items() if name != "runs"}
        head = json.dumps(rest, indent=1).removesuffix("\n}")
        devices.append(f'{json.dumps(device)}: {head},\n "runs": [\n{runs}\n]}}')
    path.write_text("{\n" + ",\n".join(devices) + "\n}\n")


def words(setting: Setting) -> str:
    """A setting as cells of a table: checkpoint, pictures, guidance, dtype, memory."""
    weights, part_bytes, tile = setting.memory
    held = f"{weights}, {part_bytes / 1e6:.0f} MB" + (f", tiles of {tile}" if tile else "")
    graphs = ", one graph" if setting.one_graph else ""
    pictures = f"{setting.batch} of {setting.width} by {setting.height}"
    cells = (setting.checkpoint, pictures, f"{setting.guidance:g}", setting.dtype, held + graphs)
    return " | ".join(cells)
