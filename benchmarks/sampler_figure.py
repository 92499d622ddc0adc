"""The picture of benchmarks/sampler_errors.py: small multiples on shared axes, every line named."""

import textwrap

import numpy as np

# Okabe and Ito's colours, but for yellow, and grey: they differ for colour-blind eyes as well.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#6B4C9A")
GREY = "#DDDDDD"
GROUPS = ("one call a step", "remembering earlier calls", "several calls a step")
ROWS = {
    "Deterministic": "distance from the exact solution (RMS)",
    "With noise": "distance from the data (Wasserstein-1)",
}
ALONE = "jumping from x0 to x0"
CHANCE = 0.005  # about where independent samples lie


def apart(heights, least):
    """Heights moved as little as need be to lie `least` apart, in the same order."""
    order = np.argsort(heights)
    placed = np.array(heights, float)[order]
    for _ in range(400):
        short = np.maximum(least - np.diff(placed), 0) / 2
        placed[:-1] -= short
        placed[1:] += short
    result = np.empty_like(placed)
    result[order] = placed
    return result


def draw(lines, path):
    """One panel for each kind of sampler; the other lines of its row stand behind it in grey.

    `lines` is name -> (calls, errors, panel), the panel being "row, group".
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(
        2, 4, figsize=(16, 8.4), dpi=120, sharex=True, sharey=True, layout="constrained"
    )
    errors = np.concatenate([e for _, e, _ in lines.values()])
    low, high = np.log10(errors.min()) - 0.25, np.log10(errors.max()) + 0.15
    for row, (kind, unit) in enumerate(ROWS.items()):
        behind = [line for line in lines.values() if line[2].startswith(kind)]
        for axes, group in zip(panels[row], (*GROUPS, ALONE), strict=True):
            own = {n: line for n, line in lines.items() if line[2] == f"{kind}, {group}"}
            if group == ALONE and not own:
                explain(axes)
                continue
            for calls, missed, _ in behind:
                axes.plot(calls, missed, color=GREY, lw=1, zorder=1)
            panel(axes, own, (high - low) / 22)
            axes.set_title(group.capitalize(), fontsize=11.5, loc="left")
        panels[row, 0].set_ylabel(f"{kind}:\n{unit}", fontsize=10.5)
    for axes in panels[1]:
        axes.set_xlabel("model calls", fontsize=10.5)
        axes.axhline(CHANCE, color="black", lw=0.8, ls=":", zorder=1)
    panels[1, 0].annotate("chance", (5, CHANCE), xytext=(0, 3), textcoords="offset points")
    axes = panels[0, 0]
    axes.set(xscale="log", yscale="log", xlim=(4.4, 420), ylim=(10**low, 10**high))
    axes.set_xticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
    axes.minorticks_off()
    figure.savefig(path)
    plt.close(figure)


def panel(axes, own, least):
    """Lines in colours, named at their right ends, `least` apart in powers of ten."""
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    # Lines that are told apart by height are coloured in that order.
    names = sorted(own, key=lambda name: -own[name][1][-1])
    labels = [textwrap.fill(name, 24) for name in names]
    sizes = [label.count("\n") + 1 for label in labels]
    ends = np.log10([own[name][1][-1] for name in names])
    heights = apart(ends, least * max(sizes, default=1) ** 0.8)
    for i, (name, label, height) in enumerate(zip(names, labels, heights, strict=True)):
        calls, errors, _ = own[name]
        colour = PALETTE[i % len(PALETTE)]
        axes.plot(calls, errors, color=colour, lw=1.8, marker="os^Dv"[i % 5], ms=3.5, zorder=2)
        axes.annotate(
            label,
            xy=(calls[-1], errors[-1]),
            xytext=(100, 10**height),
            color=colour,
            fontsize=9.5,
            va="center",
            linespacing=0.95,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkB": 3},
        )


def explain(axes):
    """The cell that no panel needs says what the others show."""
    axes.set_axis_off()
    words = (
        "Every sampler of mdx on a mixture of three normals, of which the exact model is known. "
        "All visit the same noise ratios, Karras' ramp from 14.6 to 0.03. Grey: the other samplers "
        "of the row. One name for several: their lines agree to 2%.",
        "Both errors are in units of the sample's own size at the end. Inversions run the other "
        "way, from the data. Samplers that jump are given a model that returns the end of the "
        "exact solution: what is left is chance.",
    )
    text = "\n\n".join(textwrap.fill(part, 40) for part in words)
    axes.text(0.02, 0.97, text, transform=axes.transAxes, va="top", fontsize=10.5, color="#333333")
