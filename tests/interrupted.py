"""Ctrl-C at one moment after the other, in one process; to be run as one.

python -m tests.interrupted CHECKPOINT FOLDER prints what came of each as JSON. The signals are
real, to the process, and there is a thread beside the main one that the system may give them to.
"""

import hashlib
import itertools
import json
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor, ops
from PIL import Image

import mdx
from mdx import cli, compile_cache, schedulers
from tests.generating import latents as generated

# The compiled calls of a run of three steps: two texts; input, UNet and sampler of a
# row in turn; the VAE.
CALLS = {0: "text encoder", 6: "UNet", 7: "step", 14: "decode"}


def main(checkpoint, folder):
    model = mdx.load(checkpoint)
    found = {}

    def run(**options):
        return generated(model, **{"steps": 3, "output": "np", **options})

    def digest():
        return hashlib.sha256(run().tobytes()).hexdigest()

    def at(number):
        """A run of mdx during which SIGINT comes within the compiled call of that number."""
        found, calls = compile_cache.GRAPHS.found, itertools.count()

        def call(key):
            if next(calls) == number:
                interrupt()
            return found(key)

        return lambda: patched(compile_cache.GRAPHS, "found", call, run)

    def note(moment, work):
        found[moment] = (stopped(work), digest(), own_handler())

    found["undisturbed"] = ("went on", digest(), own_handler())
    mutable, export = mindspore.mutable, mindspore.export
    note(
        "load", lambda: patched(mindspore, "mutable", before(mutable), lambda: mdx.load(checkpoint))
    )
    note("compile", lambda: patched(mindspore, "export", before(export), last_stage))
    for number, moment in CALLS.items():
        note(moment, at(number))
    note("between calls", lambda: (run(), interrupt()))
    note("within a call", lambda: during(slow))
    note("twice", lambda: during(slow, times=2))
    note("in a thread", lambda: in_a_thread(lambda: during(slow)))
    note("after a thread", lambda: (in_a_thread(slow), interrupt()))

    came = []
    signal.signal(signal.SIGINT, lambda *_: came.append("own"))
    outcome = stopped(lambda: during(slow))
    found["a handler of the program's"] = (outcome, digest(), came == ["own"])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    outcome = stopped(lambda: during(slow))
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    found["ignored"] = (outcome, digest(), ignored and not kernel_catches())
    signal.signal(signal.SIGINT, signal.default_int_handler)

    out = Path(folder) / "out.png"
    command = ["a red circle", "--model", checkpoint, "--steps", "2", "--seed", "0", "-o", str(out)]
    for moment, module, name, times in (
        ("command, step", schedulers, "step", 1),
        ("command, save, twice", Image.Image, "save", 2),
    ):
        again = before(getattr(module, name), times)
        status = patched(module, name, again, lambda: cli.main(command))
        found[moment] = (status, digest(), own_handler())
    found["files"] = sorted(file.name for file in Path(folder).iterdir())
    print(json.dumps(found))


def last_stage():
    """What compiles soonest; without files, for another process of these moments may write them."""
    from tests.last_stage import inputs, run

    with tempfile.TemporaryDirectory() as own, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MDX_COMPILE_CACHE", str(Path(own).resolve() / "graphs"))
        run(inputs(batch=8))


def kernel_catches():
    """Whether a handler is called at SIGINT, as Linux says."""
    status = Path("/proc/self/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGINT - 1) & 1)


def stopped(work):
    """What a signal within `work` makes of it."""
    try:
        work()
    except KeyboardInterrupt:
        return "KeyboardInterrupt"
    return "went on"


def own_handler():
    """Whether SIGINT is answered as it was when the process began."""
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler and kernel_catches()


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def before(function, times=1):
    def call(*arguments, **options):
        for _ in range(times):
            interrupt()
        return function(*arguments, **options)

    return call


@compile_cache.compiled
def products(x, i):
    """A fifth of a second of matrix products."""
    while i < 60:
        x = ops.MatMul()(x, x) * 0.1
        i = i + 1
    return x


def slow():
    """One compiled call, in the midst of which a signal comes."""
    return products(Tensor(np.eye(800, dtype=np.float32)), Tensor(0, mindspore.int32)).asnumpy()


def during(work, times=1):
    """Signals to the process, soon after the work began, from a thread that could take them."""
    work()  # it is compiled

    def send():
        for _ in range(times):
            time.sleep(0.05)
            interrupt()

    sender = threading.Thread(target=send)
    sender.start()
    try:
        work()
    finally:
        sender.join()


def in_a_thread(work):
    """The work is another thread's, which ends it, and the main one waits for it."""
    ended, done = [], threading.Event()

    def turn():
        ended.append(stopped(work))
        done.set()

    threading.Thread(target=turn).start()
    try:
        while not done.wait(0.01):
            pass
    finally:
        done.wait()
        assert ended == ["went on"]


def patched(module, name, value, work):
    usual = getattr(module, name)
    setattr(module, name, value)
    try:
        return work()
    finally:
        setattr(module, name, usual)


if __name__ == "__main__":
    main(*sys.argv[1:])
