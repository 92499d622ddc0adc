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


def apart(heights, sizes):
    """Heights moved as little as need be for labels of these sizes not to overlap, in order."""
    order = np.argsort(heights)
    placed, wide = np.array(heights, float)[order], np.array(sizes, float)[order]
    least = (wide[1:] + wide[:-1]) / 2
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
        2, 4, figsize=(16, 8.8), dpi=120, sharex=True, sharey="row", layout="constrained"
    )
    for row, (kind, unit) in enumerate(ROWS.items()):
        behind = [line for line in lines.values() if line[2].startswith(kind)]
        errors = np.log10(np.concatenate([missed for _, missed, _ in behind]))
        low, high = errors.min() - 0.25, errors.max() + 0.15
        panels[row, 0].set(yscale="log", ylim=(10**low, 10**high))
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
        axes.plot([5, 80], [CHANCE, CHANCE], color="black", lw=0.8, ls=":", zorder=1)
    panels[1, 0].annotate("chance", (5, CHANCE), xytext=(0, 3), textcoords="offset points")
    for axes in panels.flat:
        axes.set(xscale="log", xlim=(3.7, 650))
        axes.set_xticks([5, 10, 20, 40, 80], ["5", "10", "20", "40", "80"])
        axes.minorticks_off()
    figure.savefig(path)
    plt.close(figure)


def panel(axes, own, least):
    """Lines in colours, named at their right ends, `least` apart in powers of ten."""
    axes.grid(alpha=0.25, axis="x")
    axes.hlines(10.0 ** np.arange(-5, 2), 3.7, 80, color="#B0B0B0", lw=0.8, alpha=0.25, zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines["bottom"].set_bounds(3.7, 80)  # names stand to the right of it
    # Lines that are told apart by height are coloured in that order.
    names = sorted(own, key=lambda name: -own[name][1][-1])
    labels = [textwrap.fill(name, 19) for name in names]
    sizes = [least * (1 + 0.85 * label.count("\n")) for label in labels]
    ends = np.log10([own[name][1][-1] for name in names])
    heights = apart(ends, sizes)
    for i, (name, label, height) in enumerate(zip(names, labels, heights, strict=True)):
        calls, errors, _ = own[name]
        colour = PALETTE[i % len(PALETTE)]
        axes.plot(calls, errors, color=colour, lw=1.8, marker="os^Dv"[i % 5], ms=3.5, zorder=2)
        note = axes.annotate(
            label,
            xy=(calls[-1], errors[-1]),
            xytext=(100, 10**height),
            color=colour,
            fontsize=9.5,
            va="center",
            linespacing=0.95,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkB": 3},
        )
        note.set_in_layout(False)


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
