"""Stable Diffusion 1.5's and 2.1's networks at full size: parity and peak memory against torch.

    python benchmarks/full_size.py

Each network gets random weights, written to a temporary folder as a checkpoint's own files
(config.json and safetensors). Two processes, one after the other, load that folder and compute
the same inputs in float32: one with diffusers or transformers on torch, one with mdx. Printed are
the largest difference over the largest value, and the peak memory of each process over its whole
life: imports, loading, two calls. Compile time is the first call less the second: like the other
seconds it means something only on an idle machine.

Exit status 1 where an error exceeds the tolerance. Needs `pip install '.[parity]'`, 4 GB of disk
for temporary files and 8 GB of memory.
"""

# MindSpore and torch are imported inside functions: each process whose memory is measured holds
# one of them alone.

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from checkpoint import configs, file_name, module, write_net
from processes import fresh, peak_memory

TOLERANCE = 1e-4  # largest difference over largest value; tests/parity says why

# What is measured -> the checkpoint's folder that holds its weights.
PARTS = {
    "text-encoder": "text_encoder",
    "unet": "unet",
    "vae-encode": "vae",
    "vae-decode": "vae",
}
TOKENS = 77  # of a prompt
FACTOR = 8  # pixels of the picture along one side for each latent
START, END = 49406, 49407  # token ids around a prompt

Arrays = dict[str, np.ndarray]


class Report(NamedTuple):
    """What one process says of one part."""

    outputs: Arrays
    peak: int  # bytes of memory, at most, over the life of the process
    load: float  # seconds
    first: float  # seconds of the first call; mdx compiles in it
    second: float  # seconds of the second call


class Row(NamedTuple):
    """One line of the table."""

    checkpoint: str
    part: str
    parameters: int
    error: float  # largest of the part's outputs
    mdx: Report
    torch: Report


def main() -> int:
    """Run the command; returns its exit status."""
    known = configs()
    args = _arguments(sorted(known))
    rows = []
    print(HEADER, flush=True)
    for checkpoint in args.checkpoints:
        for name in dict.fromkeys(PARTS[part] for part in args.parts):
            with tempfile.TemporaryDirectory() as scratch:
                folder = Path(scratch) / name
                config = known[checkpoint][name]
                _progress(f"{checkpoint} {name}: writing random weights")
                parameters = write_net(folder, config, args.seed)
                for part in (part for part in args.parts if PARTS[part] == name):
                    rows.append(measure(checkpoint, part, parameters, folder, config, args))
                    print(line(rows[-1]), flush=True)
    if args.json:
        report = {"latents": args.latents, "seed": args.seed, "rows": list(map(as_json, rows))}
        args.json.write_text(json.dumps(report, indent=2) + "\n")
    bad = [f"{row.checkpoint} {row.part}" for row in rows if not row.error <= TOLERANCE]
    if bad:
        print(f"beyond the tolerance of {TOLERANCE}: {', '.join(bad)}")
    return 1 if bad else 0


def _arguments(checkpoints):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", nargs="+", choices=checkpoints, default=checkpoints)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--latents", type=int, default=32, help="side of the latents (default 32)")
    parser.add_argument("--batch", type=int, default=2, help="of the UNet (default 2, as guided)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and inputs")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    return parser.parse_args()


def measure(checkpoint, part, parameters, folder, config, args) -> Row:
    """Run one part on both sides, each in a process of its own, and compare."""
    inputs = make_inputs(part, config, args.latents, args.batch, args.seed)
    reports = []
    for run in (run_torch, run_mdx):
        _progress(f"{checkpoint} {part}: {run.__name__.removeprefix('run_')}")
        reports.append(fresh(run, part, folder, inputs))
    expected, got = reports
    errors = [relative(got.outputs[key], expected.outputs[key]) for key in expected.outputs]
    return Row(checkpoint, part, parameters, max(errors), got, expected)


def relative(got: np.ndarray, expected: np.ndarray) -> float:
    """Largest difference over largest value; infinite where it is no number."""
    if got.shape != expected.shape:
        raise ValueError(f"mdx gives shape {got.shape}, torch {expected.shape}")
    error = float(np.abs(got - expected).max() / np.abs(expected).max())
    return math.inf if math.isnan(error) else error


def make_inputs(part, config, latents, batch, seed) -> Arrays:
    """The arguments of one part, by name."""
    rng = np.random.default_rng([seed, 1])
    normal = lambda *shape: rng.standard_normal(shape, np.float32)  # noqa: E731
    if part == "text-encoder":
        tokens = rng.integers(0, START, (2, TOKENS), np.int32)
        tokens[:, 0], tokens[0, -1], tokens[1, 9:] = START, END, END
        return {"tokens": tokens}
    if part == "unet":
        return {
            "x": normal(batch, config["in_channels"], latents, latents),
            "t": np.linspace(981, 1, batch, dtype=np.float32),
            "context": normal(batch, TOKENS, config["cross_attention_dim"]),
        }
    if part == "vae-encode":
        return {"images": normal(1, config["in_channels"], FACTOR * latents, FACTOR * latents)}
    return {"latents": normal(1, config["latent_channels"], latents, latents)}


