"""Loading whole checkpoints: folders, Hub ids from the cache, variants, parts and their fit."""

import logging
import pickle
import re

import huggingface_hub
import numpy as np
import pytest
from safetensors.numpy import load_file

import mdx
from mdx import bfloat16, families, hub, loading, weights
from mdx.nets import unet
from tests import repositories, tiny


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty Hub cache; whoever reaches for the network fails the test."""
    folder = tmp_path / "cache"
    folder.mkdir()
    real = huggingface_hub.snapshot_download

    def cached(repo, *, local_files_only, **options):
        assert local_files_only, "the test reached for the network"
        return real(repo, cache_dir=folder, local_files_only=True, **options)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    return folder


def same(net, folder, name="diffusion_pytorch_model.safetensors"):
    stored = load_file(folder / name)
    assert stored.keys() == net.params.keys()
    for key, value in stored.items():
        np.testing.assert_array_equal(net.params[key].asnumpy(), value)


def test_a_folder_loads(tiny_checkpoint):
    loaded = loading.load(tiny_checkpoint)
    assert loaded.unet.config == unet.from_json(tiny.UNET)
    assert loaded.tokenizer.length == 16
    assert loaded.scheduler.name == "PNDMScheduler"
    same(loaded.unet, tiny_checkpoint / "unet")
    same(loaded.vae, tiny_checkpoint / "vae")
    same(loaded.text_encoder, tiny_checkpoint / "text_encoder", "model.safetensors")
    assert loading.load(str(tiny_checkpoint)).unet.config == loaded.unet.config


@pytest.mark.parametrize("name", repositories.REFUSED)
def test_repositories_of_other_kinds_are_refused_by_name(tmp_path, name):
    repository, words = repositories.REFUSED[name]
    folder = repositories.write(tmp_path / "repository", repository)
    with pytest.raises(ValueError, match=re.escape(words)):
        loading.load(folder)


def test_float16_is_half_the_bytes(tiny_checkpoint):
    whole, half = loading.load(tiny_checkpoint), loading.load(tiny_checkpoint, dtype="float16")
    for key, value in whole.unet.params.items():
        other = half.unet.params[key].asnumpy()
        assert other.dtype == np.float16
        np.testing.assert_array_equal(other, value.asnumpy().astype(np.float16))


def test_variant_files(checkpoint):
    for part, (_, _, base) in tiny.NETS.items():
        plain = checkpoint / part / f"{base}.safetensors"
        halves = {k: v.astype(np.float16) for k, v in load_file(plain).items()}
        weights.save(halves, checkpoint / part / f"{base}.fp16.safetensors")
        plain.unlink()
    loaded = loading.load(checkpoint, variant="fp16", dtype="float16")
    same(loaded.unet, checkpoint / "unet", "diffusion_pytorch_model.fp16.safetensors")


def halves(checkpoint, *parts, dtype=np.float16):
    """Give parts fp16 files besides the plain ones."""
    for part in parts:
        base = tiny.NETS[part][2]
        stored = load_file(checkpoint / part / f"{base}.safetensors")
        half = {name: value.astype(dtype) for name, value in stored.items()}
        weights.save(half, checkpoint / part / f"{base}.fp16.safetensors")


def brains(checkpoint, *parts):
    """Give parts bf16 files besides the plain ones."""
    for part in parts:
        net, config, base = tiny.NETS[part]
        plain = checkpoint / part / f"{base}.safetensors"
        params = weights.read([plain], net.shapes(net.from_json(config)), "bfloat16")
        weights.save(params, checkpoint / part / f"{base}.bf16.safetensors")


def test_float16_uses_fp16_files_where_they_are(checkpoint):
    """Without a word about variants; what is not cast stays in its file."""
    halves(checkpoint, "unet", "vae")
    plain, half = loading.load(checkpoint), loading.load(checkpoint, dtype="float16")
    for part in ("unet", "vae"):
        net = getattr(half, part)
        assert net.places.keys() == net.params.keys()
        same(net, checkpoint / part, "diffusion_pytorch_model.fp16.safetensors")
        assert getattr(plain, part).places.keys() == net.places.keys()
        same(getattr(plain, part), checkpoint / part)
    assert half.text_encoder.places == {}
    assert not loading.load_vae(checkpoint, dtype="float32").places.keys() ^ plain.vae.params.keys()
    assert loading.load_vae(checkpoint, dtype="float16").places.keys() == half.vae.places.keys()


def test_bfloat16_uses_bf16_files_where_they_are(checkpoint):
    """As float16 does fp16 ones, and each the plain files where the other's are."""
    halves(checkpoint, "unet")
    brains(checkpoint, "unet", "vae")
    half, brain = (loading.load(checkpoint, dtype=dtype) for dtype in ("float16", "bfloat16"))
    assert [net.places.keys() == net.params.keys() for net in brain[1:4]] == [False, True, True]
    assert [net.places.keys() == net.params.keys() for net in half[1:4]] == [False, True, False]
    wide = loading.load(checkpoint, variant="bf16")
    for part in ("unet", "vae"):
        for name, value in getattr(brain, part).params.items():
            numbers = bfloat16.widened(bfloat16.array(value))
            np.testing.assert_array_equal(getattr(wide, part).params[name].asnumpy(), numbers)
    vae = loading.load_vae(checkpoint, dtype="bfloat16")
    assert vae.places.keys() == vae.params.keys()


