"""A short run of the fuzzers, and what the fuzzers themselves must do."""

import json
import time
from collections import Counter
from functools import partial
from random import Random

import pytest

from tests.fuzz import acts, judge, mutate, odd, pool, report, sandbox
from tests.fuzz.acts import ACTS, fail
from tests.fuzz.classes import FUZZERS
from tests.fuzz.fuzzer import Fuzzer, Input
from tests.fuzz.judge import FAILURES

SHORT, LONG = 700, 20_000  # inputs


def run(inputs: int, seed: int, processes: int) -> str:
    """What failed, in words; "" if nothing did."""
    counts = {fuzzer.name: Counter() for fuzzer in FUZZERS}
    failed = []
    for one in pool.run(FUZZERS, report.planned(FUZZERS, inputs), seed, processes):
        counts[one.name][one.verdict.kind] += 1
        if one.verdict.kind in FAILURES:
            failed.append(one)
    assert sum(map(Counter.total, counts.values())) == pytest.approx(inputs, abs=len(FUZZERS))
    assert all(row["refused"] and row["accepted"] for row in counts.values()), counts
    lines = [
        f"{len(ones)}, number {ones[0].number} of seed {seed}: {name}\n    {ones[0].words[:300]}"
        for name, ones in report.failures(failed).items()
    ]
    return "\n".join([report.table(counts), *lines]) if failed else ""


def test_a_few_inputs_of_every_class():
    """Each is accepted, or refused in one line that names a file or an argument."""
    failed = run(SHORT, seed=0, processes=1)
    assert not failed, failed


@pytest.mark.fuzz
def test_many_inputs_of_every_class():
    """As many with other seeds: python -m tests.fuzz --inputs 200000 --seed 1."""
    failed = run(LONG, seed=1, processes=2)
    assert not failed, failed


def test_every_kind_of_failure_is_found_and_the_rest_goes_on():
    acting = tuple(Fuzzer(name, 1, partial(acts.prepare, name)) for name in ACTS)
    work = [(name, number) for name in ACTS for number in range(2)]
    found = list(pool.run(acting, work, 0, 1, slowest=0.3, enter=sandbox.bare))
    assert sorted((one.name, one.number) for one in found) == sorted(work)
    assert all(one.words == one.name for one in found)
    kinds = {one.name: one.verdict.kind for one in found}
    assert kinds == {name: kind for name, (_, kind) in ACTS.items()}
    groups = report.failures(one for one in found if one.verdict.kind in FAILURES)
    assert len(groups) == sum(kind in FAILURES for _, kind in ACTS.values())
    assert all(len(ones) == 2 for ones in groups.values())


def test_what_a_failure_does_not_need_is_left_out():
    """Three turns, of which the input is refused without a name for one alone."""

    def make(_, turns):
        words = [turn.random() < 1 / 3 for turn in turns]
        bad = partial(fail, ValueError("no")) if any(words) else list
        return Input(str(words), ("a",), bad)

    found = [pool.tried(make, "x", 0, number) for number in range(60)]
    failed = [one for one in found if one.verdict.kind == "unnamed"]
    assert len(failed) > 5
    assert all(one.words == "[True]" and len(one.kept) == 1 for one in failed)


@pytest.mark.parametrize("fuzzer", FUZZERS, ids=lambda f: f.name)
def test_inputs_are_fixed_by_seed_and_number(fuzzer, tmp_path):
    make = fuzzer.prepare(tmp_path)
    one, two = ([pool.made(make, fuzzer.name, seed, n, None).words for n in range(40)]
                for seed in (3, 4))  # fmt: skip
    assert one == [pool.made(make, fuzzer.name, 3, n, None).words for n in range(40)]
    assert one != two
    assert len(set(one)) > 20


def test_turns_change_what_they_are_given():
    """And never fail themselves, whatever earlier turns have made of it."""
    tree, raw = {"a": [1, 2.5, {"b": "c"}], "d": None, "e": True}, b"PNG and some more bytes"
    begun, changed = time.process_time(), 0
    for seed in range(1500):
        random, value, data = Random(seed), tree, raw
        for _ in range(3):
            value, data = mutate.tree(random, value, [tree]), mutate.flip(random, data, [raw])
        assert isinstance(data, bytes)
        assert isinstance(mutate.text_of(random, value), bytes)
        assert "\n" not in odd.shown(odd.anything(random))
        changed += (json.dumps(value) != json.dumps(tree)) + (data != raw)
    assert changed > 2500
    assert time.process_time() - begun < 10


def test_lines_are_told_from_others():
    assert judge.ill_written("vae/config.json: no key 'x'", ("vae/config.json",)) is None
    assert judge.ill_written("é\u202f\U0001f600", ()) is None
    for text in ("a\nb", "a\r", "\x1b[31m", "a\x85b", "a\u2028b", "\udc80", "\x7f", "\t"):
        assert judge.ill_written(text, ()), ascii(text)
