"""Which scheduler a file without one has: by its kind, its markers, its numbers."""

import numpy as np
import pytest

import mdx
from mdx.safetensors_file import header
from mdx.single_file import schedule
from mdx.single_file.contents import Held
from tests import single_files
from tests.single_files import SD_1, SD_2, UNET, XL


def planned(tmp_path, original, tensors, metadata=None, asked=None):
    """The schedule of a file with such tensors."""
    file = single_files.write(tmp_path / "marked.safetensors", tensors, metadata)
    found = header(file)
    held = Held("unet", UNET, "original")
    return schedule.schedule(found.entries, found.metadata, original, held, asked)


MARK = np.zeros(0, np.float32)


def test_a_bare_file_has_the_scheduler_of_its_kind(tmp_path):
    nothing = {"x": MARK}
    assert planned(tmp_path, SD_1, nothing).scheduler["_class_name"] == "PNDMScheduler"
    assert planned(tmp_path, XL, nothing).scheduler["_class_name"] == "EulerDiscreteScheduler"
    assert not planned(tmp_path, SD_1, nothing).predicts_v
    asked = planned(tmp_path, SD_1, nothing, asked="v_prediction")
    assert asked.scheduler["prediction_type"] == "v_prediction"


def test_markers_are_honoured(tmp_path):
    plain = planned(tmp_path, XL, {"v_pred": MARK})
    assert plain.scheduler["prediction_type"] == "v_prediction"
    assert "rescale_betas_zero_snr" not in plain.scheduler
    zero = planned(tmp_path, XL, {UNET + "v_pred": MARK, "ztsnr": MARK}).scheduler
    assert zero["rescale_betas_zero_snr"] is True
    assert zero["timestep_spacing"] == "trailing"
    asked = planned(tmp_path, XL, {"v_pred": MARK}, asked="epsilon")
    assert asked.scheduler.get("prediction_type", "epsilon") == "epsilon"
    said = planned(tmp_path, XL, {"x": MARK}, {"modelspec.prediction_type": "v"})
    assert said.scheduler["prediction_type"] == "v_prediction"
    statistics = {
        "edm_mean": np.float32([1, 2, 3, 4]).reshape(1, 4, 1, 1),
        "edm_std": np.float32([5, 6, 7, 8]).reshape(1, 4, 1, 1),
    }
    edm = planned(tmp_path, XL, statistics)
    assert edm.scheduler["_class_name"] == "EDMDPMSolverMultistepScheduler"
    assert edm.vae["latents_mean"] == [1, 2, 3, 4]
    assert edm.vae["scaling_factor"] == 0.5
    levels = {"edm_vpred.sigma_max": np.float32(80), "edm_vpred.sigma_min": np.float32(0.01)}
    cos = planned(tmp_path, XL, levels).scheduler
    assert (cos["sigma_max"], cos["prediction_type"]) == (80, "v_prediction")
    for config in (plain.scheduler, zero, edm.scheduler, cos):
        made = mdx.schedulers.from_config(config)
        assert mdx.schedulers.table(made, 4).rows
    with pytest.raises(ValueError, match=r"edm_vpred\.sigma_max must be one number above 0"):
        planned(tmp_path, XL, {"edm_vpred.sigma_max": np.float32([1, 2])})


def test_sd_2_is_told_by_its_numbers_or_by_the_user(tmp_path):
    telling = UNET + schedule.TELLING
    wide, narrow = np.float32([-0.2, 0.2] * 8), np.float32([-0.05, 0.05] * 8)
    v = planned(tmp_path, SD_2, {telling: wide})
    assert v.predicts_v
    assert v.scheduler["_class_name"] == "DDIMScheduler"
    assert "a guess by the spread of output_blocks" in v.why
    assert not planned(tmp_path, SD_2, {telling: narrow}).predicts_v
    step = {telling: wide, "global_step": np.int64([875000])}
    assert not planned(tmp_path, SD_2, step).predicts_v
    inpaint = {telling: wide, UNET + schedule.FIRST: np.ones((3, 9, 3, 3), np.float32)}
    assert not planned(tmp_path, SD_2, inpaint).predicts_v
    assert not planned(tmp_path, SD_2, {telling: wide}, asked="epsilon").predicts_v
    assert planned(tmp_path, SD_2, {telling: narrow}, asked="v_prediction").predicts_v
