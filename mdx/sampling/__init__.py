"""Running samplers: denoisers as values, guidance as functions of them, and the loop."""

from mdx.sampling import guidance, step_noise
from mdx.sampling.denoiser import Denoiser, Row
from mdx.sampling.loop import sample
from mdx.sampling.network import Network

__all__ = ["Denoiser", "Network", "Row", "guidance", "sample", "step_noise"]
