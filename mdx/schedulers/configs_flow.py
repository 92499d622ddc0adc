"""Configs of flow matching: FlowMatchEuler, FlowMatchHeun and FlowMatchLCM."""

import numpy as np

from . import flow_levels as fl
from . import tables
from .configs_sigma import CHURN, churned
from .consistency import consistency
from .flow_euler import flow_euler
from .flow_heun import flow_heun
from .levels import Levels
from .runs import RAMP, RAMPS, TIME_SHIFTS, Config, Run, Sampler, only, shift, skip_first
from .tables import Array, Table


def grid(c: Config, run: Run) -> Array:
    """The config's own sigmas, (steps,), noisy to clean."""
    # The smallest trained sigma is shifted twice, as in the models' own published sampling code.
    least = np.array([1 / c["num_train_timesteps"]])
    low = least if c.get("use_dynamic_shifting") else fl.shifted(least, c["shift"])
    sigma = fl.shifted(np.linspace(1.0, low[0], run.steps), shift(c, c["shift"]))
    if c.get("shift_terminal"):
        sigma = fl.stretched(sigma, c["shift_terminal"])
    chosen = only(c, run, tuple(RAMPS))
    return RAMP[chosen](sigma[0], sigma[-1], run.steps) if chosen else sigma


def flow(c: Config, run: Run) -> Levels:
    """The levels of a run; sigmas and times that the caller gives are not shifted."""
    only(c, run, tuple(RAMPS))
    total = c["num_train_timesteps"]
    if run.sigmas is not None:
        return skip_first(fl.of_sigmas(run.sigmas, total), run.start)
    sigma = grid(c, run) if run.timesteps is None else run.timesteps / total
    return skip_first(fl.of_sigmas(np.append(sigma, 0.0), total), run.start)


def said(c: Config) -> str:
    """What the model returns; with `invert_sigmas` the velocity from noise to picture."""
    return "inverted flow_prediction" if c.get("invert_sigmas") else c["prediction_type"]


def finished(c: Config, method: tables.Method) -> Table:
    """The table; with `invert_sigmas` for a model that counts its time and velocity from noise."""
    table = tables.trace(method, c["prediction_type"])
    if not c.get("invert_sigmas"):
        return table
    sign = np.ones(table.slots + 3)
    sign[table.slots] = -1  # it returns x0 - eps
    return tables.check(
        tables.frozen(
            **{
                **table._asdict(),
                "prediction": said(c),
                "t": c["num_train_timesteps"] - table.t,
                "denoise": table.denoise * [1, -1],
                "mix": table.mix * sign,
            }
        )
    )


def raised(c: Config, run: Run, levels: Levels) -> Levels | None:
    """The levels that s_churn raises the noise to, in the flow's coordinates; None without churn.

    Noise is added to x / alpha: along the flow, the signal shrinks as the noise grows.
    """

    def at(ratio: Array) -> Levels:
        sigma = np.where(levels.alpha > 0, ratio / (1 + ratio), levels.sigma)
        return Levels(sigma * c["num_train_timesteps"], 1 - sigma, sigma)

    return churned(c, at, run, levels)


def build_euler(c: Config, run: Run) -> Table:
    """Flow Euler's table; with `stochastic_sampling`, that of consistency sampling."""
    levels = flow(c, run)
    if c["stochastic_sampling"]:
        return finished(c, consistency(levels))
    up = raised(c, run, levels)
    return finished(c, flow_euler(levels, churned=up, strength=c["s_noise"]))


def build_heun(c: Config, run: Run) -> Table:
    """Flow Heun's table."""
    levels = flow(c, run)
    up = raised(c, run, levels)
    return finished(c, flow_heun(levels, churned=up, strength=c["s_noise"]))


def build_lcm(c: Config, run: Run) -> Table:
    """The table of consistency sampling on a flow.

    Scale-wise models, `scale_factors`, change the picture's size on the way: a state has one size,
    and such a run is several tables with the caller's resizing between them.
    """
    return finished(c, consistency(flow(c, run)))


PLAIN = {"num_train_timesteps": 1000, "shift": 1.0, "prediction_type": "flow_prediction"}
SHIFTS = {
    **PLAIN,
    "use_dynamic_shifting": False,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
    "invert_sigmas": False,
    "shift_terminal": None,
    **RAMPS,
    "time_shift_type": "exponential",
    "mu": None,
    "image_seq_len": None,
}
CHOICES = {"prediction_type": ("flow_prediction",), "time_shift_type": TIME_SHIFTS}

# "flow" models return a velocity and know no betas. FlowMatchLCM runs distilled ones, but a
# distilled model is a flow model still, and each of these can run it.
FLOW = (
    Sampler(
        names=("FlowMatchEulerDiscreteScheduler", "flow_euler"),
        defaults={**SHIFTS, "stochastic_sampling": False, **CHURN},
        choices=CHOICES,
        build=build_euler,
        family="flow",
        says=said,
    ),
    Sampler(
        names=("FlowMatchHeunDiscreteScheduler", "flow_heun"),
        defaults={**PLAIN, **CHURN},
        choices=CHOICES,
        build=build_heun,
        family="flow",
    ),
    Sampler(
        names=("FlowMatchLCMScheduler", "flow_lcm"),
        defaults={**SHIFTS, "scale_factors": None, "upscale_mode": "bicubic"},
        choices={**CHOICES, "scale_factors": (None,)},
        build=build_lcm,
        family="flow",
        says=said,
    ),
)
