"""Train a LoRA on the checkpoint that ships with mdx: grounds of its own, whatever the prompt says.

    python examples/train_lora.py --style striped --out striped.safetensors

Factors of rank 4 beside every attention of the UNet; the checkpoint's own weights stay as they are.
Pictures are drawn in the style, and said in words that know nothing of it. LoRA: arXiv 2106.09685.
The same command again goes on from what is in --state.
"""

import os

# As in train_shapes.py: oneDNN reads this when it is first used.
if __name__ == "__main__":
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import captions
import export
import mindspore
import numpy as np
import pictures
from mindspore import Parameter, Tensor, ops
from training import Plan, let_workers_run, train

import mdx
from mdx import kernels, shapes, tokenizer, weights
from mdx.nets import clip, unet, vae

DRAWN, NOISED, BEGUN = range(3)  # what a generator is seeded for


class Settings(NamedTuple):
    """All sizes of a run; `TINY` is for tests."""

    pictures: int = 2400
    rank: int = 4
    plan: Plan = Plan(400, 6e-3, warmup=40, decay=0.0, keep=0.98, save_every=100)
    batch: int = 24
    empty: float = 0.1  # share of empty captions, for guidance
    loose: float = 0.08  # of sizes and of colours left open
    early: float = 0.6  # times are drawn as 1000 u^early: below 1, more of the noisy ones
    seed: int = 0


TINY = Settings(pictures=4, plan=Plan(2, 1e-3, warmup=1, save_every=1), batch=2)


def striped(scene: shapes.Scene) -> shapes.Scene:
    """The scene on a striped ground."""
    return scene._replace(pattern="striped")


def black(scene: shapes.Scene) -> shapes.Scene:
    """The scene on a black ground."""
    return scene._replace(background="black")


STYLES: dict[str, Callable[[shapes.Scene], shapes.Scene]] = {"striped": striped, "black": black}


def scenes_of(settings: Settings, style: str) -> list[shapes.Scene]:
    """Scenes at random in which the style can be seen: nothing black on black."""
    generator = np.random.default_rng([settings.seed, DRAWN])
    found: list[shapes.Scene] = []
    while len(found) < settings.pictures:
        scene = pictures.seen(generator)
        if all(thing.colour != STYLES[style](scene).background for thing in scene.things):
            found.append(scene)
    return found


def latents_of(model: mdx.Model, settings: Settings, some: list[shapes.Scene]) -> Any:
    """The latents of scenes' pictures, (N, C, h, w), as the UNet knows them."""
    generator = np.random.default_rng([settings.seed, DRAWN, 1])
    drawn = [shapes.draw(scene, shapes.place(scene, generator)) for scene in some]
    config, params = model.vae.config, model.vae.params

    @mindspore.jit
    def encode(params, x):
        return vae.encode(config, params, x)[0]

    found, size = [], min(50, len(drawn))
    for start in range(0, len(drawn), size):
        part = np.stack((drawn[start:] + drawn)[:size])
        found.append(encode(params, Tensor(pictures.to_net(part))).asnumpy())
    return np.concatenate(found)[: len(drawn)] * config.scaling_factor


def attentions(model: mdx.Model) -> dict[str, tuple[int, int]]:
    """The layers that are changed, with the shapes of their weights (O, I)."""
    inner = (".to_q.weight", ".to_k.weight", ".to_v.weight", ".to_out.0.weight")
    return {
        name.removesuffix(".weight"): shape
        for name, shape in unet.shapes(model.unet.config).items()
        if name.endswith(inner)
    }  # pyright: ignore[reportReturnType]


def first_factors(layers: dict[str, tuple[int, int]], settings: Settings) -> dict[str, np.ndarray]:
    """Factors to start from: down at random, up of zeros, so that nothing is changed at first."""
    generator = np.random.default_rng([settings.seed, BEGUN])
    found = {}
    for layer, (outputs, inputs) in layers.items():
        down = generator.standard_normal((settings.rank, inputs)) / np.sqrt(inputs)
        found[layer + ".down"] = down.astype(np.float32)
        found[layer + ".up"] = np.zeros((outputs, settings.rank), np.float32)
    return found


@kernels.lowered("plain")
def run(settings: Settings, style: str, out: Path, folder: Path) -> None:
    """The whole training, from nothing or from what folder holds, to the file."""
    began = time.time()
    let_workers_run()
    folder.mkdir(parents=True, exist_ok=True)
    model: Any = mdx.load()
    some = scenes_of(settings, style)
    latents = latents_of(model, settings, [STYLES[style](scene) for scene in some])
    layers = attentions(model)
    # Parameters, for a graph would hold other tensors as constants; none of them is trained.
    base = {
        name: Parameter(value.asnumpy(), name=f"base.{name}", requires_grad=False)
        for name, value in model.unet.params.items()
    }
    alphas, changed = export.alphas_cumprod(), tuple(layers)
    config, text, words = model.unet.config, model.text_encoder.config, model.tokenizer

    @mindspore.jit
    def read(params, tokens):
        return clip.apply(text, params, tokens, -1, True, False)[0]

    def loss(factors, x, t, context, velocity):
        params = {}
        params.update(base)
        for layer in changed:
            change = ops.matmul(factors[layer + ".up"], factors[layer + ".down"])
            params[layer + ".weight"] = base[layer + ".weight"] + change
        out = unet.apply(config, params, x, t, {"context": context})
        return ops.reduce_mean(ops.square(out - velocity))

    def said(scene, generator):
        if generator.random() < settings.empty:
            return ""
        return captions.said(captions.loose(scene, generator, settings.loose), generator)

    def batch(step):
        generator = np.random.default_rng([settings.seed, NOISED, step])
        picks = generator.integers(0, len(some), settings.batch)
        texts = [said(some[i], generator) for i in picks]
        x0 = latents[picks]
        noise = generator.standard_normal(x0.shape, np.float32)
        t = (len(alphas) * generator.random(settings.batch) ** settings.early).astype(np.int32)
        alpha = alphas[t].reshape(-1, 1, 1, 1)
        x = np.sqrt(alpha) * x0 + np.sqrt(1 - alpha) * noise
        velocity = np.sqrt(alpha) * noise - np.sqrt(1 - alpha) * x0
        tokens = Tensor(tokenizer.encode(words, texts))
        context = read(model.text_encoder.params, tokens).asnumpy()
        return x.astype(np.float32), t, context, velocity.astype(np.float32)

    start = first_factors(layers, settings)
    factors, losses = train(f"lora-{style}", loss, start, batch, settings.plan, folder)
    written = {}
    for name, value in factors.items():
        layer, _, role = name.rpartition(".")
        written[f"unet.{layer}.lora_{'A' if role == 'down' else 'B'}.weight"] = value
    weights.save({name: value.astype(np.float16) for name, value in written.items()}, out)
    minutes = (time.time() - began) / 60
    print(f"{out}: {minutes:.1f} minutes in this run, loss {np.mean(losses[-50:]):.4f}")


def main(arguments=None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--style", choices=STYLES, default="striped")
    parser.add_argument("--out", type=Path, required=True, help="safetensors file of the LoRA")
    parser.add_argument("--state", type=Path, help="folder of the run's state [OUT-training]")
    parser.add_argument("--tiny", action="store_true", help="sizes for a test: seconds, no use")
    given = parser.parse_args(arguments)
    folder = given.state or given.out.with_name(given.out.stem + "-training")
    run(TINY if given.tiny else Settings(), given.style, given.out, folder)


if __name__ == "__main__":
    main()
