"""Weights, chunks and clip skip against the few lines that say what the programs do.

The encoders are transformers' own, in float64, with every weight at random; the pieces of each text
and their weights are written out by hand. Tolerance: 1e-4 of the largest value, for mdx computes in
float32.
"""

import re

import numpy as np
import pytest

import mdx
from mdx import tokenizer, weights
from tests import repositories, tiny
from tests.generating import TOLERANCE, apart, latents
from tests.parity.oracle import randomize
from tests.repositories_xl import LEAST

torch = pytest.importorskip("torch", reason="pip install '.[parity]'")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.parity

LENGTH = 77
CLIP = {
    "vocab_size": 560,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "max_position_embeddings": LENGTH,
    "projection_dim": 20,
}
KINDS = {
    "SD 1.x": {"hidden_act": "quick_gelu", "eos_token_id": 2},
    "SD 2.x": {"hidden_act": "gelu", "eos_token_id": 2, "num_hidden_layers": 2},
}


class Side:
    """A text encoder of transformers in float64, and its tokenizer's numbers."""

    def __init__(self, net, words, skip, normed):
        kind = getattr(transformers, net.config.architectures[0])
        # What load read of the file, which transformers reads by its own names.
        json = net.config._asdict() | {"architectures": list(net.config.architectures)}
        self.oracle = kind(transformers.CLIPTextConfig(**json)).eval()
        state = {name: torch.tensor(value.asnumpy()) for name, value in net.params.items()}
        own = self.oracle.state_dict()
        short = {name: name.removeprefix("text_model.") for name in state}
        self.oracle.load_state_dict(
            {(name if name in own else short[name]): value for name, value in state.items()}
        )
        self.oracle = self.oracle.double()
        self.words, self.skip, self.normed = words, skip, normed

    def __call__(self, ids, mask=None):
        with torch.no_grad():
            mask = None if mask is None else torch.tensor(mask)[None]
            found = self.oracle(
                torch.tensor(ids)[None].long(), attention_mask=mask, output_hidden_states=True
            )
            state = found.hidden_states[-1 - self.skip]
            if self.normed:
                norm = next(
                    module
                    for name, module in self.oracle.named_modules()
                    if name.endswith("final_layer_norm")
                )
                state = norm(state)
        pooled = getattr(found, "text_embeds", None)
        return state[0].numpy(), None if pooled is None else pooled[0].numpy()

    def row(self, ids):
        """Start, text, end and padding."""
        made = [self.words.start, *ids, self.words.end]
        return made + [self.words.pad] * (LENGTH - len(made))

    def chunks(self, pieces):
        """(ids, weights, numbers of pieces) of each 75 tokens; None begins another."""
        found = [[]]
        for number, piece in enumerate(pieces):
            if piece is None:
                found.append([])
                continue
            for i in tokenizer.ids_of(self.words, piece[0])[0]:
                if len(found[-1]) == 75:
                    found.append([])
                found[-1].append((i, piece[1], number))
        for some in found:
            ids, weights, numbers = zip(*some, strict=True) if some else ((), (), ())
            more = LENGTH - 1 - len(ids)
            yield (
                self.row(ids),
                np.array([1.0, *weights, *[1.0] * more])[:, None],
                np.array([-1, *numbers, *[-1] * more]),
            )


def webui(side, pieces):
    made = []
    for ids, w, _ in side.chunks(pieces):
        z, _ = side(ids)
        made.append(z * w * (z.mean() / (z * w).mean()))
    return np.concatenate(made)


def comfy(side, pieces):
    empty, _ = side(side.row(()))
    return np.concatenate([empty + w * (side(ids)[0] - empty) for ids, w, _ in side.chunks(pieces)])


def compel(side, pieces):
    empty, _ = side(side.row(()))
    [(ids, w, numbers)] = side.chunks(pieces)
    blended, shares = empty + w * (side(ids)[0] - empty), 1.0
    for number, (_, weight) in enumerate(pieces):
        if weight < 1:
            without, _ = side(ids, (numbers != number).astype(np.int64))
            share = np.tan((1 - weight) * np.pi / 2)
            blended = blended + share * (empty + w * (without - empty))
            shares += share
    return blended / shares


