"""What the tests of other libraries' scripts share: their generators and their pictures."""

import numpy as np
from PIL import Image

OPTIONS = {"steps": 3, "progress": False}


def generator(seed):
    return np.random.Generator(np.random.PCG64(seed))


def same(images, expected):
    assert len(images) == len(expected)
    for image, other in zip(images, expected, strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(other))


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8))
MASK = Image.fromarray(np.uint8(np.kron([[255, 0], [200, 100]], np.ones((8, 8)))))
HARD = MASK.point(lambda value: 255 * (value > 127))
