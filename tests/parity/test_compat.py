"""The same call of diffusers' pipeline and of mdx.compat's: same weights, same noise, same words.

Callbacks see the same times and latents after every step, in the coordinates of diffusers.
"""

import numpy as np
import pytest

import mdx.compat
from tests import repositories
from tests.generating import apart
from tests.parity.pipelines import CLOSE, LEAST
from tests.repositories_xl import RUN

diffusers = pytest.importorskip("diffusers")
torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.parity, pytest.mark.filterwarnings("ignore:the prompt has")]

PROMPTS = ["a red circle on a blue background", "a green square"]
STEPS = 6
SAMPLERS = [
    "PNDMScheduler",
    "DDIMScheduler",
    "EulerDiscreteScheduler",
    "HeunDiscreteScheduler",
    "LMSDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "DPMSolverMultistepScheduler",
    "UniPCMultistepScheduler",
    "TCDScheduler",
    "EulerAncestralDiscreteScheduler",
]


class Sides:
    """A folder's pipelines, and what their calls give."""

    def __init__(self, folder, shape):
        self.shape = shape  # (C, h, w) of an image's latents
        self.theirs = diffusers.DiffusionPipeline.from_pretrained(
            folder, safety_checker=None, torch_dtype=torch.float32
        )
        self.ours = mdx.compat.DiffusionPipeline.from_pretrained(folder)
        for pipe in (self.theirs, self.ours):
            pipe.set_progress_bar_config(disable=True)
        self.own = self.theirs.scheduler.config, self.ours.scheduler.config

    def sampler(self, name):
        """Exchange the sampler by what the checkpoint's own config says."""
        # Where that does not say it, diffusers clips the latents of DDIM; mdx never does.
        changes = {"clip_sample": False} if name == "DDIMScheduler" else {}
        sides = (self.theirs, diffusers), (self.ours, mdx.compat)
        for (pipe, module), config in zip(sides, self.own, strict=True):
            pipe.scheduler = getattr(module, name).from_config(config, **changes)

    def call(self, seeds=(4, 5), **asked):
        """Times and latents after every step, and pixels, of both."""
        return (
            self._call(self.theirs, seeds, torch_noise(seeds, self.shape), asked),
            self._call(self.ours, seeds, None, asked),
        )

    def _call(self, pipe, seeds, draw, asked):
        seen = []

        def watch(pipe, step, time, given):
            latents = given["latents"]
            latents = latents.numpy() if draw else latents.asnumpy()
            seen.append((step, float(time), latents.copy()))
            return given

        asked = {"callback_on_step_end": watch, "output_type": "np", **asked}
        asked = {name: of(value, draw) for name, value in asked.items()}
        if draw is None:
            asked["generator"] = [np.random.default_rng(seed) for seed in seeds]
            return seen, pipe(**asked).images
        with pytest.MonkeyPatch.context() as patch:
            for one in (pipe, pipe.scheduler):
                module = __import__(type(one).__module__, fromlist=["randn_tensor"])
                patch.setattr(module, "randn_tensor", draw, raising=False)
            return seen, pipe(**asked).images


def of(value, draw):
    """An array as a tensor of the side's library."""
    if not isinstance(value, np.ndarray):
        return value
    if draw is not None:
        return torch.tensor(value)
    import mindspore

    return mindspore.Tensor(value)


def torch_noise(seeds, shape):
    generators = [np.random.default_rng(seed) for seed in seeds]

    def draw(*_, **__):
        noise = np.stack([one.standard_normal(shape) for one in generators])
        return torch.tensor(noise, dtype=torch.float32)

    return draw


def agree(both):
    (seen, pixels), (got, pictures) = both
    assert [step for step, *_ in got] == [step for step, *_ in seen] != []
    np.testing.assert_allclose([t for _, t, _ in got], [t for _, t, _ in seen], atol=1e-3)
    far = max(apart(ours, theirs) for (*_, ours), (*_, theirs) in zip(got, seen, strict=True))
    square = np.mean((np.float64(pictures) - np.float64(pixels)) ** 2)
    print(f"latents {far:.1e} apart, pictures {-10 * np.log10(square):.1f} dB")
    assert np.std(pixels) > 0.05, "the pictures are flat: they would agree whatever mdx did"
    assert far < CLOSE
    assert -10 * np.log10(square) > LEAST


@pytest.fixture(scope="module")
def sides(tiny_checkpoint):
    return Sides(tiny_checkpoint, (4, 8, 8))


@pytest.fixture(params=SAMPLERS)
def sampled(request, sides):
    sides.sampler(request.param)
    return sides


def test_what_callbacks_see(sampled):
    agree(sampled.call(prompt=PROMPTS, num_inference_steps=STEPS))


CALLS = {
    "negative": {"negative_prompt": ["a cross", "blue"]},
    "no guidance": {"guidance_scale": 1.0},
    "images of a prompt": {"prompt": "a cross", "num_images_per_prompt": 2},
    "times": {"timesteps": [999, 700, 300, 50, 10]},
    "sigmas": {"sigmas": [14.0, 6.0, 2.0, 1.0, 0.3, 0.0]},
    "size": {"height": 24, "width": 16, "shape": (4, 12, 8)},
}


