"""The scheduler of one file: what its marker tensors and its metadata say of how it was taught.

Fine-tunes of SDXL carry tensors without meaning of their own, whose names say it: v_pred, ztsnr
(arXiv 2305.08891), edm_mean and edm_std (arXiv 2206.00364), edm_vpred.sigma_max. Files of SD 2 say
nothing; what tells them apart was found in their numbers by ComfyUI's authors.
"""

import logging
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from mdx.safetensors_file import Entry
from mdx.single_file.contents import Held
from mdx.single_file.originals import Original
from mdx.weights import as_floats

__all__ = ["EDM", "EDM_V", "PREDICTIONS", "Schedule", "schedule", "usual_config"]

log = logging.getLogger("mdx")

PREDICTIONS = ("epsilon", "v_prediction")

# What metadata (modelspec.prediction_type) call them.
SPEC = {"epsilon": "epsilon", "v": "v_prediction", "v_prediction": "v_prediction"}

# A norm of SD 2 whose biases spread by more than this where v was taught, and the last step of
# training of the one that was not and is known by it.
TELLING, SPREAD = "output_blocks.11.1.transformer_blocks.0.norm1.bias", 0.09
LAST_STEP = 875000

FIRST = "input_blocks.0.0.weight"  # of a UNet; those that read more than latents predict noise

EDM = {
    "_class_name": "EDMDPMSolverMultistepScheduler", "algorithm_type": "dpmsolver++",
    "euler_at_final": False, "final_sigmas_type": "zero", "lower_order_final": True,
    "num_train_timesteps": 1000, "prediction_type": "epsilon", "rho": 7.0, "sigma_data": 0.5,
    "sigma_max": 80.0, "sigma_min": 0.002, "solver_order": 2, "solver_type": "midpoint",
}  # fmt: skip
EDM_V = {
    "_class_name": "EDMEulerScheduler", "num_train_timesteps": 1000, "sigma_data": 1.0,
    "prediction_type": "v_prediction", "sigma_schedule": "exponential",
}  # fmt: skip
# The levels of a schedule whose last is noise alone are met from that end.
ZERO_SNR = {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}


class Schedule(NamedTuple):
    """How a checkpoint is sampled, and what that says of its parts."""

    scheduler: Mapping[str, Any]  # scheduler_config.json
    predicts_v: bool  # whether its network was taught to predict v
    why: str  # who says so, in words
    vae: Mapping[str, Any] = MappingProxyType({})  # of vae/config.json


def schedule(
    entries: Mapping[str, Entry],
    metadata: Mapping[str, str],
    original: Original,
    unet: Held,
    asked: str | None,
) -> Schedule:
    """The scheduler of one file.

    Args:
        entries: the file's tensors, by name.
        metadata: what its writer said.
        original: the kind of checkpoint.
        unet: how its UNet lies in it.
        asked: what its network predicts, one of PREDICTIONS; None: as the file says.

    Returns:
        The Schedule.

    Raises:
        ValueError: for markers that make no sense.
    """
    there = {name: name for name in entries} | {
        name[len(unet.prefix) :]: name for name in entries if name.startswith(unet.prefix)
    }
    marked = {name: entries[there[name]] for name in MARKERS if name in there}
    if original.told is not None and asked is None:
        if {"edm_mean", "edm_std"} <= marked.keys():
            return _edm(marked)
        if "edm_vpred.sigma_max" in marked:
            levels = {"sigma_max": 120.0, "sigma_min": 0.002}
            for name in levels:
                if (entry := marked.get(f"edm_vpred.{name}")) is not None:
                    levels[name] = _one(f"edm_vpred.{name}", entry)
            return Schedule({**EDM_V, **levels}, True, "its tensor edm_vpred.sigma_max")
    prediction, why = _prediction(marked, entries, metadata, original, unet)
    if asked is not None:
        prediction, why = asked, "prediction_type"
    predicts_v = prediction == "v_prediction"
    zero = "ztsnr" in marked and original.told is not None
    why += " and ztsnr" if zero else ""
    return Schedule(usual_config(original, predicts_v, zero), predicts_v, why)


def usual_config(original: Original, predicts_v: bool, zero: bool) -> dict[str, Any]:
    """The scheduler's config of a kind of checkpoint.

    Args:
        original: the kind.
        predicts_v: whether its network was taught to predict v.
        zero: whether the last of its levels is noise alone.

    Returns:
        scheduler_config.json.
    """
    config = dict(original.scheduler)
    if predicts_v:
        config = dict(original.v_scheduler or {**config, "prediction_type": "v_prediction"})
    return config | (ZERO_SNR if zero else {})


MARKERS = (
    "v_pred", "ztsnr", "edm_mean", "edm_std", "edm_vpred.sigma_max", "edm_vpred.sigma_min",
    "global_step",
)  # fmt: skip


def _prediction(
    marked: Mapping[str, Entry],
    entries: Mapping[str, Entry],
    metadata: Mapping[str, str],
    original: Original,
    unet: Held,
) -> tuple[str, str]:
    """What the network predicts, and who says so."""
    if "v_pred" in marked:
        return "v_prediction", "its tensor v_pred"
    if said := SPEC.get(metadata.get("modelspec.prediction_type", "")):
        return said, "its metadata (modelspec.prediction_type)"
    if original.v_unet:
        return _guessed(marked, entries, unet)
    return "epsilon", "the kind of checkpoint"


def _guessed(
    marked: Mapping[str, Entry], entries: Mapping[str, Entry], unet: Held
) -> tuple[str, str]:
    """What the network of an SD 2 predicts, by its numbers."""
    step, telling = marked.get("global_step"), entries.get(unet.prefix + TELLING)
    first = entries.get(unet.prefix + FIRST)
    if first is not None and first.shape[1:2] != (4,):
        return "epsilon", "the kind of checkpoint"
    if step is not None and _as_step(step) == LAST_STEP:
        return "epsilon", f"its tensor global_step, {LAST_STEP}"
    if telling is None:
        return "epsilon", "no tensor that would tell"
    spread = float(np.std(as_floats(TELLING, telling).astype(np.float64)))
    found = "v_prediction" if spread > SPREAD else "epsilon"
    return found, f"a guess by the spread of {TELLING}, {spread:.3f} (v_prediction above {SPREAD})"


def _edm(marked: Mapping[str, Entry]) -> Schedule:
    """What edm_mean and edm_std say: the statistics of latents, one a channel."""
    statistics = {}
    for key, name in (("latents_mean", "edm_mean"), ("latents_std", "edm_std")):
        numbers = as_floats(name, marked[name])
        statistics[key] = [float(one) for one in numbers.reshape(-1)]
    vae = {**statistics, "scaling_factor": EDM["sigma_data"]}
    return Schedule(EDM, False, "its tensors edm_mean and edm_std", vae)


def _one(name: str, entry: Entry) -> float:
    numbers = as_floats(name, entry)
    if numbers.size != 1 or not numbers.item() > 0:
        raise ValueError(f"{name} must be one number above 0, not of shape {list(entry.shape)}")
    return float(numbers.item())


def _as_step(entry: Entry) -> int:
    """A whole number that a file holds as such; -1 for anything else."""
    if entry.dtype not in ("I64", "I32") or entry.shape not in ((), (1,)):
        return -1
    size = 8 if entry.dtype == "I64" else 4
    with entry.path.open("rb") as file:
        file.seek(entry.start)
        return int.from_bytes(file.read(size), "little", signed=True)
