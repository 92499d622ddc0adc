"""What native_ops.py measures: operators at the shapes of SD 1.5's UNet, 64x64 latents, batch 2."""

from typing import NamedTuple

import numpy as np

Arrays = dict[str, np.ndarray]


class Row(NamedTuple):
    """One operator at one shape."""

    kind: str  # a function of native_sides.py
    batch: int
    channels: int  # in
    side: int  # of a map
    outputs: int = 0
    keys: int = 0  # of attention

    def name(self) -> str:
        """For the table."""
        size = f"{self.batch}x{self.channels}x{self.side}x{self.side}"
        more = f" -> {self.outputs}" if self.outputs else ""
        return f"{self.kind.replace('_', ' ')} {size}{more}" + f", {self.keys} keys" * bool(
            self.keys
        )

    def work(self) -> float:
        """Operations of its products; 0 where it has none."""
        pixels, channels = self.batch * self.side**2, self.channels
        by_kind = {
            "linear": 2 * channels * self.outputs,
            "gated_linear": 4 * channels * self.outputs,
            "convolution": 18 * channels * self.outputs,
            "halving_convolution": 18 * channels * self.outputs / 4,
            "enlarging_convolution": 18 * channels * self.outputs * 4,
            "attention": 4 * channels * self.keys,
        }
        return pixels * by_kind.get(self.kind, 0)


LEVELS = ((320, 64), (640, 32), (1280, 16), (1280, 8))
ROWS = (
    *(Row("convolution", 2, c, side, c) for c, side in LEVELS),
    Row("convolution", 2, 960, 64, 320),
    Row("convolution", 2, 2560, 16, 1280),
    *(Row("halving_convolution", 2, c, side, c) for c, side in LEVELS[:3]),
    *(Row("enlarging_convolution", 2, c, side, c) for c, side in ((640, 32), (1280, 16))),
    *(Row("linear", 2, c, side, c) for c, side in LEVELS),
    *(Row("gated_linear", 2, c, side, 4 * c) for c, side in LEVELS[:3]),
    *(Row("attention", 2, c, side, keys=side**2) for c, side in LEVELS[:3]),
    *(Row("attention", 2, c, side, keys=77) for c, side in LEVELS[:3]),
    Row("norm", 2, 320, 64),
    Row("activation", 2, 1280, 64),
    Row("rotary", 2, 320, 64),
)
HEADS = 8
GROUPS = 32


def quick(row: Row) -> Row:
    """The same with a fraction of its work, to see that all runs."""
    return row._replace(
        channels=row.channels // 5, side=row.side // 4, outputs=row.outputs // 5,
        keys=min(row.keys, 33),
    )  # fmt: skip


def arrays(row: Row) -> Arrays:
    """The same numbers for all sides. Maps; (O, I, ...) weights; keys and values (B, C, S)."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return rng.standard_normal(shape, np.float32)

    channels, side = row.channels, row.side
    found = {
        "x": normal(row.batch, channels, side, side),
        "scale": 1 + normal(channels) / 10,
        "shift": normal(channels) / 10,
    }
    if "linear" in row.kind:
        outputs = row.outputs * (2 if row.kind == "gated_linear" else 1)
        found["weight"] = normal(outputs, channels) / channels**0.5
        found["bias"] = normal(outputs)
    if "convolution" in row.kind:
        found["weight"] = normal(row.outputs, channels, 3, 3) / (9 * channels) ** 0.5
        found["bias"] = normal(row.outputs)
    if row.kind == "attention":
        found["keys"] = normal(row.batch, channels, row.keys)
        found["values"] = normal(row.batch, channels, row.keys)
    if row.kind == "rotary":
        angles = normal(side**2, channels // HEADS // 2)
        found["cos"], found["sin"] = np.cos(angles), np.sin(angles)
    return found