def run_mdx(part: str, folder: Path, inputs: Arrays) -> Report:
    """Compute one part with mdx; called in a process of its own."""
    import mindspore
    from mindspore import Tensor

    from mdx import weights

    net = module(folder.name)
    rename = weights.new_text_names if part == "text-encoder" else None

    def load():
        config = net.from_json(json.loads((folder / "config.json").read_text()))
        files = weights.find(folder, file_name(folder.name).removesuffix(".safetensors"))
        params = mindspore.mutable(weights.read(files, net.shapes(config), rename=rename))

        @mindspore.jit
        def text_encoder(params, tokens):
            return net.apply(config, params, tokens)

        @mindspore.jit
        def unet(params, x, t, context):
            return (net.apply(config, params, x, t, context),)

        @mindspore.jit
        def vae_encode(params, images):
            return net.encode(config, params, images)

        @mindspore.jit
        def vae_decode(params, latents):
            return (net.decode(config, params, latents),)

        function = {
            "text-encoder": text_encoder,
            "unet": unet,
            "vae-encode": vae_encode,
            "vae-decode": vae_decode,
        }[part]

        def call():
            outputs = function(params, *map(Tensor, inputs.values()))
            return [output.asnumpy() for output in outputs]

        return call

    return _observe(part, load)


def run_torch(part: str, folder: Path, inputs: Arrays) -> Report:
    """Compute one part with diffusers or transformers; called in a process of its own."""
    import torch

    # Their loading has bars and advice of its own; only the library that is needed is imported.
    if part == "text-encoder":
        from transformers import CLIPTextModel as Net
        from transformers.utils import logging

        logging.disable_progress_bar()
    else:
        from diffusers import AutoencoderKL, UNet2DConditionModel
        from diffusers.utils import logging

        logging.set_verbosity_error()
        Net = UNet2DConditionModel if part == "unet" else AutoencoderKL

    def load():
        net, info = Net.from_pretrained(folder, output_loading_info=True, torch_dtype=torch.float32)
        # A weight that was not found would stay at its own random values.
        strays = {key: list(info[key]) for key in ("missing_keys", "unexpected_keys") if info[key]}
        if strays:
            raise ValueError(f"{type(net).__name__} does not take mdx's weights: {strays}")
        net.eval()

        def compute(values):
            if part == "text-encoder":
                found = net(values["tokens"].long())
                return found.last_hidden_state, found.pooler_output
            if part == "unet":
                return (net(values["x"], values["t"], values["context"]).sample,)
            if part == "vae-encode":
                posterior = net.encode(values["images"]).latent_dist
                return posterior.mean, posterior.logvar
            return (net.decode(values["latents"] / net.config.scaling_factor).sample,)

        @torch.no_grad()
        def call():
            values = {name: torch.from_numpy(value) for name, value in inputs.items()}
            return [output.numpy() for output in compute(values)]

        return call

    return _observe(part, load)


OUTPUTS = {
    "text-encoder": ("hidden", "pooled"),
    "unet": ("out",),
    "vae-encode": ("mean", "log_variance"),
    "vae-decode": ("images",),
}


def _observe(part, load: Callable[[], Callable[[], list[np.ndarray]]]) -> Report:
    """Time and weigh `load`, then two calls of what it gives."""
    began = time.perf_counter()
    call = load()
    loaded = time.perf_counter()
    call()
    called = time.perf_counter()
    outputs = call()
    ended = time.perf_counter()
    return Report(
        outputs=dict(zip(OUTPUTS[part], outputs, strict=True)),
        peak=peak_memory(),
        load=loaded - began,
        first=called - loaded,
        second=ended - called,
    )


HEADER = (
    f"{'':20}{'million':>11}{'relative':>10}{'peak GB':>15}{'2nd call, s':>17}{'compile':>9}\n"
    f"{'part':20}{'parameters':>11}{'error':>10}{'mdx':>8}{'torch':>7}{'mdx':>10}{'torch':>7}{'s':>9}"
)


def line(row: Row) -> str:
    """One row of the table under HEADER."""
    ours, theirs = row.mdx, row.torch
    return (
        f"{row.checkpoint:7}{row.part:13}{row.parameters / 1e6:11.1f}{row.error:10.1e}"
        f"{ours.peak / 1e9:8.2f}{theirs.peak / 1e9:7.2f}"
        f"{ours.second:10.2f}{theirs.second:7.2f}{ours.first - ours.second:9.1f}"
    )


def as_json(row: Row) -> dict[str, Any]:
    """One row with all its figures, without the arrays."""

    def figures(report):
        return {key: value for key, value in report._asdict().items() if key != "outputs"}

    return {**row._asdict(), "mdx": figures(row.mdx), "torch": figures(row.torch)}


def _progress(text):
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
