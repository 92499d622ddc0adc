"""Where the time of one mdx UNet step goes, by kind of work, against what matrix products take.

python benchmarks/step_time.py [--latents 64] [--batch 2] [--keep FOLDER] [--out FILE]

MindSpore's profiler says when each operator began and how long it took; operators that ran at once
share the time. What an operator is for is told by its type and by the stage of the UNet that was at
work. "host" is time in which no operator ran. The limit is the time that the same multiply-adds
take at the rate of the quickest large matrix product, of MindSpore's or numpy's, in this run.
Writes benchmarks/step_time.png. Needs an otherwise idle machine, and what compare.py needs.
"""

import argparse
import csv
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import mindspore
import numpy as np
import step_figure
from checkpoint import configs, write
from mindspore import Tensor, ops
from rows import Row, inputs
from step_work import work

import mdx
from mdx import kernels
from mdx.sampling import staged

FIGURE = Path(__file__).with_name("step_time.png")
KINDS = ("convolution", "linear", "attention", "norm", "pointwise", "layout", "host")
# Types of operators -> kinds of work, wherever they are; products are told apart by the stage.
TYPES = {
    "Conv2D": "convolution",
    "Im2Col": "convolution",
    "Col2Im": "convolution",
    "MatMul": "linear",
    "BatchMatMul": "attention",
    "Softmax": "attention",
    "LayerNorm": "norm",
    "BatchNorm": "norm",
    "Tile": "layout",
    "Transpose": "layout",
    "Concat": "layout",
    "Split": "layout",
    "StridedSlice": "layout",
    "Slice": "layout",
    "Reshape": "layout",
    "Gather": "layout",
    "Cast": "layout",
}


CONVOLVING = ("resnet", "downsample", "upsample")  # stages without attention


class Operator(NamedTuple):
    """One execution of one operator."""

    kind: str  # of operator: MatMul, ...
    begin: float  # seconds of the system's clock
    end: float


class Stretch(NamedTuple):
    """When a stage of the UNet was at work."""

    kind: str  # of unet_stages.Stage, or "ends" for entry and exit
    begin: float  # seconds of the system's clock
    end: float


def main(argv: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--latents", type=int, default=64, help="a side [64]")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--runs", type=int, default=3, help="steps; the quickest is drawn [3]")
    parser.add_argument("--checkpoint", default="SD 1.5", choices=sorted(configs()))
    parser.add_argument("--keep", type=Path, help="folder for the weights, to use them again")
    parser.add_argument("--out", type=Path, default=FIGURE)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (given.keep or Path(scratch)) / given.checkpoint.replace(" ", "-")
        nets = configs()[given.checkpoint]
        write(folder, nets)
        model = mdx.load(folder)
        row = Row("step", "", "unet", (), given.latents, given.batch)
        arrays = inputs(row, nets, 0)
        step = _stepper(model, arrays)
        step()
        found = [profiled(step, Path(scratch) / str(run)) for run in range(given.runs)]
        spent, ran = min(found, key=lambda one: sum(one[0].values()))
        plain = statistics.median(_timed(step) for _ in range(given.runs))
        counted = work(model.unet.config, given.batch, given.latents, arrays["context"].shape[1])
    rates = product_rates()
    report(spent, counted, rates, plain)
    print(longest(ran))
    title = (
        f"One UNet step of mdx, {given.checkpoint}, batch {given.batch}, latents "
        f"{given.latents}x{given.latents}: {sum(spent.values()):.2f} s"
    )
    step_figure.draw(title, spent, limits(counted, rates), max(rates.values()), given.out)
    print(given.out)


def _stepper(model, arrays) -> Callable[[], list[Stretch]]:
    """A function that runs one step as generate() does, and says when each stage was at work."""
    net = model.unet
    parts = staged.parts(net.config, net.params)
    ends: list[tuple[str, float]] = []

    def used(part):
        ends.append(("ends" if part.stage is None else part.stage.kind, time.time()))

    predict = staged.predictor(net.config, parts, False, kernels.PART_BYTES, used)
    ones = Tensor(np.ones(len(arrays["x"]), np.float32))

    def step():
        ends.clear()
        began = time.time()
        conditioning = mindspore.mutable({"context": Tensor(arrays["context"])})
        predict(Tensor(arrays["x"]), Tensor(arrays["t"]), conditioning, ones).asnumpy()
        ends[-1] = ends[-1][0], time.time()
        begins = [began, *(end for _, end in ends)]
        return [Stretch(kind, b, end) for b, (kind, end) in zip(begins, ends, strict=False)]

    return step


