"""Configs of every part as they were published, and as old conversions have them."""

import math
from pathlib import Path

import numpy as np
import pytest

from mdx import loading, model_index, schedulers
from mdx.families import stable_diffusion
from mdx.nets import unet
from mdx.schedulers import from_config
from tests import tiny, wild
from tests.net_configs import NETS, SCHEDULER

CONFIGS = [(part, name) for part, configs in wild.NETS.items() for name in configs]


def frozen(value):
    """A value of a file as a config holds it: lists are tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


@pytest.mark.parametrize(("part", "name"), CONFIGS)
def test_published_configs_are_read(part, name):
    net, json = NETS[part], wild.NETS[part][name]
    config = net.from_json(json)
    for field in config._fields:
        said = json.get(field, config._field_defaults[field])
        said = bool(said) if isinstance(config._field_defaults[field], bool) else said
        assert getattr(config, field) == frozen(said)
    # Whole numbers stay whole: they size arrays and count layers.
    whole = [v for v in config if isinstance(v, float) and v == int(v)]
    assert set(whole) <= {1.0}  # mid_block_scale_factor
    assert all(isinstance(n, int) for shape in net.shapes(config).values() for n in shape)


# Tensors and numbers of published weights.
WEIGHTS = {
    ("unet", "SD 1.4 as first published"): (686, 859_520_964),
    ("vae", "SD 1.4 as first published"): (248, 83_653_863),
    ("text_encoder", "SD 1.4 as first published"): (196, 123_060_480),
    ("unet", "SDXL"): (1680, 2_567_463_684),
    ("unet", "LCM-SDXL"): (1681, 2_567_463_684 + 256 * 320),
    ("text_encoder", "SDXL, the second"): (517, 694_659_840),
}


@pytest.mark.parametrize(("part", "name"), WEIGHTS)
def test_the_names_of_real_weights(part, name):
    """As many as there are in the published files; tests/parity has each by its name."""
    shapes = NETS[part].shapes(NETS[part].from_json(wild.NETS[part][name]))
    assert (len(shapes), sum(map(math.prod, shapes.values()))) == WEIGHTS[part, name]


def loaded(tmp_path, name):
    folder = wild.write(tmp_path, name)
    return model_index.scheduler(model_index.read(folder))


@pytest.mark.parametrize(
    ("name", "times"),
    {
        "SD 1.4 as first published": [751, 501, 501, 251, 1],
        "SD 1.5": [751, 501, 501, 251, 1],
        "SD 2.1 base": [751, 501, 501, 251, 1],
        "SD 2.1": [751, 501, 251, 1],
        "SD turbo": [999, 749, 499, 249],
        "tiny SD": [999, 749, 500, 250],
        "LCM": [999, 759, 499, 259],
        "LCM LoRA, fused": [999, 759, 499, 259],
        "DreamBooth of 2023": [751, 501, 251, 1],
        "DreamBooth of 2022": [751, 501, 251, 1],
        "conversion older than 0.9": [751, 501, 501, 251, 1],
        "conversion without steps_offset": [751, 501, 501, 251, 1],
        "index and config differ": [751, 501, 251, 1],
        "offset and clip said": [751, 501, 251, 1],
        "defaults marked as such": [751, 501, 251, 1],
        "image to image": [751, 501, 251, 1],
    }.items(),
)
def test_published_schedulers(tmp_path, name, times):
    """Times of four steps as StableDiffusionPipeline has them; latents are never clipped.

    Nor when the checkpoint's sampler is exchanged for DDIM, which clips where nothing is said.
    """
    scheduler = loaded(tmp_path, name)
    _, cls, _ = wild.SCHEDULERS[name]
    assert scheduler.name == cls
    table = schedulers.table(scheduler, 4)
    assert table.t.tolist() == times
    ddim = schedulers.table(from_config(scheduler, "ddim"), 4)
    assert np.isinf([*table.clip, *ddim.clip]).all()
    spacing = scheduler.config.get("timestep_spacing", "leading")
    offset = 0 if name == "LCM" else 1
    expected = {
        "leading": [750 + offset, 500 + offset, 250 + offset, offset],
        "trailing": [999, 749, 499, 249],
        "linspace": [999, 666, 333, 0],
    }
    assert ddim.t.tolist() == expected[spacing]


def test_a_bare_config_keeps_the_defaults_of_its_class():
    config = from_config({"_class_name": "DDIMScheduler"}).config
    assert (config["steps_offset"], config["clip_sample"]) == (0, True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"index": ["diffusers", "EulerDiscreteScheduler"]}, "EulerDiscreteScheduler"),
        ({"config": ...}, "PNDMScheduler"),
        ({"config": "NeverHeardOfScheduler"}, "PNDMScheduler"),
        ({"index": ...}, "PNDMScheduler"),
        ({"index": [None, None], "config": "LMSDiscreteScheduler"}, "LMSDiscreteScheduler"),
    ],
)
def test_the_class_of_the_index_wins(checkpoint, changes, name):
    if "index" in changes:
        tiny.change_json(checkpoint / "model_index.json", scheduler=changes["index"])
    if "config" in changes:
        tiny.change_json(checkpoint / SCHEDULER, _class_name=changes["config"])
    assert loading.load(checkpoint).scheduler.name == name


@pytest.mark.parametrize(
    ("version", "said", "meant"),
    [
        ("0.2.2", 32, 64),
        ("0.8.1", 32, 64),
        ("0.8.0.dev0", 63, 64),
        ("0.6.0", 8, 64),
        ("0.6.0", 32.0, 64),
        ("0.6.0", 64, 64),
        ("0.6.0", 96, 96),
        ("0.6.0", [32, 48], (32, 48)),
        ("0.6.0", None, None),
        ("0.6.0", ..., None),
        ("0.9.0.dev0", 32, 32),
        ("0.9.0rc1", 32, 32),
        ("0.10.0", 32, 32),
        ("1.0", 32, 32),
        (..., 32, 32),
        (None, 32, 32),
        (5, 32, 32),
        ("new", 32, 32),
        ("9" * 5000, 32, 32),
    ],
)
def test_sample_size_of_old_conversions(version, said, meant):
    json = {"_diffusers_version": version, "sample_size": said}
    json = {key: value for key, value in json.items() if value is not ...}
    index = model_index.Index(Path("model_index.json"), "StableDiffusionPipeline", {})
    assert unet.from_json(stable_diffusion.meant(index, json)).sample_size == meant
    index = index._replace(pipeline="LatentConsistencyModelPipeline")
    own = tuple(said) if isinstance(said, list) else None if said is ... else said
    assert unet.from_json(stable_diffusion.meant(index, json)).sample_size == own


@pytest.mark.parametrize("side", [True, 31.5, math.nan, "32", {}, [8]])
def test_no_sample_size_of_an_old_conversion(side):
    index = model_index.Index(Path("model_index.json"), "StableDiffusionPipeline", {})
    json = {"_diffusers_version": "0.6.0", "sample_size": side}
    with pytest.raises(ValueError, match="sample_size"):
        unet.from_json(stable_diffusion.meant(index, json))


def test_an_old_conversion_loads(checkpoint):
    tiny.change_json(checkpoint / "unet" / "config.json", **wild.AVERAGED)
    tiny.change_json(checkpoint / "unet" / "config.json", _diffusers_version="0.6.0")
    assert loading.load(checkpoint).unet.config.sample_size == 64
