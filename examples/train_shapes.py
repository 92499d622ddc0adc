"""Train the small Stable Diffusion that ships with mdx: coloured shapes, by name and place.

    python examples/train_shapes.py --out mdx/checkpoints/shapes-64

First the autoencoder; then the text encoder, which learns to say where each thing of a caption is;
then the UNet on the latents of the one and the words of the other; then a second decoder. What is
learnt so far is kept in --state; the same command again goes on from there, and ends with the same
weights as a run that was never stopped: every step draws its pictures, words, noise and times from
a generator seeded by the step's number.
"""

import os

# Derivatives of columns of patches are slow. Kept to AVX2, convolution is oneDNN's own: see
# mdx/kernels/device.py. oneDNN reads this when it is first used.
if __name__ in ("__main__", "__mp_main__"):
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")

import argparse
import math
import shutil
import time
from pathlib import Path
from typing import NamedTuple

import captions
import export
import mindspore
import numpy as np
import pictures
from mindspore import Tensor, ops
from team import ALONE, Team, in_team, part, wait
from tqdm import tqdm
from training import Plan, initial, let_workers_run, train

from mdx import kernels, shapes, tokenizer
from mdx.nets import clip, unet, vae

PICTURES, LATENTS, WORDS, PREDICTION, DECODER = range(5)  # what a generator is seeded for
PROCESSES = 2  # whatever the number of cores: how a batch is divided shows in the last bits


class Settings(NamedTuple):
    """All sizes of a run; `TINY` is for tests."""

    pictures: int = 24000
    simple: int = 6000  # of dark things on white, to begin with: see unet_batches
    simple_until: int = 1375  # the step from which they are left out
    vae: Plan = Plan(1500, 1e-2)
    vae_batch: int = 8
    vae_channels: tuple = (16, 32, 48)
    latents: int = 8  # channels: fewer cannot hold the two colours and the place of an edge
    kl: float = 2e-4  # weight of the latents' pull to a unit Gaussian
    text: Plan = Plan(600, 4e-3)
    text_batch: int = 64
    text_channels: int = 96
    text_layers: int = 3
    vocabulary: int = 640
    unet: Plan = Plan(9500, 3e-3)
    unet_batch: int = 48
    channels: tuple = (48, 96, 96)
    heads: int = 4
    empty: float = 0.1  # share of empty captions, for guidance
    short: float = 0.12  # of captions of a word or two, for negative prompts
    loose: float = 0.08  # of sizes and of colours left open
    crowded: float = 0.6  # of pictures drawn among those of two things
    crowded_from: int = 2800  # the step from which they are
    inside: float = 0.4  # of pictures drawn among those of a thing in another
    inside_from: int = 4500
    early: float = 0.6  # times are drawn as 1000 u^early: below 1, more of the noisy ones
    decoder: Plan = Plan(700, 4e-3)
    seed: int = 0


TINY = Settings(
    pictures=24, simple=8, simple_until=2,
    vae=Plan(3, 2e-3, warmup=1, save_every=2), vae_batch=2, vae_channels=(4, 4),
    text=Plan(3, 2e-3, warmup=1), text_batch=2, text_channels=8, text_layers=1, vocabulary=520,
    unet=Plan(4, 1e-3, warmup=1, save_every=2), crowded_from=2, inside_from=3,
    unet_batch=2, channels=(8,), heads=2,
    decoder=Plan(2, 1e-3, warmup=1),
)  # fmt: skip


def vae_config(settings: Settings, scaling: float = 1.0) -> vae.Config:
    """The autoencoder's sizes; scaling makes its latents' standard deviation 1."""
    levels = len(settings.vae_channels)
    return vae.Config(
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=settings.vae_channels,
        latent_channels=settings.latents,
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
        in_channels=settings.latents,
        out_channels=settings.latents,
        down_block_types=("DownBlock2D", *(unet.CROSS_DOWN,) * (levels - 1)),
        up_block_types=(*(unet.CROSS_UP,) * (levels - 1), "UpBlock2D"),
        block_out_channels=settings.channels,
        layers_per_block=1,
        norm_num_groups=8,
        cross_attention_dim=settings.text_channels,
        attention_head_dim=settings.heads,
    )


