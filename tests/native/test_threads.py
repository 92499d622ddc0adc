"""Threads: the same bits whatever their number, forks, callers at once; and what is refused."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mdx.kernels.native import calls
from tests.native import operators
from tests.native.libraries import CLASSES, load
from tests.native.operators import Norm, stored

RNG = np.random.default_rng(0)
MAPS = RNG.standard_normal((2, 70, 30, 34), np.float32)
ROWS = RNG.standard_normal((2, 150, 70), np.float32)
KERNEL = stored(RNG.standard_normal((45, 70, 3, 3)), "bfloat16")
MATRIX = stored(RNG.standard_normal((90, 70)), "float16")
GROUPS = Norm(calls.GROUP_NORM, groups=7, activation=calls.SILU)
BORDER = {"top": 1, "left": 1, "bottom": 1, "right": 1}


def _convolve(library, method):
    options = {**BORDER, "method": method, "norm": GROUPS}
    return operators.convolution(library, MAPS, KERNEL, (2, 45, 30, 34), **options)


def _attend(library, layout):
    shape = ROWS.shape
    layouts = dict.fromkeys(("q_layout", "k_layout", "v_layout", "out_layout"), layout)
    return operators.attention(library, ROWS, ROWS, ROWS, shape, 2, 2, scale=0.2, **layouts)


ALL = {
    "linear": lambda library: operators.linear(
        library, ROWS, MATRIX, (2, 150, 45), x_layout=calls.ROWS, out_layout=calls.ROWS,
        gate=calls.GATE_LAST, activation=calls.GELU, norm=Norm(calls.LAYER_NORM),
    ),
    "linear on maps": lambda library: operators.linear(
        library, MAPS, MATRIX, (2, 90, 30, 34), norm=Norm(calls.LAYER_NORM)
    ),
    "direct": lambda library: _convolve(library, calls.DIRECT),
    "winograd": lambda library: _convolve(library, calls.WINOGRAD),
    "attention": lambda library: _attend(library, calls.ROWS),
    "attention on maps": lambda library: _attend(library, calls.MAPS),
    "norm": lambda library: operators.normalise(library, MAPS, GROUPS, calls.MAPS),
    "activation": lambda library: operators.activate(
        library, ROWS, (2, 150, 35), calls.ROWS, calls.SILU, calls.GATE_FIRST
    ),
    "rotary": lambda library: operators.rotate(
        library, ROWS, ROWS[0, :, :17].copy(), ROWS[1, :, :17].copy(), calls.ROWS, 2, True
    ),
}  # fmt: skip


@pytest.fixture
def threads():
    """Sets a library's threads, and sets them back."""
    changed = []

    def set_threads(library, count):
        changed.append((library, library.mdx_threads()))
        assert library.mdx_set_threads(count) == 0

    yield set_threads
    for library, count in reversed(changed):
        library.mdx_set_threads(count)


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", ALL)
def test_bits_do_not_depend_on_the_number_of_threads(kind, name, threads):
    library = load(kind)
    found = []
    for count in (1, 2, 3, 5):
        threads(library, count)
        found.append(ALL[name](library))
    assert np.isfinite(found[0]).all()
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("kind", CLASSES)
def test_a_forked_process_has_threads_of_its_own(kind, threads):
    library = load(kind)
    threads(library, 3)
    expected = _attend(library, calls.ROWS)
    child = os.fork()
    if child == 0:
        signal.alarm(20)  # a child that waits for its parent's threads would wait for good
        same = np.array_equal(_attend(library, calls.ROWS), expected)
        os._exit(0 if same and len(os.listdir("/proc/self/task")) == 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.array_equal(_attend(library, calls.ROWS), expected)


@pytest.mark.parametrize("kind", CLASSES)
def test_callers_at_once_take_turns(kind, threads):
    library = load(kind)
    threads(library, 2)
    names = list(ALL) * 3
    expected = {name: ALL[name](library) for name in ALL}
    with ThreadPoolExecutor(4) as callers:
        found = list(callers.map(lambda name: ALL[name](library), names))
    for name, result in zip(names, found, strict=True):
        assert np.array_equal(result, expected[name])


@pytest.mark.parametrize("kind", CLASSES)
def test_fewer_than_one_thread_is_refused(kind):
    library = load(kind)
    before = library.mdx_threads()
    assert library.mdx_set_threads(0) != 0
    assert library.mdx_threads() == before


REFUSED = {
    "groups on rows": (
        lambda library: operators.normalise(library, ROWS, GROUPS, calls.ROWS),
        "groups are normalised on maps",
    ),
    "channels that are no whole groups": (
        lambda library: operators.normalise(library, MAPS, GROUPS._replace(groups=8), calls.MAPS),
        "70 channels are not 8 equal groups",
    ),
    "Winograd with a stride": (
        lambda library: operators.convolution(
            library, MAPS, KERNEL, (2, 45, 14, 16), stride=2, method=calls.WINOGRAD
        ),
        "Winograd is for 3x3 and stride 1",
    ),
    "a kernel larger than the picture": (
        lambda library: operators.convolution(
            library, MAPS[:, :, :2].copy(), KERNEL, (2, 45, 1, 32)
        ),
        "the kernel is larger than the padded picture",
    ),
    "heads that do not share keys evenly": (
        lambda library: operators.attention(library, MAPS, MAPS, MAPS, MAPS.shape, 3, 2, scale=1.0),
        "heads must be a multiple of key_heads",
    ),
    "an odd number of channels that turn": (
        lambda library: operators.rotate(
            library, ROWS, ROWS[0].copy(), ROWS[1].copy(), calls.ROWS, 1, False
        ),
        "no more than a head has",
    ),
    "nothing": (
        lambda library: operators.activate(
            library, np.empty((2, 0, 70), np.float32), (2, 0, 70), calls.ROWS, calls.SILU, 0
        ),
        "at least 1",
    ),
}


@pytest.mark.parametrize("kind", CLASSES)
@pytest.mark.parametrize("name", REFUSED)
def test_what_an_operator_cannot_do_it_refuses_in_words(kind, name):
    call, message = REFUSED[name]
    with pytest.raises(RuntimeError, match=message):
        call(load(kind))
