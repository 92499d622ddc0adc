"""What each key of a scheduler's config may hold.

A sampler's record says which keys it has, with their defaults and, of some, the only values that it
knows. What else a key may hold follows from its default's type, or stands here.
"""

import math
from typing import Any

from mdx.fields import FLAG, TEXT, Kind, choice, either, listed, nullable, number, value, whole

from .runs import Sampler
from .samplers import SAMPLERS

MOST_STEPS = 100_000  # of training; a hundred times those of any model known
COUNT = whole(0, MOST_STEPS)
NUMBER = number(-1e12, 1e12)
SHARE = number(0, 1)

# Where the default is null, that may be said, too.
KINDS = {
    "num_train_timesteps": whole(1, MOST_STEPS),
    "beta_start": SHARE,
    "beta_end": SHARE,
    "trained_betas": listed(SHARE, 1, MOST_STEPS),
    "clip_sample_range": number(0, 1e12, above=True),
    "sigma_min": number(0),
    "sigma_max": number(0),
    "s_tmax": number(0, math.inf),
    "lambda_min_clipped": number(-math.inf),
    "shift_terminal": SHARE,
    "mu": NUMBER,
    "image_seq_len": NUMBER,
    "tau_func": number(0),
    "jump_n_sample": whole(0, 100),
}

# What other libraries, and these in former years, write beside the keys that samplers have now.
SILENT = ("tensor_format",)
NEUTRAL = {
    "predict_epsilon": choice(True, None),  # the prediction type of 2022, a yes or no then
    "timestep_values": choice(None),
}


def checked(sampler: Sampler, key: str, given: Any, *, asked: bool) -> Any:
    """The value that a config of `sampler` holds where it has `given` under `key`.

    A key that only other samplers know, and a value that is another sampler's word, are kept for
    when the config is turned into one of theirs, unless the caller `asked` for them by himself.
    ValueError by name for what no sampler could use.
    """
    given = given.tolist() if hasattr(given, "tolist") else given
    if key in sampler.defaults:
        wanted = kind(sampler, key)
        if not asked and key in sampler.ignored_values:
            wanted = either(wanted, choice(*sampler.ignored_values[key]), words=wanted.words)
    else:
        others = [kind(other, key) for other in SAMPLERS if key in other.defaults]
        wanted = either(*others, words=others[0].words)
    try:
        return value(key, given, wanted)
    except ValueError as error:
        raise ValueError(f"{sampler.names[0]}: {error}") from None


def kind(sampler: Sampler, key: str) -> Kind:
    """What one of a sampler's own keys may hold."""
    default = sampler.defaults[key]
    if key in sampler.choices:
        return choice(*sampler.choices[key])
    if key in KINDS:
        return nullable(KINDS[key]) if default is None else KINDS[key]
    if isinstance(default, bool):
        return FLAG
    if isinstance(default, int):
        return COUNT
    if isinstance(default, float):
        return NUMBER
    return TEXT if isinstance(default, str) else listed(COUNT)
