"""Prompts with weights, long ones and ones that change, by tiny checkpoints of random weights."""

import warnings

import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import conditioning, encoding, families, prompt_runs, schedulers, tokenizer
from mdx.text.syntaxes import WEIGHED
from tests import made_up, repositories
from tests.compiles import counted
from tests.generating import TOLERANCE, apart, latents
from tests.repositories_xl import LEAST

ROOM = 14  # tokens of a chunk: the tiny tokenizer's rows are 16
# Words of a few tokens; the comma is the last of them.
LONG = "a red circle on a blue background, a red circle, on a blue background"


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    return mdx.load(repositories.write(tmp_path_factory.mktemp("xl"), LEAST))


def rows(model, text, syntax="plain", **options):
    """(T, D) float64 of one text."""
    made = mdx.encode_prompt(model, text, prompt_syntax=syntax, **options)
    return made.arrays["context"][0].astype(np.float64)


# Weights.


@pytest.mark.parametrize("syntax", WEIGHED)
def test_without_signs_a_text_keeps_its_bits(model, syntax):
    texts = ["a red circle", "", "blue, red"]
    plain = mdx.encode_prompt(model, texts)
    assert mdx.encode_prompt(model, texts, prompt_syntax=syntax) == plain


def weights_of(model, *pieces):
    """Weights (16, 1) of texts in succession, from the first token behind the start."""
    found = np.ones((16, 1))
    place = 1
    for text, weight in pieces:
        count = len(tokenizer.ids_of(model.tokenizer, text)[0])
        found[place : place + count] = weight
        place += count
    return found


def test_weights_of_the_webui(model):
    z, w = rows(model, "a red circle"), weights_of(model, ("a", 1), ("red", 1.4), ("circle", 1.1))
    expected = z * w * z.mean() / (z * w).mean()
    got = rows(model, "a (red:1.4) (circle)", "a1111")
    assert apart(got, expected) < 1e-6
    assert apart(got, z) > 0.01


def test_weights_of_comfyui(model):
    z, empty = rows(model, "a red circle"), rows(model, "")
    w = weights_of(model, ("a", 1), ("red", 0.3), ("circle", 1.1))
    got = rows(model, "a (red:0.3) (circle)", "comfyui")
    assert apart(got, empty + w * (z - empty)) < 1e-6
    assert apart(got, z) > 0.01


def test_weights_of_compel(model):
    z, empty = rows(model, "a red circle"), rows(model, "")
    w = weights_of(model, ("a", 1), ("red", 1.21), ("circle", 1))
    assert apart(rows(model, "a red++ circle", "compel"), empty + w * (z - empty)) < 1e-6
    # Below 1 it goes towards what no token has read the word for; at 0 that is all that is left.
    reach = [apart(rows(model, f"a (red){n} circle", "compel")[3:], z[3:]) for n in (0.9, 0.5, 0)]
    assert 0 < reach[0] < reach[1] < reach[2]
    without = _unread(model, "a red circle", weights_of(model, ("a", 1), ("red", 0))[:, 0] == 0)
    got = rows(model, "a (red)0 circle", "compel")
    assert apart(got[3:], without[3:]) < 1e-4


def _unread(model, text, hidden):
    """The rows of a text of which some tokens are read by none."""
    net = model.text_encoder
    graph = encoding.unread_graph(net.config, -1, True)
    ids = Tensor(tokenizer.encode(model.tokenizer, text))
    unread = Tensor(np.where(hidden, np.float32(-1e9), np.float32(0))[None])
    return graph(net.params, ids, unread).asnumpy()[0].astype(np.float64)


def test_what_is_not_read_may_be_anything(model):
    hidden = np.arange(16) == 2
    one, other = (_unread(model, text, hidden) for text in ("a b c", "a x c"))
    assert np.array_equal(np.delete(one, 2, 0), np.delete(other, 2, 0))
    assert not np.array_equal(one[2], other[2])
    assert apart(_unread(model, "a b c", hidden & False), rows(model, "a b c")) < 1e-5
    assert apart(one, rows(model, "a b c")) > 0.01


