"""The machine and the libraries that figures were measured with."""

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "mindspore", "numpy", "torch", "diffusers", "transformers", "accelerate", "openvino",
)  # fmt: skip


def about(threads: int) -> dict[str, Any]:
    """Processor, threads of each side, and versions; None for what is not installed."""
    found = {"processor": _processor(), "threads": threads, "python": platform.python_version()}
    return found | {name: _version(name) for name in LIBRARIES}


def _version(name):
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _processor():
    names = [
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor()


def others_busy(before: tuple[float, ...], after: tuple[float, ...]) -> float:
    """Processors that other programs kept busy between two `clocks`: 0 on an idle machine."""
    wall, busy, own = (b - a for a, b in zip(before, after, strict=True))
    return max(0.0, (busy - own) / wall)


def clocks() -> tuple[float, float, float]:
    """Seconds on the wall, of all processors at work, and of this program and its ended children.

    The first line of /proc/stat counts user, nice, system, idle, iowait, irq, softirq and steal.
    """
    words = Path("/proc/stat").read_text().split("\n")[0].split()[1:9]
    user, nice, system, _, _, irq, softirq, steal = (int(word) for word in words)
    busy = (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return time.perf_counter(), busy, sum(os.times()[:4])
