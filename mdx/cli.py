"""The command `mdx`: prompts to PNG files, and a PNG file to the same picture again.

Its first argument may name a sub-command instead of a prompt: see COMMANDS, at the end.

MindSpore and the nets are imported once the arguments and the output are known to be good.
"""

import os
import sys
from collections.abc import Sequence

from mdx import cli_arguments, cli_info, cli_pictures, cli_samplers, terminal
from mdx.files import as_path
from mdx.interrupts import at_most_one

__all__ = ["main"]

# What bad input raises, beside a fault of the machine: each says what to do. Anything else is a
# fault of mdx, or of what it stands on.
EXPECTED = (ValueError, OSError, FloatingPointError, MemoryError)


@at_most_one()
def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status: 0, 130 when stopped, 141 when not read.

    Bad input raises SystemExit with status 2, after one line on stderr; what should not happen,
    with status 1. MDX_DEBUG=1 shows where either arose.
    """
    terminal.occupy()
    given = sys.argv[1:] if arguments is None else list(arguments)
    parser, work = cli_arguments.pictures, cli_pictures.pictures
    if given and given[0] in COMMANDS:
        (parser, work), given = COMMANDS[given[0]], given[1:]
    try:
        with terminal.messages():
            work(cli_arguments.parsed(parser(), given))
    except terminal.ReaderGone:
        return 141  # as of a program that the signal for it has ended
    except EXPECTED as error:
        terminal.fail(_words(error))
    except ImportError as error:
        terminal.fail(f"{error}: install mdx again, with all that it depends on")
    except KeyboardInterrupt:
        terminal.stopped()
        return 130
    except Exception as error:
        hint = "a fault of mdx, or of what it stands on: MDX_DEBUG=1 shows where"
        terminal.fail(f"{type(error).__name__}: {_words(error)} ({hint})", status=1)
    return 0


def _words(error: BaseException) -> str:
    """What an error says; of the system's own, the file before the reason and no number."""
    if isinstance(error, OSError) and error.strerror:
        name = error.filename and as_path(os.fsdecode(error.filename))
        return f"{name}: {error.strerror}" if name else error.strerror
    return str(error) or type(error).__name__


# What the first argument may be instead of a prompt: its arguments, and its work.
COMMANDS = {
    "info": (cli_arguments.info, cli_info.info),
    "samplers": (cli_arguments.samplers, cli_samplers.samplers),
    "table": (cli_arguments.table, cli_samplers.table),
}
