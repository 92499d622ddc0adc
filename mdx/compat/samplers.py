"""A class for each sampler that mdx has, by the name that checkpoints call it."""

from mdx.compat.scheduler import Sampler

__all__ = [
    "CMStochasticIterativeScheduler",
    "CogVideoXDDIMScheduler",
    "CogVideoXDPMScheduler",
    "CosineDPMSolverMultistepScheduler",
    "DDIMInverseScheduler",
    "DDIMScheduler",
    "DDPMScheduler",
    "DDPMWuerstchenScheduler",
    "DEISMultistepScheduler",
    "DPMSolver2SAncestralScheduler",
    "DPMSolverMultistepInverseScheduler",
    "DPMSolverMultistepScheduler",
    "DPMSolverSDEScheduler",
    "DPMSolverSinglestepScheduler",
    "EDMDPMSolverMultistepScheduler",
    "EDMEulerScheduler",
    "ERSDEScheduler",
    "EulerAncestralDiscreteScheduler",
    "EulerDiscreteScheduler",
    "FlowMatchEulerDiscreteScheduler",
    "FlowMatchHeunDiscreteScheduler",
    "FlowMatchLCMScheduler",
    "HeunDiscreteScheduler",
    "IPNDMScheduler",
    "KDPM2AncestralDiscreteScheduler",
    "KDPM2DiscreteScheduler",
    "LCMScheduler",
    "LMSDiscreteScheduler",
    "PNDMScheduler",
    "RePaintScheduler",
    "SASolverScheduler",
    "SCMScheduler",
    "ScoreSdeVeScheduler",
    "TCDScheduler",
    "UnCLIPScheduler",
    "UniPCMultistepScheduler",
]


class DDPMScheduler(Sampler):
    """mdx's ddpm."""


class DDIMScheduler(Sampler):
    """mdx's ddim."""


class PNDMScheduler(Sampler):
    """mdx's pndm."""


class EulerDiscreteScheduler(Sampler):
    """mdx's euler."""


class EulerAncestralDiscreteScheduler(Sampler):
    """mdx's euler_a."""


class HeunDiscreteScheduler(Sampler):
    """mdx's heun."""


class LMSDiscreteScheduler(Sampler):
    """mdx's lms."""


class KDPM2DiscreteScheduler(Sampler):
    """mdx's dpm2."""


class KDPM2AncestralDiscreteScheduler(Sampler):
    """mdx's dpm2_a."""


class DPMSolverMultistepScheduler(Sampler):
    """mdx's dpmpp_2m."""


class DPMSolverMultistepInverseScheduler(Sampler):
    """mdx's dpmpp_2m_inverse."""


class DPMSolverSinglestepScheduler(Sampler):
    """mdx's dpmpp_2s."""


class DPMSolver2SAncestralScheduler(Sampler):
    """mdx's dpmpp_2s_a, which diffusers does not have."""


class DEISMultistepScheduler(Sampler):
    """mdx's deis."""


class UniPCMultistepScheduler(Sampler):
    """mdx's unipc."""


class EDMEulerScheduler(Sampler):
    """mdx's edm_euler."""


class EDMDPMSolverMultistepScheduler(Sampler):
    """mdx's edm_dpmpp_2m."""


class CosineDPMSolverMultistepScheduler(Sampler):
    """mdx's cosine_dpmpp_2m."""


class FlowMatchEulerDiscreteScheduler(Sampler):
    """mdx's flow_euler."""


class FlowMatchHeunDiscreteScheduler(Sampler):
    """mdx's flow_heun."""


class FlowMatchLCMScheduler(Sampler):
    """mdx's flow_lcm."""


class LCMScheduler(Sampler):
    """mdx's lcm."""


class TCDScheduler(Sampler):
    """mdx's tcd."""


class CMStochasticIterativeScheduler(Sampler):
    """mdx's cm."""


class SCMScheduler(Sampler):
    """mdx's scm."""


class IPNDMScheduler(Sampler):
    """mdx's ipndm."""


class DDIMInverseScheduler(Sampler):
    """mdx's ddim_inverse."""


class SASolverScheduler(Sampler):
    """mdx's sa_solver."""


class DPMSolverSDEScheduler(Sampler):
    """mdx's dpmpp_sde."""


class ERSDEScheduler(Sampler):
    """mdx's er_sde."""


class UnCLIPScheduler(Sampler):
    """mdx's unclip."""


class DDPMWuerstchenScheduler(Sampler):
    """mdx's wuerstchen."""


class CogVideoXDDIMScheduler(Sampler):
    """mdx's cogvideox_ddim."""


class CogVideoXDPMScheduler(Sampler):
    """mdx's cogvideox_dpm."""


class RePaintScheduler(Sampler):
    """mdx's repaint."""


class ScoreSdeVeScheduler(Sampler):
    """mdx's sde_ve."""
