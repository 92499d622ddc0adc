"""The names that A1111's and ComfyUI's menus have for samplers and schedules, and their meaning.

A sampler of theirs is one of these with options; a schedule is a value of the option "schedule".
What is not here has a reason, and the nearest that is. A1111's list is that of its version 1.10,
ComfyUI's that of 2025; docs/names.md shows both whole.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["A1111", "COMFYUI", "Menu", "Named", "Timing"]


class Named(NamedTuple):
    """A sampler by another program's name."""

    sampler: str | None  # short name; None for what is not here
    options: Mapping[str, Any] = {}  # of its config
    why: str = ""  # why it is not here
    nearest: str = ""  # the name of this menu that comes nearest
    automatic: str = "Uniform"  # the schedule that A1111 has for it unasked
    discard: bool = False  # whether a step more is asked, and the last noisy level dropped
    own_levels: bool = False  # whether it goes by levels of its own, which no schedule changes


class Timing(NamedTuple):
    """A schedule by another program's name."""

    schedule: str | None  # value of the option; None for what is not here
    why: str = ""
    nearest: str = ""


class Menu(NamedTuple):
    """The names of one program."""

    program: str
    samplers: Mapping[str, Named]
    schedules: Mapping[str, Timing]
    usual: str  # the schedule of a sampler that is named alone


def multistep(order: int = 2, kind: str = "dpmsolver++", solver: str = "midpoint") -> Named:
    """DPM-Solver++ multistep, or its SDE."""
    options = {"solver_order": order, "algorithm_type": kind, "solver_type": solver}
    return Named("dpmpp_2m", options)


SDE = "sde-dpmsolver++"
CFG_PP = "CFG++ is a rule of guidance that changes a sampler's step"
ADAPTIVE = "its levels are found while it runs, and a table has them before"
FAST = "its steps are of orders that its number of steps decides"
HALF_SQUARE = "the square in its polynomial has half its weight"
PLAIN_DDIM = {"eta": 0.0, "clip_sample": False, "thresholding": False}
UNIPC: Mapping[str, Any] = {
    "solver_order": 3,
    "solver_type": "bh1",
    "predict_x0": True,
    "solver_p": None,
    "lower_order_final": True,
}
FIRST_STEP = {"timestep_spacing": "leading", "steps_offset": 1, "set_alpha_to_one": False}

A1111 = Menu(
    "A1111",
    {
        "DPM++ 2M": multistep()._replace(automatic="Karras"),
        "DPM++ SDE": Named("dpmpp_sde", {"s_noise": 1.0}, automatic="Karras"),
        "DPM++ 2M SDE": multistep(kind=SDE)._replace(automatic="Exponential"),
        "DPM++ 2M SDE Heun": multistep(kind=SDE, solver="heun")._replace(automatic="Exponential"),
        "DPM++ 2S a": Named("dpmpp_2s_a", automatic="Karras"),
        "DPM++ 3M SDE": Named(
            None,
            why=HALF_SQUARE,
            nearest="DPM++ 2M SDE",
            automatic="Exponential",
            discard=True,
        ),
        "Euler a": Named("euler_a"),
        "Euler": Named("euler", {"s_churn": 0.0, "timestep_type": "discrete"}),
        "LMS": Named("lms", {"order": 4}),
        "Heun": Named("heun", {"s_churn": 0.0}),
        "DPM2": Named("dpm2", automatic="Karras", discard=True),
        "DPM2 a": Named("dpm2_a", automatic="Karras", discard=True),
        "DPM fast": Named(None, why=FAST, nearest="DPM++ 2M"),
        "DPM adaptive": Named(None, why=ADAPTIVE, nearest="DPM++ 2M"),
        "Restart": Named(
            None,
            why="it goes back to noisier levels on the way",
            nearest="Heun",
            automatic="Karras",
        ),
        "DDIM": Named("ddim", {**PLAIN_DDIM, **FIRST_STEP}, own_levels=True),
        "DDIM CFG++": Named(None, why=CFG_PP, nearest="DDIM", own_levels=True),
        "PLMS": Named("pndm", {**FIRST_STEP, "skip_prk_steps": True}, own_levels=True),
        "UniPC": Named(
            "unipc",
            {**UNIPC, "timestep_spacing": "linspace", "final_sigmas_type": "sigma_min"},
            own_levels=True,
        ),
        "LCM": Named("lcm", own_levels=True),
    },
    {
        "Uniform": Timing("normal"),
        "Karras": Timing("karras"),
        "Exponential": Timing("exponential"),
        "Polyexponential": Timing("exponential"),  # with rho 1, as it is unless somebody changed it
        "SGM Uniform": Timing("sgm_uniform"),
        "KL Optimal": Timing(None, "it ends before the clean level", "Karras"),
        "Align Your Steps": Timing(None, "its levels are a list for each family", "Karras"),
        "Simple": Timing("simple"),
        "Normal": Timing("normal"),
        "DDIM": Timing("ddim_uniform"),
        "Beta": Timing("beta_sigmas"),
    },
    "Uniform",
)

