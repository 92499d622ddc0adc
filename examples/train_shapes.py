"""Train the small Stable Diffusion that ships with mdx: coloured shapes, by name.

    python examples/train_shapes.py --out mdx/checkpoints/shapes-64

First the autoencoder, then text encoder and UNet together on its latents. What is learnt so far
is kept in --state; the same command again goes on from there, and ends with the same weights as
a run that was never stopped: every step draws its pictures, noise and times from a generator
seeded by the step's number.
"""

import os

# oneDNN's convolution falls back to its reference kernel on AVX-512; see mdx/kernels.py.
os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import argparse
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import export
import mindspore
import numpy as np
import optimizers
import shapes
from mindspore import Parameter, ParameterTuple, Tensor, ops
from safetensors.numpy import load_file
from tqdm import tqdm

from mdx import tokenizer, weights
from mdx.nets import clip, unet, vae

LATENT_STAGE, TEXT_STAGE = 1, 2  # seeds of the two stages' generators


class Settings(NamedTuple):
    """All sizes of a run; `TINY` is for tests."""

    pictures: int = 16000
    vae_steps: int = 2400
    vae_batch: int = 16
    vae_channels: tuple = (8, 16, 32)
    vae_rate: float = 2e-3
    kl: float = 5e-4  # weight of the latents' pull to a unit Gaussian
    steps: int = 5000
    batch: int = 32
    channels: tuple = (32, 64, 96)
    heads: int = 2
    text: int = 64  # channels of the text encoder
    text_layers: int = 2
    vocabulary: int = 640
    rate: float = 1.6e-3
    unconditional: float = 0.12  # share of empty captions, for guidance
    early: float = 0.6  # times are drawn as 1000 u^early: below 1, more of the noisy ones
    away: float = 3.0  # the UNet's shapes are so near to the middle, in pixels
    simple: int = 2000  # pictures of black shapes on white, to begin with: see train_unet
    simple_until: float = 0.4  # the part of the steps after which they are left out
    warmup: int = 100
    decay: float = 0.01
    longest: float = 1.0  # gradients are shortened to this
    keep: float = 0.998  # of the averaged weights at each step
    save_every: int = 200
    seed: int = 0


TINY = Settings(
    pictures=24, simple=8, vae_steps=3, vae_batch=2, vae_channels=(4, 4), steps=4, batch=2,
    channels=(8,), text=8, text_layers=1, vocabulary=520, warmup=1, save_every=2,
)  # fmt: skip


def vae_config(settings: Settings, scaling: float = 1.0) -> vae.Config:
    """The autoencoder's sizes; scaling makes its latents' standard deviation 1."""
    levels = len(settings.vae_channels)
    return vae.Config(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.vae_channels,
        norm_num_groups=4,
        sample_size=shapes.SIZE,
        scaling_factor=scaling,
        mid_block_add_attention=False,
    )


def unet_config(settings: Settings) -> unet.Config:
    """The UNet's sizes."""
    levels = len(settings.channels)
    return unet.Config(
        sample_size=shapes.SIZE // vae.factor(vae_config(settings)),
        down_block_types=("DownBlock2D", *(unet.CROSS_DOWN,) * (levels - 1)),
        up_block_types=(*(unet.CROSS_UP,) * (levels - 1), "UpBlock2D"),
        block_out_channels=settings.channels,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=settings.text,
        attention_head_dim=settings.heads,
    )


def text_config(settings: Settings, words: tokenizer.Tokenizer) -> clip.Config:
    """The text encoder's sizes."""
    return clip.Config(
        vocab_size=words.size,
        hidden_size=settings.text,
        intermediate_size=4 * settings.text,
        projection_dim=settings.text,
        num_hidden_layers=settings.text_layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=words.length,
        eos_token_id=words.end,
        architectures=("CLIPTextModel",),
    )


def initial(sizes: dict, generator: np.random.Generator) -> np.ndarray:
    """Weights to start from, end to end (P,); residual branches start at zero."""
    rows = []
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
        rows.append(value.astype(np.float32).ravel())
    return np.concatenate(rows)


def decays(sizes: dict, decay: float) -> np.ndarray:
    """Weight decay of each number, (P,): none for norms and biases."""
    each = [np.full(np.prod(shape), decay * (len(shape) > 1)) for shape in sizes.values()]
    return np.concatenate(each).astype(np.float32)


