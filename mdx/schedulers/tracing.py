"""How equations become rows: evaluated on basis vectors, and compared with them on random ones."""

from functools import cache
from numbers import Integral

import numpy as np

from .equations import UNBOUNDED, Bound, Method, Values, reading
from .record import TOLERANCE, Array, Misses, Table, check, frozen

Factors = tuple[float, float]  # of (x, out)

# What roundings may make of the largest value that an equation is given, and of it over a level.
LINEAR, ROUNDING = 1e-9, 1e-13
SINGLE = 2.0**-24  # of the float32 that runs are in


def trace(
    method: Method,
    prediction: str | None,
    bound: Bound = UNBOUNDED,
    *,
    init_noise_scale: float = 1.0,
) -> Table:
    """The table of a method: its equations evaluated on basis vectors are the rows.

    Every row is then compared with its equation on random arrays of several shapes and sizes, so
    that an update which is not linear is refused: powers, norms, clips, branches on values. So is
    one that misses its level: for a denoiser that knows x0, each call must lead to `to.alpha` times
    x0 and, unless the method's `keeps_variance` says otherwise, noise of standard deviation
    `to.sigma`.

    Args:
        method: the equations, one call of the model after another.
        prediction: what the model returns and the table carries, one of PREDICTIONS unless all
            calls have their own reading; it may then be any word, or None for a table that is run
            unasked.
        bound: how x0 is clipped.
        init_noise_scale: what unit noise is multiplied by to become the first sample.

    Returns:
        The Table.

    Raises:
        ValueError: that names the row, and the slot where one is to blame; also for a method
            without calls, an update that returns other slots than the method has, calls that do not
            begin where the one before ended, and rows that do not pass `check`.
    """
    k = method.slots
    if isinstance(k, bool) or not isinstance(k, Integral) or k < 1:
        raise ValueError(f"a method's slots must be a whole number, 1 or more, not {k!r}")
    if not len(method.calls):
        raise ValueError("a method needs at least one call")
    meets(method)
    readings = [reading(call, prediction) for call in method.calls]
    to_eps = [own for _, own in readings]
    mix = updated(method, to_eps, bound, basis(k))
    is_linear(method, to_eps, bound, mix)
    visited = [call.now for call in method.calls] + [method.calls[-1].to]
    table = check(
        frozen(
            t=[level.t for level in visited[:-1]],
            scale=[call.scale for call in method.calls],
            denoise=[to_x0 for to_x0, _ in readings],
            mix=mix,
            clip=np.full(len(mix), bound.clip),
            quantile=np.full(len(mix), bound.quantile),
            spread=[call.spread for call in method.calls],
            alpha=[level.alpha for level in visited],
            sigma=[level.sigma for level in visited],
            init_noise_scale=init_noise_scale,
            prediction=prediction,
        )
    )
    if method.keeps_variance:
        keeps_noise(table, method, to_eps)
    return table


def meets(method: Method) -> None:
    """ValueError unless each call begins at the level where the one before it ended."""
    ends = np.array([call.to[1:] for call in method.calls[:-1]])
    begins = np.array([call.now[1:] for call in method.calls[1:]])
    apart = np.abs(ends - begins) > TOLERANCE
    if np.any(apart):
        i = int(np.argmax(apart.any(axis=1)))
        raise ValueError(
            f"row {i} ends at alpha {ends[i, 0]:g}, sigma {ends[i, 1]:g}, but row {i + 1} begins "
            f"at alpha {begins[i, 0]:g}, sigma {begins[i, 1]:g}"
        )


