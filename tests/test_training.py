"""The training of the shipped checkpoint: data, optimiser, script."""

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

import mindspore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Tensor, ops

import mdx
from mdx import shapes, tokenizer

sys.path.insert(0, str(Path(__file__).parents[1] / "examples"))

import captions
import optimizers
import pictures
import team as teams
import train_shapes
import training

pytestmark = pytest.mark.docs

RELATED = shapes.Scene(
    (shapes.Thing("star", "green", "small"), shapes.Thing("ring", "red", "large")),
    "above", "yellow", "striped",
)  # fmt: skip


def scenes(count):
    generator = np.random.default_rng(5)
    return [shapes.random_scene(generator) for _ in range(count)], generator


def test_training_shows_no_combination_that_is_kept_from_it():
    generator = np.random.default_rng(1)
    shown = [pictures.seen(generator) for _ in range(500)]
    shown += [pictures.plain(one) for one in shown]
    assert not any(shapes.unseen(scene._replace(relation=None)) for scene in shown)
    assert not any(shapes.unseen(scene) for scene in shown)
    assert {t.shape for one in shown[500:] for t in one.things} == set(shapes.SHAPES)


def test_simple_scenes_are_dark_on_white_and_can_be_read():
    some, generator = scenes(100)
    some = [pictures.plain(one) for one in some]
    assert {(one.background, one.pattern) for one in some} == {("white", "plain")}
    # Two things of one colour may touch only where one is inside the other; there they differ.
    inside = [one for one in some if one.relation == "inside"]
    assert all(one.things[0].colour in ("white", "yellow") for one in inside)
    alone = [one for one in some if one.relation is None]
    shown = [shapes.draw(one, shapes.place(one, generator)) for one in alone]
    assert shapes.score(shown, alone)["all"] >= 0.97


def test_what_a_caption_tells_is_where_each_thing_is():
    places, ground = captions.told(RELATED)
    top = 2 + shapes.SHAPES.index("star"), 2 + list(shapes.COLOURS).index("green"), 2
    bottom = 2 + shapes.SHAPES.index("ring"), 2 + list(shapes.COLOURS).index("red"), 4
    assert tuple(places[captions.PLACES.index("top")]) == top
    assert tuple(places[captions.PLACES.index("bottom")]) == bottom
    others = [captions.PLACES.index(one) for one in ("left", "right", "inside", "around")]
    assert (places[others] == 1).all()
    assert ground.tolist() == [1 + list(shapes.COLOURS).index("yellow"), 3]
    # The inverse relation with the things exchanged is the same picture.
    turned = RELATED._replace(things=RELATED.things[::-1], relation="below")
    assert np.array_equal(captions.told(turned)[0], places)
    assert not captions.told(None)[0].any()
    open_colour = RELATED._replace(things=(RELATED.things[0]._replace(colour=None),))
    assert captions.told(open_colour._replace(relation=None))[0][-1][1] == 0


def test_loose_captions_leave_open_what_they_should():
    some, generator = scenes(2000)
    left = [thing for one in some for thing in captions.loose(one, generator, 0.25).things]
    for field in ("size", "colour"):
        share = np.mean([getattr(thing, field) is None for thing in left])
        assert abs(share - 0.25) < 0.03, field
    assert captions.loose(RELATED, generator, 0.0) == RELATED


def test_short_captions_are_words_of_the_scene():
    some, generator = scenes(200)
    for one in some:
        words = " ".join(shapes.caption(one, way) for way in range(len(shapes.wordings(one))))
        assert set(captions.short(one, generator).split()) <= set(words.replace(",", "").split())


