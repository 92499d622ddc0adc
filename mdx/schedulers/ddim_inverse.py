"""DDIM run backwards, from a picture to its noise: arXiv 2010.02502, section 5.4."""

from functools import partial
from itertools import pairwise

from .ddim import update
from .levels import Levels, unpack
from .tables import Call, Method


def ddim_inverse(levels: Levels) -> Method:
    """The inverse of DDIM over the same levels, noisy to clean; it visits them clean to noisy.

    The step up to a level asks the model at that level's time, as the step down from it does: with
    the same eps the two undo each other exactly. The model sees the sample of the level below,
    which is the method's error; order 1.
    """
    calls = []
    for now, to in pairwise(unpack(levels)[::-1]):
        begun = now._replace(t=to.t)
        calls.append(Call(begun, to, partial(update, now=now, to=to, eta=0.0)))
    return Method(1, calls)
