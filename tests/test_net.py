"""Models and nets as values: what they show of themselves, copies that share weights, pickles."""

import copy
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

import mdx
from mdx import weights
from mdx.bfloat16 import array
from mdx.families import StableDiffusion
from mdx.net import Net
from mdx.nets import clip, unet, vae
from tests import tiny
from tests.generating import latents


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


def changed(net, name, by):
    """The net with one weight exchanged."""
    params = dict(net.params)
    params[name] = Tensor(params[name].asnumpy() + np.float32(by))
    return net._replace(params=mindspore.mutable(params))


def test_a_model_shows_its_parts_in_a_few_lines(model):
    lines = repr(model).splitlines()
    assert len(lines) == 6
    for words in ("534 ids, 16 a prompt", "unet: 200,644 parameters, float32, 0.8 MB, mapped from"):
        assert any(words in line for line in lines), words
    assert "scheduler: PNDMScheduler" in lines[-1]
    assert len(repr(model)) < 600


def test_a_net_shows_its_numbers(model, tiny_checkpoint):
    first, second = repr(model.unet).splitlines()
    assert first == "Net(unet: 200,644 parameters, float32, 0.8 MB, mapped from its files;"
    for words in ("sample_size=8", "block_out_channels=(16, 32)", "cross_attention_dim=16"):
        assert words in second
    half = mdx.load(tiny_checkpoint, dtype="float16")
    assert "float16, 0.4 MB, held in memory" in repr(half.unet)
    brain = mdx.load(tiny_checkpoint, dtype="bfloat16")
    assert "bfloat16, 0.4 MB, held in memory" in repr(brain.unet)
    mixed = changed(half.vae, "quant_conv.bias", 1)
    assert "vae: 56,711 parameters, float16, float32, 0.1 MB, held" in repr(mixed)
    some = model.unet._replace(places=dict(list(model.unet.places.items())[:10]))
    assert "0.8 MB, 0.0 MB of it mapped" in repr(some)


@pytest.mark.parametrize("record", [Net(*range(4)), Net(None, None), StableDiffusion(*range(6))])
def test_even_a_record_of_nonsense_shows_itself(record):
    assert "of " in repr(record)
    assert "that make none" in repr(record)


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy])
def test_copies_share_the_weights(model, make):
    other = make(model)
    assert type(other) is type(model)
    for part in ("text_encoder", "unet", "vae"):
        one, its = getattr(other, part), getattr(model, part)
        assert one.params.keys() == its.params.keys()
        assert all(one.params[name] is its.params[name] for name in its.params)
        assert one.config == its.config
        assert one.places is its.places
    assert np.array_equal(latents(other), latents(model))


def test_what_is_put_into_a_deep_copy_is_not_in_the_first(model):
    other = copy.deepcopy(model.vae)
    other.params["quant_conv.bias"] = Tensor(np.zeros(8, np.float32))
    assert model.vae.params["quant_conv.bias"].asnumpy().any()


def test_configs_are_values():
    """Equal by what they say, in a set, and out of a pickle."""
    for module, json in ((unet, tiny.UNET), (vae, tiny.VAE), (clip, tiny.TEXT)):
        one, other = module.from_json(json), module.from_json(dict(json))
        assert one == other
        assert len({one, other}) == 1
        assert pickle.loads(pickle.dumps(one)) == one
        assert one != module.Config()


def test_a_model_is_pickled_as_how_it_was_loaded(model, tiny_checkpoint, monkeypatch):
    """Small, and in another folder than the one in which it was loaded."""
    monkeypatch.chdir(tiny_checkpoint.parent)
    relative = mdx.load(tiny_checkpoint.name)
    text = pickle.dumps(relative)
    size = sum(param.nbytes for param in relative.unet.params.values())
    assert len(text) < size / 10
    monkeypatch.chdir("/")
    again = pickle.loads(text)
    for part in ("text_encoder", "unet", "vae"):
        one, its = getattr(again, part), getattr(model, part)
        assert one.config == its.config
        assert one.params.keys() == its.params.keys()
        for name, param in its.params.items():
            assert np.array_equal(one.params[name].asnumpy(), param.asnumpy())
        assert one.places.keys() == its.places.keys()
    assert again.scheduler == model.scheduler
    assert np.array_equal(latents(again), latents(model))


def test_another_process_loads_the_pickle(model, tmp_path):
    (tmp_path / "model").write_bytes(pickle.dumps(model))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model")],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == repr(model)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_pickled_as_what_it_is(tiny_checkpoint, dtype):
    half = mdx.load(tiny_checkpoint, dtype=dtype)
    again = pickle.loads(pickle.dumps(half))
    assert {str(param.dtype).lower() for param in again.unet.params.values()} == {dtype}
    array(half.unet.params["conv_out.bias"])[0] += 1
    with pytest.raises(pickle.PicklingError, match=r"conv_out.bias of this net changed"):
        pickle.dumps(half)


def test_exchanged_parts_are_pickled_as_what_they_are():
    """The packaged checkpoint's second VAE in its model."""
    packaged = mdx.load()
    other = packaged._replace(vae=mdx.load_vae())
    name = "decoder.conv_out.bias"
    expected = other.vae.params[name].asnumpy()
    assert np.array_equal(pickle.loads(pickle.dumps(other)).vae.params[name].asnumpy(), expected)
    assert not np.array_equal(packaged.vae.params[name].asnumpy(), expected)


def in_place(net):
    """As an optimiser would: the tensor and the dict are the same ones."""
    net.params["conv_out.bias"].asnumpy()[0] += 1
    return net


def without_a_weight(net):
    return net._replace(params=mindspore.mutable(dict(list(net.params.items())[1:])))


SPOILT = {
    "a weight": lambda net: changed(net, "conv_out.bias", 1),
    "the least of a weight": lambda net: changed(net, "conv_out.bias", 1e-6),
    "its dtype": lambda net: net._replace(
        params=mindspore.mutable(
            {n: Tensor(p.asnumpy().astype(np.float16)) for n, p in net.params.items()}
        )
    ),
    "a name": lambda net: net._replace(
        params=mindspore.mutable(dict(list(net.params.items())[1:]))
    ),
    "the config": lambda net: net._replace(config=net.config._replace(norm_eps=1e-3)),
    "in place": in_place,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT.keys())
def test_what_is_not_in_the_files_is_not_pickled(tiny_checkpoint, spoil):
    net = spoil(mdx.load(tiny_checkpoint).unet)
    with pytest.raises(pickle.PicklingError, match=r"of this net changed since .*: save"):
        pickle.dumps(net)


def test_files_that_changed_since_are_not_what_was_loaded(checkpoint):
    """Replaced by others of the same names: the net still has the old numbers."""
    net = mdx.load(checkpoint).unet
    file = checkpoint / "unet" / "diffusion_pytorch_model.safetensors"
    params = tiny.random_params(unet.shapes(net.config), seed=1)
    file.unlink()
    weights.save(params, file)
    with pytest.raises(pickle.PicklingError, match="changed since it was loaded"):
        pickle.dumps(net)


def test_a_net_without_files_is_not_pickled(model):
    own = Net(model.unet.config, model.unet.params)
    with pytest.raises(pickle.PicklingError, match="was not loaded from files"):
        pickle.dumps(own)
    assert copy.copy(own) is own


def test_a_pickle_whose_folder_is_gone_says_so(checkpoint):
    text = pickle.dumps(mdx.load(checkpoint))
    shutil.rmtree(checkpoint)
    with pytest.raises(FileNotFoundError, match=r"no folder .*text_encoder"):
        pickle.loads(text)