def _timed(step):
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def profiled(
    step: Callable[[], list[Stretch]], folder: Path
) -> tuple[Counter[str], list[Operator]]:
    """Seconds of one step by kind of work, of KINDS; and the operators that it ran."""
    profiler = mindspore.Profiler(output_path=str(folder), start_profile=False)
    profiler.start()
    stretches = step()
    profiler.stop()
    profiler.analyse()
    [place] = folder.rglob("FRAMEWORK")
    found = operators(place)
    return shares(found, stretches), found


def operators(folder: Path) -> list[Operator]:
    """Every execution that the profiler wrote down."""
    with (folder / "cpu_op_detail_info_0.csv").open() as file:
        types = {row["full_op_name"]: row["op_type"] for row in csv.DictReader(file)}
    found = []
    for line in (folder / "cpu_op_execute_timestamp_0.txt").read_text().splitlines():
        name, _, times = line.split(";")
        for entry in times.split():
            begin, milliseconds, *_ = entry.split(",")
            if float(milliseconds):
                start = int(begin) / 1e9
                found.append(Operator(types[name], start, start + float(milliseconds) / 1e3))
    return found


def shares(found: Iterable[Operator], stretches: Sequence[Stretch]) -> Counter[str]:
    """Seconds by kind of work: at each moment the operators at work share the time."""
    spent: Counter[str] = Counter(dict.fromkeys(KINDS, 0.0))
    events = []
    for operator in found:
        kind = kind_of(operator, stretches)
        events += [(operator.begin, 1, kind), (operator.end, -1, kind)]
    running: Counter[str] = Counter()
    last, stop = stretches[0].begin, stretches[-1].end
    for moment, change, kind in [*sorted(events), (stop, 0, "host")]:
        moment = min(max(moment, last), stop)
        count = sum(running.values())
        for one in running if count else ():
            spent[one] += (moment - last) * running[one] / count
        if not count:
            spent["host"] += moment - last
        running[kind] += change
        last = moment
    return spent


def kind_of(operator: Operator, stretches: Sequence[Stretch]) -> str:
    """The kind of work, of KINDS, that an operator did."""
    middle = (operator.begin + operator.end) / 2
    stage = next((one.kind for one in stretches if middle <= one.end), "ends")
    kind = TYPES.get(operator.kind, "pointwise")
    # Where there is no attention, products and what orders their operands are a convolution's. So
    # is, in a block, the one small linear layer of the time.
    if stage != "transformer" and kind == "attention":
        return "convolution"
    if stage in CONVOLVING and operator.kind in ("MatMul", "Gather"):
        return "convolution"
    return kind


def product_rates(size: int = 2048, repeats: int = 5) -> dict[str, float]:
    """Multiply-adds a second of a large matrix product, by library."""
    a = np.random.default_rng(0).standard_normal((2, size, size), np.float32)
    x, y = Tensor(a[0]), Tensor(a[1])

    @mindspore.jit
    def product(x, y):
        return ops.MatMul()(x, y)

    ways = {"MindSpore": lambda: product(x, y).asnumpy(), "numpy": lambda: a[0] @ a[1]}
    return {name: size**3 / min(_timed(way) for _ in range(repeats)) for name, way in ways.items()}


def limits(counted: Counter[str], rates: dict[str, float]) -> dict[str, float]:
    """Seconds that so many multiply-adds take at the quickest rate."""
    return {kind: count / max(rates.values()) for kind, count in counted.items()}


def report(spent, counted, rates, plain) -> None:
    """Print the figures."""
    for name, rate in rates.items():
        print(f"matrix product, {name}: {2 * rate / 1e9:.0f} GFLOP/s")
    least = limits(counted, rates)
    print(f"{'':12}{'seconds':>9}{'share':>7}{'GFLOP/s':>9}{'limit, s':>10}{'above it, s':>13}")
    for kind in KINDS:
        seconds = spent[kind]
        line = f"{kind:12}{seconds:9.3f}{seconds / sum(spent.values()):7.1%}"
        if counted[kind]:
            line += f"{2 * counted[kind] / seconds / 1e9:9.0f}{least[kind]:10.3f}"
            line += f"{seconds - least[kind]:13.3f}"
        print(line)
    print(f"in all {sum(spent.values()):.2f} s profiled, {plain:.2f} s not profiled")


def longest(found: Sequence[Operator], count: int = 8) -> str:
    """The types of operators that took longest, with their seconds and how many there were."""
    each = Counter(operator.kind for operator in found)
    took: Counter[str] = Counter()
    for operator in found:
        took[operator.kind] += operator.end - operator.begin
    types = [f"{kind} {took[kind]:.3f} s ({each[kind]})" for kind, _ in took.most_common(count)]
    return f"{len(found)} operators; " + ", ".join(types)


if __name__ == "__main__":
    main()
