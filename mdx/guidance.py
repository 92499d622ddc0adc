"""Combinators on denoisers: each takes a denoiser and gives another.

A denoiser is a function (x, t, context) -> output of x's shape: x (B, C, h, w) float32, t (B,),
context (B, T, D). All of it runs inside mindspore.jit.
"""

from mindspore import ops


def classifier_free(denoiser, scale):
    """Move the output away from that of the negative text, by `scale` (B,).

    The result takes context (2B, T, D), negative texts first, and calls `denoiser` once on both
    halves. Classifier-free diffusion guidance, arXiv 2207.12598, equation 6, with scale = 1 + w.
    """

    def guided(x, t, context):
        x, t = doubled(x, t)
        return combined(denoiser(x, t, context), scale)

    return guided


def doubled(x, t):
    """What `classifier_free` calls its denoiser with: x and t once for each half."""
    return ops.concat((x, x)), ops.concat((t, t))


def combined(both, scale):
    """What it makes of both halves (2B, C, h, w) -> (B, C, h, w)."""
    batch = both.shape[0] // 2
    away, towards = both[:batch], both[batch:]
    return away + scale.reshape((batch, 1, 1, 1)) * (towards - away)