def by_hand(matrix):
    """What Newton-Schulz does, through the singular values that it acts on."""
    u, s, v = np.linalg.svd(np.float64(matrix), full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(5):
        s = 3.4445 * s - 4.7750 * s**3 + 2.0315 * s**5
    return u * s @ v


@pytest.mark.parametrize("shape", [(3, 8), (8, 3), (5, 5), (96, 864)])
def test_moves_of_matrices_are_nearly_orthogonal(shape):
    matrices = np.random.default_rng(0).standard_normal((4, *shape)).astype(np.float32)
    got = mindspore.jit(optimizers.orthogonal)(Tensor(matrices)).asnumpy()
    for one, found in zip(matrices, got, strict=True):
        np.testing.assert_allclose(found, by_hand(one), atol=1e-4)
        assert 0.6 < np.linalg.svd(found)[1].min() <= np.linalg.svd(found)[1].max() < 1.25


def test_the_update_equals_the_formulas_by_hand():
    sizes = {"b.bias": (2,), "a.weight": (3, 2, 2, 1)}
    places = optimizers.layout(sizes)
    where, rate = optimizers.stacks(places), 0.5
    assert where == (optimizers.Stack(0, 12, 1, 3, 4),)
    assert [place.name for place in places] == ["a.weight", "b.bias"]
    generator = np.random.default_rng(1)
    weights = generator.standard_normal(14).astype(np.float32)
    gradients = generator.standard_normal((2, 14)).astype(np.float32)
    decay = np.float32([0.1] * 12 + [0.0] * 2)

    @mindspore.jit
    def update(*values):
        return optimizers.update(where, *values)

    state, got, want = optimizers.init(places), Tensor(weights), np.float64(weights)
    momentum = m = v = 0.0
    for count, gradient in enumerate(gradients, 1):
        scalars = Tensor(float(count), mindspore.float32), Tensor(rate, mindspore.float32)
        got, *state = update(got, *state, Tensor(gradient), *scalars, Tensor(decay))
        momentum = 0.95 * momentum + gradient[:12]
        ahead = gradient[:12] + 0.95 * momentum
        m, v = 0.9 * m + 0.1 * gradient[12:], 0.99 * v + 0.01 * gradient[12:] ** 2
        moves = np.concatenate([
            0.2 * np.sqrt(4) * by_hand(ahead.reshape(3, 4)).ravel(),
            (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.99**count)) + 1e-8),
        ])  # fmt: skip
        want = want - rate * (moves + decay * want)
    np.testing.assert_allclose(got.asnumpy(), want, atol=1e-4)


def test_clip_shortens_long_gradients_only():
    clip = mindspore.jit(optimizers.clip)
    for gradient, want in (([3.0, 4.0], [0.6, 0.8]), ([0.3, 0.4], [0.3, 0.4])):
        got, length = clip(Tensor(np.float32(gradient)), 1.0)
        np.testing.assert_allclose(got.asnumpy(), want, rtol=1e-5)
        np.testing.assert_allclose(float(length.asnumpy()), np.hypot(*gradient), rtol=1e-5)


def test_a_step_sums_by_products_alone(tmp_path):
    """What a sum's last bit is depends on how long MindSpore's first twenty of it took."""

    @mindspore.jit
    def graph(gradient):
        moves = optimizers.orthogonal(gradient.reshape((1, 2, 3)))
        return optimizers.clip(gradient, 1.0), moves

    file = tmp_path / "graph.mindir"
    mindspore.export(
        graph, Tensor(np.ones(6, np.float32)), file_name=str(file), file_format="MINDIR"
    )
    assert b"BatchMatMul" in file.read_bytes()
    assert b"Reduce" not in file.read_bytes()


def test_join_and_part_are_inverse_and_equal_shapes_lie_together():
    sizes = {
        "a.weight": (2, 3), "n.bias": (4,), "b.weight": (2, 1, 3, 1), "c.weight": (3, 2),
        "token_embedding.weight": (5, 2), "d.weight": (2, 3),
    }  # fmt: skip
    generator = np.random.default_rng(0)
    params = {name: generator.standard_normal(s).astype(np.float32) for name, s in sizes.items()}
    places = optimizers.layout(sizes)
    parts = optimizers.part(optimizers.join(params, places), places)
    assert all(np.array_equal(parts[name], params[name]) for name in sizes)
    counts = {(stack.rows, stack.columns): stack.count for stack in optimizers.stacks(places)}
    assert counts == {(2, 3): 3, (3, 2): 1}
    assert {place.name for place in places[-2:]} == {"n.bias", "token_embedding.weight"}


TOY = {
    "layer.weight": np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32),
    "layer.bias": np.zeros(3, np.float32),
}


def toy_loss(params, x, y):
    out = ops.matmul(x, params["layer.weight"].T) + params["layer.bias"]
    return ops.reduce_mean(ops.square(out - y))