@pytest.mark.parametrize("syntax", WEIGHED)
def test_both_encoders_are_weighed_and_the_vector_of_the_text_is_not(xl, syntax):
    """Without a final norm, and one layer below the last."""
    text = "a (red)0.5 circle" if syntax == "compel" else "a (red:0.5) circle"
    plain = mdx.encode_prompt(xl, "a red circle").arrays
    got = mdx.encode_prompt(xl, text, prompt_syntax=syntax).arrays
    assert np.array_equal(got["pooled"], plain["pooled"])
    empty = mdx.encode_prompt(xl, "").arrays["context"]
    place = 1 + len(tokenizer.ids_of(xl.tokenizer, "a")[0])
    end = place + len(tokenizer.ids_of(xl.tokenizer, "red")[0])
    weights = np.ones((77, 1))
    weights[place:end] = 0.5
    for part in (slice(16), slice(16, None)):
        z, origin = (array[0, :, part].astype(np.float64) for array in (plain["context"], empty[:]))
        own = got["context"][0, :, part]
        if syntax == "a1111":
            expected = z * weights * z.mean() / (z * weights).mean()
            assert apart(own, expected) < 1e-5
        elif syntax == "comfyui":
            assert apart(own, origin + weights * (z - origin)) < 1e-5
        else:
            assert np.array_equal(own[:place], z[:place].astype(np.float32))
            assert apart(own[end:], z[end:]) > 1e-3


# Long prompts.


def test_chunks_are_encoded_apart(model):
    chunks = WEIGHED["a1111"].split(model.tokenizer, WEIGHED["a1111"].parse(LONG))
    assert len(chunks) > 1
    for skip in (0, 1):
        got = rows(model, LONG, "a1111", clip_skip=skip).reshape(len(chunks), 16, -1)
        for chunk, own in zip(chunks, got, strict=True):
            length = int(np.argmax(chunk.ids == model.tokenizer.end)) - 1
            text = model.tokenizer.bpe.decode(chunk.ids[1 : length + 1].tolist())
            assert np.array_equal(own, rows(model, text.replace("</w>", " "), clip_skip=skip))


def test_texts_of_a_list_are_as_long_as_each_other_and_change_nothing(model):
    """What takes fewer chunks is repeated, which attention does not see."""
    both = mdx.encode_prompt(model, [LONG, "red"], prompt_syntax="a1111")
    count = both.arrays["context"].shape[1] // 16
    alone = mdx.encode_prompt(model, "red", prompt_syntax="a1111").arrays["context"]
    assert np.array_equal(both.arrays["context"][1:], np.tile(alone, (1, count, 1)))
    padded = rows(model, "red", "a1111", chunks=count)
    assert np.array_equal(padded, np.concatenate([alone[0], *[rows(model, "")] * (count - 1)]))


def test_a_prompt_and_its_negative_are_of_one_length(model, xl):
    for some, negative in ((model, "blue"), (model, None), (xl, None), (xl, "blue")):
        family = families.family_of(some)
        text = LONG if some is model else "a b c d e f " * 15
        prompts = prompt_runs.Prompts([text, "red"], negative and [negative], True, None)
        how = prompt_runs.checked(some, family, ("a1111", None), prompts, {3})
        towards, away = prompt_runs.made(some, family, prompts, how)
        assert {n: a.shape for n, a in towards.arrays.items()} == {
            n: a.shape for n, a in away.arrays.items()
        }
        assert towards.arrays["context"].shape[1] > some.unet.config.sample_size
    # The zeros of SDXL; and of the other the empty text, in each of its chunks.
    nobody = prompts._replace(negative=None)
    how = prompt_runs.checked(xl, families.family_of(xl), ("a1111", None), nobody, {3})
    away = prompt_runs.made(xl, families.family_of(xl), nobody, how)[1]
    assert not any(array.any() for array in away.arrays.values())


def test_plain_texts_and_compel_s_are_cut_off_with_a_warning(model):
    for syntax in ("plain", "compel"):
        with pytest.warns(UserWarning, match=f"{ROOM} fit; dropped: '") as seen:
            rows(model, LONG, syntax)
        assert len(seen) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rows(model, LONG, "comfyui")) == len(rows(model, LONG, "a1111")) > 16


def test_the_vector_of_a_long_text_is_that_of_its_first_chunk(xl):
    text = "a b c d e " * 15
    made = mdx.encode_prompt(xl, [text + "red", "a"], prompt_syntax="a1111")
    assert made.arrays["context"].shape == (2, 2 * 77, 40)
    first = mdx.encode_prompt(xl, [text, "a"])
    assert np.array_equal(made.arrays["pooled"], first.arrays["pooled"])
    # What the second encoder reads may be the longer one.
    made = mdx.encode_prompt(xl, "a", second=text + text, prompt_syntax="comfyui")
    assert made.arrays["context"].shape[1] == 2 * 77


# Prompts that change.


