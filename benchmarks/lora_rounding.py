"""How far pictures of LoRAs that are worn are from those of merged ones, in half precision.

    python benchmarks/lora_rounding.py

Merging rounds the sum of weight and change to the model's dtype; what is worn is rounded by itself.
So the latents differ by what the dtype rounds, and this measures by how much: the largest
difference over the largest latent. Networks are the packaged checkpoint's UNet with the weights
that it has, and with random ones; LoRAs are random, of four ranks, on linear layers and
convolutions, with changes from a hundredth of the weights' size to --most of it: LoRAs that people
train change weights by a few hundredths at most.
"""

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mindspore
import numpy as np

import mdx
from mdx import casting, weights

DTYPES = ("float32", "float16", "bfloat16")
RANKS = (1, 4, 8, 16)  # of the LoRAs, one for each image
LEAST = 0.01  # of a change by its weight: drawn from here on, by the logarithm
OPTIONS = {"scheduler": "ddim", "steps": 3, "guidance": 3, "height": 32, "width": 32}


def layers(model: mdx.Model) -> dict[str, tuple[int, ...]]:
    """The shapes of the UNet's weights that a LoRA may change."""
    shapes = {name: tuple(param.shape) for name, param in model.unet.params.items()}
    return {
        name.removesuffix(".weight"): shape
        for name, shape in shapes.items()
        if name.endswith(".weight") and len(shape) in (2, 4)
    }


def network(model: Any, seed: int | None, dtype: str) -> Any:
    """The model in a dtype, with its own UNet or, by a seed, one of random weights."""
    random = np.random.default_rng(seed)

    def made(name: str, param: mindspore.Tensor) -> np.ndarray:
        shape = tuple(param.shape)
        if seed is None:
            return casting.floats(param)
        size = np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 10
        is_norm = name.endswith("weight") and len(shape) == 1
        return (random.standard_normal(shape) / size + is_norm).astype(np.float32)

    params = {
        name: casting.tensor(made(name, param), dtype) for name, param in model.unet.params.items()
    }
    net = model.unet._replace(params=mindspore.mutable(params), places={}, again=None)
    return model._replace(unet=net)


def loras(model: Any, seed: int, most: float, folder: Path) -> list[mdx.lora.Lora]:
    """One of each rank; every layer is in two of them, so that all of them compile alike."""
    random = np.random.default_rng(seed)
    files: list[dict[str, np.ndarray]] = [{} for _ in RANKS]
    for number, (layer, shape) in enumerate(layers(model).items()):
        spread = float(casting.floats(model.unet.params[layer + ".weight"]).std())
        for which in (number % len(RANKS), (number + 1) % len(RANKS)):
            rank, kernel = RANKS[which], shape[2:]
            change = spread * np.exp(random.uniform(*np.log((LEAST, most))))
            down = random.standard_normal((rank, *shape[1:]))
            up = random.standard_normal((shape[0], rank, *[1] * len(kernel)))
            found = {"A": down, "B": up * change / np.sqrt(rank)}
            for letter, array in found.items():
                files[which][f"unet.{layer}.lora_{letter}.weight"] = array.astype(np.float32)
    made = []
    for which, tensors in enumerate(files):
        weights.save(tensors, folder / f"{which}.safetensors")
        made.append(mdx.lora.load(folder / f"{which}.safetensors"))
    return made


def distances(model: Any, some: list[mdx.lora.Lora], seed: int) -> list[float]:
    """Of each LoRA's image, the distance of its latents from those of the merged model."""

    def drawn(one: Any, count: int, first: int, asked: Mapping[str, Any]) -> np.ndarray:
        return mdx.generate(
            one, ["a red circle"] * count, seed=first, output="latent", progress=False,
            **OPTIONS, **asked,
        )  # fmt: skip

    got = drawn(model, len(some), seed, {"lora": some})
    found = []
    for number, lora in enumerate(some):
        wanted = drawn(mdx.lora.merge(model, lora), 1, seed + number, {})[0]
        found.append(float(np.abs(got[number] - wanted).max() / np.abs(wanted).max()))
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--networks", type=int, default=4, help="of random weights")
    parser.add_argument("--draws", type=int, default=5, help="of LoRAs for each network")
    parser.add_argument("--most", type=float, default=1.0, help="size of a change by its weight")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    given = parser.parse_args()
    plain = mdx.load()
    with tempfile.TemporaryDirectory() as scratch:
        for dtype in given.dtypes:
            for seeds in ([None], range(given.networks)):
                found = []
                for seed in seeds:
                    base = network(plain, seed, "float32")
                    model = network(plain, seed, dtype)
                    for draw in range(given.draws):
                        some = loras(base, 1000 * (seed or 0) + draw, given.most, Path(scratch))
                        found += distances(model, some, draw)
                whose = "its own weights" if seeds == [None] else "random weights"
                print(
                    f"{dtype}, {whose}, changes up to {given.most:g}: at most {max(found):.1e}, "
                    f"half of {len(found)} LoRAs within {np.median(found):.1e}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
