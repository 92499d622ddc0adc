"""A network as a denoiser: its weights and its conditioning, lowered to compiled calls."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import mindspore
import numpy as np
from mindspore import Tensor
from numpy.typing import NDArray

from mdx.compile_cache import compiled
from mdx.conditioning import Conditioning
from mdx.mapped import check_files, drop
from mdx.memory import Memory
from mdx.net import Net
from mdx.nets import low_rank, unet, unet_stages
from mdx.nets.params import Params
from mdx.nets.unet_changes import NOTHING, Changes
from mdx.prompt_schedule import Changing
from mdx.prompt_schedule import at as conditioning_at
from mdx.prompt_schedule import which as which_conditioning
from mdx.sampling import staged
from mdx.sampling.denoiser import Carry, Denoiser, Row, nothing, per_image
from mdx.sampling.factors import Factors, told
from mdx.sampling.scales import Followed, at

__all__ = [
    "Network", "alike", "all_params", "guided_in", "inputs", "predict", "prompts_in",
]  # fmt: skip

# Makes of a conditioning and the sample's shape (B, C, h, w) what the network reads beside x and t.
Inputs = Callable[[Conditioning, tuple[int, ...]], dict[str, NDArray[Any]]]


CHANNELS = "channels"  # of a conditioning (B, C, h, w): what is read behind the sample's

ONE = np.ones((), np.float32)
ONE.setflags(write=False)


class Network(NamedTuple):
    """A denoiser made of a network; exchange what it is made of with _replace.

    It is called stage by stage where the network is large, or its weights come and go: see
    `Memory`. What it is made of is fixed for a run: `lowered` makes it ready for one.
    """

    net: Net  # config, weights and where they lie
    conditioning: Changing  # of B images
    inputs: Inputs  # the family's: see there
    memory: Memory = Memory()
    prediction: str | None = None  # what the network returns, as schedulers.PREDICTIONS has it
    negative: Changing | None = None  # what guidance moves away from; None: no guidance
    scale: Followed = ONE  # how far: see guidance.classifier_free
    changes: Changes = NOTHING  # what is done otherwise inside: see unet_changes.py
    factors: Factors | None = None  # what LoRAs add to the weights, to each image its own

    def __repr__(self) -> str:
        """What it is, in short; its weights are in its fields."""
        away = "" if self.negative is None else f", away from {self.negative!r}"
        return f"Network({self.net!r},\n    {self.conditioning!r}{away})"

    def init(self, shape: tuple[int, ...]) -> Carry:
        """What is carried first for samples of a shape: nothing. See `Denoiser`."""
        return self.lowered().init(shape)

    def apply(self, carry: Carry, x: Tensor, row: Row) -> tuple[Tensor, Carry]:
        """The output for x (B, C, h, w), and what is carried on. See `Denoiser`.

        For one call: `sample` makes the network ready once, for a run.
        """
        return self.lowered().apply(carry, x, row)

    def lowered(self) -> Denoiser:
        """The denoiser as functions that are ready for a run, in which nothing is made twice."""
        prepared = functools.cache(functools.partial(inputs, self))
        params = functools.cache(functools.partial(all_params, self))
        # Of the weights by stage there is one, whether rows are guided or not.
        parts = functools.cache(lambda: staged.parts(self.net.config, params()))
        predict = functools.cache(lambda guided: _predictor(self, guided, parts, params))

        def init(shape: tuple[int, ...]) -> Carry:
            check_files(self.net.places.values())
            unet_stages.owns(self.net.config, self.changes)  # refuses what is not there
            more = conditioning_at(self.conditioning, 0).arrays.get(CHANNELS)
            channels = self.net.config.in_channels - (0 if more is None else more.shape[1])
            if len(shape) != 4 or shape[1] != channels:
                raise ValueError(
                    f"the sample has shape {shape}, and the network takes (B, {channels}, h, w)"
                )
            if shape[0] != self.conditioning.batch:
                raise ValueError(
                    f"the conditioning is of {self.conditioning.batch} images, and the sample of "
                    f"{shape[0]}: take or repeat the conditioning"
                )
            if more is not None and more.shape[2:] != shape[2:]:
                raise ValueError(
                    f"{CHANNELS} of the conditioning have shape {more.shape}, and the sample "
                    f"{shape}: expected the same height and width"
                )
            if self.factors is not None and len(self.factors.strengths) != shape[0]:
                raise ValueError(
                    f"factors are for {len(self.factors.strengths)} images, and the sample is of "
                    f"{shape[0]}"
                )
            return nothing(shape)

        def apply(carry: Carry, x: Tensor, row: Row) -> tuple[Tensor, Carry]:
            scale = guided_in(self, row, x.shape[0])
            read = prepared(tuple(x.shape), scale is not None, prompts_in(self, row))
            if self.factors is not None:
                read = told(read, self.factors.at(row), scale is not None)
            factor = np.ones(x.shape[0], np.float32) if scale is None else scale
            t = per_image(row.t, x.shape[0])
            return predict(scale is not None)(x, Tensor(t), read, Tensor(factor)), carry

        return Denoiser(init, apply, self.prediction)


def alike(one: Network, other: Network) -> bool:
    """Whether both are one network whose conditionings can be halves of one call."""
    shapes = [
        {name: (array.dtype, array.shape) for name, array in first.arrays.items()}
        for first in (conditioning_at(made.conditioning, 0) for made in (one, other))
    ]
    return (
        one.net.params is other.net.params
        and one.net.config == other.net.config
        and one.inputs == other.inputs
        and one.memory == other.memory
        and one.prediction == other.prediction
        and one.changes == other.changes
        and one.factors is other.factors
        and one.negative is None
        and other.negative is None
        and shapes[0] == shapes[1]
    )


def guided_in(network: Network, row: Row, count: int) -> NDArray[np.float32] | None:
    """How far each of `count` images is moved in a row; None where none of them is.

    At 1 the negative half counts for nothing, as for an image that is made without one.
    """
    if network.negative is None:
        return None
    scale = at(network.scale, row, count)
    return np.maximum(scale, 1) if (scale > 1).any() else None


def prompts_in(network: Network, row: Row) -> tuple[int, int]:
    """Which conditionings hold in a row: their numbers in the schedules that a network may have."""
    positive, negative = network.conditioning, network.negative
    away = 0 if negative is None else which_conditioning(negative, row.index, row.count)
    return which_conditioning(positive, row.index, row.count), away


def inputs(
    network: Network, shape: tuple[int, ...], guided: bool, which: tuple[int, int] = (0, 0)
) -> Any:
    """What the graphs read beside the sample and the time, as a mutable dict of tensors.

    With `guided` they are the negative half, and then the positive one, of 2B images. `which` are
    those that `prompts_in` gives.
    """
    found = _read(network, conditioning_at(network.conditioning, which[0]), shape)
    if guided and network.negative is not None:
        away = _read(network, conditioning_at(network.negative, which[1]), shape)
        found = {name: np.concatenate([away[name], found[name]]) for name in found}
    return mindspore.mutable({name: Tensor(array) for name, array in found.items()})


def _read(network: Network, one: Conditioning, shape: tuple[int, ...]) -> dict[str, NDArray[Any]]:
    """What the family's network reads of a conditioning, and channels, which all read alike."""
    found = network.inputs(one, shape)
    return {**found, CHANNELS: one.arrays[CHANNELS]} if CHANNELS in one.arrays else found