def toy_batch(step):
    x = np.random.default_rng(step).standard_normal((16, 2)).astype(np.float32)
    return x, x @ np.float32([[1.0, 2.0, -1.0], [0.5, 0.0, 1.0]]) + np.float32([1.0, -1.0, 2.0])


def toy_run(folder, steps, batch=toy_batch):
    folder.mkdir(exist_ok=True)
    plan = training.Plan(steps, 0.3, warmup=3, decay=0.0, save_every=5)
    return training.train("toy", toy_loss, TOY, batch, plan, folder)


def test_training_lowers_the_loss(tmp_path):
    _, losses = toy_run(tmp_path, 100)
    assert len(losses) == 100
    assert losses[-1] < 0.01 * losses[0]


@given(steps=st.integers(2, 400), share=st.floats(0.01, 0.9), peak=st.floats(1e-4, 1))
def test_the_rate_rises_linearly_and_falls_along_a_cosine(steps, share, peak):
    warmup = max(1, int(share * steps))
    rates = [optimizers.learning_rate(i, steps, peak, warmup) for i in range(steps + 1)]
    assert rates[:warmup] == pytest.approx([peak * (i + 1) / warmup for i in range(warmup)])
    assert rates[warmup] == pytest.approx(peak)
    assert rates[-1] == pytest.approx(0.01 * peak)
    # A cosine is odd about its middle: rates as far from both ends add up to the same.
    falling = np.array(rates[warmup:])
    assert falling + falling[::-1] == pytest.approx(1.01 * peak)
    assert np.all(np.diff(falling) < 0)


def test_each_step_has_its_rate(tmp_path, monkeypatch):
    """Its own, of the plan's; where that is nothing the weights stay."""
    plan, asked = training.Plan(6, 0.5, warmup=2), []

    def rate(*arguments):
        asked.append(arguments)
        return 0.0

    monkeypatch.setattr(optimizers, "learning_rate", rate)
    found, _ = training.train("toy", toy_loss, TOY, toy_batch, plan, tmp_path)
    assert asked == [(step, 6, 0.5, 2) for step in range(6)]
    for name, value in TOY.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6)


def test_later_batches_show_more_of_what_is_left_to_learn():
    """Every scene its own latents, so that a batch tells which it shows."""
    generator = np.random.default_rng(0)
    some = [shapes.random_scene(generator, 1 + i % 2) for i in range(200)]
    ids = np.arange(200, dtype=np.float32).reshape(-1, 1, 1, 1)
    settings = train_shapes.Settings(simple=2, simple_until=1, unet_batch=400)
    words = mdx.load().tokenizer
    batch = train_shapes.unet_batches(settings, (ids, 0 * ids), some, words)

    def shares(step):
        """Of pictures of two things, and of those of one in the other."""
        x, t, _, velocity = batch(step)
        alpha = train_shapes.export.alphas_cumprod()[t].reshape(-1, 1, 1, 1)
        shown = np.rint(np.sqrt(alpha) * x - np.sqrt(1 - alpha) * velocity).astype(int)
        chosen = [some[i] for i in shown.ravel()]
        two = np.mean([len(scene.things) == 2 for scene in chosen])
        return two, np.mean([scene.relation == "inside" for scene in chosen])

    among = some[: -settings.simple]
    two = np.mean([len(scene.things) == 2 for scene in among])
    inside = np.mean([scene.relation == "inside" for scene in among])
    share, further = settings.crowded, settings.inside
    # After each step a share is of the harder ones, and the rest are drawn as before.
    expected = {
        settings.crowded_from - 1: (two, inside),
        settings.crowded_from: (share + (1 - share) * two, (share / two + 1 - share) * inside),
        settings.inside_from - 1: (share + (1 - share) * two, (share / two + 1 - share) * inside),
    }
    expected[settings.inside_from] = tuple(
        further + (1 - further) * before for before in expected[settings.inside_from - 1]
    )
    for step, wanted in expected.items():  # 0.08 is three standard errors of 400 pictures
        assert shares(step) == pytest.approx(wanted, abs=0.08), step


def test_a_resumed_run_ends_with_the_same_weights(tmp_path, monkeypatch):
    whole, losses = toy_run(tmp_path / "whole", 20)

    def stops(step):
        if step == 12:  # after the state of step 10
            raise KeyboardInterrupt
        return toy_batch(step)

    with pytest.raises(KeyboardInterrupt):
        toy_run(tmp_path / "parts", 20, stops)
    parts, again = toy_run(tmp_path / "parts", 20)
    assert np.array_equal(losses, again)
    assert all(np.array_equal(whole[name], parts[name]) for name in TOY)


