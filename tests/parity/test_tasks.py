"""Pictures made of pictures, as diffusers' pipelines make them of the same folder and noise.

The autoencoder's mean stands in for its samples in both: see `mdx.encode`.
"""

import sys

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import schedulers
from tests import repositories, repositories_xl
from tests.generating import apart
from tests.parity.pipelines import CLOSE, agree
from tests.repositories import OF_PICTURES, PIXELS

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:the prompt has")]
STEPS, GUIDANCE = 5, 6.0
PROMPTS, NEGATIVE, SEEDS = ["a red cat on a dog", "the dog"], ["a dog", "red"], [4, 5]
SAMPLERS = ("DDIMScheduler", "EulerDiscreteScheduler")
XL = repositories_xl.RUN["base"]
FOLDERS = {
    "SD": repositories.RUN["SD 1.5"],
    "SD 2": repositories.RUN["SD 2.1"],
    **OF_PICTURES,
    "SDXL": XL,
    "SDXL inpainting": XL._replace(nets=XL.nets | {"unet": XL.nets["unet"] | {"in_channels": 9}}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """From a name to a repository's folder."""
    found = {}

    def written(name):
        if name not in found:
            place = tmp_path_factory.mktemp("repository")
            found[name] = repositories.write(place, FOLDERS[name])
        return found[name]

    return written


def picture(seed=0, sides=PIXELS):
    """A picture of smooth colours."""
    small = np.random.default_rng(seed).integers(0, 256, (8, 16, 3), np.uint8)
    return Image.fromarray(small).resize(sides[::-1], Image.Resampling.BICUBIC)


def hole():
    """A mask whose edges lie between latents."""
    mask = np.zeros(PIXELS, np.uint8)
    mask[16:48, 40:104] = 255
    return Image.fromarray(mask)


def theirs(place, kind, sampler, **asked):
    """Latents and pixels of a pipeline of diffusers, whose noise is that of the seeds."""
    pipeline = getattr(diffusers, kind).from_pretrained(
        place, torch_dtype=torch.float32, **UNCHECKED.get(kind, {})
    )
    pipeline.set_progress_bar_config(disable=True)
    own = getattr(diffusers, sampler)
    pipeline.scheduler = own.from_config(pipeline.scheduler.config, clip_sample=False)
    generators = [np.random.default_rng(seed) for seed in SEEDS]
    seen = []

    def draw(shape, *_, **__):
        noise = np.stack([one.standard_normal(tuple(shape)[1:]) for one in generators])
        return torch.tensor(noise, dtype=torch.float32)

    def watch(pipeline, step, time, given):
        seen.append(given["latents"].numpy().copy())
        return given

    watched = {"callback_on_step_end": watch}
    if "Upscale" in kind:
        watched = {"callback": lambda step, time, latents: seen.append(latents.numpy().copy())}
    gaussian = diffusers.models.autoencoders.vae.DiagonalGaussianDistribution
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gaussian, "sample", lambda self, generator=None: self.mode())
        patch.setattr(sys.modules[type(pipeline).__module__], "randn_tensor", draw)
        if "latents" in asked:
            asked["latents"] = draw(asked["latents"])
        pixels = pipeline(
            PROMPTS, num_inference_steps=STEPS, negative_prompt=NEGATIVE, output_type="np",
            **watched, **asked,
        ).images  # fmt: skip
    return seen[-1], pixels


UNCHECKED = {
    kind: {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    for kind in ("StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
                 "StableDiffusionInstructPix2PixPipeline")
}  # fmt: skip


def ours(place, sampler, **asked):
    """mdx's model and latents of the same folder."""
    model = mdx.load(place)
    scheduler = schedulers.from_config(model.scheduler, sampler, **CLIPS.get(sampler, {}))
    latents = mdx.generate(
        model, PROMPTS, negative_prompt=NEGATIVE, scheduler=scheduler, steps=STEPS, seed=SEEDS,
        output="latent", progress=False, **asked,
    )  # fmt: skip
    return model, latents


CLIPS = {"DDIMScheduler": {"clip_sample": False}}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("SD", "StableDiffusionImg2ImgPipeline"),
        ("SD 2", "StableDiffusionImg2ImgPipeline"),
        ("SDXL", "StableDiffusionXLImg2ImgPipeline"),
    ],
)
def test_image_to_image(folder, name, kind, sampler):
    images = [picture(0), picture(1)]
    expected = theirs(folder(name), kind, sampler, image=images, strength=0.62)
    agree(*ours(folder(name), sampler, image=images, strength=0.62), expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [0.7, 1.0])
