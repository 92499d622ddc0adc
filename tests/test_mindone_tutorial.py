"""The calls of mindone's tutorial "Effective and efficient diffusion", with their imports changed.

Each stands as the tutorial has it (The HuggingFace Team and mindone's, Apache-2.0), but for the
imports and the names of checkpoints, and draws what `mdx.generate` draws, bit for bit.
"""

import mindspore
import numpy as np
import pytest

import mdx
from mdx import loading, schedulers

pytestmark = pytest.mark.docs

PACKAGED = loading.found(None)
FAST = "DPMSolverMultistepScheduler"


def same(images, model, prompt, **asked):
    """Pictures are those of `mdx.generate`."""
    expected = mdx.generate(model, prompt, progress=False, **asked)
    assert len(images) == len(expected)
    for image, other in zip(images, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(other))


def test_every_block():
    # Speed
    from mdx.compat import DiffusionPipeline

    model_id = str(PACKAGED)
    pipeline = DiffusionPipeline.from_pretrained(model_id, use_safetensors=True)

    prompt = "portrait photo of a old warrior chief"

    generator = np.random.Generator(np.random.PCG64(seed=0))

    image = pipeline(prompt, generator=generator)[0][0]

    same([image], mdx.load(PACKAGED), prompt, seed=0)

    pipeline = DiffusionPipeline.from_pretrained(
        model_id, mindspore_dtype=mindspore.float16, use_safetensors=True
    )
    generator = np.random.Generator(np.random.PCG64(seed=0))
    image = pipeline(prompt, generator=generator)[0][0]

    model = mdx.load(PACKAGED, dtype="float16")
    same([image], model, prompt, seed=0)

    found = pipeline.scheduler.compatibles

    names = [one.__name__ for one in found]
    assert names == schedulers.compatibles(model.scheduler)
    assert set(LISTED) == set(names)

    from mdx.compat import DPMSolverMultistepScheduler

    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)

    generator = np.random.Generator(np.random.PCG64(seed=0))
    image = pipeline(prompt, generator=generator, num_inference_steps=20)[0][0]

    same([image], model, prompt, seed=0, scheduler=FAST, steps=20)

    # Memory
    def get_inputs(batch_size=1):
        generator = [np.random.Generator(np.random.PCG64(seed=i)) for i in range(batch_size)]
        prompts = batch_size * [prompt]
        num_inference_steps = 20

        return {
            "prompt": prompts,
            "generator": generator,
            "num_inference_steps": num_inference_steps,
        }

    from mdx.compat.utils import make_image_grid

    images = pipeline(**get_inputs(batch_size=4))[0]
    sheet = make_image_grid(images, 2, 2)

    expected = {"scheduler": FAST, "steps": 20}
    same(images, model, [prompt] * 4, seed=[0, 1, 2, 3], **expected)
    assert sheet.size == (128, 128)

    images = pipeline(**get_inputs(batch_size=8))[0]
    sheet = make_image_grid(images, rows=2, cols=4)

    same(images, model, [prompt] * 8, seed=list(range(8)), **expected)
    assert sheet.size == (256, 128)

    # Quality
    from mdx.compat import AutoencoderKL

    vae_id = str(PACKAGED / loading.SECOND_VAE)
    vae = AutoencoderKL.from_pretrained(vae_id, mindspore_dtype=mindspore.float16)
    pipeline.vae = vae
    images = pipeline(**get_inputs(batch_size=8))[0]
    make_image_grid(images, rows=2, cols=4)

    model = model._replace(vae=mdx.load_vae(vae_id, dtype="float16"))
    same(images, model, [prompt] * 8, seed=list(range(8)), **expected)

    prompt += ", tribal panther make up, blue on red, side profile, looking away, serious eyes"
    prompt += " 50mm portrait photography, hard rim lighting photography--beta --ar 2:3  --beta"

    images = pipeline(**get_inputs(batch_size=8))[0]
    make_image_grid(images, rows=2, cols=4)

    same(images, model, [prompt] * 8, seed=list(range(8)), **expected)

    prompts = [
        prompt.replace("a old warrior", f"{age} warrior")
        for age in ("the oldest", "a old", "a", "a young")
    ]
    generator = [np.random.Generator(np.random.PCG64(seed=1)) for _ in range(len(prompts))]
    images = pipeline(prompt=prompts, generator=generator, num_inference_steps=25)[0]
    make_image_grid(images, 2, 2)

    same(images, model, prompts, seed=[1] * 4, scheduler=FAST, steps=25)


# What the tutorial's listing of compatible schedulers has.
LISTED = [
    "DDPMScheduler", "DPMSolverMultistepScheduler", "EulerAncestralDiscreteScheduler",
    "LMSDiscreteScheduler", "EulerDiscreteScheduler", "KDPM2DiscreteScheduler",
    "EDMEulerScheduler", "DPMSolverSinglestepScheduler", "PNDMScheduler", "HeunDiscreteScheduler",
    "UniPCMultistepScheduler", "DDIMScheduler", "KDPM2AncestralDiscreteScheduler",
    "DEISMultistepScheduler",
]  # fmt: skip