def trainer(loss, nets: tuple, settings: Settings):
    """The compiled step for loss(params, *batch); params holds a dict for each of nets.

    -> step(weights, mean, square, averaged, decay, count, rate, *batch), which returns the first
    four anew, the loss and the gradients' norm.
    """
    places, start = (), 0
    for sizes in nets:
        places += (optimizers.layout(sizes, start),)
        start = places[-1][-1][2]
    places = [place for one in places for place in one]
    # The gradient with respect to a dict would make every look-up a dict of zeros for all others:
    # a graph that grows with the square of their number and takes many minutes to compile. With
    # respect to Parameters it takes seconds. They hold nothing from one step to the next.
    params = [
        {name: Parameter(np.zeros(shape, np.float32), name=f"{i}.{name}")
         for name, shape in sizes.items()}
        for i, sizes in enumerate(nets)
    ]  # fmt: skip
    tied = ParameterTuple([value for one in params for value in one.values()])

    def of_batch(batch):
        return loss(params, *batch)

    @mindspore.jit
    def gradients_of(*batch):
        return mindspore.value_and_grad(of_batch, None, tied)(batch)

    @mindspore.jit
    def update(vector, mean, square, averaged, gradient, decay, count, rate):
        gradient, norm = optimizers.clip(gradient, settings.longest)
        vector, mean, square = optimizers.update(vector, mean, square, gradient, count, rate, decay)
        return (
            vector,
            mean,
            square,
            optimizers.average(averaged, vector, count, settings.keep),
            norm,
        )

    def step(vector, mean, square, averaged, decay, count, rate, *batch):
        host = vector.asnumpy()
        for parameter, (_, start, end, shape) in zip(tied, places, strict=True):
            ops.assign(parameter, Tensor(host[start:end].reshape(shape)))
        value, gradients = gradients_of(*batch)
        # On the host: a graph's loop over some hundred tensors exceeds its call depth.
        gradient = Tensor(np.concatenate([one.asnumpy().ravel() for one in gradients]))
        *vectors, norm = update(vector, mean, square, averaged, gradient, decay, count, rate)
        return *vectors, value, norm

    return step


def vae_loss(settings: Settings):
    """Mean absolute error of the reconstruction and the divergence from a unit Gaussian.

    arXiv 1312.6114, equation 10, with a Laplacian for the pictures.
    """
    config = vae_config(settings)

    def loss(params, pictures, noise):
        mean, log_variance = vae.encode(config, params[0], pictures)
        drawn = vae.decode(config, params[0], vae.sample(config, mean, log_variance, noise))
        divergence = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)
        error = ops.reduce_mean(ops.abs(drawn - pictures))
        return error + settings.kl * ops.reduce_mean(divergence)

    return loss


def velocity_loss(settings: Settings, words: tokenizer.Tokenizer):
    """Mean squared error of the predicted velocity, arXiv 2202.00512, appendix D.

    In units of the noise that is an error divided by the signal: early steps, where a picture's
    content is decided, count for as much as late ones.
    """
    config, text = unet_config(settings), text_config(settings, words)

    def loss(params, x, t, tokens, velocity):
        hidden, _ = clip.apply(text, params[0], tokens)
        found = unet.apply(config, params[1], x, t, hidden)
        return ops.reduce_mean(ops.square(found - velocity))

    return loss


