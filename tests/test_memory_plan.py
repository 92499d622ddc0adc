"""What a run will take, before it runs: how it grows, what it chooses, what it refuses."""

import functools
import subprocess
import sys

import numpy as np
import pytest

import mdx
from mdx.checks import bytes_of
from mdx.sampling import staged

STAGES = mdx.Memory(weights="stage")


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture
def large(monkeypatch, model):
    """The tiny model, planned as if it were run like a large one."""
    monkeypatch.setattr(staged, "STAGED_FROM", 1)
    return model


def test_every_step_has_its_peak(model):
    found = mdx.plan(model, 64, 64, 1)
    assert [step.name for step in found.steps] == ["text encoder", "UNet", "VAE"]
    # The worst step's peak is what fits, to the byte.
    memory = mdx.Memory()
    assert mdx.plan(model, 64, 64, 1, budget=found.peak, memory=memory).fits
    assert not mdx.plan(model, 64, 64, 1, budget=found.peak - 1, memory=memory).fits
    # There are the process, and the weights; of the embedding only what is looked up.
    assert all(step.peak > 300e6 for step in found.steps)
    for step, net in zip(found.steps[1:], (model.unet, model.vae), strict=True):
        assert step.weights >= sum(p.nbytes for p in net.params.values())
    assert (found.height, found.width, found.batch, found.dtype) == (64, 64, 1, "float32")
    assert found.fits
    assert found.largest is None


def test_maps_grow_with_pictures_and_their_size(large):
    """The UNet's with both; the VAE decodes one picture at a time."""

    def maps(side, batch, **options):
        return [step.maps for step in mdx.plan(large, side, side, batch, **options).steps]

    text, unet, vae = maps(512, 2)
    assert maps(512, 4)[0] == text
    assert maps(512, 4)[1] == pytest.approx(2 * unet, rel=0.35)
    assert maps(512, 4)[2] == vae
    assert maps(1024, 2)[2] == pytest.approx(4 * vae, rel=0.01)
    assert maps(512, 4, guided=False)[1] == unet


def test_hidden_layers_beyond_the_usual_parts_count(model):
    """A quarter of a million tokens, guided: half a gigabyte at once, or a part of it.

    They and what is made of them are in memory at once: more than themselves, less than twice.
    """
    sizes = [2**26, 2**28, 2**40]
    maps = [
        mdx.plan(model, 1024, 1024, 1, memory=mdx.Memory(part_bytes=size)).steps[1].maps
        for size in sizes
    ]
    channels = model.unet.config.block_out_channels[0]
    hidden = 4 * 8 * channels * 2 * 512**2
    assert 2**28 - 2**26 < maps[1] - maps[0] < 2 * (2**28 - 2**26)
    assert hidden - 2**26 < maps[2] - maps[0] < 2 * (hidden - 2**26)


def test_weights_that_stay(model):
    """All that were used; those of the net at work; those of one stage."""
    for weights in ("all", "net", "stage"):
        found = mdx.plan(model, 64, 64, 1, memory=mdx.Memory(weights=weights))
        kept = [step.weights for step in found.steps]
        size = sum(p.nbytes for p in model.unet.params.values())
        if weights == "all":
            assert kept == sorted(kept)
            assert kept[1] - kept[0] == size
        elif weights == "net":
            assert kept[1] == size
        else:
            assert 0 < kept[1] < size / 3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_copied_weights_are_always_there(tiny_checkpoint, dtype):
    """Another dtype than the files'."""
    half = mdx.load(tiny_checkpoint, dtype=dtype)
    found = mdx.plan(half, 64, 64, 1, memory=STAGES)
    size = sum(p.nbytes for net in (half.text_encoder, half.unet, half.vae)
               for p in net.params.values())  # fmt: skip
    assert found.dtype == dtype
    assert [step.weights for step in found.steps] == [0, 0, 0]
    whole = mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1, memory=STAGES)
    assert found.steps[0].rest - whole.steps[0].rest == size
    assert mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1, dtype, memory=STAGES) == found


