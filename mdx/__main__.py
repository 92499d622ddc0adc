"""`python -m mdx` is the command `mdx`."""

import sys

from mdx.cli import main

if __name__ == "__main__":
    sys.exit(main())
