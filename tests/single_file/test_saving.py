"""Models that are saved, as a folder and as one file, and blends of two."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest

import mdx
from mdx import casting, families, weights
from mdx.safetensors_file import header
from mdx.single_file import writing
from tests import single_files, wild
from tests.repositories_xl import OWN, RUN
from tests.single_files import SD_1, SD_2, XL, assert_same, changed


def test_a_folder_is_saved_whole_or_not_at_all(checkpoints, tmp_path):
    model = mdx.load(checkpoints["XL"][0])
    mdx.save(model, tmp_path / "out")
    again = mdx.load(tmp_path / "out")
    for part, net in families.nets_of(model).items():
        assert_same(getattr(again, part), net)
    assert again.scheduler == model.scheduler
    assert again.index.zeros == model.index.zeros
    assert (again.tokenizer.pad, again.tokenizer_2.pad) == (model.tokenizer.pad, 0)
    half = tmp_path / "half"
    mdx.save(again, half, dtype="float16")
    entries = header(half / "unet" / "diffusion_pytorch_model.safetensors").entries
    assert {entry.dtype for entry in entries.values()} == {"F16"}
    with pytest.raises(FileNotFoundError, match="home of a user whom this machine does not know"):
        mdx.save(model, "~nobody-of-this-name/x")
    for name in ("a\0b", "\ud83d"):
        with pytest.raises(ValueError, match="cannot be the name of a folder"):
            mdx.save(model, name)
    with pytest.raises(FileExistsError, match="folder with files in it"):
        mdx.save(model, half)
    broken = model.unet._replace(params={**model.unet.params, "conv_in.bias": model.vae})
    before = sorted(tmp_path.iterdir())
    for path in (tmp_path / "broken", tmp_path / "broken.safetensors"):
        with pytest.raises((AttributeError, TypeError, ValueError, KeyError)), single_files.quiet():
            mdx.save(model._replace(unet=broken), path)
    assert sorted(tmp_path.iterdir()) == before


def test_what_changed_under_a_model_is_not_saved(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints["SD"][0], tmp_path / "folder")
    model = mdx.load(folder)
    with (folder / "unet" / "diffusion_pytorch_model.safetensors").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(OSError, match="was cut short"):
        mdx.save(model, tmp_path / "out")


def test_a_file_is_replaced_under_its_own_model(checkpoints, tmp_path):
    folder, file = checkpoints["SD"]
    own = shutil.copy(file, tmp_path / "own.safetensors")
    model, wanted = mdx.load(own, config=folder), mdx.load(folder)
    with single_files.quiet():
        mdx.save(model, own)
    assert_same(mdx.load(own, config=folder).unet, wanted.unet)


def test_what_a_file_cannot_say_is_warned_of(checkpoints, tmp_path):
    model = mdx.load(checkpoints["SD"][0])
    with pytest.warns(UserWarning, match=r"does not say .*model\.tokenizer.*load it with config="):
        mdx.save(model, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="writes no pickled weights"):
        mdx.save(model, tmp_path / "a.ckpt")
    with pytest.raises(ValueError, match=r"model\.text_encoder is None"), single_files.quiet():
        mdx.save(model._replace(text_encoder=None), tmp_path / "b.safetensors")
    large = changed(model.unet, lambda numbers: numbers * np.float32(1e9))
    with pytest.raises(ValueError, match=r"values too large for float16"), single_files.quiet():
        mdx.save(model._replace(unet=large), tmp_path / "c.safetensors", dtype="float16")
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_the_usual_schedulers_are_known_as_such(tmp_path):
    """Those that SD 1.5, SD 2.1 and SDXL were published with; no other is."""
    for original, published in (
        (SD_1, wild.SCHEDULERS["SD 1.5"][2]),
        (SD_2, wild.SCHEDULERS["SD 2.1 base"][2]),
        (SD_2, wild.SCHEDULERS["SD 2.1"][2]),
        (XL, OWN),
        (XL, RUN["v-prediction"].scheduler),
        (XL, RUN["Playground"].scheduler),
    ):
        own = mdx.schedulers.from_config(published)
        predicts_v = mdx.schedulers.prediction(own) == "v_prediction"
        model = SimpleNamespace(scheduler=own)
        assert writing._is_usual(model, original, predicts_v), published
        model.scheduler = mdx.schedulers.from_config(own, "dpmpp_2m")
        assert not writing._is_usual(model, original, predicts_v)


def test_markers_are_written(checkpoints, tmp_path):
    folder, _ = checkpoints["XL"]
    model = mdx.load(folder)
    v = mdx.schedulers.from_config(
        model.scheduler, prediction_type="v_prediction", rescale_betas_zero_snr=True
    )
    with single_files.quiet():
        mdx.save(model._replace(scheduler=v), tmp_path / "v.safetensors")
    found = header(tmp_path / "v.safetensors")
    assert {"v_pred", "ztsnr"} <= found.entries.keys()
    assert found.metadata["modelspec.prediction_type"] == "v"


def test_a_blend_lies_between(checkpoints, tmp_path):
    model = mdx.load(checkpoints["SD"][0])
    moved = changed(model.unet, lambda numbers: numbers + 1)
    kept = "conv_out.bias"
    moved.params[kept] = model.unet.params[kept]
    other = model._replace(unet=moved)
    mixed = mdx.blend(model, other, 0.25)
    for name, param in mixed.unet.params.items():
        wanted = model.unet.params[name].asnumpy() + 0.25 * (name != kept)
        np.testing.assert_allclose(param.asnumpy(), wanted, atol=1e-6)
    assert mixed.unet.places.keys() == {kept}  # where both are the same it stays mapped
    assert mixed.vae.places.keys() == model.vae.places.keys()
    same = mdx.blend(model, other, 1.0)
    np.testing.assert_array_equal(
        same.unet.params["conv_in.weight"].asnumpy(), moved.params["conv_in.weight"].asnumpy()
    )
    alone = mdx.blend(model, other, {"vae": 0.5})
    assert alone.unet is model.unet
    added = mdx.add_difference(model, other, model, 0.5)
    np.testing.assert_allclose(
        added.unet.params["conv_in.weight"].asnumpy(),
        model.unet.params["conv_in.weight"].asnumpy() + 0.5,
        atol=1e-6,
    )
    assert added.unet.places.keys() == {kept}
    with pytest.raises(ValueError, match="share has no part 'nose'"):
        mdx.blend(model, other, {"nose": 1})
    with pytest.raises(ValueError, match="expected one family"):
        mdx.blend(model, mdx.load(checkpoints["XL"][0]), 0.5)
    wide = {**model.unet.params, kept: model.unet.params["conv_in.bias"]}
    with pytest.raises(ValueError, match=r"b\.unet has conv_out\.bias of shape"):
        mdx.blend(model, model._replace(unet=model.unet._replace(params=wide)), 0.5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_blends_in_float32(checkpoints, dtype):
    model = mdx.load(checkpoints["SD"][0], dtype=dtype)
    other = changed(model.unet, lambda numbers: -numbers)
    mixed = mdx.blend(model, model._replace(unet=other), 0.25)
    assert weights.dtype_of(mixed.unet.params) == dtype
    got, wanted = (casting.floats(one.unet.params["conv_in.weight"]) for one in (mixed, model))
    np.testing.assert_array_equal(got, wanted / 2)  # exact in any dtype
