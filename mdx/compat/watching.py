"""Scripts' callbacks, as the function that `mdx.generate` calls after every step."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from mindspore import Tensor

import mdx
from mdx.checks import shown, whole
from mdx.compat.calls import Call
from mdx.compat.levels import factor
from mdx.compat.texts import Texts, array
from mdx.families import family_of
from mdx.schedulers import State, Table

__all__ = ["Stopped", "Watch", "after", "encoded", "guide"]

LATENTS = "latents"
# The arrays of conditionings by the names that scripts have for them.
ARRAYS = {"prompt_embeds": "context", "add_text_embeds": "pooled"}
NEGATIVE = "negative_prompt_embeds"
TIME_IDS = "add_time_ids"  # numbers about the picture, as SDXL's network reads them
SEEN = (LATENTS, *ARRAYS, NEGATIVE, TIME_IDS)


class Stopped(Exception):
    """Between a callback that interrupts a run and the call that it is of."""

    def __init__(self, latents: Any) -> None:
        self.latents = latents  # (B, C, h, w) as scripts know them


class Watch(NamedTuple):
    """Who looks at a run."""

    pipe: Any
    model: Any  # with its LoRAs
    call: Call
    texts: Texts
    guided: bool  # whether there is a negative half
    sampler: str  # the class of its sampler


def encoded(call: Call) -> bool:
    """Whether a callback sees what prompts become; ValueError by name for what it cannot see."""
    if call.callback_on_step_end is None:
        return False
    names = call.callback_on_step_end_tensor_inputs
    names = [LATENTS] if names is None else names
    if not isinstance(names, list | tuple) or not set(map(str, names)) <= set(SEEN):
        raise ValueError(
            f"callback_on_step_end_tensor_inputs must be some of {', '.join(SEEN)}, not "
            f"{shown(names)}"
        )
    return any(name != LATENTS for name in names)


def guide(pipe: Any) -> Any:
    """Guidance by the number that the pipeline holds in each row, which a callback may change."""

    def scale(row: Any) -> Any:
        return pipe._guidance_scale

    return lambda positive, negative: mdx.guidance.classifier_free(positive, negative, scale)


def after(watch: Watch) -> Any:
    """A function (table, state) -> state that calls the callbacks; None where there are none."""
    call = watch.call
    for name in ("callback_on_step_end", "callback"):
        function = getattr(call, name)
        if function is not None and not callable(function):
            raise TypeError(f"{name} must be callable, not {shown(function)}")
    every = 1 if call.callback_steps is None else whole("callback_steps", call.callback_steps, 1)
    if call.callback_on_step_end is None and call.callback is None:
        return None

    def look(table: Table, state: State) -> State:
        row = state.index - 1
        watch.pipe._num_timesteps = table.rows
        time = _time(table.t[row])
        scale = factor(watch.sampler, table.alpha[state.index])
        if call.callback_on_step_end is not None:
            state = _called(watch, row, time, state, scale)
        if call.callback is not None and row % every == 0:
            call.callback(row, time, Tensor(_sample(state) * scale))
        if watch.pipe._interrupt:
            raise Stopped(_sample(state) * scale)
        return state

    return look


def _called(watch: Watch, row: int, time: Tensor, state: State, scale: Any) -> State:
    """The state after callback_on_step_end, with the latents that it gave back."""
    names = watch.call.callback_on_step_end_tensor_inputs or [LATENTS]
    given = _tensors(watch, names, _sample(state) * scale)
    before = {name: value.asnumpy().copy() for name, value in given.items()}
    returned = watch.call.callback_on_step_end(watch.pipe, row, time, given)
    if not isinstance(returned, Mapping):
        raise TypeError(
            f"callback_on_step_end must return the dict of tensors, not {shown(returned)}"
        )
    for name, value in returned.items():
        if name not in before:
            raise ValueError(f"callback_on_step_end returned {shown(name)}, which it was not given")
        now = array(name, value)
        if name == LATENTS:
            if now.shape != before[name].shape:
                raise ValueError(
                    f"callback_on_step_end returned latents of shape {now.shape}, not "
                    f"{before[name].shape}"
                )
            if not np.array_equal(now, before[name]):
                state = _with(state, now / scale)
        elif not _same(watch, before[name], now):
            raise ValueError(
                f"callback_on_step_end changed {name}: prompts are fixed for a run, but "
                "mdx.guidance.turns of two denoisers, one for each, changes them at a row"
            )
    return state


def _same(watch: Watch, before: Any, now: Any) -> bool:
    """Whether prompts are as they were, or the positive half of them where nothing is guided."""
    if np.array_equal(now, before):
        return True
    alone = watch.guided and not watch.pipe._guidance_scale > 1
    return alone and np.array_equal(now, before[len(before) // 2 :])


def _tensors(watch: Watch, names: Any, latents: Any) -> dict[str, Tensor]:
    """What a callback is shown: of prompts both halves, the negative one first."""
    found: dict[str, Any] = {}
    for name in names:
        if name == LATENTS:
            found[name] = latents
            continue
        positive, negative = _rows(watch, name, latents.shape)
        if name == NEGATIVE:
            if negative is None:
                raise ValueError(f"{NEGATIVE} are none: guidance_scale is 1 or less")
            found[name] = negative
        else:
            found[name] = positive if negative is None else np.concatenate([negative, positive])
    return {name: Tensor(np.ascontiguousarray(value)) for name, value in found.items()}


def _rows(watch: Watch, name: str, shape: tuple[int, ...]) -> tuple[Any, Any]:
    """An array of every image's prompt and of its negative, None where there is none."""
    model, texts = watch.model, watch.texts

    def of(one: mdx.Conditioning) -> Any:
        if name == TIME_IDS:
            read = family_of(model).inputs(model)(one, shape)
            if "ids" not in read:
                raise ValueError(f"{TIME_IDS} are of SDXL, and this checkpoint reads none")
            return read["ids"]
        key = ARRAYS.get(name, "context")
        if key not in one.arrays:
            raise ValueError(f"{name} are of SDXL, and this checkpoint reads none")
        return one.arrays[key]

    times = watch.call.num_images_per_prompt
    positive = np.repeat(of(texts.positive), times, 0)
    if not watch.guided:
        return positive, None
    negative = of(texts.negative)
    if len(negative) < texts.prompts:
        negative = np.repeat(negative, texts.prompts, 0)
    return positive, np.repeat(negative, times, 0)


def _sample(state: State) -> Any:
    slots: Any = state.slots
    return slots.asnumpy()[0]


def _with(state: State, sample: Any) -> State:
    """The state with another sample, and the history that it had."""
    slots: Any = state.slots
    values = slots.asnumpy().copy()
    values[0] = sample
    return state._replace(slots=Tensor(values))


def _time(time: Any) -> Tensor:
    """A model's time as scripts know it: whole numbers are int64."""
    return Tensor(np.int64(time)) if time == int(time) else Tensor(np.float32(time))