@pytest.mark.parametrize(
    ("name", "kind"),
    [("SD", "StableDiffusionInpaintPipeline"), ("SDXL", "StableDiffusionXLInpaintPipeline")],
)
def test_inpainting_by_steps(folder, name, kind, strength, sampler):
    """The reference's own form for networks that read no mask."""
    sides = {"height": PIXELS[0], "width": PIXELS[1]}
    asked = {"image": picture(), "strength": strength}
    guided = {"guidance_scale": GUIDANCE, **sides}
    expected = theirs(folder(name), kind, sampler, mask_image=hole(), **asked, **guided)
    got = ours(
        folder(name), sampler, mask=hole(), inpaint=mdx.Inpaint(method="steps"),
        guidance=GUIDANCE, **asked
    )  # fmt: skip
    agree(*got, expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("strength", [0.7, 1.0])
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("inpainting", "StableDiffusionInpaintPipeline"),
        ("SDXL inpainting", "StableDiffusionXLInpaintPipeline"),
    ],
)
def test_inpainting_by_a_network_that_reads_the_mask(folder, name, kind, strength, sampler):
    sides = {"height": PIXELS[0], "width": PIXELS[1]}
    asked = {"image": picture(), "strength": strength}
    guided = {"guidance_scale": GUIDANCE, **sides}
    expected = theirs(folder(name), kind, sampler, mask_image=hole(), **asked, **guided)
    agree(*ours(folder(name), sampler, mask=hole(), guidance=GUIDANCE, **asked), expected)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_instructions(folder, sampler):
    images = [picture(0), picture(1)]
    asked = {"image": images, "guidance_scale": 6.0, "image_guidance_scale": 1.3}
    kind = "StableDiffusionInstructPix2PixPipeline"
    expected = theirs(folder("InstructPix2Pix"), kind, sampler, **asked)
    guidance = mdx.guidance.instruct(6.0, 1.3)
    model, got = ours(folder("InstructPix2Pix"), sampler, image=images, guidance=guidance)
    agree(model, got, expected)
    usual = theirs(folder("InstructPix2Pix"), kind, sampler, image=images)
    agree(*ours(folder("InstructPix2Pix"), sampler, image=images), usual)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("level", [0, 20, 350])
def test_the_upscaler(folder, level, sampler):
    sides = (16, 24)
    images = [picture(0, sides), picture(1, sides)]
    asked = {"image": images, "noise_level": level, "latents": (2, 4, *sides)}
    expected = theirs(folder("upscaler"), "StableDiffusionUpscalePipeline", sampler, **asked)
    model = mdx.load(folder("upscaler"))
    scheduler = schedulers.from_config(model.scheduler, sampler, **CLIPS.get(sampler, {}))
    got = mdx.upscale(
        model, PROMPTS, images, noise_level=level, negative_prompt=NEGATIVE, scheduler=scheduler,
        steps=STEPS, seed=SEEDS, output="latent", progress=False,
    )  # fmt: skip
    assert expected[1].shape == (2, 64, 96, 3)
    agree(model, got, expected)
    if level == 20:
        usual = mdx.generate(
            model, PROMPTS, image=images, negative_prompt=NEGATIVE, scheduler=scheduler,
            steps=STEPS, seed=SEEDS, output="latent", progress=False,
        )  # fmt: skip
        np.testing.assert_array_equal(usual, got)
    else:
        other = mdx.upscale(
            model, PROMPTS, images, negative_prompt=NEGATIVE, scheduler=scheduler,
            steps=STEPS, seed=SEEDS, output="latent", progress=False,
        )  # fmt: skip
        assert apart(other, got) > 100 * CLOSE


@pytest.mark.parametrize("name", ["inpainting", "upscaler"])
def test_whatever_is_held_in_memory(folder, name):
    """Channels and noise levels reach a network that runs by stages, and in one graph."""
    model = mdx.load(folder(name))
    asked = {"image": picture(0, (16, 24) if name == "upscaler" else PIXELS)}
    asked |= {"mask": hole()} if name == "inpainting" else {}
    asked |= {"steps": 2, "seed": 0, "output": "latent", "progress": False}
    whole = mdx.generate(model, "a dog", **asked)
    staged = mdx.generate(model, "a dog", memory=mdx.Memory(weights="stage"), **asked)
    assert apart(staged, whole) < CLOSE
    np.testing.assert_array_equal(mdx.generate(model, "a dog", one_graph=True, **asked), whole)
