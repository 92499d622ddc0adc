"""What a run will take, before it runs: how it grows, what it chooses, what it refuses."""

import functools
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mdx
from mdx import budgets, compile_cache, memory_counts, memory_figures, memory_plan
from mdx.checks import bytes_of
from mdx.kernels.device import ASCEND, CPU, CPU_AVX512, CPU_NATIVE
from mdx.memory_counts import Size, counted, weighed
from mdx.memory_figures import Counts, Figures
from mdx.sampling import staged
from tests.test_request import asked, run

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import plan_settings

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
    """The UNet's with both; the VAE decodes one picture at a time beside those, and pixels stay."""

    def maps(side, batch, **options):
        return [step.maps for step in mdx.plan(large, side, side, batch, **options).steps]

    text, unet, vae = maps(512, 2)
    assert maps(512, 4)[0] == text
    assert maps(512, 4)[1] == pytest.approx(2 * unet, rel=0.35)
    pixels = memory_figures.figures("cpu")[0].pictures * 2 * 12 * 512**2
    assert maps(512, 2, pictures=4)[2] - vae == pytest.approx(pixels, abs=2)
    assert maps(1024, 2)[2] == pytest.approx(4 * vae, rel=0.01)
    assert maps(512, 4, guided=False)[1] == unet


def test_hidden_layers_beyond_the_usual_parts_count(model):
    """A quarter of a million tokens, guided: half a gigabyte at once, or a part of it.

    They, their halves and the product of these are in memory at once: themselves once at least,
    less than three times.
    """
    sizes = [2**26, 2**28, 2**40]
    maps = [
        mdx.plan(model, 1024, 1024, 1, memory=mdx.Memory(part_bytes=size)).steps[1].maps
        for size in sizes
    ]
    channels = model.unet.config.block_out_channels[0]
    hidden = 4 * 8 * channels * 2 * 512**2
    assert 2**28 - 2**26 <= maps[1] - maps[0] < 3 * (2**28 - 2**26)
    assert hidden - 2**26 <= maps[2] - maps[0] < 3 * (hidden - 2**26)


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


def test_weights_by_stage_are_those_of_the_largest():
    """And their float32 copies, which are there when no hidden layer is."""
    setting = plan_settings.Setting("SD 1.5", 512, 512, 1, STAGES, 7.5, "float16", False)
    running, casting = plan_settings.works_of(setting)[1].moments
    # Two convolutions of 3 by 3, a third of 1 by 1 and the embedding's, each with its bias; norms.
    most = 2560 * 1280 * 9 + 1280**2 * 9 + 2560 * 1280 + 1280**2 + 4 * 1280 + 2 * 2560 + 2 * 1280
    assert running.weights == casting.weights == 2 * most
    assert (running.counts.unet_casts, casting.counts.unet_casts) == (0, 4 * most)
    assert (running.counts.hidden, casting.counts.hidden) == (2**26, 0)
    assert running.counts.wide_maps == casting.counts.wide_maps == 4 * 2 * 64**2 * 960


@pytest.mark.parametrize(("tile", "graphs"), [(None, 1), (64, 1), (32, 2)])
def test_a_picture_in_tiles_has_two_graphs_of_the_vae(tile, graphs):
    """What comes before the tiles, and what makes each; a picture as large as a tile is whole."""
    memory = mdx.Memory(tile=tile)
    setting = plan_settings.Setting("SD 1.5", 512, 512, 1, memory, 7.5, "float32", False)
    counts = plan_settings.works_of(setting)[2].moments[0].counts
    assert counts.vae_graph == counts.wide_vae_graph == graphs
    assert counts.middle_maps == (4 * 512 * 64**2 if graphs == 2 else 0)


