"""Whole pictures against diffusers' StableDiffusionPipeline: same weights, same latents.

50 dB is the claim; the figures printed by `pytest -s` are about 130 dB for PNDM and DPM++ 2M.
"""

import numpy as np
import pytest

import mdx
from mdx import schedulers

pytestmark = pytest.mark.parity
PROMPT, NEGATIVE = "a red circle on a blue background", "a green square, blurred"
LEAST = 50  # dB

# name -> (sampler's class in diffusers, steps, config of the sampler in both)
RUNS = {
    "PNDM 50": ("PNDMScheduler", 50, {}),
    "DPM++ 2M 20": ("DPMSolverMultistepScheduler", 20, {}),
    "Euler 10, v prediction": ("EulerDiscreteScheduler", 10, {"prediction_type": "v_prediction"}),
    "DDIM 12": ("DDIMScheduler", 12, {"clip_sample": False}),
}


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    diffusers = pytest.importorskip("diffusers")
    found = diffusers.StableDiffusionPipeline.from_pretrained(tiny_checkpoint, safety_checker=None)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize("name", RUNS)
def test_pictures(tiny_checkpoint, pipeline, name):
    diffusers, torch = pytest.importorskip("diffusers"), pytest.importorskip("torch")
    kind, steps, changes = RUNS[name]
    own = diffusers.PNDMScheduler.from_pretrained(tiny_checkpoint, subfolder="scheduler")
    pipeline.scheduler = getattr(diffusers, kind).from_config(own.config, **changes)
    seeds = [4, 5]
    latents = np.concatenate(
        [np.random.Generator(np.random.PCG64(s)).standard_normal((1, 4, 8, 8)) for s in seeds]
    )
    expected = pipeline(
        [PROMPT] * 2,
        negative_prompt=[NEGATIVE] * 2,
        latents=torch.tensor(latents, dtype=torch.float32),
        num_inference_steps=steps,
        guidance_scale=7.5,
        output_type="np",
    ).images
    model = mdx.load(tiny_checkpoint)
    model = model._replace(scheduler=schedulers.from_config(model.scheduler, kind, **changes))
    got = mdx.generate(
        model,
        [PROMPT] * 2,
        negative_prompt=NEGATIVE,
        steps=steps,
        seed=seeds,
        output="np",
        progress=False,
    )
    assert expected.std() > 0.05, "the pictures are flat: they would agree whatever mdx did"
    decibels = -10 * np.log10(np.mean((np.float64(got) - expected) ** 2))
    print(f"{name}: {decibels:.1f} dB")
    assert decibels > LEAST
