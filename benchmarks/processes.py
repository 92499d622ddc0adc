"""Work in processes of its own: memory is that work's alone, and two can take turns."""

import multiprocessing
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

Result = TypeVar("Result")


class Worker(NamedTuple):
    """A generator that runs in a process of its own, from one `ask` to the next."""

    process: BaseProcess
    pipe: Connection


def fresh(function: Callable[..., Result], *arguments: object) -> Result:
    """What a function returns when it is called in a fresh interpreter.

    A forked one would begin with this one's memory.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor:
        return executor.submit(function, *arguments).result()


def start(function: Callable[..., Iterator[Any]], *arguments: object) -> Worker:
    """A fresh interpreter that calls a generator function, and waits to be asked."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()
    return Worker(process, ours)


def ask(worker: Worker) -> Any:
    """What the generator yields next; RuntimeError with its traceback where it fails."""
    try:
        worker.pipe.send(True)
        answer, failure = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        raise RuntimeError(
            f"the process ended with exit code {worker.process.exitcode}"
            " (-9: the system had no memory left for it)"
        ) from None
    if failure:
        raise RuntimeError(f"in its own process:\n{failure}")
    return answer


def stop(worker: Worker) -> None:
    """End the process."""
    worker.pipe.close()
    worker.process.join(10)
    worker.process.kill()
    worker.process.join()


def _serve(pipe, function, arguments):
    """Answer each question with the next thing that the generator yields.

    Between them the process is blocked on the pipe and takes no processor.
    """
    answers = function(*arguments)
    try:
        while pipe.recv():
            pipe.send((next(answers), None))
    except EOFError:  # stopped
        return
    except Exception:
        pipe.send((None, traceback.format_exc()))


def peak_memory() -> int:
    """The most bytes of memory that this process held: Linux alone says.

    Not getrusage's ru_maxrss, which keeps what the parent held when it started this process.
    """
    for entry in Path("/proc/self/status").read_text().splitlines():
        if entry.startswith("VmHWM:"):
            return int(entry.split()[1]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM: this needs Linux")
