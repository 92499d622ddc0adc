"""Tables run in numpy float64: what the device does, in the plainest words."""

import numpy as np

from mdx.schedulers import Table


def row(table: Table, i: int, slots, out, noise):
    """Slots after row i. Arrays (K, ...), (...), (...)."""
    x0 = table.denoise[i] @ np.stack([slots[0], out]).reshape(2, -1)
    x0 = np.clip(x0, -table.clip[i], table.clip[i]).reshape(out.shape)
    return np.tensordot(table.mix[i], np.stack([*slots, out, x0, noise]), axes=1)


def start(table: Table, x):
    """Slots that hold the sample and nothing else."""
    return np.stack([np.asarray(x, float)] + [np.zeros(np.shape(x))] * (table.slots - 1))


def run(table: Table, x, model, noises=None):
    """The sample at every level, (N+1, ...), under model(i, x)."""
    slots = start(table, x)
    path = [slots[0]]
    for i in range(table.rows):
        noise = np.zeros(np.shape(x)) if noises is None else noises[i]
        slots = row(table, i, slots, model(i, slots[0]), noise)
        path.append(slots[0])
    return np.stack(path)


def spoken(prediction: str, table: Table, i: int, x, x0):
    """What a model of this prediction type returns when it believes in x0."""
    alpha, sigma = table.alpha[i], table.sigma[i]
    if table.scale[i] != 1:  # EDM's preconditioning; the name alone does not tell sigma_data
        return (x0 - table.denoise[i, 0] * x) / table.denoise[i, 1]
    eps = (x - alpha * x0) / sigma
    said = {
        "epsilon": eps,
        "sample": x0,
        "v_prediction": alpha * eps - sigma * x0,
        "flow_prediction": eps - x0,
    }
    return said[prediction]


def perfect(table: Table, i: int, x, eps):
    """What a model that speaks of eps returns when it believes in this one."""
    return spoken("epsilon", table, i, x, (x - table.sigma[i] * eps) / table.alpha[i])


def response(table: Table):
    """The final sample as a combination of (first noise, every output, every fresh noise)."""
    n = table.rows
    basis = np.eye(1 + 2 * n)
    x = basis[0] * table.init_noise_scale
    return run(table, x, lambda i, _: basis[1 + i], basis[1 + n :])[-1]