def text_config(settings: Settings, words: tokenizer.Tokenizer) -> clip.Config:
    """The text encoder's sizes."""
    return clip.Config(
        vocab_size=words.size,
        hidden_size=settings.text_channels,
        intermediate_size=4 * settings.text_channels,
        projection_dim=settings.text_channels,
        num_hidden_layers=settings.text_layers,
        num_attention_heads=settings.heads,
        max_position_embeddings=words.length,
        eos_token_id=words.end,
        architectures=("CLIPTextModel",),
    )


def train_vae(settings: Settings, shown: np.ndarray, folder: Path, team: Team):
    """The autoencoder: -> (its weights, losses).

    Error of the reconstruction, absolute and squared, and the divergence from a unit Gaussian.
    arXiv 1312.6114, equation 10, with a likelihood between Laplace's and Gauss's for the pictures.
    """
    config = vae_config(settings)
    side = shapes.SIZE // vae.factor(config)

    def loss(params, x, noise):
        mean, log_variance = vae.encode(config, params, x)
        found = vae.decode(config, params, vae.sample(config, mean, log_variance, noise))
        divergence = 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)
        error = ops.reduce_mean(ops.abs(found - x))
        error = error + 2.0 * ops.reduce_mean(ops.square(found - x))
        return error + settings.kl * ops.reduce_mean(divergence)

    def batch(step):
        generator = np.random.default_rng([settings.seed, LATENTS, step])
        rows = generator.integers(0, len(shown), settings.vae_batch)
        noise = generator.standard_normal((len(rows), settings.latents, side, side), np.float32)
        return pictures.to_net(shown[part(team, rows)]), part(team, noise)

    start = initial(vae.shapes(config), np.random.default_rng([settings.seed, LATENTS]))
    return train("vae", loss, start, batch, settings.vae, folder, team)


def train_decoder(settings: Settings, params: dict, latents, shown, folder: Path, team: Team):
    """A second decoder for the same latents: -> (weights of the whole autoencoder, losses).

    It goes on from the first with the squared error alone, which is what PSNR counts, as
    sd-vae-ft-mse does for Stable Diffusion's. The encoder stays as it is.
    """
    config = vae_config(settings)
    mean, deviation = latents

    def loss(params, latents, x):
        return ops.reduce_mean(ops.square(vae.decode(config, params, latents) - x))

    def batch(step):
        generator = np.random.default_rng([settings.seed, DECODER, step])
        rows = generator.integers(0, len(shown), settings.vae_batch)
        noise = generator.standard_normal(mean[rows].shape, np.float32)
        rows, noise = part(team, rows), part(team, noise)
        return mean[rows] + deviation[rows] * noise, pictures.to_net(shown[rows])

    start = {k: v for k, v in params.items() if k.startswith(("decoder.", "post_quant_conv."))}
    found, losses = train("decoder", loss, start, batch, settings.decoder, folder, team)
    return {**params, **found}, losses


def latents_of(settings: Settings, params: dict, shown: np.ndarray, first: bool, size: int = 50):
    """Mean and standard deviation of every picture's latents, float32 (N, C, h, w) each.

    first: whether this process is the one that shows its progress.
    """
    config = vae_config(settings)

    @mindspore.jit
    def encode(params, x):
        return vae.encode(config, params, x)

    mutable = mindspore.mutable({name: Tensor(value) for name, value in params.items()})
    means, deviations = [], []
    for start in tqdm(range(0, len(shown), size), desc="encode", unit="batch", disable=not first):
        some = shown[start : start + size]
        padded = np.concatenate([some, np.repeat(some[:1], size - len(some), 0)])
        mean, log_variance = encode(mutable, Tensor(pictures.to_net(padded)))
        means.append(mean.asnumpy()[: len(some)])
        deviations.append(np.exp(0.5 * log_variance.asnumpy()[: len(some)]))
    return np.concatenate(means), np.concatenate(deviations)


