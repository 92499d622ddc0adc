"""Whole pictures of repositories that people have, as diffusers loads and runs the same folder."""

import pytest

import mdx
from mdx.nets import vae
from tests import repositories
from tests.parity import pipelines
from tests.parity.pipelines import run
from tests.repositories import EMBEDDED, PIXELS, RUN

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:the prompt has")]
STEPS = 5
# Signs that are padding in SD 2.x, inversions of one vector and of two, and more than 77 ids.
PROMPTS = ["A red cat! <cat-toy> and a sks <Big-Dog>", "the dog's cat, " * 12]
NEGATIVE = ["a dog!!", "<cat-toy>"]
SEEDS = [4, 5]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """From a repository's name to the reference's pipeline and mdx's model."""
    found = {}

    def load(name):
        if name not in found:
            repository = EMBEDDED if name == "LCM" else RUN[name]
            folder = repositories.write(tmp_path_factory.mktemp("repository"), repository)
            variant = "fp16" if "fp16" in name else None
            # Unless it is told, it casts SD 2.1's text encoder to the dtype that its config names,
            # and then stops at the unet, which it does not cast.
            pipeline = diffusers.DiffusionPipeline.from_pretrained(
                folder,
                variant=variant,
                torch_dtype=torch.float32,
                safety_checker=None,
                feature_extractor=None,
            )
            pipeline.set_progress_bar_config(disable=True)
            found[name] = pipeline, mdx.load(folder, variant=variant)
        return found[name]

    return load


def embeds(pipeline):
    return pipeline.unet.config.time_cond_proj_dim is not None


def theirs(pipeline, negative, guidance=7.5, steps=STEPS):
    """Latents (B, C, h, w) and pixels (B, H, W, 3) of the reference; all noise is the seeds'."""
    shape = (4, *(side // pipeline.vae_scale_factor for side in PIXELS))
    # One whose network reads how far it is guided takes no negative prompt.
    asked = {} if embeds(pipeline) else {"negative_prompt": negative}
    return run(
        pipeline,
        PROMPTS,
        SEEDS,
        shape,
        num_inference_steps=steps,
        guidance_scale=guidance,
        height=PIXELS[0],
        width=PIXELS[1],
        **asked,
    )


def agree(pipeline, model, negative, guidance=7.5, steps=STEPS):
    expected = theirs(pipeline, negative, guidance, steps)
    got = mdx.generate(
        model,
        PROMPTS,
        negative_prompt=negative,
        steps=steps,
        guidance=guidance,
        seed=SEEDS,
        height=PIXELS[0],
        width=PIXELS[1],
        output="latent",
        progress=False,
    )
    pipelines.agree(model, got, expected)


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("negative", [None, NEGATIVE], ids=["no negative", "negative"])
def test_pictures(both, name, negative):
    agree(*both(name), negative)


@pytest.mark.parametrize("name", RUN)
def test_sizes_and_samplers(both, name):
    pipeline, model = both(name)
    assert model.unet.config.sample_size == pipeline.unet.config.sample_size
    assert vae.factor(model.vae.config) == pipeline.vae_scale_factor
    assert model.scheduler.name == type(pipeline.scheduler).__name__


def test_turbo_as_it_is_meant(both):
    """One step, no guidance."""
    agree(*both("SD turbo"), None, guidance=0.0, steps=1)


@pytest.mark.parametrize("guidance", [8.5, 3.0])
def test_guidance_that_the_network_reads(both, guidance):
    """A distilled UNet is told the number, and is not guided from outside."""
    agree(*both("LCM"), None, guidance=guidance, steps=4)
