"""Whole pictures of repositories that people have, as diffusers loads and runs the same folder."""

import sys

import numpy as np
import pytest

import mdx
from mdx.nets import vae
from tests import repositories
from tests.repositories import EMBEDDED, PIXELS, RUN

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:the prompt has")]
STEPS = 5
# Signs that are padding in SD 2.x, inversions of one vector and of two, and more than 77 ids.
PROMPTS = ["A red cat! <cat-toy> and a sks <Big-Dog>", "the dog's cat, " * 12]
NEGATIVE = ["a dog!!", "<cat-toy>"]
SEEDS = [4, 5]
CLOSE = 1e-4  # of the largest latent
LEAST = 50  # dB


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
    generators = [np.random.default_rng(seed) for seed in SEEDS]
    seen = []

    def draw(*_, **__):
        noise = np.stack([one.standard_normal(shape) for one in generators])
        return torch.tensor(noise, dtype=torch.float32)

    def watch(pipeline, step, time, given):
        seen.append(given["latents"].numpy().copy())
        return given

    with pytest.MonkeyPatch.context() as patch:
        sampler = sys.modules[type(pipeline.scheduler).__module__]
        patch.setattr(sampler, "randn_tensor", draw, raising=False)
        # One whose network reads how far it is guided takes no negative prompt.
        asked = {} if embeds(pipeline) else {"negative_prompt": negative}
        pixels = pipeline(
            PROMPTS,
            **asked,
            latents=draw(),
            num_inference_steps=steps,
            guidance_scale=guidance,
            height=PIXELS[0],
            width=PIXELS[1],
            output_type="np",
            callback_on_step_end=watch,
        ).images
    return seen[-1], pixels


def agree(pipeline, model, negative, guidance=7.5, steps=STEPS):
    latents, pixels = theirs(pipeline, negative, guidance, steps)
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
    assert pixels.std() > 0.05, "the pictures are flat: they would agree whatever mdx did"
    apart = np.abs(got - latents).max() / np.abs(latents).max()
    square = np.mean((np.float64(mdx.decode(model, got, output="np")) - pixels) ** 2)
    print(f"latents {apart:.1e} apart, pictures {-10 * np.log10(square):.1f} dB")
    assert apart < CLOSE
    assert -10 * np.log10(square) > LEAST


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
