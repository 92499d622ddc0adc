"""Run every block of tutorial.md, in order, and put what each prints below it.

python docs/run_tutorial.py [--write]

With --write the pictures go to docs/pictures and the printed lines into tutorial.md; without it
nothing is kept.
"""

import argparse
import contextlib
import io
import os
import re
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
TUTORIAL = HERE / "tutorial.md"
# A block of Python, and the block of what it printed that may follow.
BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:\n```text\n.*?```\n)?", re.DOTALL)


def blocks(text: str) -> list[str]:
    """The Python of a tutorial, block by block."""
    return [match["code"] for match in BLOCK.finditer(text)]


def run(text: str, folder: Path) -> list[str]:
    """Run the blocks in one namespace, with folder as the working one: -> what each printed."""
    names: dict = {"__name__": "tutorial"}
    printed = []
    with _inside(folder):
        for i, code in enumerate(blocks(text)):
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(code, f"{TUTORIAL.name}, block {i + 1}", "exec"), names)
            printed.append(out.getvalue())
    return printed


@contextlib.contextmanager
def _inside(folder):
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def with_output(text: str, printed: list[str]) -> str:
    """The tutorial with each block followed by what it printed."""
    rest = iter(printed)

    def renewed(match):
        out = next(rest)
        shown = f"\n```text\n{out.rstrip()}\n```\n" if out.strip() else ""
        return f"```python\n{match['code']}```\n{shown}"

    return BLOCK.sub(renewed, text)


def main(page: Path, figures: Path, words: str) -> None:
    """The command line of a page whose blocks make figures; words: what it is."""
    parser = argparse.ArgumentParser(description=words.split("\n")[0])
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    text = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        folder = figures if given.write else Path(scratch)
        folder.mkdir(exist_ok=True)
        printed = run(text, folder)
    if given.write:
        page.write_text(with_output(text, printed), encoding="utf-8")
    else:
        print(*printed, sep="\n")


if __name__ == "__main__":
    main(TUTORIAL, HERE / "pictures", __doc__)
