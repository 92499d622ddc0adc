"""How many multiply-adds a step of the UNet is, by kind of work: counted from its config."""

from collections import Counter

from mdx.nets import unet, unet_stages
from mdx.nets.unet_stages import Stage


def work(config: unet.Config, batch: int, latents: int, tokens: int) -> Counter[str]:
    """Multiply-adds of "convolution", "linear" and "attention", for square latents.

    tokens: of the text. Those of norms and activations are not counted.
    """
    total, side = Counter(), latents
    channels = config.block_out_channels
    size = unet_stages.embedding_size(config)
    total["convolution"] += 9 * side**2 * config.in_channels * channels[0]
    total["linear"] += channels[0] * size + size * size
    sides = [side]
    for stage in unet_stages.stages(config):
        if stage.kind == "downsample":
            side = -(-side // 2)
            sides.append(side)
        elif stage.kind == "upsample":
            sides.pop()
            side = sides[-1]
        total += _stage(config, stage, side**2, size, tokens)
    total["convolution"] += 9 * side**2 * channels[0] * config.out_channels
    return Counter({kind: batch * count for kind, count in total.items()})


def _stage(config: unet.Config, stage: Stage, pixels: int, size: int, tokens: int) -> Counter[str]:
    """Of one picture, whose result has so many pixels."""
    if stage.kind == "transformer":
        return _transformer(unet_stages.transformer_config(config, stage), pixels, tokens)
    convolved = 9 * stage.inputs * stage.outputs
    linear = 0
    if stage.kind == "resnet":
        convolved += 9 * stage.outputs**2
        if stage.inputs != stage.outputs:
            convolved += stage.inputs * stage.outputs
        linear = size * stage.outputs * (2 if unet_stages.resnet_config(config).scale_shift else 1)
    return Counter({"convolution": pixels * convolved, "linear": linear})


def _transformer(settings, pixels: int, tokens: int) -> Counter[str]:
    channels, context = settings.channels, settings.context
    text = (tokens, context)
    total = Counter({"linear": 2 * pixels * channels**2})
    for keys, width in (text if settings.text_only else (pixels, channels), text):
        for _ in range(settings.depth):
            # Queries and the result are of pixels, keys and values of what is read.
            total["linear"] += 2 * pixels * channels**2 + 2 * keys * width * channels
            total["attention"] += 2 * pixels * keys * channels
    total["linear"] += settings.depth * 12 * pixels * channels**2
    return total
