"""The picture of benchmarks/step_time.py: a bar for each kind of work, and its limit."""

from collections.abc import Mapping
from pathlib import Path

from sampler_figure import PALETTE


def draw(
    title: str, spent: Mapping[str, float], limits: Mapping[str, float], rate: float, path: Path
) -> None:
    """Bars of seconds by kind of work; a line across those that have a limit.

    rate: multiply-adds a second that the limits are reckoned with.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8.5, 4.2), dpi=110, layout="constrained")
    kinds, total = list(spent), sum(spent.values())
    axes.barh(kinds, [spent[kind] for kind in kinds], color=PALETTE[0], height=0.62)
    for i, kind in enumerate(kinds):
        words = f"{spent[kind]:.2f} s, {spent[kind] / total:.0%}"
        if limits.get(kind):
            words += f"; {limits[kind] / spent[kind]:.0%} of the limit's rate"
            axes.plot([limits[kind]] * 2, [i - 0.42, i + 0.42], color=PALETTE[1], lw=2.5)
        axes.annotate(words, (spent[kind], i), xytext=(5, 0), textcoords="offset points",
                      va="center", size=9.5)  # fmt: skip
    axes.plot([], [], color=PALETTE[1], lw=2.5,
              label=f"as matrix products at {2 * rate / 1e9:.0f} GFLOP/s")  # fmt: skip
    axes.legend(loc="lower right", frameon=False, fontsize=9.5)
    axes.invert_yaxis()
    # Room for the words, and for the limit of what needs fewer products than it is reckoned with.
    axes.set_xlim(0, max(1.5 * max(spent.values()), 1.05 * max(limits.values(), default=0)))
    axes.set_xlabel("seconds")
    axes.set_title(title, loc="left", size=11)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path)
    plt.close(figure)
