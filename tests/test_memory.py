"""What is held in memory changes no picture; and it is what was asked."""

import os
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from PIL import Image

import mdx
from mdx import schedulers, tiles
from mdx.nets import unet
from mdx.sampling import network, staged
from tests import tiny
from tests.compiles import counted

SCORES = 6000  # bytes: of 54 queries, by two heads, the scores of 13
SIZE = {"height": 18, "width": 12}  # latents of 9 by 6: odd sizes on the way down
EXACT = 1e-5  # largest difference over largest value


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def picture(model, **options):
    return mdx.generate(
        model, "a red circle", steps=2, seed=0, output="np", progress=False, **SIZE, **options
    )


def apart(got, expected):
    return np.abs(got - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize(
    ("memory", "guidance"),
    [
        (mdx.Memory(weights="net"), 7.5),
        (mdx.Memory(weights="stage"), 7.5),
        (mdx.Memory(part_bytes=SCORES), 7.5),
        (mdx.Memory(weights="stage", part_bytes=SCORES), 7.5),
    ],
)
def test_every_choice_gives_the_same_picture(model, memory, guidance):
    whole = picture(model, guidance=guidance)
    assert apart(picture(model, guidance=guidance, memory=memory), whole) < EXACT


def test_one_graph_with_little_memory(model):
    memory = mdx.Memory(weights="net", part_bytes=SCORES)
    assert apart(picture(model, one_graph=True, memory=memory), picture(model)) < EXACT


def test_large_unets_run_in_stages(model, monkeypatch):
    whole = picture(model)
    monkeypatch.setattr(staged, "STAGED_FROM", 1)
    monkeypatch.setattr(network, "_in_one_call", None)
    assert apart(picture(model), whole) < EXACT


# Every kind of block and option that changes the stages or what they share.
UNETS = {
    "tiny": {},
    "three levels": {
        "block_out_channels": [16, 32, 32],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"],
        "downsample_padding": 0,
        "mid_block_scale_factor": 1.5,
        "only_cross_attention": [False, False, True],
    },
    "small": {
        "mid_block_type": None,
        "resnet_time_scale_shift": "scale_shift",
        "block_out_channels": [16],
        "down_block_types": ["CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D"],
    },
}


@pytest.fixture(params=UNETS)
def net(request):
    config = unet.from_json(tiny.UNET | UNETS[request.param])
    params = tiny.random_params(unet.shapes(config))
    return mdx.Net(config, {name: Tensor(value) for name, value in params.items()})


def test_parts_hold_every_parameter_once(net):
    parts = staged.parts(net.config, net.params)
    names = [name for part in parts for name in part.names]
    assert sorted(names) == sorted(unet.shapes(net.config))
    for part in parts:
        own = [p for name, p in part.params.items() if name.endswith((".weight", ".bias"))]
        assert [id(p) for p in own] == [id(net.params[n]) for n in part.names]
        wide = [name for name, p in part.params.items() if len(p.shape) == 4]
        assert {name for name in part.params if name.endswith(".matrix")} == {
            name + ".matrix" for name in wide
        }


@pytest.mark.parametrize(
    ("net", "guided"), [*((name, True) for name in UNETS), ("small", False)], indirect=["net"]
)
def test_stages_are_the_whole(net, guided):
    """The same bits as one graph gives, and weights are let go stage by stage, in order.

    At the size of this file's pictures: the graphs of the tiny checkpoint are made once for both.
    """
    random, length = np.random.default_rng(1), mdx.Memory().part_bytes
    x = Tensor(random.standard_normal((1, 4, 9, 6)).astype(np.float32))
    context = Tensor(random.standard_normal((1 + guided, 16, 16)).astype(np.float32))
    t, scale = (Tensor(np.float32([value])) for value in (500, 4))
    inputs = (x, t, mindspore.mutable({"context": context}), scale)
    params = mindspore.mutable(dict(net.params))
    whole = network._in_one_call(net.config, guided, length)(params, *inputs).asnumpy()
    parts, done = staged.parts(net.config, net.params), []
    predict = staged.predictor(net.config, parts, guided, length, done.append)
    with counted() as compiles:
        assert np.array_equal(predict(*inputs).asnumpy(), whole)
    assert done == list(parts)
    assert compiles.count <= len(parts)
    with counted() as compiles:
        predict(*inputs)
    assert compiles.count == 0


def test_stages_of_a_shape_share_a_graph():
    """The second of two equal blocks is the same graph."""
    config = unet.from_json(tiny.UNET | UNETS["three levels"] | {"layers_per_block": 2})
    params = dict.fromkeys(unet.shapes(config), Tensor(np.zeros(1, np.float32)))
    stages = [part.stage for part in staged.parts(config, params) if part.stage is not None]
    assert len({staged.graph_of(config, stage) for stage in stages}) < len(stages) - 4


@pytest.mark.parametrize("weights", ["net", "stage"])
def test_weights_that_were_written_to_stay_so(checkpoint, model, weights):
    """After a run as before one: what leaves memory comes again from the file, so this must not."""
    memory = mdx.Memory(weights=weights)
    changed = mdx.load(checkpoint)
    as_loaded = picture(changed, memory=memory)
    for net in (changed.text_encoder, changed.unet, changed.vae):
        for param in net.params.values():
            param.asnumpy()[...] *= 0.8
    whole = picture(changed)
    assert apart(as_loaded, whole) > 0.01
    for _ in range(2):
        assert apart(picture(changed, memory=memory), whole) < EXACT


def cut(checkpoint, part):
    """A model of which a file was cut short after it was loaded; look at none of its weights."""
    model = mdx.load(checkpoint)
    [path] = (checkpoint / part).glob("*.safetensors")
    os.truncate(path, 1000)
    return model


def cut_vae(use):
    return lambda checkpoint: use(cut(checkpoint, "vae"))


USES = {
    "generate, text encoder": lambda checkpoint: picture(cut(checkpoint, "text_encoder")),
    "generate, unet": lambda checkpoint: picture(cut(checkpoint, "unet")),
    "generate, vae": lambda checkpoint: picture(cut(checkpoint, "vae")),
    "decode": cut_vae(lambda model: mdx.decode(model, np.zeros((1, 4, 8, 8)))),
    "encode": cut_vae(lambda model: mdx.encode(model, np.zeros((1, 16, 16, 3)))),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_a_file_that_was_cut_short_is_an_error_and_not_the_end(checkpoint, use):
    with pytest.raises(OSError, match=r"safetensors was cut short, from \d+ to 1000 bytes"):
        use(checkpoint)


@pytest.mark.parametrize("weights", ["net", "stage"])
def test_weights_leave_memory_when_they_are_asked_to(model, monkeypatch, weights):
    """Each net's weights after its work, and the UNet's after every stage of every step."""
    left = []
    monkeypatch.setattr("mdx.memory.drop", lambda places: left.append(len(list(places))))
    monkeypatch.setattr("mdx.sampling.network.drop", lambda places: left.append(len(list(places))))
    picture(model, memory=mdx.Memory(weights=weights))
    text, noise, pixels = (len(n.params) for n in (model.text_encoder, model.unet, model.vae))
    if weights == "net":
        assert left == [text, noise, pixels]
    else:
        calls = schedulers.table(model.scheduler, 2).rows
        assert (left[0], left[-1]) == (text, pixels)
        assert sum(left[1:-2]) == noise * calls


@pytest.mark.parametrize(("length", "tile"), [(5, 8), (8, 8), (9, 8), (64, 16), (129, 32)])
def test_tiles_cover_a_side(length, tile):
    begin = tiles.starts(length, tile)
    assert begin[0] == 0
    assert begin[-1] == max(0, length - tile)
    steps = np.diff(begin)
    assert (steps > 0).all()
    assert (steps <= tile - tile * tiles.OVERLAP).all()


def test_blending_keeps_what_tiles_agree_on():
    """A decoder that looks at each latent alone gives the same picture in tiles."""
    latents = np.random.default_rng(0).standard_normal((1, 4, 37, 21)).astype(np.float32)

    def decode(x):
        assert max(x.shape[2:]) <= 16
        return x[:, :3].repeat(2, 2).repeat(2, 3)

    whole = latents[:, :3].repeat(2, 2).repeat(2, 3)
    assert apart(tiles.blended(decode, latents, 16, 2), whole) < 1e-6


@pytest.fixture(scope="module")
def large():
    """The packaged model, latents of a large picture, and the picture decoded whole."""
    model = mdx.load()
    with Image.open(Path(__file__).parents[1] / "examples" / "readme.png") as image:
        latents = mdx.encode(model, image.convert("RGB").crop((0, 0, 256, 256)))
    assert latents.shape[2:] == (64, 64)
    return model, latents, mdx.decode(model, latents, output="np")


@pytest.mark.parametrize(("tile", "least"), [(16, 38.0), (32, 40.0), (48, 43.0), (64, np.inf)])
def test_tiled_pictures_are_close(large, tile, least):
    """PSNR in dB against the picture decoded whole; the packaged VAE itself has 36.8 here."""
    model, latents, whole = large
    tiled = mdx.decode(model, latents, output="np", memory=mdx.Memory(tile=tile))
    error = np.mean((np.float64(tiled) - whole) ** 2)
    assert (-10 * np.log10(error) if error else np.inf) >= least
