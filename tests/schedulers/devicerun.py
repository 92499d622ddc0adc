"""Tables run on the device with a model that costs nothing."""

import numpy as np

from mdx import schedulers
from mdx.schedulers import testbed
from tests.schedulers.members import MEMBERS

SHAPE = (3, 4, 4, 5)
SLOTS = max(member.slots for member in MEMBERS)


def pictures(seed=0, shape=SHAPE):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(i, x):
    """Nonlinear, and different for each image and step."""
    return np.tanh(x * np.float32(0.3 + 0.01 * i)) + x[:, ::-1] * np.float32(0.1)


def said(i, x):
    """What the model says of its variance, from -1 to 1."""
    return np.tanh(x[..., ::-1] * np.float32(0.5 - 0.01 * i))


def told(table, i, x):
    """What the model returns: with its variance, if the row wants that."""
    out = model(i, x)
    return np.concatenate([out, said(i, x)], axis=1) if table.reads_variance(i) else out


def host_run(table, noise, fresh):
    """The samples of the same run in float64 on the host; noise (B, C, H, W)."""
    flat = lambda a: np.reshape(a, (len(a), -1))  # noqa: E731  quantiles are a picture's
    slots = testbed.start(table, flat(noise * np.reshape(table.init_noise_scale, (-1, 1, 1, 1))))
    path = [slots[0]]
    for i in range(table.rows):
        x = slots[0].reshape(noise.shape)
        out, variance = flat(model(i, x)), flat(said(i, x))
        slots = testbed.row(table, i, slots, out, flat(fresh[i]), variance)
        path.append(slots[0])
    return [x.reshape(noise.shape) for x in path]


def run(table, noise, fresh=None, dtype=np.float32, rows=None, state=None):
    """Device run; the final state and the last x0."""
    state = schedulers.init(table, noise) if state is None else state
    info = None
    for i in range(state.index, table.rows if rows is None else rows):
        out = told(table, i, state.slots.asnumpy()[0]).astype(dtype)
        given_noise = fresh[i] if table.needs_noise(i) else None
        state, info = schedulers.step(table, state, out, given_noise)
    return state, info


def fresh_noise(table):
    return np.random.default_rng(1).normal(size=(table.rows, *SHAPE)).astype(np.float32)