def test_an_edit_is_two_prompts_that_take_turns(model):
    table = schedulers.table(model.scheduler, 3)
    text = "a [red:blue circle:0.5] on white"
    schedule = mdx.encode_prompt(model, text, prompt_syntax="a1111", rows=table)
    half = table.rows // 2
    assert schedule.rows == (0,) * half + (1,) * (table.rows - half)
    ends = ["a red on white", "a blue circle on white"]
    assert schedule.conditionings == tuple(mdx.encode_prompt(model, one) for one in ends)
    noise = np.random.default_rng(0).standard_normal((1, 4, 8, 8))
    got = mdx.sample(mdx.denoiser(model, schedule), table, noise=noise).slots.asnumpy()[0]
    two = [mdx.denoiser(model, one) for one in schedule.conditionings]
    turns = mdx.guidance.turns(*two, ends=[half])
    assert np.array_equal(got, mdx.sample(turns, table, noise=noise).slots.asnumpy()[0])


def test_generate_draws_prompts_that_change(model):
    """From texts or schedules, in one graph, resumed, and guided: the same bits, nothing new."""
    table = schedulers.table(model.scheduler, 3)
    texts = {"prompt_syntax": "a1111", "negative_prompt": "[a|b|c]"}
    states = []
    got = latents(
        model, "a [red:blue:2]", callback=lambda i, state, info: states.append(state), **texts
    )
    with counted() as compiles:
        assert np.array_equal(latents(model, "a [red:blue:2]", start=states[0], **texts), got)
        other = latents(model, "[a:b:0.4] [c|d|e]", **texts)
    assert compiles.count == 0
    assert apart(got, other) > 100 * TOLERANCE
    made = [
        mdx.encode_prompt(model, text, negative=i == 1, prompt_syntax="a1111", rows=table)
        for i, text in enumerate(["a [red:blue:2]", "[a|b|c]"])
    ]
    assert [one.rows[:3] for one in made] == [(0, 0, 1), (0, 1, 2)]
    assert np.array_equal(latents(model, made[0], negative_prompt=made[1]), got)
    whole = latents(model, "a [red:blue:2]", one_graph=True, **{**texts, "progress": None})
    assert np.array_equal(whole, got)
    # Each image has its own.
    both = latents(model, ["x", "a [red:blue:2]"], seed=[5, 0], **texts)
    assert apart(both[1], got[0]) < TOLERANCE


def test_a_schedule_of_another_run_is_refused(model):
    schedule = mdx.encode_prompt(model, "[a|b]", prompt_syntax="a1111", rows=5)
    assert schedule.rows == (0, 1, 0, 1, 0)
    with pytest.raises(
        ValueError, match=r"prompt is a schedule of 5 rows, and the run has 4: give"
    ):
        latents(model, schedule)
    with pytest.raises(ValueError, match=r"schedule is of 5 rows, and the run has 4: give"):
        mdx.sample(
            mdx.denoiser(model, schedule),
            schedulers.table(model.scheduler, 3),
            noise=np.zeros((1, 4, 8, 8)),
        )
    with pytest.raises(ValueError, match="prompts that change go by the rows of a run"):
        latents(model, ["[a|b]", "c"], scheduler=["ddim", "heun"], prompt_syntax="a1111")
    with pytest.raises(ValueError, match=r"texts change over the rows.*give the table of the run"):
        mdx.encode_prompt(model, "[a|b]", prompt_syntax="a1111")
    with pytest.warns(UserWarning, match="the edit at '9' never happens: the run has 4 rows"):
        latents(model, "[a:b:9]", prompt_syntax="a1111")
    first = schedule.conditionings[0]
    for wrong, words in {
        mdx.Schedule((), (0,)): "a tuple of at least one",
        mdx.Schedule((first,), (0, 1)): "rows of a Schedule must be 0 or less, not 1|must be",
        mdx.Schedule((first,), ()): "rows of a Schedule are a tuple",
        mdx.Schedule((first, conditioning.repeat(first, 2)), (0, 1)): "same names and shapes",
    }.items():
        with pytest.raises((TypeError, ValueError), match=words):
            mdx.denoiser(model, wrong)


# Clip skip.


def test_clip_skip_of_generate_is_of_both_prompts(model):
    positive = mdx.encode_prompt(model, "a red circle", clip_skip=1)
    negative = mdx.encode_prompt(model, "blue", negative=True, clip_skip=1)
    expected = latents(model, positive, negative_prompt=negative)
    got = latents(model, "a red circle", negative_prompt="blue", clip_skip=1)
    assert np.array_equal(got, expected)
    assert np.array_equal(
        latents(model, negative_prompt="blue", clip_skip=0), latents(model, negative_prompt="blue")
    )
    assert apart(got, latents(model, negative_prompt="blue")) > 10 * TOLERANCE


