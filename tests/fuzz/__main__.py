"""The command: many inputs of every class, a table of what came of them, and what failed.

python -m tests.fuzz [--inputs N] [--seed S] [--only CLASS ...] [--out FOLDER]
python -m tests.fuzz --only CLASS --seed S --number N     tries one input here, and shows it
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz import pool
from tests.fuzz.classes import FUZZERS
from tests.fuzz.judge import FAILURES
from tests.fuzz.report import failures, planned, table, write


def main() -> int:
    """Run the command; 1 if any input failed."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__.split("\n")[0]
    )
    names = [fuzzer.name for fuzzer in FUZZERS]
    parser.add_argument("--inputs", type=int, default=2000, help="of all classes (default: 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="CLASS")
    parser.add_argument("--number", type=int, help="of one input, of one class")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="folder for the failures (default: a new one)")
    given = parser.parse_args()
    fuzzers = tuple(fuzzer for fuzzer in FUZZERS if fuzzer.name in given.only)
    if given.number is not None:
        work = [(fuzzers[0].name, given.number)]
    else:
        work = planned(fuzzers, given.inputs)
    begun, tried = time.monotonic(), []
    counts: dict[str, Counter[str]] = {fuzzer.name: Counter() for fuzzer in fuzzers}
    for one in pool.run(fuzzers, work, given.seed, given.processes):
        counts[one.name][one.verdict.kind] += 1
        if one.verdict.kind in FAILURES or given.number is not None:
            tried.append(one)
    print(table(counts))
    print(f"{time.monotonic() - begun:.0f} s, seed {given.seed}")
    if given.number is not None:
        print(*(f"{one.words}\n{one.verdict}" for one in tried), sep="\n")
    elif tried:
        out = given.out or Path(tempfile.mkdtemp(prefix="mdx-fuzz-failures-"))
        groups = failures(tried)
        write(groups, out, given.seed)
        print(f"{len(groups)} distinct failures, in {out}")
    return int(any(one.verdict.kind in FAILURES for one in tried))


if __name__ == "__main__":
    sys.exit(main())
