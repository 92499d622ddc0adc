"""How convolution, attention and norms are lowered: all that knows the device.

Feature maps are (B, C, H, W), tokens are (B, T, C). Ascend runs MindSpore's own primitives in
the dtype of the weights. A CPU computes in float32 whatever dtype holds the weights, because its
half-precision kernels upcast anyway and are slower. One lowering a file; device.py has the table
of which shapes get which.

Binary operators that broadcast, and transposes, hold memory for as long as a CPU graph lives: 16
and 8 bytes an element of their result. So the lowerings for a CPU write BiasAdd, LayerNorm,
BatchNorm and matrix products that read an operand transposed, which do not.
"""

from mdx.kernels.activations import activation
from mdx.kernels.attentions import attention
from mdx.kernels.banded import (
    convolve_bands,
    enlarged_bands,
    enlarges_in_bands,
    group_moments,
)
from mdx.kernels.channels import add_to_channels, scale_channels, scale_pictures
from mdx.kernels.constants import no_bias
from mdx.kernels.convolution_weights import as_matrix, weight_of, with_matrices
from mdx.kernels.convolutions import (
    convolution,
    norm_act,
    norm_act_conv,
    upsample_conv,
    with_added,
)
from mdx.kernels.device import as_input, lowered
from mdx.kernels.linears import gated, linear
from mdx.kernels.norms import group_norm, group_standardize, layer_norm, standardised
from mdx.kernels.own_threads import on_own_threads
from mdx.kernels.parts import PART_BYTES, after, by_rows, joined
from mdx.kernels.tokens import (
    from_tokens,
    linear_from_tokens,
    linear_to_tokens,
    looked_up,
    to_tokens,
)

__all__ = [
    "PART_BYTES",
    "activation",
    "add_to_channels",
    "after",
    "as_input",
    "as_matrix",
    "attention",
    "by_rows",
    "convolution",
    "convolve_bands",
    "enlarged_bands",
    "enlarges_in_bands",
    "from_tokens",
    "gated",
    "group_moments",
    "group_norm",
    "group_standardize",
    "joined",
    "layer_norm",
    "linear",
    "linear_from_tokens",
    "linear_to_tokens",
    "looked_up",
    "lowered",
    "no_bias",
    "norm_act",
    "norm_act_conv",
    "on_own_threads",
    "scale_channels",
    "scale_pictures",
    "standardised",
    "to_tokens",
    "upsample_conv",
    "weight_of",
    "with_added",
    "with_matrices",
]
