"""LoRAs that are not merged, in other ways of calling the network, and over the rows of a run."""

import numpy as np
import pytest

import mdx
from tests.worn import PROMPT, drawn, made, near

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def loras(model, tmp_path_factory):
    return made(model, tmp_path_factory.mktemp("loras"))


def test_by_batches_and_in_one_graph(model, loras):
    one, two, three = loras
    each = [one, None, (two, -0.5), [(one, 0.5), three]]
    got = drawn(model, lora=each)
    near(drawn(model, lora=each, batch=2), got)
    near(drawn(model, lora=each, one_graph=True), got)


def test_a_scale_follows_the_rows(model, loras):
    """As with merges changed by hand before each row."""
    lora = loras[1]
    scale = np.float32([[0.0], [1.0], [-0.5]])
    got = drawn(model, 1, [0], lora=lora, lora_scale=scale)
    positive = mdx.encode_prompt(model, PROMPT)
    negative = mdx.encode_prompt(model, "", negative=True)
    networks = []
    for row in scale[:, 0]:
        merged = mdx.lora.merge(model, lora, float(row))
        guide = mdx.guidance.classifier_free(
            mdx.denoiser(merged, positive), mdx.denoiser(merged, negative), 3.0
        )
        networks.append(guide)
    made = mdx.schedulers.from_config(model.scheduler, "ddim")
    table = mdx.schedulers.table(made, 3)
    noise = np.random.default_rng(0).standard_normal((1, 4, 8, 8))
    one_by_one = mdx.guidance.turns(*networks, ends=[1, 2])
    state = mdx.sample(one_by_one, table, noise=noise, progress=False)
    near(got, state.slots.asnumpy()[0])


def test_stage_by_stage(model, loras):
    each = [loras[0], loras[1]]
    expected = drawn(model, 2, [0, 1], lora=each)
    got = drawn(model, 2, [0, 1], lora=each, memory=mdx.Memory(weights="stage", part_bytes=4096))
    near(got, expected)


def test_pictures_that_are_lowered_otherwise(model, loras):
    """From 512 pixels on, attention and some linear layers are products of maps."""
    sides = {"height": 64, "width": 64, "steps": 1}
    each = [(loras[1], -0.5), None, loras[2]]
    got = drawn(model, 3, range(3), lora=each, **sides)
    for i, some in enumerate(each):
        merged = model if some is None else mdx.lora.merge(model, some)
        near(got[i], drawn(merged, 1, [i], **sides)[0])


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_in_half_precision(tiny_checkpoint, loras, dtype):
    """Merged weights are rounded, worn ones are not: apart by what the dtype rounds."""
    model = mdx.load(tiny_checkpoint, dtype=dtype)
    got = drawn(model, 1, [0], lora=loras[1])
    expected = drawn(mdx.lora.merge(model, loras[1]), 1, [0])
    distance = np.abs(got - expected).max() / np.abs(expected).max()
    print(f"{dtype}: {distance:.1e}")
    assert distance < {"float16": 1e-3, "bfloat16": 1e-2}[dtype]