def train_text(settings: Settings, words: tokenizer.Tokenizer, folder: Path, team: Team):
    """The text encoder: -> (its weights, losses).

    It learns what a caption is worth to somebody who draws: its last tokens tell, one for each of
    captions.PLACES, what is there, and the last one of all tells the background. Two matrices that
    are thrown away afterwards read that from them; the loss is their cross entropy.
    """
    config = text_config(settings, words)
    places, starts = len(captions.PLACES), np.cumsum([0, *captions.SLOT]).tolist()

    def entropy(logits, wanted, starts):
        total = 0.0
        for i in range(len(starts) - 1):
            known = ops.log_softmax(logits[:, starts[i] : starts[i + 1]], -1)
            total -= ops.reduce_mean(known * wanted[:, starts[i] : starts[i + 1]])
        return total

    def loss(params, tokens, things, ground):
        hidden, _ = clip.apply(config, params, tokens)
        last = hidden[:, -places - 1 :].reshape((-1, settings.text_channels))
        found = ops.MatMul(transpose_b=True)(last, params["read_thing.weight"])
        total = entropy(found, things, starts)
        last = hidden[:, -1]
        found = ops.MatMul(transpose_b=True)(last, params["read_ground.weight"])
        return total + entropy(found, ground, (0, captions.GROUND[0], sum(captions.GROUND)))

    def batch(step):
        generator = np.random.default_rng([settings.seed, WORDS, step])
        texts, things, ground = [], [], []
        for _ in range(settings.text_batch):
            scene = pictures.seen(generator)
            kind = generator.random()
            if kind < 0.9:
                scene = captions.loose(scene, generator, settings.loose)
                texts.append(captions.said(scene, generator))
            else:
                texts.append(captions.short(scene, generator) if kind < 0.97 else "")
                scene = None
            about, behind = captions.told(scene)
            rows = np.concatenate([about, np.zeros((1, 3), np.int64)])
            things.append(_one_hot(rows, captions.SLOT))
            ground.append(_one_hot(behind[None], captions.GROUND)[0])
        return (
            part(team, tokenizer.encode(words, texts)),
            np.concatenate(part(team, np.stack(things))),
            part(team, np.stack(ground)),
        )

    generator = np.random.default_rng([settings.seed, WORDS])
    sizes = {
        **clip.shapes(config),
        "read_thing.weight": (sum(captions.SLOT), settings.text_channels),
        "read_ground.weight": (sum(captions.GROUND), settings.text_channels),
    }
    start = initial(sizes, generator)
    found, losses = train("text", loss, start, batch, settings.text, folder, team)
    return {name: found[name] for name in clip.shapes(config)}, losses


def _one_hot(rows, lengths):
    """Choices (N, len(lengths)) -> (N, sum(lengths)) float32."""
    return np.concatenate(
        [np.eye(n, dtype=np.float32)[rows[:, i]] for i, n in enumerate(lengths)], 1
    )


def unet_batches(settings: Settings, latents, scenes, words: tokenizer.Tokenizer):
    """The function that gives a step's noisy latents, times, tokens and velocities.

    The batches begin with dark things on white and come to all colours little by little. What a
    pixel is, is a product of the shape, its place and the difference of two colours: with every
    colour at once the word for the shape is not learnt, because its gradients cancel. Later most
    pictures are of what is left to learn: first two things, then those of which one is in the
    other, small and in the middle of it.
    """
    mean, deviation = latents
    alphas = export.alphas_cumprod()
    count = len(scenes) - settings.simple  # the simple ones come last
    crowded = np.flatnonzero([len(scene.things) == 2 for scene in scenes[:count]])
    inside = np.flatnonzero([scene.relation == "inside" for scene in scenes[:count]])
    harder = (
        (settings.crowded_from, settings.crowded, crowded),
        (settings.inside_from, settings.inside, inside),
    )

    def text(scene, generator):
        kind = generator.random()
        if kind < settings.empty:
            return ""
        if kind < settings.empty + settings.short:
            return captions.short(scene, generator)
        return captions.said(captions.loose(scene, generator, settings.loose), generator)

    def batch(step):
        generator = np.random.default_rng([settings.seed, PREDICTION, step])
        picks = generator.integers(0, count, settings.unet_batch)
        simple = generator.integers(count, len(scenes), settings.unet_batch)
        share = 1.0 - step / settings.simple_until
        picks = np.where(generator.random(settings.unet_batch) < share, simple, picks)
        for start, share, some in harder:
            if step >= start:
                these = generator.choice(some, settings.unet_batch)
                picks = np.where(generator.random(settings.unet_batch) < share, these, picks)
        texts = [text(scenes[i], generator) for i in picks]
        x0 = mean[picks] + deviation[picks] * generator.standard_normal(mean[picks].shape)
        noise = generator.standard_normal(x0.shape, np.float32)
        t = (len(alphas) * generator.random(settings.unet_batch) ** settings.early).astype(np.int32)
        alpha = alphas[t].reshape(-1, 1, 1, 1)
        x = np.sqrt(alpha) * x0 + np.sqrt(1.0 - alpha) * noise
        velocity = np.sqrt(alpha) * noise - np.sqrt(1.0 - alpha) * x0
        tokens = tokenizer.encode(words, texts)
        return x.astype(np.float32), t, tokens, velocity.astype(np.float32)

    return batch