@pytest.mark.parametrize(
    ("part_bytes", "side", "guided", "parts"),
    [
        # Scores of 8 heads: 4096 queries of 128 kB in parts of 16 MB, 1024 of 32 kB in two.
        (2**26, 512, False, 31 + 1),
        (2**26, 512, True, 63 + 3),  # picture by picture; 256 queries and fewer all at once
        (2**23, 512, False, 63 + 3),
        (2**18, 512, True, 4095 + 255 + 15),  # those in parts as well, both pictures together
        (2**26, 256, False, 1),
        # 512 parts at most, of 16384 queries.
        (2**26, 1024, False, 511 + 31 + 1),
    ],
)
def test_parts_of_attention_are_counted(part_bytes, side, guided, parts):
    """Those beyond the first, of each kind of transformer that SD 1.5 has."""
    memory = mdx.Memory(part_bytes=part_bytes)
    setting = plan_settings.Setting(
        "SD 1.5", side, side, 1, memory, 7.5 if guided else 1.0, "float32", False
    )
    assert plan_settings.works_of(setting)[1].moments[0].counts.parts == parts


def test_copied_weights_are_always_there(tiny_checkpoint):
    """Another dtype than the files'."""
    half = mdx.load(tiny_checkpoint, dtype="float16")
    found = mdx.plan(half, 64, 64, 1, memory=STAGES)
    size = sum(p.nbytes for net in (half.text_encoder, half.unet, half.vae)
               for p in net.params.values())  # fmt: skip
    assert found.dtype == "float16"
    assert [step.weights for step in found.steps] == [0, 0, 0]
    whole = mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1, memory=STAGES)
    # And beside them what the text encoder casts for its products.
    casts = sum(4 * p.size for p in half.text_encoder.params.values())
    assert size <= found.steps[0].rest - whole.steps[0].rest <= size + 1.1 * casts
    assert mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1, "float16", memory=STAGES) == found


def test_a_budget_chooses_what_keeps_within_it():
    """From the quickest; tiles only where nothing else does. SD 1.5's VAE takes most."""
    nets = plan_settings._nets("SD 1.5", "float32")
    model = mdx.load()._replace(
        text_encoder=nets.texts[0].net, unet=nets.unet.net, vae=nets.vae.net
    )
    plan = functools.partial(mdx.plan, model, 1024, 1024, 1)
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


def test_pictures_that_run_in_batches_count_as_well(large):
    """The pixels of all; and another batch's graphs, where the last one is smaller."""

    def found(pictures):
        return mdx.plan(large, 512, 512, 2, pictures=pictures).steps

    one, two, three = found(2), found(4), found(3)
    each = memory_figures.figures("cpu")[0]
    assert two[2].peak - one[2].peak == pytest.approx(each.pictures * 2 * 12 * 512**2, abs=2)
    assert two[1] == one[1]
    assert three[1].rest > two[1].rest
    with pytest.raises(ValueError, match="pictures"):
        mdx.plan(large, 512, 512, 2, pictures=1)


def test_all_steps_in_one_graph_are_a_whole_unet(large):
    """With its stages in one graph, and the noise of all steps."""
    stages, whole = (mdx.plan(large, 512, 512, 2, one_graph=one) for one in (False, True))
    assert whole.steps[1].rest > stages.steps[1].rest
    assert whole.steps[1].maps > stages.steps[1].maps
    least = mdx.plan(large, 512, 512, 2, budget="100MB", one_graph=True)
    assert least.memory.weights == "net"  # stages are graphs of their own


def test_each_net_has_a_dtype_of_its_own(model, tiny_checkpoint):
    """A VAE may be float32 where the rest is not; only half weights are cast."""
    half = mdx.load(tiny_checkpoint, dtype="float16")
    nets = weighed([half.text_encoder], half.unet, model.vae)
    assert [held.each for held in (*nets.texts, nets.unet, nets.vae)] == [2, 2, 4]
    assert nets.vae.cast == 0
    assert nets.unet.cast == sum(4 * param.size for param in half.unet.params.values())
    assert nets.vae.mapped > 0 == nets.unet.mapped  # a copy, for the files are float32
    assert weighed([half.text_encoder], half.unet, model.vae, "float16").vae.mapped == 0


