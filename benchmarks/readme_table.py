"""The table of comparisons in docs/comparison.md, from the figures that compare.py has written.

python benchmarks/readme_table.py [FILE]        print it; FILE is benchmarks/compare.json
python benchmarks/readme_table.py --write
"""

import argparse
import json
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "docs" / "comparison.md"
FIGURES = Path(__file__).with_name("compare.json")
BEGIN, END = "<!-- compare.py: begin -->", "<!-- compare.py: end -->"
HEADER = (
    "| what | seconds | against | ratio (least to most) | GB | ratio | runs | others | apart |",
    "|---|---|---|---|---|---|---|---|---|",
)


def table(entries: Sequence[dict[str, Any]]) -> str:
    """Markdown of all rows, below the machine that they were measured on."""
    machines = dict.fromkeys(map(_machine, entries))
    return "\n\n".join(
        "\n".join([*textwrap.wrap(about + ".", 100), "", *HEADER, *lines(rows)])
        for about in machines
        if (rows := [entry for entry in entries if _machine(entry) == about])
    )


def lines(entries: Sequence[dict[str, Any]]) -> list[str]:
    """A line for each two sides that a row compares; one for a row of one side."""
    found = []
    for entry in entries:
        first, *others = entry["sides"]
        ours = entry["sides"][first]
        what = f"{entry['checkpoint']}, {entry['what']}"
        seconds, runs, peak = ours["median"], len(ours["seconds"]), ours["peak"]
        busy = f"{entry['others_busy']:.1f}"
        named = "" if first == "mdx" else f", {first.removeprefix('mdx ')}"
        if not others:
            spread = f"({_number(min(ours['seconds']))} to {_number(max(ours['seconds']))} s)"
            cells = ["", spread, f"{peak / 1e9:.2f}", "", str(runs), busy, ""]
            found.append(_line([what + named, _number(seconds), *cells]))
        for other in others:
            theirs, ratio = entry["sides"][other], entry["ratios"][other]
            cells = [
                what + named,
                f"{_number(seconds)} : {_number(theirs['median'])}",
                other,
                f"**{ratio['medians']:.2f}** ({ratio['least']:.2f} to {ratio['most']:.2f})",
                f"{peak / 1e9:.2f} : {theirs['peak'] / 1e9:.2f}",
                f"**{peak / theirs['peak']:.2f}**",
                str(runs),
                busy,
                f"{entry['errors'][other]:.1e}" if entry["errors"][other] else "",
            ]
            found.append(_line(cells))
    return found


def write(entries: Sequence[dict[str, Any]], page: Path = PAGE) -> None:
    """Put the table between the two marks in the page; ValueError where they are not there."""
    text = page.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{page} must have the lines {BEGIN} and {END} once each")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table(entries)}\n{END}{after}")


def _line(cells):
    return "| " + " | ".join(cells) + " |"


def _number(seconds):
    """Three figures or so."""
    return f"{seconds:.3g}" if seconds < 100 else f"{seconds:.0f}"


def _machine(entry):
    about = entry["machine"]
    libraries = [f"{name} {about[name]}" for name in about if about[name]][2:]
    return f"{about['processor']}, {about['threads']} threads; {', '.join(libraries)}"


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("figures", type=Path, nargs="?", default=FIGURES)
    parser.add_argument("--write", action="store_true", help="put it into docs/comparison.md")
    given = parser.parse_args()
    entries = list(json.loads(given.figures.read_text()).values())
    if given.write:
        write(entries)
    else:
        print(table(entries))


if __name__ == "__main__":
    main()
