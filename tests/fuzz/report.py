"""What is tried, and what is said of it: the table of classes, and files of the failures."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from tests.fuzz.fuzzer import Fuzzer
from tests.fuzz.judge import KINDS, signature
from tests.fuzz.pool import BATCH, Tried


def planned(fuzzers: tuple[Fuzzer, ...], inputs: int) -> Iterator[tuple[str, int]]:
    """Every (class, number), in turns of one batch a class."""
    total = sum(fuzzer.share for fuzzer in fuzzers)
    left = {fuzzer.name: range(round(inputs * fuzzer.share / total)) for fuzzer in fuzzers}
    while any(left.values()):
        for name, numbers in left.items():
            yield from ((name, number) for number in numbers[:BATCH])
            left[name] = numbers[BATCH:]


def table(counts: Mapping[str, Counter[str]]) -> str:
    """Classes in rows, and how often each thing came of their inputs."""
    head = f"{'':14}{'inputs':>9}" + "".join(f"{kind:>12}" for kind in KINDS)
    rows = {**counts, "all": sum(counts.values(), Counter())}
    lines = [
        f"{name:14}{sum(row.values()):9}" + "".join(f"{row[kind]:12}" for kind in KINDS)
        for name, row in rows.items()
    ]
    return "\n".join([head, *lines])


def failures(tried: Iterable[Tried]) -> dict[str, list[Tried]]:
    """Failures by what they have in common, the most frequent first."""
    groups: dict[str, list[Tried]] = {}
    for one in tried:
        groups.setdefault(signature(one.name, one.verdict), []).append(one)
    return dict(sorted(groups.items(), key=lambda group: -len(group[1])))


def write(groups: Mapping[str, list[Tried]], folder: Path, seed: int, examples: int = 3) -> None:
    """A text file for each group of failures, with the commands that try its examples again."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, (name, ones) in enumerate(groups.items()):
        lines = [name, f"{len(ones)} times", ""]
        for one in sorted(ones, key=lambda one: len(one.words))[:examples]:
            again = f"python -m tests.fuzz --only {one.name} --seed {seed} --number {one.number}"
            needed = f"(turns {one.kept})"
            lines += [f"{again} {needed}", one.words, f"  {one.verdict.error[:2000]!r}"]
            lines += [f"  {one.verdict.where}", ""]
        text = "\n".join(lines)
        (folder / f"{i:03}-{ones[0].name}.txt").write_text(text, "utf-8", "backslashreplace")