def test_any_number_of_text_encoders(model):
    """Their weights and layers together."""

    def text(*encoders):
        nets = weighed(encoders, model.unet, model.vae)
        (moment,) = counted(nets, Size((8, 8), 1, True, 1, False), mdx.Memory())[0].moments
        return moment

    none, one, two = text(), text(model.text_encoder), text(*[model.text_encoder] * 2)
    assert none.counts.text_layers == none.weights == 0
    assert two.weights == 2 * one.weights > 0
    assert two.counts.text_layers == 2 * one.counts.text_layers > 0


def test_a_device_that_was_not_measured_takes_the_most_that_others_do(model, monkeypatch):
    """And says so, and is not refused a run."""
    kinds = [memory_figures.figures(name)[0] for name in ("cpu", "cpu-avx512")]
    most, measured = memory_figures.figures("")
    assert not measured
    assert most == Figures(*(max(pair) for pair in zip(*kinds, strict=True)))
    known = mdx.plan(model, 64, 64, 1)
    assert known.measured
    assert "not measured" not in str(known)
    monkeypatch.setattr(memory_plan, "lowering", lambda: ASCEND)
    found = mdx.plan(model, 64, 64, 1)
    assert not found.measured
    assert found.peak >= known.peak
    assert str(found).endswith("this device was not measured: figures of others stand in")


def test_a_budget_on_a_device_that_was_not_measured_is_a_warning(model, monkeypatch, caplog):
    with pytest.raises(MemoryError, match="no choice of memory keeps within the budget"):
        asked(model, memory="300MB")
    monkeypatch.setattr(memory_plan, "lowering", lambda: ASCEND)
    least = min(("all", "net", "stage"), key=lambda kept: mdx.plan(
        model, 16, 16, 1, memory=mdx.Memory(kept)).peak)  # fmt: skip
    with caplog.at_level(logging.WARNING, "mdx"):
        assert run(model, memory="300MB").memory == mdx.Memory(least)
    assert "no choice of memory keeps within the budget" in caplog.text
    assert "not measured" in caplog.text


def test_a_budget_leaves_room_for_graphs_of_other_runs(model, monkeypatch):
    """They may take what the plan does not, and what was left behind for good counts."""
    begun = []
    monkeypatch.setattr(compile_cache, "begin", lambda kind, room=None: begun.append((kind, room)))
    # Whatever tests before it left in this process.
    monkeypatch.setattr(compile_cache, "left_beside", lambda kind: 0)
    peak = mdx.plan(model, 16, 16, 1, memory=mdx.Memory()).peak
    asked(model)
    asked(model, memory=peak + 1000)
    assert begun == [(begun[0][0], None), (begun[0][0], 1000)]
    monkeypatch.setattr(compile_cache, "left_beside", lambda kind: 600)
    asked(model, memory=peak + 1000)
    assert begun[2] == (begun[0][0], 400)
    least = min(mdx.plan(model, 16, 16, 1, memory=mdx.Memory(kept)).peak
                for kept in ("all", "net", "stage"))  # fmt: skip
    with pytest.raises(MemoryError, match="beside 600 bytes that earlier runs have left"):
        asked(model, memory=least + 599)


def test_a_budget_is_for_the_run_that_is_asked_for(model, monkeypatch):
    """Of a batch's size, with the pixels of all pictures, and all steps in one graph or not."""
    seen, names = [], ("pictures", "guided", "one_graph")

    def found(model, *sizes, **options):
        seen.append((*sizes, *map(options.get, names)))
        return mdx.plan(model, *sizes, **options)

    monkeypatch.setattr(budgets, "plan", found)
    asked(model, memory="9GB", prompt=["a", "b", "c"], batch=2, height=8)
    asked(model, memory="9GB", guidance=1.0, one_graph=True)
    assert seen == [(8, 16, 2, 3, True, False), (16, 16, 1, 1, False, True)]


