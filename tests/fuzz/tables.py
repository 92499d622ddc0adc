"""Tables and states: their files, and arrays put together by hand."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz import folders, odd, weights_files
from tests.fuzz.fuzzer import Fuzzer, Input, Make

NAMES = ("ddim", "pndm", "heun", "dpmpp_2m", "unipc", "euler_a", "lcm", "ddpm")


def array_turn(random: Random, value: np.ndarray) -> Any:
    """An array after one turn: a number, its shape or its type."""
    kind = random.randrange(8)
    if kind < 3 and value.size and value.dtype.kind == "f":
        changed = value.copy()
        number = odd.number(random)
        with np.errstate(all="ignore"):
            flat = changed.reshape(-1)
            flat[random.randrange(flat.size)] = float(number) if abs(number) < 1e308 else np.inf
        return changed
    if kind == 3:
        return random.choice((value[:-1] if value.ndim else value, value[None], value.ravel()))
    if kind == 4:
        return np.concatenate([value, value]) if value.ndim else value[None]
    if kind == 5:
        with np.errstate(all="ignore"), suppress(ValueError):  # not all words are numbers
            return value.astype(random.choice(("f4", "f2", "i8", "c16", "O", "U9")))
    if kind == 6:
        return odd.array(random)
    return odd.anything(random)


def field_turn(random: Random, record: Any) -> tuple[Any, str]:
    """A named tuple with one field spoilt, and the field's name."""
    name = random.choice(record._fields)
    value = getattr(record, name)
    arrays = isinstance(value, np.ndarray)
    return record._replace(
        **{name: array_turn(random, value) if arrays else odd.anything(random)}
    ), name


def prepare(folder: Path) -> Make:
    """Tables of several samplers, alone and stacked; a state; and what takes them."""
    import mdx
    from mdx import schedulers

    folders.tiny_checkpoint(folder / "tiny")
    model = mdx.load(folder / "tiny")
    made = [schedulers.table(schedulers.from_config(model.scheduler, n), 4) for n in NAMES]
    made.append(schedulers.stack(made[:2]))
    noise = np.zeros((2, 4, 8, 8), np.float32)
    states = [schedulers.init(table, noise) for table in made]
    files = {"table.safetensors": b"", "state.safetensors": b""}
    raw_tables, raw_states = [], []
    for table, state in zip(made, states, strict=True):
        schedulers.save(table, folder / "table.safetensors")
        schedulers.save_state(state, folder / "state.safetensors")
        raw_tables.append((folder / "table.safetensors").read_bytes())
        raw_states.append((folder / "state.safetensors").read_bytes())

    def save_and_load(table: Any) -> None:
        try:
            schedulers.save(table, folder / "table.safetensors")
            schedulers.load(folder / "table.safetensors")
        finally:
            (folder / "table.safetensors").unlink(missing_ok=True)

    def generate(table: Any) -> None:
        mdx.generate(model, ["a", "b"], scheduler=table, seed=0, progress=False)

    def resume(state: Any) -> None:
        mdx.generate(model, ["a", "b"], scheduler="unipc", start=state, seed=0, progress=False)

    of_tables: dict[str, Callable[[Any], Any]] = {
        "check": schedulers.check,
        "check ": schedulers.check,
        "take": lambda table: schedulers.take(table, slice(0, 2)),
        "concat": lambda table: schedulers.concat(table, made[0]),
        "stack": lambda table: schedulers.stack([table, made[1]]),
        "pad": lambda table: schedulers.pad(table, 7),
        "save": save_and_load,
        "generate": generate,
        "init": lambda table: schedulers.init(table, noise),
        "add_noise": lambda table: schedulers.add_noise(table, 1, noise, noise),
        "step": lambda table: schedulers.step(table, states[0], noise, noise),
    }
    of_states: dict[str, Callable[[Any], Any]] = {
        "step": lambda state: schedulers.step(made[0], state, noise, noise),
        "save_state": lambda state: schedulers.save_state(state, folder / "state.safetensors"),
        "resume": resume,
    }

    def read(name: str, content: folders.Content) -> None:
        with folders.changed(folder, {}, {name: content}):
            if name.startswith("table"):
                generate(schedulers.load(folder / name))
            else:
                resume(schedulers.load_state(folder / name))

    def make(random: Random, turns: list[Random]) -> Input:
        kind = random.random()
        if kind < 0.5:
            name = random.choice(list(files))
            raws = raw_tables if name.startswith("table") else raw_states
            content: folders.Content = random.choice(raws)
            for turn in turns:
                if isinstance(content, bytes):
                    content = weights_files.file_turn(turn, content, raws)
            words = f"{name}: {odd.shown(weights_files.described(content), 700)}"
            return Input(
                words, (name, "table", "state", "start", "scheduler"), lambda: read(name, content)
            )
        calls, records = (of_tables, made) if kind < 0.85 else (of_states, states)
        what, record = random.choice(list(calls)), random.choice(records)
        changed, names = record, []
        for turn in turns:
            changed, name = field_turn(turn, changed)
            names.append(name)
        fields = {name: getattr(changed, name) for name in names}
        words = f"{what} of {odd.shown(fields, 700)}"
        call = calls[what]
        return Input(
            words,
            (*names, "table", "state", "start", "sample", "a run", "noise"),
            lambda: call(changed),
        )

    return make


FUZZER = Fuzzer("tables", 10, prepare)