def is_linear(method: Method, to_eps: list[Factors], bound: Bound, mix: Array) -> None:
    """ValueError unless the updates are the linear maps `mix` (N, K, K+3) of their values."""
    if not np.all(np.isfinite(mix)):
        return  # `check` says so
    largest = np.maximum(np.abs(mix).max(axis=2), 1.0)
    size = LINEAR * largest + ROUNDING * divisors(method)[:, None]
    for given in probes(method.slots):
        with np.errstate(all="ignore"):
            got = updated(method, to_eps, bound, given)
        count = given[0].size
        sums = mix @ given.reshape(-1, count)
        with np.errstate(all="ignore"):
            missed = np.abs(got.reshape(sums.shape) - sums) / np.abs(given).max(axis=0).ravel()
        missed = missed.max(axis=2)
        wrong = ~(missed <= size)  # NaN is, too
        if np.any(wrong):
            i, slot = np.argwhere(wrong)[0]
            raise ValueError(
                f"row {i} is not linear: of random values, slot {slot} becomes something "
                f"{missed[i, slot]:.2g} of their size away from the sum that a table can hold; an "
                "update may only add multiples of its values, and what bounds x0 is a Bound"
            )


def divisors(method: Method) -> Array:
    """The largest that a division by a call's levels can make of 1, (N,)."""
    levels = np.abs([(*call.now[1:], *call.to[1:]) for call in method.calls])
    ratios = levels[:, [0, 1, 2, 3]] / np.where(levels > 0, levels, np.inf)[:, [1, 0, 3, 2]]
    inverse = 1 / np.where(levels > 0, levels, np.inf)
    return np.maximum(ratios.max(axis=1), inverse.max(axis=1))


def updated(method: Method, to_eps: list[Factors], bound: Bound, given: Array) -> Array:
    """The new slots (N, K, ...) of every update, from (slots, out, x0, noise), (K+3, ...).

    ValueError unless each returns as many as the method has, all of its values' shape.
    """
    *kept, out, x0, noise = given
    slots, x, found = tuple(kept), kept[0], []
    for i, (call, (from_x, from_out)) in enumerate(zip(method.calls, to_eps, strict=True)):
        eps = from_x * x + from_out * out
        if bound.in_eps and call.now.sigma:
            eps = (x - call.now.alpha * x0) / call.now.sigma
        new = call.update(Values(slots, x, out, x0, eps, noise))
        if not isinstance(new, (tuple, list)):
            raise ValueError(
                f"row {i} must return a tuple of {len(slots)} arrays, its slots, "
                f"not {type(new).__name__}"
            )
        if len(new) != len(slots):
            raise ValueError(f"row {i} returns {len(new)} slots where the method has {len(slots)}")
        for slot, array in enumerate(new):
            fits = isinstance(array, np.ndarray) and array.dtype.kind in "fiu"
            if not fits or array.shape != x.shape:
                kind = getattr(array, "dtype", type(array).__name__)
                raise ValueError(
                    f"row {i} returns for slot {slot} {kind} {np.shape(array)} where its values "
                    f"are {x.dtype} {x.shape}: a slot that holds nothing is 0 * x"
                )
        found.append(new)
    return np.array(found)


@cache
def basis(k: int) -> Array:
    """One vector for each of (slots, out, x0, noise): (K+3, K+3), read-only."""
    return frozen_array(np.eye(k + 3))


@cache
def probes(k: int) -> tuple[Array, ...]:
    """Random values of (slots, out, x0, noise) that tell a sum from what is none: (K+3, ...) each.

    They differ in rank, length and size from each other and from the basis. In the first all sizes
    occur, for what bends at some. The second is small and positive as a whole, without history or
    noise, for what looks at whole arrays; the first is large and negative as a whole.
    """
    rng = np.random.default_rng(2011)
    sizes = np.logspace(-9, 9, 24).reshape(2, 3, 4)
    every = rng.normal(size=(k + 3, 2, 3, 4)) * sizes
    every *= -np.sign(every.sum(axis=(1, 2, 3), keepdims=True))
    small = 1e-3 * (rng.normal(size=(k + 3, 7)) + 1)
    small[1:k] = small[-1] = 0
    return frozen_array(every), frozen_array(small)


def frozen_array(array: Array) -> Array:
    """The array itself, closed: an update that writes to its values would spoil them for others."""
    array.setflags(write=False)
    return array


