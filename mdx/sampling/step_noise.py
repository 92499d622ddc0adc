"""The noise that samplers add on their way: independent draws, or read off one Brownian path.

An independent draw is what the image's generator gives next. A path is fixed by one number that the
generator gives: every row that adds noise takes the increment since the last one that did, so runs
of more steps see the same path in more detail, and their pictures come closer to each other. Its
clock is the angle whose tangent is sigma / alpha, which has the same span for every model.
"""

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdx.checks import did_you_mean, shown
from mdx.deprecated import warn
from mdx.schedulers import Table
from mdx.schedulers.brownian import increments

__all__ = ["KINDS", "asked", "check", "kinds", "rows"]

KINDS = ("independent", "brownian")
OLD = {"fresh": "independent", "path": "brownian"}  # the same, as they were called
SPAN = (0.0, np.pi / 2)  # of the clock: clean, and nothing but noise


def kinds(table: Table, count: int) -> list[str]:
    """What each image takes where the caller does not say.

    A sampler that keeps a row's noise for later rows divides the increments of one path (DPM++ SDE,
    SA-Solver), and gets "brownian"; one that adds each noise once gets "independent".

    Args:
        table: of the run.
        count: images of it.

    Returns:
        `count` of KINDS.
    """
    keeps = np.any(table.mix[..., 1:, -1], axis=(0, -1))
    return [KINDS[int(kept)] for kept in np.broadcast_to(keeps, (count,))]


def asked(table: Table, kind: str | None, count: int) -> list[str]:
    """What each image takes: what was asked, or where that is None what `kinds` says.

    Args:
        table: of the run.
        kind: one of KINDS, or None; of OLD with a DeprecationWarning.
        count: images of the run.

    Returns:
        `count` of KINDS.

    Raises:
        ValueError: for another kind, and for a table that `check` refuses.
    """
    if kind is None:
        return kinds(table, count)
    kind = _current(kind)
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(
            f"step_noise must be one of {', '.join(KINDS)} or None, not {shown(kind)}"
            f"{did_you_mean(kind, KINDS)}"
        )
    check(table, [kind] * count)
    return [kind] * count


def check(table: Table, chosen: Sequence[str]) -> None:
    """See that no image whose kind is "brownian" comes back to a level that it has left.

    Args:
        table: of the run.
        chosen: the kind of each image, of KINDS.

    Raises:
        ValueError: where one does.
    """
    for image, kind in enumerate(chosen):
        if kind == "brownian" and np.any(np.diff(readings(table, image, len(chosen))) >= 0):
            raise ValueError(
                "step_noise 'brownian' is for samplers whose noise only falls, and this one comes "
                "back to a level that it has left: leave it out, or choose 'independent'"
            )


def rows(
    table: Table,
    generators: Sequence[np.random.Generator],
    shape: tuple[int, ...],
    chosen: Sequence[str],
) -> Iterator[NDArray[np.float64] | None]:
    """The noise of the table's rows in succession.

    No generator moves for an image whose sampler adds no noise, so that an image does not depend on
    its batch.

    Args:
        table: of the run.
        generators: one an image.
        shape: of an image's sample, without the batch.
        chosen: of KINDS, one an image: where its noise comes from.

    Returns:
        For each row float64 (B, *shape), None for one that adds none.
    """
    sources = [
        brownian(table, i, one, shape, len(generators))
        if _current(kind) == "brownian"
        else independent(one, shape)
        for i, (one, kind) in enumerate(zip(generators, chosen, strict=True))
    ]
    for row in range(table.rows):
        draws = np.broadcast_to(table.draws(row), (len(sources),))
        drawn = [
            next(source) if draw else np.zeros(shape)
            for source, draw in zip(sources, draws, strict=True)
        ]
        yield np.stack(drawn) if np.any(draws) else None


def _current(kind: Any) -> Any:
    """A kind by its name of today."""
    if isinstance(kind, str) and kind in OLD:
        warn(f'step_noise="{kind}"', f'step_noise="{OLD[kind]}"')
        return OLD[kind]
    return kind


def independent(
    generator: np.random.Generator, shape: tuple[int, ...]
) -> Iterator[NDArray[np.float64]]:
    """Whatever the generator gives next, without end."""
    return (generator.standard_normal(size) for size in repeat(shape))


def brownian(
    table: Table,
    image: int,
    generator: np.random.Generator,
    shape: tuple[int, ...],
    count: int,
) -> Iterator[NDArray[np.float64]]:
    """The increments of one path, for the rows in which the image's sampler adds noise."""
    clock = readings(table, image, count)
    if len(clock) == 1:
        return iter(())
    return iter(increments(int(generator.integers(2**63)), clock, shape, span=SPAN))


def readings(table: Table, image: int, count: int) -> NDArray[np.float64]:
    """The clock where an image's run begins, and after every row that adds noise to it."""
    # Some configs round the right angle of pure noise up.
    angle = np.minimum(np.arctan2(table.sigma, table.alpha), SPAN[1])
    own = angle[:, image] if table.batch_size is not None else angle
    draws = [i for i in range(table.rows) if np.broadcast_to(table.draws(i), (count,))[image]]
    return own[[0, *(i + 1 for i in draws)]]
