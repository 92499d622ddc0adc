"""Tables run on the device with a model that costs nothing."""

import numpy as np

from mdx import schedulers
from tests.schedulers.members import MEMBERS

SHAPE = (3, 4, 4, 5)
SLOTS = max(member.slots for member in MEMBERS)


def pictures(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(i, x):
    """Nonlinear, and different for each image and step."""
    return np.tanh(x * np.float32(0.3 + 0.01 * i)) + x[:, ::-1] * np.float32(0.1)


def run(table, noise, fresh=None, dtype=np.float32, rows=None, state=None):
    """Device run; the final state and the last x0."""
    state = schedulers.init(table, noise) if state is None else state
    info = None
    for i in range(state.index, table.rows if rows is None else rows):
        out = model(i, state.slots.asnumpy()[0]).astype(dtype)
        given_noise = fresh[i] if table.needs_noise(i) else None
        state, info = schedulers.step(table, state, out, given_noise)
    return state, info


def fresh_noise(table):
    return np.random.default_rng(1).normal(size=(table.rows, *SHAPE)).astype(np.float32)