def train(name: str, loss, nets: tuple, batch, steps: int, rate: float, settings, folder: Path):
    """Run `steps` steps, or what is left of them; -> (averaged weights of each net, losses).

    nets: the shapes of the parameters, a dict a net.
    batch(step) gives the arrays of a step. The state is kept in folder.
    """
    kept = folder / f"{name}.safetensors"
    if kept.is_file():
        state = load_file(kept)
    else:
        generator = np.random.default_rng([settings.seed, sum(map(len, nets))])
        start = np.concatenate([initial(sizes, generator) for sizes in nets])
        zeros = np.zeros_like(start)
        state = {"weights": start, "mean": zeros, "square": zeros, "average": start,
                 "losses": np.zeros(0, np.float32)}  # fmt: skip
    losses = list(state["losses"])
    vectors = [Tensor(state[key].copy()) for key in ("weights", "mean", "square", "average")]
    decay = Tensor(np.concatenate([decays(sizes, settings.decay) for sizes in nets]))
    step = trainer(loss, nets, settings)
    bar = tqdm(total=steps, initial=len(losses), desc=name, unit="step")
    for count in range(len(losses), steps):
        now = optimizers.learning_rate(count, steps, rate, settings.warmup)
        scalars = Tensor(count + 1.0, mindspore.float32), Tensor(now, mindspore.float32)
        *vectors, value, norm = step(*vectors, decay, *scalars, *map(Tensor, batch(count)))
        losses.append(float(value.asnumpy()))
        if not np.isfinite(losses[-1]):
            raise RuntimeError(f"{name}: the loss is {losses[-1]} at step {count}; lower the rate")
        bar.update()
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.4f}", norm=f"{float(norm.asnumpy()):.2f}")
        if (count + 1) % settings.save_every == 0 or count + 1 == steps:
            arrays = [vector.asnumpy() for vector in vectors]
            keys = ("weights", "mean", "square", "average")
            state = {**dict(zip(keys, arrays, strict=True)), "losses": np.float32(losses)}
            weights.save(state, kept)
    bar.close()
    found, start = [], 0
    for sizes in nets:
        places = optimizers.layout(sizes, start)
        found.append(optimizers.part(state["average"], places))
        start = places[-1][2]
    return found, losses


def drawn(scenes: list, kept: Path) -> np.ndarray:
    """The pictures of scenes, uint8 (N, S, S, 3); drawn once and kept in a file."""
    if not kept.is_file():
        pictures = np.stack([shapes.draw(one) for one in tqdm(scenes, desc="draw", unit="picture")])
        np.save(kept.with_name("part.npy"), pictures)
        kept.with_name("part.npy").rename(kept)
    return np.load(kept)


def vae_data(settings: Settings, folder: Path) -> np.ndarray:
    """The autoencoder's pictures: shapes of all colours in many places."""
    generator = np.random.default_rng([settings.seed, 0])
    scenes = [shapes.scene(generator) for _ in range(settings.pictures)]
    return drawn(scenes, folder / f"pictures-{settings.seed}-{settings.pictures}.npy")


def unet_data(settings: Settings, folder: Path) -> tuple[np.ndarray, list]:
    """The UNet's pictures and their scenes: shapes near the middle; the simple ones come last.

    The words do not say where a shape is, and a word for a shape anywhere tells little of any
    pixel: a tenth of what is unknown at 5 pixels from the middle, a quarter at 3.
    """
    generator = np.random.default_rng([settings.seed, TEXT_STAGE])
    count = settings.pictures + settings.simple
    scenes = [shapes.scene(generator, settings.away) for _ in range(count)]
    for i in range(settings.pictures, count):
        scenes[i] = scenes[i]._replace(colour="black", background="white")
    return drawn(scenes, folder / f"pictures-unet-{settings.seed}-{count}.npy"), scenes


def to_net(pictures: np.ndarray) -> np.ndarray:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W) in [-1, 1]."""
    return np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32) / 127.5 - 1.0


def train_vae(settings: Settings, pictures: np.ndarray, folder: Path):
    """The autoencoder: -> (its weights, losses)."""
    config = vae_config(settings)
    side = shapes.SIZE // vae.factor(config)

    def batch(step):
        generator = np.random.default_rng([settings.seed, LATENT_STAGE, step])
        rows = generator.integers(0, len(pictures), settings.vae_batch)
        noise = generator.standard_normal((len(rows), 4, side, side), np.float32)
        return to_net(pictures[rows]), noise

    steps, rate = settings.vae_steps, settings.vae_rate
    nets = (vae.shapes(config),)
    found, losses = train("vae", vae_loss(settings), nets, batch, steps, rate, settings, folder)
    return found[0], losses


def latents_of(settings: Settings, params: dict, pictures: np.ndarray, size: int = 50):
    """Mean and standard deviation of every picture's latents, float32 (N, 4, h, w) each."""
    config = vae_config(settings)

    @mindspore.jit
    def encode(params, x):
        return vae.encode(config, params, x)

    mutable = mindspore.mutable({name: Tensor(value) for name, value in params.items()})
    means, deviations = [], []
    for start in tqdm(range(0, len(pictures), size), desc="encode", unit="batch"):
        some = pictures[start : start + size]
        padded = np.concatenate([some, np.repeat(some[:1], size - len(some), 0)])
        mean, log_variance = encode(mutable, Tensor(to_net(padded)))
        means.append(mean.asnumpy()[: len(some)])
        deviations.append(np.exp(0.5 * log_variance.asnumpy()[: len(some)]))
    return np.concatenate(means), np.concatenate(deviations)


