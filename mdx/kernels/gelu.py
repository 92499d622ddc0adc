"""The exact GELU, x times the normal distribution function of x: arXiv 1606.08415, section 2."""

import math

from mindspore import ops

from mdx.kernels.device import choice

# The logit of the normal distribution function, over x, as a polynomial of x^2: the constant first.
# Fitted so that the GELU is nowhere off by more than 7e-8 (benchmarks/gelu_fit.py); MindSpore's
# logistic function is off by 8e-7. It is positive and its last coefficient too, so that what lies
# beyond the fit tends to 0 and to x as it should.
LOGIT = (
    1.595768432295369,
    0.0726685668219239,
    -6.625983115355824e-05,
    -0.00011048036364867358,
    7.93822526710071e-06,
    -2.668932084341375e-07,
    3.6112414994238295e-09,
)


def gelu(x):
    """x of any shape -> its GELU."""
    if choice("gelu") == "logit":
        return by_logit(x)
    return by_error_function(x)


def by_error_function(x):
    """As it is written."""
    return x * (ops.erf(x * math.sqrt(0.5)) * 0.5 + 0.5)


def by_logit(x):
    """By LOGIT and the logistic function: on a CPU the error function takes twice as long."""
    square = x * x
    logit = square * LOGIT[-1] + LOGIT[-2]
    for coefficient in LOGIT[-3::-1]:
        logit = logit * square + coefficient
    return x * ops.sigmoid(logit * x)
