"""Published configs as the references read them: every coefficient, every weight's shape."""

import inspect
import shutil

import numpy as np
import pytest

from mdx import model_index, schedulers
from mdx.nets import clip, unet, vae
from mdx.schedulers import testbed
from mdx.schedulers.runs import training
from tests import wild

diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.parity
STEPS = 6
DDIM, PNDM = "DDIMScheduler", "PNDMScheduler"
OTHERS = (DDIM, PNDM, "EulerDiscreteScheduler", "DPMSolverMultistepScheduler")


def right(config, other):
    """Whether the reference is, for a model of this config: tests/schedulers/test_defects.py."""
    leading = config.get("timestep_spacing", "leading") == "leading"
    velocity = config.get("prediction_type") == "v_prediction"
    return other not in (DDIM, PNDM) or (leading and not (other == PNDM and velocity))


EXCHANGED = [
    (name, other)
    for name, (_, _, config) in wild.SCHEDULERS.items()
    for other in OTHERS
    if right(config, other)
]


@pytest.fixture(scope="module")
def both(tiny_checkpoint, tmp_path_factory):
    """From a published config's name to the scheduler of the reference's pipeline, and mdx's."""
    found = {}

    def load(name):
        if name not in found:
            folder = tmp_path_factory.mktemp("wild") / "checkpoint"
            wild.write(shutil.copytree(tiny_checkpoint, folder), name)
            pipeline = diffusers.DiffusionPipeline.from_pretrained(folder, safety_checker=None)
            ours = model_index.scheduler(model_index.read(folder))
            found[name] = pipeline.scheduler, ours
        return found[name]

    return load


def agree(theirs, ours):
    from tests.schedulers import compare, reference

    known = inspect.signature(reference.named(ours.name).__init__).parameters
    config = {k: v for k, v in theirs.items() if k in known}
    kept = training(ours.config, 0.0 if ours.name in (DDIM, PNDM) else 2.0**-24)
    times, expected = reference.response(compare.Case(ours.name, config, STEPS), kept)
    table = schedulers.table(ours, STEPS)
    np.testing.assert_allclose(table.t, times, atol=1e-4, rtol=0)
    assert np.all(np.isinf(table.clip))
    got = testbed.response(table)
    assert np.abs(got - expected).max() < compare.TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("name", wild.SCHEDULERS)
def test_of_the_checkpoint(both, name):
    theirs, ours = both(name)
    assert ours.name == type(theirs).__name__
    agree(theirs.config, ours)


@pytest.mark.parametrize(("name", "other"), EXCHANGED)
def test_exchanged_for_another(both, name, other):
    """The reference is told again what its pipeline put right: it forgets, see below."""
    theirs, ours = both(name)
    told = {"steps_offset": 0 if name == "LCM" else 1, "clip_sample": False}
    agree(
        getattr(diffusers, other).from_config(theirs.config, **told).config,
        schedulers.from_config(ours, other),
    )


@pytest.mark.parametrize("name", wild.SCHEDULERS)
def test_the_reference_forgets(both, name):
    """Where the config is silent, DDIM in the place of its sampler begins at 0 and clips latents.

    Both are wrong for the same model as before: what the pipeline put right belongs to the model.
    """
    theirs, ours = both(name)
    config = wild.SCHEDULERS[name][2]
    said = config.keys() - set(config.get("_use_default_values", ()))
    other = diffusers.DDIMScheduler.from_config(theirs.config).config
    assert other.clip_sample == ("clip_sample" not in said)
    assert (other.steps_offset == 0) == ("steps_offset" not in said or name == "LCM")
    mine = schedulers.from_config(ours, "ddim").config
    assert (mine["clip_sample"], mine["steps_offset"]) == (False, 0 if name == "LCM" else 1)


NETS = [(part, name) for part, configs in wild.NETS.items() for name in configs]


@pytest.mark.parametrize(("part", "name"), [(p, n) for p, n in NETS if "floats" not in n])
def test_weights_of_published_configs(part, name):
    """Names and shapes at full size; whole numbers written as floats the reference cannot read."""
    import torch
    import transformers

    published = wild.NETS[part][name]
    with torch.device("meta"):
        if part == "text_encoder":
            config = transformers.CLIPTextConfig.from_dict(dict(published))
            theirs = getattr(transformers, published["architectures"][0])(config).state_dict()
        else:
            kind = diffusers.UNet2DConditionModel if part == "unet" else diffusers.AutoencoderKL
            theirs = kind.from_config(published).state_dict()
    net = {"unet": unet, "vae": vae, "text_encoder": clip}[part]
    mine = net.shapes(net.from_json(published))
    assert mine.keys() in (theirs.keys(), {"text_model." + key for key in theirs})
    for key, value in theirs.items():
        assert mine[key if key in mine else "text_model." + key] == tuple(value.shape)