# What vae/config.json says, and whether a VAE by itself is held in float32 whatever the dtype.
UPCASTS = {
    "true": (True, True),
    "false": (False, False),
    "null": (None, False),
    "none": (..., False),
}


@pytest.mark.parametrize(("said", "upcast"), UPCASTS.values(), ids=UPCASTS)
@pytest.mark.parametrize("dtype", weights.DTYPES)
def test_a_vae_that_is_to_be_upcast(checkpoint, dtype, said, upcast):
    """By itself, or where a family asks for it; SD 1.x and 2.x do not."""
    tiny.change_json(checkpoint / "vae" / "config.json", force_upcast=said)
    alone = loading.load_vae(checkpoint / "vae", dtype=dtype)
    own = "float32" if upcast else dtype
    assert weights.dtype_of(alone.params) == own
    assert len(alone.places) == (len(alone.params) if own == "float32" else 0)
    again = pickle.loads(pickle.dumps(alone))
    assert weights.dtype_of(again.params) == own
    assert weights.dtype_of(loading.load(checkpoint, dtype=dtype).vae.params) == dtype


def test_an_upcast_vae_takes_the_files_of_the_dtype(checkpoint):
    """They may be all that a repository has."""
    halves(checkpoint, "vae")
    (checkpoint / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    tiny.change_json(checkpoint / "vae" / "config.json", force_upcast=True)
    alone = loading.load_vae(checkpoint / "vae", dtype="float16")
    assert weights.dtype_of(alone.params) == "float32"
    same(alone, checkpoint / "vae", "diffusion_pytorch_model.fp16.safetensors")


def test_a_variant_that_only_some_parts_have(checkpoint):
    halves(checkpoint, "unet", dtype=np.float32)
    (checkpoint / "unet" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match=r'unet has no .*; load with variant="fp16", which'):
        loading.load(checkpoint)
    with pytest.raises(FileNotFoundError, match="no weights of variant 'ema'; there are fp16"):
        loading.load(checkpoint, variant="ema")
    loaded = loading.load(checkpoint, variant="fp16")
    same(loaded.unet, checkpoint / "unet", "diffusion_pytorch_model.fp16.safetensors")
    same(loaded.vae, checkpoint / "vae")
    with pytest.raises(FileNotFoundError, match="variant 'fp16', nor of any other; leave variant"):
        loading.load_vae(checkpoint, variant="fp16")


def test_hub_id_from_the_cache(tiny_checkpoint, cache):
    tiny.hub_cache(cache, "someone/tiny", tiny_checkpoint)
    loaded = loading.load("someone/tiny", offline=True)
    same(loaded.unet, tiny_checkpoint / "unet")
    folder = loading.found("someone/tiny", offline=True)
    assert hub.commit(folder) == "c0ffee" * 6 + "cafe"
    assert hub.commit(tiny_checkpoint) is None
    assert loading.found("someone/tiny", revision=hub.commit(folder), offline=True) == folder


def test_a_folder_wins_over_a_hub_id(checkpoint, cache, monkeypatch):
    monkeypatch.chdir(checkpoint.parent.parent)
    assert hub.resolve(f"{checkpoint.parent.name}/checkpoint").is_dir()


# As on the Hub, and shards by each of their names.
SD_1_5 = """model_index.json README.md v1-5-pruned.ckpt v1-5-pruned.safetensors v1-inference.yaml
    feature_extractor/preprocessor_config.json safety_checker/config.json
    safety_checker/model.safetensors safety_checker/pytorch_model.bin
    scheduler/scheduler_config.json text_encoder/config.json text_encoder/model.safetensors
    text_encoder/model.fp16.safetensors text_encoder/pytorch_model.bin tokenizer/vocab.json
    tokenizer/merges.txt tokenizer/special_tokens_map.json tokenizer/tokenizer_config.json
    unet/config.json unet/diffusion_pytorch_model.bin unet/diffusion_pytorch_model.safetensors
    unet/diffusion_pytorch_model.fp16.safetensors unet/diffusion_pytorch_model.fp16.bin
    unet/diffusion_pytorch_model.non_ema.safetensors vae/config.json
    vae/diffusion_pytorch_model.safetensors vae/diffusion_pytorch_model.fp16.safetensors
    unet/diffusion_pytorch_model.safetensors.index.json
    unet/diffusion_pytorch_model-00001-of-00002.safetensors
    unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors
    unet/diffusion_pytorch_model-00001-of-00002.fp16.safetensors"""


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_only_what_is_needed_is_fetched(variant):
    """SD 1.5's repository, filtered as the Hub's client does."""
    repo = SD_1_5.split()
    kinds = families.stable_diffusion.FAMILY.parts
    nets = {name: families.NETS.get(part.kind) for name, part in kinds.items()}
    folders = {name: net and net.base for name, net in nets.items()}
    wanted = hub.patterns(folders, dict.fromkeys(folders, variant))
    found = set(huggingface_hub.utils.filter_repo_objects(repo, allow_patterns=wanted))
    small = {f for f in repo if f.endswith((".json", ".txt"))}
    small -= {f for f in repo if f.startswith(("feature_extractor", "safety_checker"))}
    assert {f for f in found if not f.endswith(".safetensors")} == small
    parts = ("text_encoder/model", "unet/diffusion_pytorch_model", "vae/diffusion_pytorch_model")
    expected = {f"{p}{'.fp16' if variant else ''}.safetensors" for p in parts}
    shard = "unet/diffusion_pytorch_model{}-00001-of-00002{}.safetensors"
    places = [(".fp16", ""), ("", ".fp16")] if variant else [("", "")]
    expected |= {shard.format(*place) for place in places}
    assert {f for f in found if f.endswith(".safetensors")} == expected


def test_a_vae_alone_and_in_a_checkpoint(tiny_checkpoint, tmp_path, cache):
    same(loading.load_vae(tiny_checkpoint), tiny_checkpoint / "vae")
    same(loading.load_vae(tiny_checkpoint / "vae"), tiny_checkpoint / "vae")
    tiny.hub_cache(cache, "someone/vae", tiny_checkpoint / "vae")
    same(loading.load_vae("someone/vae", offline=True), tiny_checkpoint / "vae")
    whole = loading.load(tiny_checkpoint)
    other = whole._replace(vae=loading.load_vae(tiny_checkpoint, dtype="float16"))
    assert other.unet is whole.unet


def test_extra_parts_are_named_in_one_log_line(checkpoint, caplog):
    tiny.change_json(
        checkpoint / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
    )
    with caplog.at_level(logging.INFO, "mdx"):
        loading.load(checkpoint)
    [record] = caplog.records
    assert record.getMessage().endswith("feature_extractor, safety_checker")


def test_text_encoder_without_prefix(checkpoint):
    """transformers 5 leaves "text_model." out when it saves a CLIPTextModel."""
    path = checkpoint / "text_encoder" / "model.safetensors"
    stored = load_file(path)
    weights.save({k.removeprefix("text_model."): v for k, v in stored.items()}, path)
    assert loading.load(checkpoint).text_encoder.params.keys() == stored.keys()


def test_layers_that_a_config_leaves_out_are_not_read(checkpoint):
    """Clip skip as people made it: one layer fewer in the config, beside all of the weights."""
    whole = loading.load(checkpoint)
    tiny.change_json(checkpoint / "text_encoder" / "config.json", num_hidden_layers=1)
    cut = loading.load(checkpoint)
    assert not any(".layers.1." in name for name in cut.text_encoder.params)
    skipped = mdx.encode_prompt(whole, "a red circle", clip_skip=1)
    assert mdx.encode_prompt(cut, "a red circle") == skipped
    tiny.change_json(checkpoint / "text_encoder" / "config.json", num_hidden_layers=3)
    with pytest.raises(ValueError, match=r"16 missing: text_model\.encoder\.layers\.2"):
        loading.load(checkpoint)