def all_params(network: Network) -> Any:
    """The weights, and the factors beside them, as a mutable dict of tensors."""
    if network.factors is None:
        return network.net.params
    return mindspore.mutable({**network.net.params, **network.factors.params})


def _predictor(
    network: Network,
    guided: bool,
    parts: Callable[[], tuple[staged.Part, ...]],
    params: Callable[[], Any],
) -> Callable[..., Tensor]:
    """A function (x, t, conditioning, scale) -> the network's output (B, C, h, w)."""
    net, memory = network.net, network.memory
    if not staged.in_stages(net, memory):
        call = _in_one_call(net.config, guided, memory.part_bytes, network.changes)
        return functools.partial(call, params())

    def used(part: staged.Part) -> None:
        if memory.weights == "stage":
            drop(net.places[name] for name in part.names if name in net.places)

    return staged.predictor(net.config, parts(), guided, memory.part_bytes, used, network.changes)


# One compiled function a config: MindSpore keeps a graph for each shape it is called with.


@functools.cache
def _in_one_call(
    config: Any, guided: bool, part_bytes: int, changes: Changes = NOTHING
) -> Callable[..., Tensor]:
    return compiled(predict(config, guided, part_bytes, changes))


def predict(
    config: Any, guided: bool, part_bytes: int, changes: Changes = NOTHING
) -> Callable[..., Tensor]:
    """The network's call as a function (params, x, t, conditioning, scale) inside a graph."""

    def call(
        params: Params, x: Tensor, t: Tensor, conditioning: Mapping[str, Tensor], scale: Tensor
    ) -> Tensor:
        if low_rank.SCALE in conditioning:
            params = low_rank.with_scale(params, conditioning[low_rank.SCALE])
        if not guided:
            return unet.apply(config, params, x, t, conditioning, part_bytes, changes)
        x, t = staged.doubled(x, t)
        both = unet.apply(config, params, x, t, conditioning, part_bytes, changes)
        return staged.combined(both, scale)

    return call
