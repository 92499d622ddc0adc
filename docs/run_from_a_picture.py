"""Run every block of from_a_picture.md, in order, and put what each prints below it.

python docs/run_from_a_picture.py [--write]

With --write the figures go to docs/from_a_picture and the printed lines into the page.
"""

from pathlib import Path

import run_tutorial

PAGE = Path(__file__).parent / "from_a_picture.md"
FIGURES = PAGE.with_suffix("")


if __name__ == "__main__":
    run_tutorial.main(PAGE, FIGURES, __doc__)
