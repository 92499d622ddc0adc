"""The last stage of a UNet, which compiles sooner than all else of mdx; to be run as a process too.

python -m tests.last_stage prints its output and how many graphs were made for it, as JSON.
"""

import json

import numpy as np
from mindspore import Tensor

from mdx.nets import unet
from mdx.sampling import staged
from tests import tiny
from tests.compiles import counted

CONFIG = unet.from_json(tiny.UNET)


def inputs(seed=0, batch=2, dtype=np.float32):
    params = tiny.random_params(unet.head_shapes(CONFIG), seed)
    params = {name: Tensor(value.astype(dtype)) for name, value in params.items()}
    x = np.random.default_rng(1).standard_normal((batch, 16, 8, 8)).astype(np.float32)
    return params, Tensor(x), Tensor(np.full(batch // 2, 3, np.float32))


def run(arguments, config=CONFIG, guided=True):
    """The output, and how many graphs were made, of a function that knows none as yet."""
    with counted() as compiles:
        out = staged._exit.__wrapped__(config, guided)(*arguments).asnumpy()
    assert compiles.count == 1
    return out, compiles.files


if __name__ == "__main__":
    found, made = run(inputs())
    print(json.dumps([found.tobytes().hex(), made]))