def train_unet(settings: Settings, latents, scenes, words: tokenizer.Tokenizer, folder: Path):
    """Text encoder and UNet together: -> ((weights of the one, of the other), losses).

    The batches begin with black shapes on white and come to all colours little by little. What a
    pixel is, is a product of the shape, its place and the difference of two colours: with every
    colour at once the word for the shape is not learnt, because its gradients cancel.
    """
    mean, deviation = latents
    nets = clip.shapes(text_config(settings, words)), unet.shapes(unet_config(settings))
    captions = sorted({shapes.caption(s, w) for s in scenes for w in range(len(shapes.WORDINGS))})
    rows = {text: row for row, text in enumerate(["", *captions])}
    tokens = tokenizer.encode(words, list(rows))
    alphas = export.alphas_cumprod()
    count = len(scenes) - settings.simple  # the simple ones come last

    def batch(step):
        generator = np.random.default_rng([settings.seed, TEXT_STAGE, step])
        picks = generator.integers(0, count, settings.batch)
        simple = generator.integers(count, len(scenes), settings.batch)
        share = 1.0 - step / (settings.simple_until * settings.steps)
        picks = np.where(generator.random(settings.batch) < share, simple, picks)
        wordings = generator.integers(0, len(shapes.WORDINGS), settings.batch)
        empty = generator.random(settings.batch) < settings.unconditional
        texts = ["" if none else shapes.caption(scenes[i], w)
                 for i, w, none in zip(picks, wordings, empty, strict=True)]  # fmt: skip
        x0 = mean[picks] + deviation[picks] * generator.standard_normal(mean[picks].shape)
        noise = generator.standard_normal(x0.shape, np.float32)
        t = (len(alphas) * generator.random(settings.batch) ** settings.early).astype(np.int32)
        alpha = alphas[t].reshape(-1, 1, 1, 1)
        x = np.sqrt(alpha) * x0 + np.sqrt(1.0 - alpha) * noise
        velocity = np.sqrt(alpha) * noise - np.sqrt(1.0 - alpha) * x0
        picked = tokens[[rows[s] for s in texts]]
        return x.astype(np.float32), t, picked, velocity.astype(np.float32)

    loss = velocity_loss(settings, words)
    return train("unet", loss, nets, batch, settings.steps, settings.rate, settings, folder)


def run(settings: Settings, out: Path, folder: Path) -> None:
    """The whole training: from nothing, or from what folder holds, to the files in out."""
    began = time.time()
    folder.mkdir(parents=True, exist_ok=True)
    vae_params, vae_losses = train_vae(settings, vae_data(settings, folder), folder)
    pictures, scenes = unet_data(settings, folder)
    mean, deviation = latents_of(settings, vae_params, pictures)
    scaling = round(float(1.0 / mean.std()), 5)
    every = [text for one in range(len(shapes.WORDINGS)) for text in shapes.prompts(one)]
    tokenizer.train(every, folder / "tokenizer", settings.vocabulary)
    words = tokenizer.load(folder / "tokenizer")
    latents = mean * scaling, deviation * scaling
    (text_params, unet_params), losses = train_unet(settings, latents, scenes, words, folder)
    parts = {
        "vae": (vae_config(settings, scaling), vae_params),
        "unet": (unet_config(settings), unet_params),
        "text_encoder": (text_config(settings, words), text_params),
    }
    export.write(out, parts, words)
    shutil.copytree(folder / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    export.plot_losses(out / "losses.png", {"vae": vae_losses, "unet": losses})
    print(f"{out}: {(time.time() - began) / 60:.1f} minutes in this run")


def main(arguments=None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--state", type=Path, help="folder of the run's state [OUT-training]")
    parser.add_argument("--tiny", action="store_true", help="sizes for a test: seconds, no use")
    for name in ("pictures", "vae_steps", "vae_batch", "steps", "batch", "seed"):
        parser.add_argument("--" + name.replace("_", "-"), type=int)
    given = parser.parse_args(arguments)
    settings = TINY if given.tiny else Settings()
    chosen = {k: v for k, v in vars(given).items() if k in Settings._fields and v is not None}
    state = given.state or given.out.with_name(given.out.name + "-training")
    run(settings._replace(**chosen), given.out, state)


if __name__ == "__main__":
    main()
