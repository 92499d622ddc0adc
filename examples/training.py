"""A step of training as a compiled pure function, and the loop that can be stopped and resumed."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import mindspore
import numpy as np
import optimizers
from mindspore import Parameter, ParameterTuple, Tensor, ops
from safetensors.numpy import load_file
from team import ALONE, Team, mean
from tqdm import tqdm

from mdx import kernels, weights

__all__ = ["Plan", "decays", "initial", "let_workers_run", "stepper", "train"]


class Plan(NamedTuple):
    """How one stage is trained."""

    steps: int
    rate: float  # the largest learning rate
    warmup: int = 100  # steps
    decay: float = 0.01  # of weights, in units of the rate; none for norms and biases
    longest: float = 1.0  # gradients are shortened to this
    keep: float = 0.998  # of the averaged weights at each step
    save_every: int = 200  # steps


def let_workers_run() -> None:
    """Start MindSpore's own threads, and then give this one the lowest priority.

    It spins while it waits for a graph, and takes a core from the threads that it waits for.
    """

    @mindspore.jit
    def negative(x):
        return -x

    negative(Tensor(1.0, mindspore.float32)).asnumpy()
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def initial(sizes: dict, generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Weights to start from, float32 by name; residual branches start at zero."""
    found = {}
    for name, shape in sizes.items():
        layer, kind = name.rsplit(".", 1)
        if len(shape) == 1:
            value = np.full(shape, float(kind == "weight"))  # norms: 1, biases: 0
        elif layer.endswith((".conv2", ".proj_out")) or name == "conv_out.weight":
            value = np.zeros(shape)
        elif layer.startswith("text_model.embeddings."):
            value = generator.standard_normal(shape) * 0.1
        else:
            value = generator.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
        found[name] = value.astype(np.float32)
    return found


def decays(places: tuple, decay: float) -> np.ndarray:
    """Weight decay of each number, (P,): none for norms and biases."""
    each = [np.full(place.end - place.start, decay * (len(place.shape) > 1)) for place in places]
    return np.concatenate(each).astype(np.float32)


def stepper(loss: Callable, places: tuple, plan: Plan, team: Team = ALONE) -> Callable:
    """The compiled step for loss(params, *batch), params by name as in the layout.

    -> step(vector, momentum, mean, square, averaged, decay, count, rate, *batch), which returns
    the first five anew, the loss and the gradient's length.
    """
    # The gradient with respect to a dict would make every look-up a dict of zeros for all others:
    # a graph that grows with the square of their number and takes many minutes to compile. With
    # respect to Parameters it takes seconds. They hold nothing from one step to the next.
    params = {
        place.name: Parameter(np.zeros(place.shape, np.float32), name=place.name)
        for place in places
    }
    tied = ParameterTuple(params.values())
    where = optimizers.stacks(places)

    def of_batch(batch):
        return loss(params, *batch)

    @mindspore.jit
    def gradients_of(*batch):
        value, gradients = mindspore.value_and_grad(of_batch, None, tied)(batch)
        # Not a loop: over some hundred tensors that exceeds a graph's call depth. One vector, for
        # the host waits each time that it takes a tensor from MindSpore.
        return ops.concat((value.reshape((1,)), *ops.HyperMap()(_flat, gradients)))

    @mindspore.jit
    def update(vector, momentum, mean, square, averaged, gradient, decay, count, rate):
        gradient, length = optimizers.clip(gradient, plan.longest)
        vector, momentum, mean, square = optimizers.update(
            where, vector, momentum, mean, square, gradient, count, rate, decay
        )
        averaged = optimizers.average(averaged, vector, count, plan.keep)
        return vector, momentum, mean, square, averaged, length

    def step(vector, momentum, average, square, averaged, decay, count, rate, *batch):
        host = vector.asnumpy()
        for parameter, (_, start, end, shape) in zip(tied, places, strict=True):
            # A tensor's array is its own memory: this is one copy. ops.assign is an operator each.
            parameter.asnumpy()[...] = host[start:end].reshape(shape)
        found = mean(team, gradients_of(*batch).asnumpy())
        state = vector, momentum, average, square, averaged
        *vectors, length = update(*state, Tensor(found[1:]), decay, count, rate)
        return *vectors, found[0], length

    return step


def _flat(x):
    return x.reshape((-1,))


KEYS = ("weights", "momentum", "mean", "square", "average")


# Native operators have no derivatives.
@kernels.lowered("plain")
def train(
    name: str,
    loss: Callable,
    start: dict[str, np.ndarray],
    batch: Callable,
    plan: Plan,
    folder: Path,
    team: Team = ALONE,
) -> tuple[dict[str, np.ndarray], list[float]]:
    """Run the plan's steps, or what is left of them; -> (averaged weights by name, losses).

    start: the first weights. batch(step) gives the arrays of a step, the same ones each time it is
    asked; in a team, this process's part of them. The state is kept in folder, by the first process
    of a team. RuntimeError if the loss is no number any more.
    """
    kept = folder / f"{name}.safetensors"
    places = optimizers.layout({key: value.shape for key, value in start.items()})
    if kept.is_file():
        state = load_file(kept)
    else:
        vector = optimizers.join(start, places)
        vectors = (vector, *(one.asnumpy() for one in optimizers.init(places)), vector)
        state = {**dict(zip(KEYS, vectors, strict=True)), "losses": np.zeros(0, np.float32)}
    losses = list(state["losses"])
    vectors = [Tensor(state[key].copy()) for key in KEYS]
    decay = Tensor(decays(places, plan.decay))
    step = stepper(loss, places, plan, team)
    first = team.rank == 0
    bar = tqdm(total=plan.steps, initial=len(losses), desc=name, unit="step", disable=not first)
    for count in range(len(losses), plan.steps):
        rate = optimizers.learning_rate(count, plan.steps, plan.rate, plan.warmup)
        scalars = [Tensor(one, mindspore.float32) for one in (count + 1.0, rate)]
        *vectors, value, length = step(*vectors, decay, *scalars, *map(Tensor, batch(count)))
        losses.append(float(value))
        if not np.isfinite(losses[-1]):
            raise RuntimeError(f"{name}: the loss is {losses[-1]} at step {count}; lower the rate")
        bar.update()
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}", norm=f"{float(length.asnumpy()):.2f}")
        if (count + 1) % plan.save_every == 0 or count + 1 == plan.steps:
            arrays = [vector.asnumpy() for vector in vectors]
            state = {**dict(zip(KEYS, arrays, strict=True)), "losses": np.float32(losses)}
            if first:
                weights.save(state, kept)
    bar.close()
    found = optimizers.part(state["average"], places)
    return {key: found[key] for key in start}, losses
