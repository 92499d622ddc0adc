"""Ascend's path, as far as a CPU can show it: its graphs run, agree, and hold known primitives."""

import inspect
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from mindspore import mint, ops
from mindspore.ops import auto_generate, operations

import mdx
from tests.ascend_graphs import outputs

# Primitives that graphs hold under a name that is not its public function's.
PUBLIC = {
    "Adds": "add", "Divs": "div", "Gather": "gather", "Muls": "mul", "Subs": "sub",
    "Concat": "cat", "SiLU": "silu", "StridedSlice": "strided_slice", "ArgMaxExt": "argmax",
    "ReLU": "relu",
}  # fmt: skip
# Parts of the graph, not of a device.
STRUCTURE = {"Return", "MakeTuple", "TupleGetItem", "Depend", "Load", "UpdateState", "Switch"}


def graphs(checkpoint, dtype, folder):
    """The texts of the Ascend path's graphs in one dtype; in the folder what the module writes."""
    environment = os.environ | {
        "MS_DEV_SAVE_GRAPHS": "2",
        "MS_DEV_DUMP_IR_PASSES": "validate",
        "MS_DEV_SAVE_GRAPHS_PATH": str(folder),
        "MDX_COMPILE_CACHE": "0",  # whose files are made of graphs of their own
    }
    command = [sys.executable, "-m", "tests.ascend_graphs", str(checkpoint)]
    subprocess.run([*command, dtype, folder / "out.npz"], env=environment, check=True)
    return [path.read_text() for path in folder.glob("*_validate_*.ir")]


# A primitive in such a text, and in the next line the dtype of its first input, if it says so.
CALL = re.compile(
    r"^ +%\d+\(.*?\) = (?:PrimFunc_)?([A-Za-z]\w*)\(.*\n(?: +: \(<Tensor\[(\w+)\])?", re.M
)


@pytest.fixture(scope="module")
def traced(tiny_checkpoint, tmp_path_factory):
    """What the Ascend path's graphs of bfloat16 do to which dtype: {(primitive, dtype or "")}."""
    texts = graphs(tiny_checkpoint, "bfloat16", tmp_path_factory.mktemp("traced"))
    assert len(texts) == 5  # text, UNet, VAE twice, other kinds of layers
    return {call for text in texts for call in CALL.findall(text)}


@pytest.fixture(scope="module")
def expected(tiny_checkpoint):
    """The CPU path's outputs in float32."""
    return outputs(mdx.load(tiny_checkpoint))


def documentation(name):
    snake = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
    for home in (operations, auto_generate, ops, mint, mint.nn.functional):
        for public in (PUBLIC.get(name), name, snake):
            found = inspect.getdoc(getattr(home, public, None)) if public else None
            if found and "Supported Platforms" in found:
                return found
    return ""


def platforms(name):
    """The devices that MindSpore documents for a primitive, under whichever of its names."""
    found = re.search(r"Supported Platforms:\s+(.*)", documentation(name))
    return found.group(1) if found else ""


# How far apart the CPU path may be, relative to the largest value. float32: by the order of sums.
# float16 computes in half precision throughout.
TOLERANCES = {"float32": 1e-5, "float16": 2e-2}


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_every_primitive_is_documented_for_ascend_and_they_agree_with_the_cpu_path(
    tiny_checkpoint, tmp_path, expected, dtype
):
    """One test of both, for it takes a process that compiles all graphs of a dtype."""
    texts = graphs(tiny_checkpoint, dtype, tmp_path)
    assert len(texts) == 7  # text twice, UNet, VAE twice, step, loop
    names = {name for text in texts for name, _ in CALL.findall(text)}
    assert {"Conv2D", "LayerNorm", "BatchMatMul", "MatMul", "ResizeNearestNeighbor"} <= names
    unknown = {n: platforms(n) for n in names - STRUCTURE if "Ascend" not in platforms(n)}
    assert not unknown, f"not documented for Ascend: {unknown}"
    got = np.load(tmp_path / "out.npz")
    assert {*got} == expected.keys()
    for name, value in expected.items():
        assert np.isfinite(got[name]).all()
        apart = np.abs(got[name] - value).max() / np.abs(value).max()
        assert apart < TOLERANCES[dtype], f"{name}: {apart}"


# What is computed in the weights' dtype, and what in float32 whatever that is.
NARROW = ("Conv2D", "MatMul", "BatchMatMul", "BiasAdd", "SiLU")
WIDE = ("LayerNorm", "BatchNorm", "Erf", "Sin")


def test_graphs_of_bfloat16_are_traced(traced):
    """No CPU has the primitives, so this is what can be known of them here."""
    for name in NARROW:
        assert {dtype for other, dtype in traced if other == name and dtype} == {"BFloat16"}, name
    for name in WIDE:
        assert {dtype for other, dtype in traced if other == name and dtype} == {"Float32"}, name
    unknown = {n for n, _ in traced if n not in STRUCTURE and "Ascend" not in platforms(n)}
    assert not unknown, f"not documented for Ascend: {unknown}"


def test_flash_attention_is_documented_for_ascend():
    assert "Ascend" in platforms("flash_attention_score")


def test_a_primitive_without_ascend_is_found_out():
    assert platforms("NoSuchPrimitive") == ""
    assert platforms("CholeskyInverse") == "``GPU`` ``CPU``"