# The text, what its pieces are, and the rule.
TEXTS = {
    "a1111": (
        "a (red circle:1.4) on [blue] ((background)) (un",
        [("a ", 1), ("red circle", 1.4), (" on ", 1), ("blue", 1 / 1.1), (" ", 1),
         ("background", 1.21), (" ", 1), ("un", 1.1)],
        webui,
    ),
    "a1111, in chunks": (
        "a (red:0.5) circle BREAK blue (background:2) BREAK",
        [("a ", 1), ("red", 0.5), (" circle ", 1), None, (" blue ", 1), ("background", 2)],
        webui,
    ),
    "comfyui": (
        r"a (red (circle:1.4):0.3) on ((blue)) \(x\)",
        [("a ", 1), ("red ", 0.3), ("circle", 1.4), (" on ", 1), ("blue", 1.21), (" (x)", 1)],
        comfy,
    ),
    "comfyui, long": (
        "x " * 60 + "(" + "y " * 40 + ":1.3)",
        [("x " * 60, 1), ("y " * 40, 1.3)],
        comfy,
    ),
    "compel": (
        "a (red)0.3 circle++ on blue- (back (ground)1.5)0.5",
        [("a", 1), ("red", 0.3), ("circle", 1.21), ("on", 1), ("blue", 0.9), ("back", 0.5),
         ("ground", 0.75)],
        compel,
    ),
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS)
def small(request, tmp_path_factory):
    """A checkpoint with one text encoder of either kind, every weight at random."""
    folder = tiny.write(tmp_path_factory.mktemp("small"))
    json = CLIP | KINDS[request.param] | {"architectures": ["CLIPTextModel"]}
    tiny.change_json(folder / "unet" / "config.json", cross_attention_dim=32)
    rewrite_unet(folder)
    captions = ["a red circle on a blue background"]
    tokenizer.train(captions, folder / "tokenizer", vocab_size=560, length=LENGTH)
    if request.param == "SD 2.x":
        for name in ("tokenizer_config.json", "special_tokens_map.json"):
            tiny.change_json(folder / "tokenizer" / name, pad_token="!")
    oracle = randomize(transformers.CLIPTextModel(transformers.CLIPTextConfig(**json)))
    tiny.write_json(folder / "text_encoder" / "config.json", json)
    state = {name: value.numpy() for name, value in oracle.state_dict().items()}
    if not any(name.startswith("text_model.") for name in state):
        state = {"text_model." + name: value for name, value in state.items()}
    weights.save(state, folder / "text_encoder" / "model.safetensors")
    return mdx.load(folder)


def rewrite_unet(folder):
    from mdx.nets import unet

    config = {**tiny.UNET, "cross_attention_dim": 32}
    params = tiny.random_params(unet.shapes(unet.from_json(config)))
    weights.save(params, folder / "unet" / "diffusion_pytorch_model.safetensors")


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("name", TEXTS)
def test_one_encoder(small, name, skip):
    text, pieces, rule = TEXTS[name]
    syntax = re.match(r"\w+", name)[0]
    made = mdx.encode_prompt(small, text, prompt_syntax=syntax, clip_skip=skip)
    side = Side(small.text_encoder, small.tokenizer, skip, True)
    expected = rule(side, pieces)
    assert made.arrays["context"].shape == (1, *expected.shape)
    assert apart(made.arrays["context"][0], expected) < 1e-4
    plain = rule(side, [piece and (piece[0], 1) for piece in pieces])
    assert apart(plain, expected) > 1e-2, "weights that do nothing show nothing"


@pytest.fixture(scope="module")
def xl(tmp_path_factory):
    return mdx.load(repositories.write(tmp_path_factory.mktemp("xl"), LEAST))


@pytest.mark.parametrize("skip", [0, 1])
@pytest.mark.parametrize("name", TEXTS)
def test_two_encoders(xl, name, skip):
    """Both un-normed and a layer below the last; the text's vector is the second's, unweighted."""
    text, pieces, rule = TEXTS[name]
    syntax = re.match(r"\w+", name)[0]
    made = mdx.encode_prompt(xl, text, prompt_syntax=syntax, clip_skip=skip).arrays
    sides = [
        Side(xl.text_encoder, xl.tokenizer, skip + 1, False),
        Side(xl.text_encoder_2, xl.tokenizer_2, skip + 1, False),
    ]
    expected = [rule(side, pieces) for side in sides]
    assert apart(made["context"][0], np.concatenate(expected, 1)) < 1e-4
    for part, own in zip((slice(16), slice(16, None)), expected, strict=True):
        assert apart(made["context"][0, :, part], own) < 1e-4
    first = next(sides[1].chunks(pieces))[0]
    assert apart(made["pooled"][0], sides[1](first)[1]) < 1e-4


LONG = "a red circle on a blue background, a red circle, on a blue background"


def test_an_image_is_the_same_in_a_batch_of_longer_prompts(tiny_checkpoint):
    """No reference is needed; it takes its time, for each length is a graph of its own."""
    model = mdx.load(tiny_checkpoint)
    options = {"prompt_syntax": "a1111", "negative_prompt": "blue"}
    both = latents(model, [LONG, "a (red) circle"], seed=[0, 1], **options)
    for i, text in enumerate([LONG, "a (red) circle"]):
        assert apart(both[i], latents(model, text, seed=i, **options)[0]) < TOLERANCE
    assert apart(both[0], latents(model, "red", **options)[0]) > 100 * TOLERANCE
