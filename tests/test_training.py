"""The training of the shipped checkpoint: data, optimiser, script."""

import json
import sys
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, ops

import mdx
import mdx.shapes
from mdx import tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import optimizers
import shapes
import train_shapes


def test_pictures_show_what_their_captions_say():
    generator = np.random.default_rng(1)
    scenes = [shapes.scene(generator) for _ in range(200)]
    captions = [shapes.caption(one, i % len(shapes.WORDINGS)) for i, one in enumerate(scenes)]
    found = mdx.shapes.score([shapes.draw(one) for one in scenes], captions)
    assert found["all"] >= 0.99, found
    assert {one.shape for one in scenes} == set(shapes.SHAPES)
    assert {one.background for one in scenes} == set(shapes.COLOURS)


def test_captions_name_everything_with_the_right_article():
    one = shapes.Scene("star", "orange", "blue", 32.0, 32.0, 14.0)
    assert shapes.caption(one) == "an orange star on a blue background"
    for wording in range(len(shapes.WORDINGS)):
        assert all(name in shapes.caption(one, wording) for name in ("star", "orange", "blue"))


def test_adamw_equals_the_formula_by_hand():
    weights, decay, rate = np.float32([1.0, -2.0]), np.float32([0.0, 0.1]), 0.5
    gradients = np.float32([[0.3, -4.0], [-0.1, 2.0]])
    update = mindspore.jit(optimizers.update)
    state, got, m, v, want = optimizers.init(weights), Tensor(weights), 0.0, 0.0, weights
    for count, gradient in enumerate(gradients, 1):
        scalars = Tensor(float(count), mindspore.float32), Tensor(rate, mindspore.float32)
        got, *state = update(got, *state, Tensor(gradient), *scalars, Tensor(decay))
        m, v = 0.9 * m + 0.1 * gradient, 0.99 * v + 0.01 * gradient**2
        change = (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.99**count)) + 1e-8)
        want = want - rate * (change + decay * want)
    np.testing.assert_allclose(got.asnumpy(), want, rtol=2e-4)


def test_clip_shortens_long_gradients_only():
    clip = mindspore.jit(optimizers.clip)
    for gradient, want in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
        got, length = clip(Tensor(np.float32(gradient)), 1.0)
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-5)
        np.testing.assert_allclose(float(length.asnumpy()), np.hypot(*gradient), rtol=1e-5)


def test_join_and_part_are_inverse():
    sizes = {"a.weight": (2, 3), "b": (4,)}
    params = {name: np.random.default_rng(0).standard_normal(s) for name, s in sizes.items()}
    places = optimizers.layout(sizes)
    vector = np.concatenate([value.ravel() for value in params.values()])
    parts = optimizers.part(vector, places)
    assert all(np.array_equal(parts[name], params[name]) for name in sizes)


TOY = train_shapes.TINY._replace(save_every=5, warmup=3, decay=0.0)
SIZES = ({"layer.weight": (3, 2)}, {"layer.bias": (3,)})


def toy_loss(params, x, y):
    out = ops.matmul(x, params[0]["layer.weight"].T) + params[1]["layer.bias"]
    return ops.reduce_mean(ops.square(out - y))


def toy_batch(step):
    x = np.random.default_rng(step).standard_normal((16, 2)).astype(np.float32)
    return x, x @ np.float32([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]]) + np.float32([1.0, -1.0, 2.0])


def toy_run(folder, steps):
    folder.mkdir(exist_ok=True)
    return train_shapes.train("toy", toy_loss, SIZES, toy_batch, steps, 0.1, TOY, folder)


def test_training_lowers_the_loss(tmp_path):
    _, losses = toy_run(tmp_path, 100)
    assert len(losses) == 100
    assert losses[-1] < 0.01 * losses[0]


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole, losses = toy_run(tmp_path / "whole", 20)

    def stops(step):
        if step == 12:  # after the state of step 10
            raise KeyboardInterrupt
        return toy_batch(step)

    (tmp_path / "parts").mkdir()
    with pytest.raises(KeyboardInterrupt):
        train_shapes.train("toy", toy_loss, SIZES, stops, 20, 0.1, TOY, tmp_path / "parts")
    parts, again = toy_run(tmp_path / "parts", 20)
    assert np.array_equal(losses, again)
    for one, other in zip(whole, parts, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)


def test_the_command_writes_a_checkpoint_that_loads(tmp_path):
    out = tmp_path / "tiny"
    train_shapes.main(["--tiny", "--out", str(out)])
    model = mdx.load(out)
    assert tokenizer.encode(model.tokenizer, "ein Stern ★").shape == (1, 77)
    scaling = json.loads((out / "vae" / "config.json").read_text())["scaling_factor"]
    assert scaling > 0.0
    assert sorted(path.name for path in out.iterdir()) == [
        "losses.png", "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae",
    ]  # fmt: skip