def keeps_noise(table: Table, method: Method, to_eps: list[Factors]) -> None:
    """ValueError unless slot 0 has noise of sigma at each level, for a denoiser that knows x0.

    As long as no noise is added, the sample's keeps its sign, too; later it is at least not turned
    about.
    """
    has, turned = noise_of(table, table.mix, to_eps)
    missed = np.stack([np.abs(has - table.sigma[1:]), turned])
    size = TOLERANCE * np.maximum(1.0, np.maximum(table.sigma[:-1], table.sigma[1:]))
    wrong = ~(missed <= size)  # NaN is, too
    if not np.any(wrong):
        return
    # Out of almost pure noise steps divide by alpha, and roundings grow. What coefficients that are
    # off by a few of them miss as well is no fault of the equations; but a run is in float32.
    rounded = 1e-12 * np.abs(table.mix) + ROUNDING * divisors(method)[:, None, None]
    wrong &= ~(missed <= size + shaken(table, to_eps, rounded))
    if np.any(wrong):
        i = int(np.argmax(wrong.any(axis=0)))
        raise Misses(
            f"row {i} misses its level: the sample's noise is {has[i]:.6g} where sigma is "
            f"{table.sigma[i + 1]:.6g}; if that is what the paper says, it is a Method with "
            "keeps_variance=False"
            if wrong[0, i]
            else f"row {i} turns the noise of the sample about: it leads to minus eps"
        )
    lost = shaken(table, to_eps, SINGLE * np.abs(table.mix))[0] > 1e5 * size
    if np.any(lost):
        least = table.alpha[table.alpha > 0].min(initial=1.0)
        raise Misses(
            f"row {int(np.argmax(lost))} misses its level, for roundings: this sampler cannot "
            f"begin at noise with as little signal as alpha {least:.2g}, which its betas leave; "
            "take one of lower order, or begin at a level with more"
        )


def shaken(table: Table, to_eps: list[Factors], sizes: Array) -> Array:
    """How much errors (N, K, K+3) of table.mix change what `noise_of` finds, (2, N)."""
    rng, most = np.random.default_rng(12), np.zeros((2, table.rows))
    with np.errstate(all="ignore"):
        found = np.stack(noise_of(table, table.mix, to_eps))
        for _ in range(4):
            mixes = table.mix + sizes * rng.normal(size=sizes.shape)
            change = np.abs(np.stack(noise_of(table, mixes, to_eps)) - found)
            most = np.maximum(most, np.nan_to_num(change, nan=np.inf))
    return most


def noise_of(table: Table, mixes: Array, to_eps: list[Factors]) -> tuple[Array, Array]:
    """The standard deviation of slot 0's noise after each row, for a denoiser that knows x0, (N,).

    It bears a sign as long as there is only the first sample's noise. And how far each row turns
    about what noise there was, (N,), 0 where it does not. `mixes` takes the place of table.mix.

    Every slot is followed as a combination of independent unit noises: the first sample's, and the
    fresh one of each row that adds any.
    """
    k, found, turned = table.slots, [], []
    noises = np.zeros((k, 1))
    noises[0, 0] = table.sigma[0]
    rows = zip(mixes, table.mix, table.denoise, table.sigma[:-1], to_eps, strict=True)
    for mix, own, (x0_of_x, x0_of_out), sigma, (eps_of_x, eps_of_out) in rows:
        x, fresh = noises[0], []
        noises = mix[:, :k] @ noises
        # What the model returns: it knows x0, or else which noise the sample holds; where the level
        # is clean, no sample says that.
        if x0_of_out:
            noises = noises - np.outer(mix[:, k], x0_of_x * x / x0_of_out)
        elif eps_of_out and sigma:
            noises = noises + np.outer(mix[:, k], (1 / sigma - eps_of_x) / eps_of_out * x)
        elif eps_of_out:
            fresh.append(mix[:, k, None] / eps_of_out)
        if own[:, -1].any():
            fresh.append(mix[:, -1:])
        noises = np.concatenate([noises, *fresh], axis=1) if fresh else noises
        new = noises[0]
        found.append(new[0] if len(new) == 1 else np.linalg.norm(new))
        turned.append(max(0.0, -(new[: len(x)] @ x)) / max(1.0, sigma))
    return np.array(found), np.array(turned)
