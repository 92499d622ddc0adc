"""Run every block of from_a_picture.md, in order, and put what each prints below it.

python docs/run_from_a_picture.py [--write]

With --write the figures go to docs/from_a_picture and the printed lines into the page.
"""

import argparse
import tempfile
from pathlib import Path

import run_tutorial

PAGE = Path(__file__).parent / "from_a_picture.md"
FIGURES = PAGE.with_suffix("")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        folder = FIGURES if given.write else Path(scratch)
        folder.mkdir(exist_ok=True)
        printed = run_tutorial.run(text, folder)
    if given.write:
        PAGE.write_text(run_tutorial.with_output(text, printed), encoding="utf-8")
    else:
        print(*printed, sep="\n")


if __name__ == "__main__":
    main()
