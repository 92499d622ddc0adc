"""benchmarks/compare.py with torch, and its counts of work against torch's."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
import compare
from checkpoint import configs
from step_work import work

from mdx.nets import unet

pytestmark = pytest.mark.parity


@pytest.mark.parametrize("name", ["SD 1.5", "SD 2.1", "tiny"])
@pytest.mark.parametrize("side", [8, 11])
def test_multiply_adds_are_torch_s(name, side):
    """Of all convolutions and matrix products, on tensors that hold no numbers."""
    torch = pytest.importorskip("torch")
    diffusers = pytest.importorskip("diffusers")
    from diffusers.models.attention_processor import AttnProcessor
    from torch.utils.flop_counter import FlopCounterMode

    config = configs()[name]["unet"]
    with torch.device("meta"):
        net = diffusers.UNet2DConditionModel.from_config(config)
        # Attention as products: torch counts no other on a CPU.
        net.set_attn_processor(AttnProcessor())
        x, context = torch.empty(2, 4, side, side), torch.empty(2, 7, config["cross_attention_dim"])
        with FlopCounterMode(display=False) as counter:
            net(x, torch.empty(2), context)
    counted = work(unet.from_json(config), 2, side, 7)
    assert 2 * sum(counted.values()) == counter.get_total_flops()
    convolved = sum(
        count for key, count in counter.get_flop_counts()["Global"].items() if "conv" in str(key)
    )
    # Projections of 1 by 1 pixel are convolutions in the one, linear in the other.
    assert 2 * counted["convolution"] <= convolved


def test_sides_take_turns_and_agree(tmp_path):
    """Both in processes of their own, on the tiny checkpoint."""
    file = tmp_path / "figures.json"
    assert compare.main(["--quick", "--rows", "unet-8-b2", "load", "--json", str(file)]) == 0
    entries = json.loads(file.read_text())
    step, load = entries["tiny unet-8-b2"], entries["tiny load"]
    assert 0 < step["error"] < 1e-5
    for entry in (step, load):
        for side in ("mdx", "torch"):
            figures = entry["sides"][side]
            assert len(figures["seconds"]) == 2
            assert min(figures["seconds"]) > 0
            assert 100e6 < figures["peak"] < 2e9
        assert entry["ratios"]["torch"]["least"] <= entry["ratios"]["torch"]["most"]
        assert entry["machine"]["torch"]
    # The one that waits leaves the processors to the other.
    for side in step["sides"].values():
        assert max(side["waiting"]) < 0.2


def test_each_turn_in_a_process_of_its_own(tmp_path):
    """For nets of which memory holds one: SDXL's, whose UNet is told more than the text."""
    file = tmp_path / "figures.json"
    sdxl = ["--checkpoints", "SDXL", "--alone", "--rows", "unet-8-b2", "--json", str(file)]
    assert compare.main(["--quick", *sdxl]) == 0
    entry = json.loads(file.read_text())["tiny SDXL unet-8-b2"]
    assert 0 < entry["error"] < 1e-5
    for side in ("mdx", "torch"):
        figures = entry["sides"][side]
        assert figures["seconds"] == figures["calls"]
        assert len(figures["seconds"]) == len(figures["load"]) == 2
        assert min(figures["seconds"]) > 0
