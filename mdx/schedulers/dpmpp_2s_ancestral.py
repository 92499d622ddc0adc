"""DPM-Solver++ 2S with ancestral noise, k-diffusion's "DPM++ 2S a": Lu et al., arXiv 2211.01095.

Each step is one of DPM-Solver++ of order 2 to a lower level than asked, with its call in the middle
in log-SNR, then fresh noise up to the level in the shares of `euler_ancestral`. Written in
x / alpha = x0 + s * eps of arXiv 2206.00364. Slots: the sample; what the step keeps of its start.
"""

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

from .euler import ratio
from .euler_ancestral import parts
from .kdpm2 import final
from .levels import Level, Levels, unpack
from .tables import Array, Call, Method, Values


def first(v: Values, now: Level, middle: Level, to: Level) -> tuple[Array, ...]:
    """Order 1 to the middle, keeping the start as the whole step down leaves it."""
    x, s, down = v.x / now.alpha, ratio(now), parts(now, to)[0]
    half = ratio(middle) / s
    return middle.alpha * (half * x + (1 - half) * v.x0), down / s * x


def second(v: Values, now: Level, to: Level) -> tuple[Array, ...]:
    """The whole step down with the clean signal found in the middle, and up again with noise."""
    down, up = parts(now, to)
    x = v.slots[1] + (1 - down / ratio(now)) * v.x0 + up * v.noise
    return to.alpha * x, 0 * v.x


def dpmpp_2s_ancestral(levels: Levels, middles: Sequence[Level]) -> Method:
    """DPM++ 2S with ancestral noise over the levels, two calls a step except for one to clean.

    `middles` are the levels at the geometric mean of s between each level and the `down` of its
    step, one for each step that does not end clean.
    """
    between, calls = iter(middles), []
    for now, to in pairwise(unpack(levels)):
        if to.sigma == 0:
            calls.append(Call(now, to, partial(final, now=now, to=to)))
            continue
        middle = next(between)
        calls.append(Call(now, middle, partial(first, now=now, middle=middle, to=to)))
        calls.append(Call(middle, to, partial(second, now=now, to=to)))
    return Method(2, calls)