def test_graphs_of_other_runs_make_room(model, monkeypatch):
    """Where a budget leaves none; those of its own kind stay."""
    mdx.clear_graphs()
    # What MindSpore kept of earlier tests' graphs is theirs.
    monkeypatch.setattr(compile_cache, "left_beside", lambda kind: 0)
    options = {"steps": 1, "seed": 0, "output": "latent", "progress": False}
    mdx.generate(model, "a", height=18, width=12, **options)
    other = set(compile_cache.graphs().held)
    peak = mdx.plan(model, 16, 16, 1, memory=mdx.Memory()).peak
    budget = peak + 1000
    mdx.generate(model, "a", memory=budget + compile_cache.graphs().size, **options)
    assert other < set(compile_cache.graphs().held)
    own = set(compile_cache.graphs().held) - other
    mdx.generate(model, "a", memory=budget, **options)
    assert own <= set(compile_cache.graphs().held)
    assert not other <= set(compile_cache.graphs().held)


def test_what_a_run_asks_for_is_its_kind(model, monkeypatch):
    """Runs that need other graphs are of other kinds; others that differ are of one."""
    kinds = []
    monkeypatch.setattr(compile_cache, "begin", lambda kind, room=None: kinds.append(kind))
    same = [{}, {"seed": 3}, {"prompt": "b"}, {"steps": 5}, {"guidance": 2.0}, {"memory": "9GB"}]
    other = [
        {"height": 8}, {"guidance": 1.0}, {"one_graph": True}, {"prompt": ["a", "b"]},
        {"memory": STAGES}, {"memory": mdx.Memory(part_bytes=1000)},
    ]  # fmt: skip
    for arguments in (*same, *other):
        asked(model, **arguments)
    assert len(set(kinds[: len(same)])) == 1
    assert len(set(kinds)) == 1 + len(other)


def test_figures_and_counts_are_of_the_same_things():
    assert Figures._fields == Counts._fields
    for name in ("cpu", "cpu-avx512"):
        found, measured = memory_figures.figures(name)
        assert measured
        assert min(found) >= 0 < found.process
    devices = {CPU: "cpu", CPU_AVX512: "cpu-avx512", CPU_NATIVE: "cpu-native"}
    devices |= {CPU_NATIVE._replace(products="bfloat16"): "cpu-native"}
    assert {device: memory_figures.name_of(device) for device in devices} == devices


def test_native_operators_that_were_not_measured_have_room_to_work_in(monkeypatch):
    known = {key: value for key, value in memory_figures._file().items() if key != "cpu-native"}
    monkeypatch.setattr(memory_figures, "_file", lambda: known)
    others, _ = memory_figures.figures("")
    found, measured = memory_figures.figures("cpu-native")
    assert not measured
    assert found == others._replace(process=others.process + memory_figures.SCRATCH)


def runs():
    """Every run that was measured, to fit figures or to check them."""
    for name in ("plan_measured.json", "plan_checked.json"):
        file = Path(plan_settings.__file__).with_name(name)
        for device, found in json.loads(file.read_text()).items():
            for one in found["runs"]:
                yield device, one


def test_no_run_that_was_measured_took_more_than_its_plan():
    """Nor a cold one much less. If this fails: python benchmarks/plan_fit.py --fit-only."""
    ratios = []
    for device, one in runs():
        setting, peaks = plan_settings.from_json(one)
        each = memory_figures.figures(device)[0]
        steps = [memory_plan._step(each, work) for work in plan_settings.works_of(setting)]
        for one in peaks:
            for step, peak in zip(steps, one, strict=True):
                assert peak <= step.peak, (device, setting, step)
        ratios.append(max(peaks[0]) / max(step.peak for step in steps))
    assert len(ratios) > 40
    assert min(ratios) >= 0.85


