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
    DPM,
    DPM_SDE,
    EULER,
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
from tests.schedulers.compare import given
from tests.schedulers.members import SD

SHARED = (*SD, "prediction_type", "timestep_spacing", "final_sigmas_type", "solver_order")
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
    config = dict(case.config)
    if config.get("solver_p"):
        # An object there; in mdx a name. Made alike, but for what only UniPC knows.
        shared = {k: v for k, v in config.items() if k in SHARED}
        config["solver_p"] = scheduler(Case(DPM, shared, case.steps), kept)
    s = named(case.cls)(**config)
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

    def basis(n: int):
        every = torch.eye(1 + 2 * n, dtype=torch.float64)[:, None]
        return every[0], every[1 : 1 + n], every[1 + n :]

    told, x = ended(case, kept, basis)
    x = x[0].double().numpy()
    if "s_churn" in case.options:
        x = churned_before(x, (len(x) - 1) // 2)
    return told, x


def picture(case: Case, kept) -> tuple[np.ndarray, np.ndarray]:
    """Times of the model calls, and the final sample (C, H, W) of a run on `compare.given`.

    For what is no linear map: bounds on x0, and learned variances.
    """

    def drawn(n: int):
        first, outs, fresh, said = (torch.tensor(a)[..., None, :, :, :] for a in given(n))
        if case.config.get("variance_type") in ("learned", "learned_range"):
            outs = torch.cat([outs, said], dim=2)
        return first, outs, fresh

    told, x = ended(case, kept, drawn)
    return told, x[0].double().numpy()


def ended(case: Case, kept, inputs):
    """Times of the model calls and the final sample, from inputs(N): first sample, outputs, noises.

    A run of N calls; the inputs have a batch axis.
    """
    with doubled():
        s = scheduler(case, kept)
        s.set_timesteps(**asked(case))
        if case.cls == VE:
            s.set_sigmas(case.steps)
    begin = case.start * (2 if case.cls in TWO_CALLS else 1)
    times = s.timesteps[begin:]
    if case.cls in (SCM, WUERSTCHEN):
        times = times[:-1]  # its last is no call
    first, outs, fresh = inputs(len(times))
    # What its pipeline does: the sample and what the model returned carry the data's size.
    data = s.config.sigma_data if case.cls == SCM else 1.0
    x = first * data
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
            s.noise_sampler = partial(brownian, s.sigmas[begin:].double(), fresh, i)
        elif hasattr(s, "noise_sampler"):
            s.noise_sampler = lambda *_, i=i: fresh[i]
        with (
            doubled(),
            mock.patch.dict(drawing, randn_tensor=lambda *_, i=i, **__: fresh[i]),
        ):
            x = stepped(case, s, i, times, outs[i] * data, x)
    if case.cls in SIGMA_SPACE:
        x = x / (s.sigmas[-1].double() ** 2 + 1) ** 0.5
    told = s.sigmas if case.cls == VE else times
    return told.double().numpy(), x


def asked(case: Case) -> dict:
    """What set_timesteps() is told: a caller's levels instead of a number of steps."""
    words = dict(case.asked)
    own = "timesteps" in words or "sigmas" in words
    if "sigmas" in words and case.cls != EULER:
        words["sigmas"] = np.array(words["sigmas"][:-1])  # these add the last one themselves
    return words if own else {"num_inference_steps": case.steps, **words}


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