@pytest.mark.parametrize("name", CALLS)
def test_calls(sides, name):
    sides.sampler("EulerDiscreteScheduler")
    asked = {"prompt": PROMPTS, "num_inference_steps": STEPS, **CALLS[name]}
    shape, sides.shape = sides.shape, asked.pop("shape", sides.shape)
    try:
        agree(sides.call(**asked))
    finally:
        sides.shape = shape


@pytest.mark.parametrize("name", ["DDIMScheduler", "TCDScheduler"])
def test_eta(sides, name):
    sides.sampler(name)
    agree(sides.call(prompt=PROMPTS, num_inference_steps=STEPS, eta=0.5))


def test_noise_that_is_given(sides):
    sides.sampler("HeunDiscreteScheduler")
    latents = np.float32(np.random.default_rng(3).standard_normal((2, 4, 8, 8)))
    agree(sides.call(prompt=PROMPTS, num_inference_steps=STEPS, latents=latents))


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "EulerDiscreteScheduler"])
def test_latents_that_a_callback_changes(sides, name):
    sides.sampler(name)

    def change(pipe, step, time, given):
        if step == 2:
            given["latents"] = given["latents"] * 0.5
        return given

    (_, pixels), (_, pictures) = sides.call(
        prompt=PROMPTS, num_inference_steps=STEPS, callback_on_step_end=change
    )
    assert -10 * np.log10(np.mean((np.float64(pictures) - np.float64(pixels)) ** 2)) > LEAST


def test_a_callback_that_ends_guidance(sides):
    """The example of diffusers' documentation, as it stands there."""
    sides.sampler("DDIMScheduler")

    def end(pipe, step, time, given):
        if step == 2:
            given["prompt_embeds"] = given["prompt_embeds"].chunk(2)[-1]
            pipe._guidance_scale = 0.0
        return given

    (_, pixels), (_, pictures) = sides.call(
        prompt=PROMPTS,
        num_inference_steps=STEPS,
        callback_on_step_end=end,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )
    assert -10 * np.log10(np.mean((np.float64(pictures) - np.float64(pixels)) ** 2)) > LEAST


def test_a_callback_that_interrupts(sides):
    sides.sampler("EulerDiscreteScheduler")

    def stop(pipe, step, time, given):
        pipe._interrupt = step >= 3
        return given

    (_, pixels), (_, pictures) = sides.call(
        prompt=PROMPTS, num_inference_steps=STEPS, callback_on_step_end=stop
    )
    assert -10 * np.log10(np.mean((np.float64(pictures) - np.float64(pixels)) ** 2)) > LEAST


# SDXL.

SIZES = {"original_size": (512, 700), "crops_coords_top_left": (3, 40), "target_size": (96, 130)}
AWAY = {
    "negative_original_size": (90, 33),
    "negative_crops_coords_top_left": (20, 1),
    "negative_target_size": (64, 200),
}
XL_CALLS = {
    "nothing": {},
    "second texts": {
        "prompt_2": ["a dog", "red!"],
        "negative_prompt": ["cat", ""],
        "negative_prompt_2": ["cat", "to do"],
    },
    "clip skip": {"clip_skip": 1, "negative_prompt": ["a cross", "blue"]},
    "sizes": SIZES,
    # One at a time: the reference mixes the negative sizes of a batch up.
    "sizes of the negative": {**SIZES, **AWAY, "prompt": "a cross", "seeds": (4,)},
}


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xl")
    repositories.write(folder, RUN["base"])
    return Sides(folder, (4, repositories.PIXELS[0] // 8, repositories.PIXELS[1] // 8))


def sided(asked):
    height, width = repositories.PIXELS
    return {"prompt": PROMPTS, "height": height, "width": width, **asked}


@pytest.mark.parametrize("name", XL_CALLS)
def test_sdxl(xl, name):
    agree(xl.call(**sided({"num_inference_steps": STEPS, **XL_CALLS[name]})))


def test_embeddings_of_sdxl(xl):
    """What its own encode_prompt gives, in the order in which it gives it."""
    theirs = xl.theirs.encode_prompt(PROMPTS, negative_prompt=["cat", "dog"])
    ours = xl.ours.encode_prompt(PROMPTS, negative_prompt=["cat", "dog"])
    for one, other in zip(ours, theirs, strict=True):
        assert apart(one.asnumpy(), other.detach().numpy()) < CLOSE
    names = ("prompt_embeds", "negative_prompt_embeds")
    names += ("pooled_prompt_embeds", "negative_pooled_prompt_embeds")
    given = {name: tensor.asnumpy() for name, tensor in zip(names, ours, strict=True)}
    agree(xl.call(**sided({"prompt": None, "num_inference_steps": STEPS, **given})))


@pytest.mark.parametrize(
    "name", ["EulerDiscreteScheduler", "DDIMScheduler", "HeunDiscreteScheduler"]
)
def test_the_first_part_of_a_run(xl, name):
    xl.sampler(name)
    asked = {"num_inference_steps": 7, "denoising_end": 0.6, "output_type": "latent"}
    (seen, latents), (got, ours) = xl.call(**sided(asked))
    assert len(got) == len(seen) < 7 * (1 + (name == "HeunDiscreteScheduler"))
    assert apart(ours.asnumpy(), latents.numpy()) < CLOSE