COMFYUI = Menu(
    "ComfyUI",
    {
        "euler": Named("euler", {"s_churn": 0.0, "timestep_type": "discrete"}),
        "euler_cfg_pp": Named(None, why=CFG_PP, nearest="euler"),
        "euler_ancestral": Named("euler_a"),
        "euler_ancestral_cfg_pp": Named(None, why=CFG_PP, nearest="euler_ancestral"),
        "heun": Named("heun", {"s_churn": 0.0}),
        "heunpp2": Named(None, why="its steps weigh three slopes", nearest="heun"),
        "exp_heun_2_x0": Named(None, why="its step is Heun's in log-SNR", nearest="heun"),
        "exp_heun_2_x0_sde": Named(
            None, why="its step is Heun's in log-SNR, with noise", nearest="dpmpp_sde"
        ),
        "dpm_2": Named("dpm2", discard=True),
        "dpm_2_ancestral": Named("dpm2_a", discard=True),
        "lms": Named("lms", {"order": 4}),
        "dpm_fast": Named(None, why=FAST, nearest="dpmpp_2m"),
        "dpm_adaptive": Named(None, why=ADAPTIVE, nearest="dpmpp_2m"),
        "dpmpp_2s_ancestral": Named("dpmpp_2s_a"),
        "dpmpp_2s_ancestral_cfg_pp": Named(None, why=CFG_PP, nearest="dpmpp_2s_ancestral"),
        "dpmpp_sde": Named("dpmpp_sde", {"s_noise": 1.0}),
        "dpmpp_sde_gpu": Named("dpmpp_sde", {"s_noise": 1.0}),
        "dpmpp_2m": multistep(),
        "dpmpp_2m_cfg_pp": Named(None, why=CFG_PP, nearest="dpmpp_2m"),
        "dpmpp_2m_sde": multistep(kind=SDE),
        "dpmpp_2m_sde_gpu": multistep(kind=SDE),
        "dpmpp_2m_sde_heun": multistep(kind=SDE, solver="heun"),
        "dpmpp_2m_sde_heun_gpu": multistep(kind=SDE, solver="heun"),
        "dpmpp_3m_sde": Named(
            None,
            why=HALF_SQUARE,
            nearest="dpmpp_2m_sde",
        ),
        "dpmpp_3m_sde_gpu": Named(
            None,
            why=HALF_SQUARE,
            nearest="dpmpp_2m_sde_gpu",
        ),
        "ddpm": Named(
            "ddpm", {"variance_type": "fixed_small", "clip_sample": False, "thresholding": False}
        ),
        "lcm": Named("lcm"),
        "ipndm": Named(None, why="its first steps are of lower orders", nearest="lms"),
        "ipndm_v": Named(None, why="its weights are for steps that differ", nearest="lms"),
        "deis": Named(None, why="its polynomials are in time, not in log-SNR", nearest="dpmpp_2m"),
        # Both integrate a line through two clean pictures exactly in log-SNR.
        "res_multistep": multistep(solver="heun"),
        "res_multistep_cfg_pp": Named(None, why=CFG_PP, nearest="res_multistep"),
        "res_multistep_ancestral": Named(
            None, why="its noise is ancestral", nearest="dpmpp_2m_sde_heun"
        ),
        "res_multistep_ancestral_cfg_pp": Named(None, why=CFG_PP, nearest="dpmpp_2m_sde_heun"),
        "gradient_estimation": Named(None, why="it extrapolates slopes", nearest="euler"),
        "gradient_estimation_cfg_pp": Named(None, why=CFG_PP, nearest="euler"),
        "er_sde": Named("er_sde", {"solver_order": 3, "noise_scale": "er"}),
        "seeds_2": Named(None, why="its noise is that of SEEDS", nearest="dpmpp_sde"),
        "seeds_3": Named(None, why="its noise is that of SEEDS", nearest="dpmpp_sde"),
        "sa_solver": Named(None, why="its noise is on between other levels", nearest="er_sde"),
        "sa_solver_pece": Named(None, why="it calls the model twice a step", nearest="er_sde"),
        "ddim": Named("ddim", PLAIN_DDIM),
        "uni_pc": Named("unipc", UNIPC, discard=True),
        "uni_pc_bh2": Named("unipc", {**UNIPC, "solver_type": "bh2"}, discard=True),
    },
    {
        "normal": Timing("normal"),
        "karras": Timing("karras"),
        "exponential": Timing("exponential"),
        "sgm_uniform": Timing("sgm_uniform"),
        "simple": Timing("simple"),
        "ddim_uniform": Timing("ddim_uniform"),
        "beta": Timing("beta"),
        "linear_quadratic": Timing(None, "it is for video models", "simple"),
        "kl_optimal": Timing("kl_optimal"),
    },
    "normal",
)