@pytest.mark.parametrize("beside", [10**8, lambda memory: 10**8])
def test_what_is_beside_takes_its_part_of_a_budget(large, beside):
    """And changes no peak."""
    for budget in (10**9, 3 * 10**9):
        less, plain = (mdx.plan(large, 512, 512, 1, budget=budget + more, beside=by)
                       for more, by in ((10**8, beside), (0, 0)))  # fmt: skip
        assert (less.memory, less.largest) == (plain.memory, plain.largest)
        assert less.steps == plain.steps


def test_the_largest_batch_fits_and_one_more_does_not(large):
    for budget in ("3GB", "6GB"):
        most = mdx.plan(large, 256, 256, 1, budget=budget).largest
        assert most > 1
        assert mdx.plan(large, 256, 256, most, budget=budget).fits
        assert not mdx.plan(large, 256, 256, most + 1, budget=budget).fits


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
    """In a process of its own; benchmarks/plan_check.py does so for random settings."""
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path))  # graphs from files take less
    took = subprocess.run([sys.executable, "-c", RUN], capture_output=True, check=True, text=True)
    peak = 1024 * int(took.stdout.split()[-1])
    planned = mdx.plan(mdx.load(), 64, 64, 4).peak
    assert 0.85 * planned <= peak <= planned


def test_a_part_of_another_dtype_counts_as_what_it_is(tiny_checkpoint):
    """As a VAE that is held in float32 in a model of half precision."""
    half = mdx.load(tiny_checkpoint, dtype="bfloat16")
    vae = mdx.load_vae(tiny_checkpoint)
    found = mdx.plan(half._replace(vae=vae), 64, 64, 1)
    whole = mdx.plan(mdx.load(tiny_checkpoint), 64, 64, 1)
    kept = sum(p.nbytes for net in (half.text_encoder, half.unet) for p in net.params.values())
    own = whole.steps[-1].weights - found.steps[-1].weights
    unet_and_text = mdx.load(tiny_checkpoint)
    used = sum(
        param.nbytes
        for net in (unet_and_text.text_encoder, unet_and_text.unet)
        for name, param in net.params.items()
        if "token_embedding" not in name
    )
    assert own == used
    assert found.steps[-1].rest >= whole.steps[-1].rest + kept


def test_what_a_large_text_encoder_cast_stays_in_part(model):
    """Beyond the first piece that MindSpore takes; of an encoder below it nothing is counted."""

    def later(cast):
        nets = weighed([model.text_encoder], model.unet, model.vae)
        nets = nets._replace(texts=(nets.texts[0]._replace(cast=cast),))
        works = counted(nets, Size((8, 8), 1, True, 1, False), mdx.Memory())[1:]
        return {moment.counts.text_casts for work in works for moment in work.moments}

    assert later(2**30) == {0}
    assert later(3 * 2**30) == {2**30}


def test_native_operators_copy_no_weights_and_have_no_scores(model, monkeypatch):
    """What is left of copies is the table of words, and that in bfloat16 alone."""
    found = {}
    for name, lowering in (("plain", CPU), ("native", CPU_NATIVE)):
        monkeypatch.setattr(memory_counts, "lowering", lambda lowering=lowering: lowering)
        for dtype in ("float32", "float16", "bfloat16"):
            nets = weighed([model.text_encoder], model.unet, model.vae, dtype)
            size = Size((512, 512), 1, True, 1, True)
            works = counted(nets, size, mdx.Memory(part_bytes=2**16))
            casts = [held.cast for held in (nets.texts[0], nets.unet, nets.vae)]
            found[name, dtype] = (casts, works[1].moments[0].counts.parts)
    words = 4 * model.text_encoder.params["text_model.embeddings.token_embedding.weight"].size
    assert found["native", "float32"] == ([0, 0, 0], 0)
    assert found["native", "float16"] == ([0, 0, 0], 0)
    assert found["native", "bfloat16"] == ([words, 0, 0], 0)
    assert all(found["plain", "float16"][0])
    assert found["plain", "float16"][1] > 0
