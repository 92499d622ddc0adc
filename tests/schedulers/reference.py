"""What the reference schedulers do, as coefficients. Needs torch and diffusers."""

import importlib
import sys
from contextlib import contextmanager
from unittest import mock

import diffusers
import numpy as np
import torch

from tests.schedulers.cases import COSINE_DPM, SIGMA_SPACE, TWO_CALLS, Case


def reference_class(name: str):
    """The class; one of them asks for torchsde, but draws from it only what we draw ourselves."""
    if name != COSINE_DPM:
        return getattr(diffusers, name)
    with mock.patch.dict(sys.modules, torchsde=mock.Mock()):
        module = importlib.import_module(
            "diffusers.schedulers.scheduling_cosine_dpmsolver_multistep"
        )
    return getattr(module, name)


def scheduler(case: Case, kept=None):
    """The reference of a case; with `kept`, on these float64 alphas_cumprod.

    The references make betas in float32. Given the same float64 table, what is left to compare is
    the sampler.
    """
    s = reference_class(case.cls)(**case.config)
    if kept is not None:
        s.alphas_cumprod = torch.tensor(kept, dtype=torch.float64)
        if not s.config.get("set_alpha_to_one", True):
            s.final_alpha_cumprod = s.alphas_cumprod[0]
        if hasattr(s, "lambda_t"):
            s.lambda_t = torch.log(s.alphas_cumprod / (1 - s.alphas_cumprod)) / 2
    return s


def response(case: Case, kept) -> tuple[np.ndarray, np.ndarray]:
    """Times of the model calls, and the final sample as a combination of all inputs.

    The inputs, (1 + 2N,): the first noise (of a sliced run: the first sample), each model output,
    each fresh noise. One run on basis vectors tells every factor.
    """
    s = scheduler(case, kept)
    with doubled():
        s.set_timesteps(case.steps)
    begin = case.start * (2 if case.cls in TWO_CALLS else 1)
    times = s.timesteps[begin:]
    n = len(times)
    basis = torch.eye(1 + 2 * n, dtype=torch.float64)[:, None]
    x = basis[0]
    if case.start:
        if hasattr(s, "set_begin_index"):
            s.set_begin_index(begin)
        if case.cls in SIGMA_SPACE:
            x = x * (s.sigmas[begin].double() ** 2 + 1) ** 0.5
    else:
        x = x * s.init_noise_sigma
    drawing = type(s).step.__globals__
    for i, t in enumerate(times):
        s.scale_model_input(x, t)
        if hasattr(s, "noise_sampler"):
            s.noise_sampler = lambda *_, i=i: basis[1 + n + i]
        with (
            doubled(),
            mock.patch.dict(drawing, randn_tensor=lambda *_, i=i, **__: basis[1 + n + i]),
        ):
            x = s.step(basis[1 + i], t, x, **case.options).prev_sample
    if case.cls in SIGMA_SPACE:
        x = x / (s.sigmas[-1].double() ** 2 + 1) ** 0.5
    x = x[0].double().numpy()
    if "s_churn" in case.options:
        x = churned_before(x, n)
    return times.double().numpy(), x


@contextmanager
def doubled():
    """What the reference asks to be float32 is float64."""
    with (
        mock.patch.object(np, "float32", np.float64),
        mock.patch.object(torch, "float32", torch.float64),
    ):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float)


def churned_before(x: np.ndarray, n: int) -> np.ndarray:
    """The noise that raises a row's level is drawn by that row; in mdx by the row before.

    What the first row draws and the first noise are one normal number of their joint size.
    """
    first, outs, fresh = x[:1], x[1 : 1 + n], x[1 + n :]
    return np.concatenate([np.hypot(first, fresh[:1]), outs, fresh[1:], [0.0]])
