"""UniC, the corrector of UniPC, after any other sampler: arXiv 2302.04867, section 3.2.

Slots: the predicted sample; the corrected one before it; what the last calls said of x0 or eps,
newest first; the predictor's own slots but its sample.
"""

from collections.abc import Sequence
from functools import partial

from .exponential import known, of_x0
from .levels import Levels, unpack
from .tables import Array, Call, Method, Values
from .unipc import Move, corrected


def update(
    v: Values, correct: Move | None, predict: Call, order: int, kind: str, solver: str
) -> tuple[Array, ...]:
    """The corrector, where there is one, and the predictor from the corrected sample.

    Of what the model said, the x0 or eps that UniC integrates stays as it is; the other is what
    that leaves of the corrected sample.
    """
    values = (known(v, kind), *v.slots[2 : 2 + order])
    x, now = corrected(v, values, correct, kind, solver), predict.now
    if of_x0(kind):
        x0, eps = v.x0, (x - now.alpha * v.x0) / now.sigma
    else:
        x0, eps = (x - now.sigma * v.eps) / now.alpha, v.eps
    told = v._replace(slots=(x, *v.slots[2 + order :]), x=x, x0=x0, eps=eps)
    sample, *kept = predict.update(told)
    return sample, x, *values[:order], *kept


def unic(
    levels: Levels,
    predictor: Method,
    *,
    kind: str,
    solver: str,
    order: int,
    uncorrected: Sequence[int],
    lower_last: bool,
) -> Method:
    """A predictor of one call a level, each of its samples corrected by UniC of order 1, 2 or 3.

    The order of convergence is the predictor's, raised by one where UniC's is as high. All else is
    as for UniPC.
    """
    visited = unpack(levels)
    steps = len(visited) - 1
    calls, correct = [], None
    for i, predict in enumerate(predictor.calls):
        own = {"order": order, "kind": kind, "solver": solver}
        bound = partial(update, correct=correct, predict=predict, **own)
        calls.append(predict._replace(update=bound))
        use = min(order, i + 1, steps - i if lower_last else order)
        used, to = visited[max(0, i - use + 1) : i + 1][::-1], visited[i + 1]
        correct = None if i in uncorrected else ([*used, to], to)
    slots = 2 + order + predictor.slots - 1
    return Method(slots, calls, predictor.keeps_variance)
