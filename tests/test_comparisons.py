"""benchmarks/compare.py and step_time.py reckon and report what they measured."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import compare
import machine
import measuring
import processes
import readme_table
import rows
import step_time
from checkpoint import configs
from step_time import Operator, Stretch

pytestmark = pytest.mark.benchmarks


def counting(first):
    """A generator to be asked from another process."""
    yield first
    yield first + 1
    raise ValueError("no more than two")


def test_a_worker_answers_in_turn_and_says_how_it_failed():
    worker = processes.start(counting, 3)
    try:
        assert [processes.ask(worker), processes.ask(worker)] == [3, 4]
        with pytest.raises(RuntimeError, match="no more than two"):
            processes.ask(worker)
        with pytest.raises(RuntimeError, match="the process ended with exit code 0"):
            processes.ask(worker)
    finally:
        processes.stop(worker)
    assert not worker.process.is_alive()


def test_ratios_are_of_medians_and_spread_over_turns():
    found = measuring.ratio([1.0, 2.0, 9.0], [2.0, 4.0, 3.0])
    assert found == {"medians": 2 / 3, "least": 0.5, "most": 3.0}
    assert [measuring.order("ab", turn) for turn in (0, 1, 2)] == ["ab", "ba", "ab"]


@pytest.mark.parametrize(
    ("got", "error"), [([1.0, -4.0], 0.0), ([1.0, -3.0], 0.25), ([np.nan, -4.0], np.inf)]
)
def test_differences_are_relative_to_the_largest_value(got, error):
    assert measuring.apart(np.array(got), np.array([1.0, -4.0])) == error


def test_outputs_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"shapes \(2,\) and \(3,\) cannot be compared"):
        measuring.apart(np.zeros(2), np.zeros(3))


def test_time_of_others_is_what_this_program_did_not_take():
    # Ten seconds on the wall, 14 of processors, 12 of them this program's: 2 were others'.
    assert machine.others_busy((0.0, 100.0, 5.0), (10.0, 114.0, 17.0)) == pytest.approx(0.2)
    wall, busy, own = machine.clocks()
    assert 0 < own < busy
    assert wall > 0


def test_rows_have_names_of_their_own_inputs_and_known_sides():
    found = rows.rows([32, 64, 96], [1, 2, 4, 8])
    assert len({row.name for row in found}) == len(found)
    assert {f"unet-{side}-b{b}" for side in (32, 64, 96) for b in (1, 2, 4, 8)} <= {
        row.name for row in found
    }
    nets = configs()["SD 1.5"]
    for row in found:
        assert set(row.sides) <= set(rows.SIDES), row.name
        for array in rows.inputs(row._replace(latents=8), nets, 0).values():
            again = rows.inputs(row._replace(latents=8), nets, 0).values()
            assert any(np.array_equal(array, other) for other in again), row.name
    assert [row.name for row in rows.chosen(found, ["vae-*-64", "text"])] == [
        "text", "vae-decode-64", "vae-encode-64",
    ]  # fmt: skip


def test_sdxl_is_told_a_vector_and_six_numbers():
    [row] = rows.chosen(rows.rows([64], [2]), ["unet-64-b2"])
    given = rows.inputs(row, configs()["SDXL"], 0)
    assert {name: array.shape for name, array in given.items()} == {
        "x": (2, 4, 64, 64), "t": (2,), "context": (2, 77, 2048), "pooled": (2, 1280),
        "ids": (2, 6),
    }  # fmt: skip
    assert given["ids"][1].tolist() == [512, 512, 0, 0, 512, 512]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "unet-7"], "no row is called unet-7; there are text, unet-32-b1"),
        (["--quick", "--write"], "--write is for the real sizes"),
        (["--runs", "0"], "--runs must be at least 1"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        compare.main(arguments)
    assert message in capsys.readouterr().err


ENTRY = {
    "checkpoint": "SD 1.5",
    "what": "UNet step",
    "sides": {
        "mdx": {"seconds": [8.0, 9.0], "median": 8.5, "peak": 4_500_000_000},
        "torch": {"seconds": [10.0, 10.0], "median": 10.0, "peak": 4_000_000_000},
    },
    "ratios": {"torch": {"medians": 0.85, "least": 0.8, "most": 0.9}},
    "errors": {"torch": 3e-6},
    "others_busy": 0.04,
    "machine": {
        "processor": "some",
        "threads": 2,
        "python": "3.11.0",
        "torch": "2.0",
        "numpy": None,
    },
}


def test_a_line_of_the_table():
    [line] = readme_table.lines([ENTRY])
    assert line == (
        "| SD 1.5, UNet step | 8.5 : 10 | torch | **0.85** (0.80 to 0.90) | 4.50 : 4.00 | **1.12** "
        "| 2 | 0.0 | 3.0e-06 |"
    )


def test_the_table_goes_between_its_marks_and_nowhere_else(tmp_path):
    page = tmp_path / "comparison.md"
    page.write_text(f"before\n{readme_table.BEGIN}\nold\n{readme_table.END}\nafter\n")
    for _ in range(2):
        readme_table.write([ENTRY], page)
        text = page.read_text()
        assert text.startswith(f"before\n{readme_table.BEGIN}\n")
        assert text.endswith(f"\n{readme_table.END}\nafter\n")
        assert "old" not in text
        assert text.count("UNet step") == 1
    assert "some, 2 threads; python 3.11.0, torch 2.0" in text
    page.write_text("no marks")
    with pytest.raises(ValueError, match="must have the lines"):
        readme_table.write([ENTRY], page)


def test_the_page_has_what_was_measured():
    entries = list(json.loads(readme_table.FIGURES.read_text()).values())
    assert readme_table.table(entries) in readme_table.PAGE.read_text()


def test_the_readme_says_of_it_what_the_page_does():
    entries = json.loads(readme_table.FIGURES.read_text())
    readme = (readme_table.PAGE.parents[1] / "README.md").read_text()
    for row, said in {
        "SD 1.5 unet-64-b2": "a UNet step of SD 1.5 takes {:.2f} times what it takes diffusers",
        "SD 1.5 vae-decode-64": "decoding {:.2f}",
        "SD 1.5 native": "an AMD EPYC (Zen 5) {:.2f} times and",
        "SD 1.5 native-decode": "times and {:.2f} times.",
    }.items():
        assert said.format(entries[row]["ratios"]["torch"]["medians"]) in " ".join(readme.split())


def test_operators_at_work_at_once_share_the_time_and_the_rest_is_the_host_s():
    found = [
        Operator("Conv2D", 1.0, 3.0),
        Operator("MatMul", 2.0, 4.0),
        Operator("BatchMatMul", 4.5, 5.0),
        Operator("BatchMatMul", 6.0, 7.0),
        Operator("Sigmoid", 7.0, 7.5),
        Operator("MatMul", 7.5, 7.75),
    ]
    stretches = [
        Stretch("ends", 0.5, 4.2),
        Stretch("transformer", 4.2, 5.5),
        Stretch("resnet", 5.5, 8.0),
    ]
    spent = step_time.shares(found, stretches)
    assert set(spent) == set(step_time.KINDS)
    # In a block, products are those of a convolution.
    expected = {"convolution": 2.75, "linear": 1.5, "attention": 0.5, "pointwise": 0.5}
    expected["host"] = 2.25
    assert {kind: s for kind, s in spent.items() if s} == pytest.approx(expected)
    longest = "6 operators; MatMul 2.250 s (2), Conv2D 2.000 s (1)"
    assert step_time.longest(found, 2) == longest


def test_the_time_of_a_step_is_drawn(tmp_path, capsys):
    out = tmp_path / "step.png"
    step_time.main(["--checkpoint", "tiny", "--latents", "8", "--runs", "1", "--out", str(out)])
    printed = capsys.readouterr().out
    shares = []
    for kind in step_time.KINDS:
        [line] = [line for line in printed.splitlines() if line.startswith(kind)]
        shares.append(float(line.split()[2].removesuffix("%")))
    assert sum(shares) == pytest.approx(100, abs=2), printed
    with Image.open(out) as image:
        assert np.asarray(image).std() > 0
