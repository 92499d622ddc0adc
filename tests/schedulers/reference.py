"""What the reference schedulers do, as coefficients. Needs torch and diffusers."""

import diffusers
import numpy as np
import torch

from tests.schedulers.cases import Case


def scheduler(case: Case, kept=None):
    """The reference of a case; with `kept`, on these float64 alphas_cumprod.

    The references make betas in float32. Given the same float64 table, what is left to compare is
    the sampler.
    """
    s = getattr(diffusers, case.cls)(**case.config)
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
    s.set_timesteps(case.steps)
    times = s.timesteps[case.start :]
    n = len(times)
    basis = torch.eye(1 + 2 * n, dtype=torch.float64)
    x = basis[0]
    sigma_space = case.cls == "EulerDiscreteScheduler"
    if case.start:
        if hasattr(s, "set_begin_index"):
            s.set_begin_index(case.start)
        if sigma_space:
            x = x * (s.sigmas[case.start].double() ** 2 + 1) ** 0.5
    else:
        x = x * s.init_noise_sigma
    for i, t in enumerate(times):
        s.scale_model_input(x, t)
        options = {}
        if case.eta:
            options = {"eta": case.eta, "variance_noise": basis[1 + n + i]}
        x = s.step(basis[1 + i], t, x, **options).prev_sample
    if sigma_space:
        x = x / (s.sigmas[-1].double() ** 2 + 1) ** 0.5
    return times.double().numpy(), x.double().numpy()
