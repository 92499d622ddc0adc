"""A UNet's step done by OpenVINO, from diffusers' UNet converted once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openvino
from rows import Arrays, Row

HINTS = {"float32": "f32", "bfloat16": "bf16"}


def place(folder: Path, row: Row) -> Path:
    """Where the converted UNet for this row's shapes lies."""
    return folder / "openvino" / f"unet-{row.latents}-b{row.batch}.xml"


def convert(folder: Path, row: Row, inputs: Arrays) -> None:
    """Write the UNet of the checkpoint for this row's shapes; in a process of its own."""
    if place(folder, row).exists():
        return
    import torch
    from diffusers import UNet2DConditionModel

    net = UNet2DConditionModel.from_pretrained(folder / "unet").eval()
    net.forward = _plain(net)
    example = tuple(torch.from_numpy(inputs[name]) for name in ("x", "t", "context"))
    with torch.no_grad():
        model = openvino.convert_model(
            net, example_input=example, input=[list(one.shape) for one in example]
        )
    place(folder, row).parent.mkdir(exist_ok=True)
    openvino.save_model(model, place(folder, row), compress_to_fp16=False)


def _plain(net):
    forward = net.forward

    def call(x, t, context):
        return forward(x, t, context, return_dict=False)[0]

    return call


def load(folder: Path, row: Row, threads: int, dtype: str = "float32") -> Any:
    """The converted UNet, compiled for this processor."""
    options = {"INFERENCE_PRECISION_HINT": HINTS[dtype], "INFERENCE_NUM_THREADS": threads}
    return openvino.Core().compile_model(str(place(folder, row)), "CPU", options)


def prepare(loaded: Any, row: Row, inputs: Arrays) -> Callable[[int], list[np.ndarray]]:
    """A function that does the work."""
    values = [inputs[name] for name in ("x", "t", "context")]
    return lambda steps: [loaded(values)[0]]