def train_unet(
    settings: Settings, latents, scenes, words, text_params: dict, folder: Path, team: Team
):
    """The UNet: -> (its weights, losses).

    Mean squared error of the predicted velocity, arXiv 2202.00512, appendix D: in units of the
    noise that is an error divided by the signal, so early steps, where a picture's content is
    decided, count for as much as late ones.
    """
    config, text = unet_config(settings), text_config(settings, words)
    known = mindspore.mutable({name: Tensor(value) for name, value in text_params.items()})
    batches = unet_batches(settings, latents, scenes, words)

    @mindspore.jit
    def read(params, tokens):
        return clip.apply(text, params, tokens)[0]

    def loss(params, x, t, context, velocity):
        out = unet.apply(config, params, x, t, {"context": context})
        return ops.reduce_mean(ops.square(out - velocity))

    def batch(step):
        x, t, tokens, velocity = (part(team, array) for array in batches(step))
        return x, t, read(known, Tensor(tokens)).asnumpy(), velocity

    start = initial(unet.shapes(config), np.random.default_rng([settings.seed, PREDICTION]))
    return train("unet", loss, start, batch, settings.unet, folder, team)


@kernels.lowered("plain")
def run(settings: Settings, out: Path, folder: Path, team: Team = ALONE) -> None:
    """The whole training: from nothing, or from what folder holds, to the files in out."""
    began = time.time()
    let_workers_run()
    folder.mkdir(parents=True, exist_ok=True)
    seed = [settings.seed, PICTURES]
    if team.rank > 0:
        wait(team)
    shown, scenes = pictures.drawn(settings.pictures, settings.simple, seed, folder)
    if team.rank == 0:
        texts = captions.vocabulary(scenes[:4000])
        tokenizer.train(texts, folder / "tokenizer", settings.vocabulary)
        wait(team)
    words = tokenizer.load(folder / "tokenizer")
    vae_params, vae_losses = train_vae(settings, shown, folder, team)
    text_params, text_losses = train_text(settings, words, folder, team)
    mean, deviation = latents_of(settings, vae_params, shown, team.rank == 0)
    scaling = round(float(1.0 / mean.std()), 5)
    latents = mean * scaling, deviation * scaling
    unet_params, losses = train_unet(settings, latents, scenes, words, text_params, folder, team)
    moments = mean, deviation
    second, decoder_losses = train_decoder(settings, vae_params, moments, shown, folder, team)
    if team.rank > 0:
        return
    parts = {
        "vae": (vae_config(settings, scaling), vae_params),
        "unet": (unet_config(settings), unet_params),
        "text_encoder": (text_config(settings, words), text_params),
    }
    export.write(out, parts, words)
    export.write_net(out / "vae-ft-mse", "vae", vae_config(settings, scaling), second)
    shutil.copytree(folder / "tokenizer", out / "tokenizer", dirs_exist_ok=True)
    curves = {
        "autoencoder": vae_losses,
        "text encoder": text_losses,
        "UNet": losses,
        "second decoder": decoder_losses,
    }
    export.plot_losses(out / "losses.png", curves)
    print(f"{out}: {(time.time() - began) / 60:.1f} minutes in this run")


def main(arguments=None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--state", type=Path, help="folder of the run's state [OUT-training]")
    parser.add_argument("--tiny", action="store_true", help="sizes for a test: seconds, no use")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    settings = (TINY if given.tiny else Settings())._replace(seed=given.seed)
    folder = given.state or given.out.with_name(given.out.name + "-training")
    nets = vae.shapes(vae_config(settings)), unet.shapes(unet_config(settings))
    longest = 1 + max(sum(map(math.prod, sizes.values())) for sizes in nets)
    in_team(run, PROCESSES, longest, settings, given.out, folder)


if __name__ == "__main__":
    main()
