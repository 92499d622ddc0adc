"""What the reference schedulers do, as coefficients. Needs torch and diffusers."""

import importlib
import sys
from contextlib import contextmanager
from functools import partial
from unittest import mock

import diffusers
import numpy as np
import torch

from tests.schedulers.cases import (
    COSINE_DPM,
    DPM_SDE,
    REPAINT,
    SCM,
    SIGMA_SPACE,
    TWO_CALLS,
    UNCLIP,
    VE,
    VIDEO,
    WUERSTCHEN,
    Case,
)

WITH_TORCHSDE = {COSINE_DPM: "cosine_dpmsolver_multistep", DPM_SDE: "dpmsolver_sde"}


def named(cls: str):
    """A reference's class; two ask for torchsde, but draw from it only what we draw ourselves."""
    if cls not in WITH_TORCHSDE:
        return getattr(diffusers, cls)
    with mock.patch.dict(sys.modules, torchsde=mock.Mock()):
        module = importlib.import_module(f"diffusers.schedulers.scheduling_{WITH_TORCHSDE[cls]}")
    return getattr(module, cls)


def scheduler(case: Case, kept=None):
    """The reference of a case; with `kept`, on these float64 alphas_cumprod.

    The references make betas in float32. Given the same float64 table, what is left to compare is
    the sampler.
    """
    s = named(case.cls)(**case.config)
    if "tau_func" in case.config:
        s.tau_func = lambda _: case.config["tau_func"]
    if kept is not None:
        s.alphas_cumprod = torch.tensor(kept, dtype=torch.float64)
        if not s.config.get("set_alpha_to_one", True):
            s.final_alpha_cumprod = s.alphas_cumprod[0]
            s.initial_alpha_cumprod = s.alphas_cumprod[0]
        if hasattr(s, "lambda_t"):
            s.lambda_t = torch.log(s.alphas_cumprod / (1 - s.alphas_cumprod)) / 2
    return s


def response(case: Case, kept) -> tuple[np.ndarray, np.ndarray]:
    """Times of the model calls, and the final sample as a combination of all inputs.

    The inputs, (1 + 2N,): the first noise (of a sliced run: the first sample), each model output,
    each fresh noise. One run on basis vectors tells every factor.
    """
    with doubled():
        s = scheduler(case, kept)
        s.set_timesteps(case.steps, **case.asked)
        if case.cls == VE:
            s.set_sigmas(case.steps)
    begin = case.start * (2 if case.cls in TWO_CALLS else 1)
    times = s.timesteps[begin:]
    if case.cls in (SCM, WUERSTCHEN):
        times = times[:-1]  # its last is no call
    n = len(times)
    basis = torch.eye(1 + 2 * n, dtype=torch.float64)[:, None]
    # What its pipeline does: the sample and what the model returned carry the data's size.
    data = s.config.sigma_data if case.cls == SCM else 1.0
    x = basis[0] * data
    if case.start:
        if hasattr(s, "set_begin_index"):
            s.set_begin_index(begin)
        if case.cls in SIGMA_SPACE:
            x = x * (s.sigmas[begin].double() ** 2 + 1) ** 0.5
    elif hasattr(s, "init_noise_sigma"):
        x = x * s.init_noise_sigma
    drawing = type(s).set_timesteps.__globals__
    for i, t in enumerate(times):
        if hasattr(s, "scale_model_input"):
            s.scale_model_input(x, t)
        if case.cls == DPM_SDE:
            s.noise_sampler = partial(brownian, s.sigmas[begin:].double(), basis[1 + n :], i)
        elif hasattr(s, "noise_sampler"):
            s.noise_sampler = lambda *_, i=i: basis[1 + n + i]
        with (
            doubled(),
            mock.patch.dict(drawing, randn_tensor=lambda *_, i=i, **__: basis[1 + n + i]),
        ):
            x = stepped(case, s, i, times, basis[1 + i] * data, x)
    if case.cls in SIGMA_SPACE:
        x = x / (s.sigmas[-1].double() ** 2 + 1) ** 0.5
    x = x[0].double().numpy()
    if "s_churn" in case.options:
        x = churned_before(x, n)
    told = s.sigmas if case.cls == VE else times
    return told.double().numpy(), x


def stepped(case: Case, s, i: int, times, out, x):
    """The sample after call i; these classes have step() each their own way."""
    t = times[i]
    if case.cls == UNCLIP:
        then = times[i + 1] if i + 1 < len(times) else None
        return s.step(out, t, x, prev_timestep=then).prev_sample
    if case.cls == WUERSTCHEN:
        return s.step(out, t[None], x).prev_sample
    if case.cls == VIDEO[1]:
        x, s.old = s.step(out, s.old if i else None, t, times[i - 1] if i else None, x)
        return x
    if case.cls == REPAINT:
        return s.step(out, t, x, 0 * x, 0 * x).prev_sample
    if case.cls == VE:
        # The pipeline's last sample is the one before noise is added.
        last = i + 1 == len(times)
        done = s.step_pred(out, t, x)
        return done.prev_sample_mean if last else done.prev_sample
    return s.step(out, t, x, **case.options).prev_sample


def brownian(sigmas, fresh, i: int, _, __):
    """The unit noise of call i of DPM++ SDE: of half a step, or of both its halves."""
    if i % 2 == 0:
        return fresh[i]
    high, low = sigmas[i - 1], sigmas[i]
    middle = (high * low).sqrt()
    halves = (high - middle).sqrt() * fresh[i - 1] + (middle - low).sqrt() * fresh[i]
    return halves / (high - low).sqrt()


@contextmanager
def doubled():
    """What the reference asks to be float32 is float64."""
    with (
        mock.patch.object(np, "float32", np.float64),
        mock.patch.object(torch, "float32", torch.float64),
        mock.patch.object(torch.Tensor, "float", torch.Tensor.double),
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
