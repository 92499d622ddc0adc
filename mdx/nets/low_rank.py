"""What LoRAs add to a layer while it runs, to each picture its own: y += ((x down) * s) up.

Factors are entries of the parameters beside a layer's own: "LAYER.lora_down" (R, I) or (R, I, k, k)
and "LAYER.lora_up" (O, R) or (O, R, 1, 1) are those of several LoRAs, end to end, and
"LAYER.lora_of" (L, R) says by ones which of the L they are of. "lora_scale" (B, L) is each
picture's strength of each. What is not there leaves no trace in the graph. arXiv 2106.09685.
"""

from mindspore import Tensor, ops

from mdx import kernels
from mdx.kernels.arguments import LowRank, Padding, Weight
from mdx.nets.params import Params

__all__ = [
    "DOWN", "OF", "SCALE", "UP", "convolved", "from_tokens", "of_linear", "parted", "there",
    "to_tokens", "upsampled", "with_rows", "with_scale",
]  # fmt: skip

DOWN, UP, OF, SCALE = ".lora_down", ".lora_up", ".lora_of", "lora_scale"


def there(params: Params, name: str) -> bool:
    """Whether something is added to a layer."""
    return name + UP in params


def with_scale(params: Params, scale: Tensor) -> dict[str, Tensor]:
    """The parameters, and pictures' strengths (B, L) beside them; inside a graph."""
    found = {SCALE: scale}
    found.update(params)
    return found


def of_linear(params: Params, name: str, scale: Tensor | None = None) -> LowRank:
    """What is added to a linear layer; scale: strengths of each row, in the place of pictures'."""
    return _matrix(params, name + DOWN), _matrix(params, name + UP), _factors(params, name, scale)


def with_rows(params: Params, x: Tensor) -> Tensor:
    """x (B, T, C) and the strengths of its pictures, for each row (B, T, C + L)."""
    scale = ops.cast(params[SCALE], x.dtype)
    each = ops.tile(scale.reshape((x.shape[0], 1, -1)), (1, x.shape[1], 1))
    return ops.Concat(2)((x, each))


def parted(rows: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """Rows (..., C + L) of `with_rows`: tokens (N, C) and strengths (N, L)."""
    both = rows.reshape((-1, rows.shape[-1]))
    count, width = both.shape
    tokens = ops.Slice()(both, (0, 0), (count, channels))
    return tokens, ops.Slice()(both, (0, channels), (count, width - channels))


def to_tokens(params: Params, name: str, x: Tensor) -> Tensor:
    """What is added to `layers.linear_to_tokens`: x (B, I, H, W) -> (B, H*W, O)."""
    down, up, scale = of_linear(params, name)
    hidden = kernels.linear_to_tokens(x, down, kernels.no_bias(down))
    return kernels.linear(_scaled_tokens(hidden, scale), up)


def from_tokens(params: Params, name: str, tokens: Tensor, height: int, width: int) -> Tensor:
    """What is added to `layers.linear_from_tokens`: tokens (B, H*W, I) -> (B, O, H, W)."""
    down, up, scale = of_linear(params, name)
    hidden = _scaled_tokens(kernels.linear(tokens, down), scale)
    return kernels.linear_from_tokens(hidden, up, kernels.no_bias(up), height, width)


def convolved(params: Params, name: str, x: Tensor, stride: int, padding: Padding) -> Tensor:
    """What is added to a convolution: x (B, I, H, W) -> (B, O, H', W')."""
    down = params[name + DOWN]
    weight = kernels.weight_of(params, name + DOWN)
    hidden = kernels.convolution(x, weight, kernels.no_bias(down), stride, padding)
    return _raised(params, name, hidden)


def upsampled(params: Params, name: str, x: Tensor, height: int, width: int) -> Tensor:
    """What is added to `layers.upsample_conv`: x (B, I, h, w) -> (B, O, height, width)."""
    down = params[name + DOWN]
    weight = kernels.weight_of(params, name + DOWN)
    hidden = kernels.upsample_conv(x, weight, kernels.no_bias(down), height, width)
    return _raised(params, name, hidden)


def _raised(params: Params, name: str, hidden: Tensor) -> Tensor:
    """Maps between the factors of a convolution (B, R, H, W) -> (B, O, H, W)."""
    up: Weight = kernels.weight_of(params, name + UP)
    scale = ops.cast(_factors(params, name, None), hidden.dtype)
    scaled = kernels.scale_channels(hidden, scale)
    return kernels.convolution(scaled, up, kernels.no_bias(params[name + UP]), 1, (0, 0, 0, 0))


def _scaled_tokens(hidden: Tensor, scale: Tensor) -> Tensor:
    """hidden (B, T, R), or maps (B, R, H, W), * scale (B, R)."""
    if len(hidden.shape) == 4:
        return kernels.scale_channels(hidden, ops.cast(scale, hidden.dtype))
    batch, tokens, rank = hidden.shape
    each = ops.tile(ops.cast(scale, hidden.dtype).reshape((batch, 1, rank)), (1, tokens, 1))
    return hidden * each


def _factors(params: Params, name: str, scale: Tensor | None) -> Tensor:
    """The factor of each rank of a layer, (B, R)."""
    given = params[SCALE]
    if scale is not None:
        given = scale
    return ops.MatMul()(given, params[name + OF])


def _matrix(params: Params, name: str) -> Tensor:
    factor = params[name]
    if len(factor.shape) == 4:
        return kernels.as_matrix(kernels.weight_of(params, name))
    return factor