def test_the_command_writes_a_checkpoint_that_loads(tmp_path):
    out = tmp_path / "tiny"
    train_shapes.main(["--tiny", "--out", str(out)])
    model = mdx.load(out)
    assert tokenizer.encode(model.tokenizer, "ein Stern ★").shape == (1, 77)
    scaling = json.loads((out / "vae" / "config.json").read_text())["scaling_factor"]
    assert scaling > 0.0
    # The second autoencoder encodes as the first does, bit for bit, and decodes otherwise.
    second = mdx.load_vae(out / "vae-ft-mse")
    assert second.config == model.vae.config
    differ = {
        name for name, value in second.params.items()
        if not np.array_equal(value.asnumpy(), model.vae.params[name].asnumpy())
    }  # fmt: skip
    assert differ
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in differ)
    assert sorted(path.name for path in out.iterdir()) == [
        "losses.png", "model_index.json", "scheduler", "text_encoder", "tokenizer", "unet", "vae",
        "vae-ft-mse",
    ]  # fmt: skip


def meets(folder, fails, team):
    """What a process of a team does in a test: average, and tell what it found."""
    own = np.float32([1.0, 10.0, 100.0]) * (team.rank + 1)
    found = [teams.mean(team, own + step) for step in range(3)]
    if fails and team.rank == 1:
        raise RuntimeError("meant to fail")
    teams.wait(team)
    np.save(folder / f"{team.rank}.npy", found)


def test_a_team_averages_and_has_the_same_numbers_everywhere(tmp_path):
    teams.in_team(meets, 2, 3, tmp_path, False)
    one, other = (np.load(tmp_path / f"{rank}.npy") for rank in range(2))
    assert np.array_equal(one, other)
    np.testing.assert_allclose(one, [np.float32([1.5, 15, 150]) + step for step in range(3)])


def test_a_team_stops_when_one_fails(tmp_path):
    with pytest.raises(SystemExit, match="goes on"):
        teams.in_team(meets, 2, 3, tmp_path, True)
    assert not list(tmp_path.iterdir())


def sleeps(folder, team):
    """What a process of a team does in a test: tell that it is there, and stay."""
    (folder / str(team.rank)).write_text(str(os.getpid()))
    time.sleep(60)


def test_a_team_ends_with_the_process_that_began_it(tmp_path):
    """Told to end, it stops the others before it goes; else they would train on, unseen."""
    began = multiprocessing.get_context("spawn").Process(
        target=teams.in_team, args=(sleeps, 2, 1, tmp_path)
    )
    began.start()
    while len(list(tmp_path.iterdir())) < 2:
        time.sleep(0.1)
        assert began.is_alive()
    began.terminate()
    began.join(20)
    assert began.exitcode == 1
    for file in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


def test_a_team_divides_every_batch():
    batch = np.arange(12).reshape(6, 2)
    parts = [teams.part(teams.Team(rank, 3), batch) for rank in range(3)]
    assert sorted(map(tuple, np.concatenate(parts))) == sorted(map(tuple, batch))
    with pytest.raises(ValueError, match="a batch of 6 does not divide among 4"):
        teams.part(teams.Team(0, 4), batch)


def test_a_team_learns_what_one_alone_does(tmp_path):
    """The gradient of a mean is the mean of the parts' gradients: equal but for the last bits."""
    teams.in_team(toy_part, 2, 10, tmp_path)
    alone, losses = toy_run(tmp_path / "alone", 20)
    together = np.load(tmp_path / "together.npz")
    for name in TOY:
        np.testing.assert_allclose(together[name], alone[name], atol=1e-4)
    np.testing.assert_allclose(together["losses"], losses, rtol=1e-3)


def toy_part(folder, team):
    """One process's part of `toy_run`."""
    plan = training.Plan(20, 0.3, warmup=3, decay=0.0, save_every=5)

    def batch(step):
        return tuple(teams.part(team, array) for array in toy_batch(step))

    found, losses = training.train("toy", toy_loss, TOY, batch, plan, folder, team)
    if team.rank == 0:
        np.savez(folder / "together.npz", losses=losses, **found)