# What is refused, before anything is computed.


WRONG = {
    "no syntax": ({"prompt_syntax": "a111"}, "prompt_syntax must be one of plain.*'a1111'"),
    "no text": ({"prompt_syntax": None}, "prompt_syntax must be one of plain"),
    "AND": ({"prompt": "a AND b", "prompt_syntax": "a1111"}, r"mdx\.guidance\.compose"),
    "too long": ({"prompt": "a" * 2**18, "prompt_syntax": "a1111"}, "has 262144 characters: at"),
    "a LoRA": (
        {"negative_prompt": "<lora:x:1>", "prompt_syntax": "comfyui"},
        r"mdx\.lora\.merge",
    ),
    "clip skip": ({"clip_skip": -1}, "clip_skip must be 0 or more"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_is_refused_before_anything_is_encoded(model, monkeypatch, name):
    options, words = WRONG[name]
    monkeypatch.setattr(encoding, "clip_graph", None)
    with pytest.raises(ValueError, match=words):
        latents(model, **options)


def test_arguments_of_texts_are_refused_where_there_are_none(model):
    made = mdx.encode_prompt(model, "a")
    for option in ({"clip_skip": 1}, {"prompt_syntax": "a1111"}):
        with pytest.raises(ValueError, match=f"{next(iter(option))} is of texts, and these were"):
            latents(model, made, negative_prompt=made, **option)
    for syntax in ("plain", "compel"):
        with pytest.raises(ValueError, match=f"chunks: a text of prompt_syntax '{syntax}' is one"):
            mdx.encode_prompt(model, "a", prompt_syntax=syntax, chunks=2)


def test_families_without_such_vectors_refuse_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, made_up.FAMILY))
    other = mdx.load(made_up.write(tmp_path / "made_up"))
    for function in (latents, mdx.encode_prompt):
        with pytest.raises(ValueError, match=r"'a1111' weighs.*the made-up family reads no such"):
            function(other, "a (b)", prompt_syntax="a1111")


# What syntaxes of other programs write into texts, and functions do here.


def test_tokens_are_joined_behind_each_other(xl):
    one, other = (mdx.encode_prompt(xl, text, sizes=mdx.Sizes((9, 9))) for text in ("a", "b c"))
    made = conditioning.join(one, other, one)
    parts = [each.arrays["context"] for each in (one, other, one)]
    assert np.array_equal(made.arrays["context"], np.concatenate(parts, 1))
    for name in ("pooled", "original", "crop"):
        assert np.array_equal(made.arrays[name], one.arrays[name])
    masked = conditioning.make("f", {"c": np.ones((2, 3, 4)), "m": np.ones((2, 3), np.int32)})
    assert conditioning.join(masked, masked).arrays["m"].shape == (2, 6)
    for wrong in ([], [one, conditioning.repeat(other, 2)], [one, masked], [masked, one]):
        with pytest.raises(ValueError, match="join"):
            conditioning.join(*wrong)
    with pytest.raises(ValueError, match="as many tokens"):
        conditioning.join(conditioning.make("f", {"vector": np.ones((2, 3))}))


def test_prompts_are_composed():
    """u + sum of s_i (c_i - u), of functions of one's own; one alone is guidance."""
    x = np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32)
    functions = [lambda x, t, k=k: k * x for k in (2.0, 3.0, 5.0)]
    table = schedulers.table(schedulers.from_config({}, "ddim"), 2)
    row = mdx.sampling.denoiser.rows(table)[0]

    def output(denoiser):
        return denoiser.apply(denoiser.init(x.shape), Tensor(x), row)[0].asnumpy()

    made = mdx.guidance.compose(functions[:2], functions[2], [0.5, np.array([-1, 4])])
    expected = x * (5 + 0.5 * (2 - 5) + np.array([[-1], [4]]) * (3 - 5))
    np.testing.assert_allclose(output(made), expected, rtol=1e-5)
    alone = mdx.guidance.compose(functions[:1], functions[2], [4.0])
    np.testing.assert_allclose(
        output(alone), output(mdx.guidance.classifier_free(functions[0], functions[2], 4.0))
    )
    for some, scales in (([], []), (functions, [1.0])):
        with pytest.raises(ValueError, match="scales are one a positive"):
            mdx.guidance.compose(some, functions[0], scales)