def test_a_part_of_another_dtype_counts_as_what_it_is(tiny_checkpoint):
    """As a VAE that is held in float32 in a model of half precision."""
    half = mdx.load(tiny_checkpoint, dtype="bfloat16")
    vae = mdx.load_vae(tiny_checkpoint)
    found = mdx.plan(half._replace(vae=vae), 64, 64, 1, memory=STAGES)
    copied = sum(p.nbytes for net in (half.text_encoder, half.unet) for p in net.params.values())
    whole = mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1, memory=STAGES)
    assert found.steps[0].rest - whole.steps[0].rest == copied
    assert found.steps[-1].weights == whole.steps[-1].weights > 0


def test_a_budget_chooses_what_keeps_within_it():
    """From the quickest; tiles only where nothing else does. Unguided, the VAE takes most."""
    model = mdx.load()
    plan = functools.partial(mdx.plan, model, 1024, 1024, 1, guided=False)
    free = plan()
    rich = plan(budget="100GB")
    assert rich.memory == free.memory == mdx.Memory()
    assert rich.fits
    whole = plan(memory=STAGES)
    tiles = plan(memory=STAGES._replace(tile=64))
    assert tiles.peak < whole.peak < free.peak
    assert plan(budget=whole.peak).memory == STAGES
    poor = plan(budget=tiles.peak)
    assert poor.memory == tiles.memory
    assert poor.fits
    none = plan(budget="0.1GB")
    assert not none.fits
    assert none.largest == 0


def test_the_largest_batch_fits_and_one_more_does_not(large):
    for budget in ("2GB", "4GB"):
        most = mdx.plan(large, 512, 512, 1, budget=budget).largest
        assert most > 1
        assert mdx.plan(large, 512, 512, most, budget=budget).fits
        assert not mdx.plan(large, 512, 512, most + 1, budget=budget).fits


def test_a_plan_reads_as_a_table(model):
    text = str(mdx.plan(model, 64, 32, 3, budget="2 GB", memory=mdx.Memory("net", tile=16)))
    assert "3 of 32 by 64 pixels, float32 weights; weights in memory: net" in text
    assert "tiles of 16 latents" in text
    assert "budget 2000 MB, largest batch within it" in text
    assert [line.split()[0] for line in text.splitlines()[2:5]] == ["text", "UNet", "VAE"]


@pytest.mark.parametrize(
    ("text", "size"),
    [("6GB", 6 * 10**9), ("1.5 GB", 1.5e9), ("800MB", 8e8), ("2GiB", 2 * 2**30), (12345, 12345)],
)
def test_budgets(text, size):
    assert bytes_of(text) == size


def test_generate_keeps_within_a_budget_or_refuses_with_the_plan(model):
    options = {"steps": 1, "seed": 0, "output": "latent", "progress": False}
    free = mdx.generate(model, "a", **options)
    assert np.array_equal(mdx.generate(model, "a", memory="6GB", **options), free)
    with pytest.raises(MemoryError, match=r"(?s)keeps within the budget.*UNet.*budget 400 MB"):
        mdx.generate(model, "a", memory="400MB", **options)


RUN = """
import mdx
model = mdx.load()
mdx.generate(model, ["a"] * 4, steps=2, seed=0, progress=False)
print([line for line in open("/proc/self/status") if line.startswith("VmHWM")][0].split()[1])
"""


def test_the_packaged_checkpoint_takes_what_its_plan_says(tmp_path, monkeypatch):
    """In a process of its own; benchmarks/plan_check.py does so for nets of SD 1.5's size."""
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path))  # graphs from files take less
    took = subprocess.run([sys.executable, "-c", RUN], capture_output=True, check=True, text=True)
    peak = 1024 * int(took.stdout.split()[-1])
    assert mdx.plan(mdx.load(), 64, 64, 4).peak == pytest.approx(peak, rel=0.1)
