"""The hooks inside a UNet against diffusers' own ControlNet inputs, adapters, PAG and FreeU.

Two layers of each transformer and three levels, so that names and numbers of layers count; the last
case is all of them at once, with each stage a graph of its own that the host calls.
"""

import functools

import mindspore
import numpy as np
import pytest
from mindspore import Tensor

from mdx.nets import unet, unet_changes, unet_stages
from mdx.nets.unet_changes import NOTHING, Changes, Scaled
from tests.parity.oracle import randomize
from tests.parity.test_nets import TOLERANCE, relative

torch = pytest.importorskip("torch", reason="pip install '.[parity]'")
diffusers = pytest.importorskip("diffusers")
pytestmark = pytest.mark.parity

JSON = {
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "block_out_channels": [8, 16, 16],
    "layers_per_block": 1,
    "attention_head_dim": 2,
    "transformer_layers_per_block": 2,
    "cross_attention_dim": 12,
    "norm_num_groups": 4,
}
CONFIG = unet.from_json(JSON)
STAGES = unet_stages.stages(CONFIG)
HEIGHT, WIDTH = 8, 12
MIDDLE, DOWN = "mid_block.attentions.0", "down_blocks.1.attentions.0"


def random(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


X, T, CONTEXT = random(0, 2, 4, HEIGHT, WIDTH), np.float32([981, 3.5]), random(1, 2, 5, 12)
# Maps that are kept: of conv_in, and of each block and halving on the way down.
KEPT = ((8, 1), (8, 1), (8, 2), (16, 2), (16, 4), (16, 4))
SKIPS = [random(10 + i, 2, c, HEIGHT // f, WIDTH // f) for i, (c, f) in enumerate(KEPT)]
MID = random(20, 2, 16, HEIGHT // 4, WIDTH // 4)
# As T2I-Adapters give them: of a block with transformers before it is halved, of others after.
AFTER = {
    "down_blocks.0.downsamplers.0.conv": random(21, 2, 8, HEIGHT // 2, WIDTH // 2),
    DOWN: random(22, 2, 16, HEIGHT // 2, WIDTH // 2),
    "down_blocks.2.resnets.0": random(23, 2, 16, HEIGHT // 4, WIDTH // 4),
}
IMAGES = [random(30, 2, 4, 12), random(31, 2, 3, 12)]
SCALES = (0.6, 1.5)


def oracle():
    return randomize(diffusers.UNet2DConditionModel(**JSON))


def answer(net, context=None, **options):
    context = torch.tensor(CONTEXT) if context is None else context
    with torch.no_grad():
        return net(torch.tensor(X), torch.tensor(T), context, **options).sample


# Each gives (the net as it is changed, its answer, the arrays that mdx is told, its changes).


def control(net, **options):
    skips = [torch.tensor(one) for one in SKIPS]
    options = {
        "down_block_additional_residuals": skips,
        "mid_block_additional_residual": torch.tensor(MID),
        **options,
    }
    told = {f"skip.{i}": one for i, one in enumerate(SKIPS)}
    return options, {**told, "after.mid_block.resnets.1": MID}, NOTHING


def adapter(net):
    """The reference wants a map for each block, and takes those of plain ones after the halving."""
    maps = [torch.tensor(one) for one in AFTER.values()]
    told = {"after." + name: one for name, one in AFTER.items()}
    return {"down_intrablock_additional_residuals": maps}, told, NOTHING


def image(net):
    from diffusers.models.attention_processor import IPAdapterAttnProcessor2_0

    generator = torch.Generator().manual_seed(1)
    for name, module in net.named_modules():
        if name.endswith("attn2"):
            tokens = [one.shape[1] for one in IMAGES]
            made = IPAdapterAttnProcessor2_0(module.to_q.in_features, 12, tokens, list(SCALES))
            for weight in made.parameters():
                torch.nn.init.normal_(weight, std=0.3, generator=generator)
            if name.startswith(DOWN):
                made.scale = [0.0, SCALES[1]]
            module.set_processor(made)
    context = (torch.tensor(CONTEXT), [torch.tensor(one) for one in IMAGES])
    told = {f"image.{i}": one for i, one in enumerate(IMAGES)}
    told |= {f"image_scale.{i}": np.float32([scale] * 2) for i, scale in enumerate(SCALES)}
    told["image_scale.0." + DOWN] = np.zeros(2, np.float32)
    return {"context": context}, told, Changes(images=2)


def alone(net):
    """The reference's processor changes the second half of a batch: here both halves are that."""
    from diffusers.models.attention_processor import PAGIdentitySelfAttnProcessor2_0

    class Whole(PAGIdentitySelfAttnProcessor2_0):
        def __call__(self, attn, hidden_states, *rest, **options):
            return super().__call__(attn, torch.cat([hidden_states] * 2), *rest, **options)[2:]

    for name in (MIDDLE, DOWN + ".transformer_blocks.1"):
        for module in net.get_submodule(name).modules():
            if hasattr(module, "attn1"):
                module.attn1.set_processor(Whole())
    return {}, {}, Changes(alone=(MIDDLE, DOWN + ".transformer_blocks.1"))


def free(net):
    net.enable_freeu(s1=0.9, s2=0.2, b1=1.2, b2=1.4)
    parts = Scaled("up_blocks.0", 1.2, 0.9), Scaled("up_blocks.1", 1.4, 0.2)
    return {}, {}, Changes(scaled=parts)


def skipped(net):
    names = (MIDDLE, DOWN + ".transformer_blocks.0", "down_blocks.2.resnets.0")
    net.get_submodule(names[0]).forward = lambda x, **options: (x,)
    net.get_submodule(names[1]).forward = lambda x, *rest, **options: x
    net.get_submodule(names[2]).forward = lambda x, *rest, **options: x
    return {}, {}, Changes(skipped=names)


HOOKS = {
    "ControlNet": control,
    "T2I-Adapter": adapter,
    "image prompts": image,
    "alone": alone,
    "FreeU": free,
    "skipped": skipped,
}


@functools.cache
def unchanged():
    return answer(oracle()).numpy()


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook(name):
    net = oracle()
    options, told, changes = HOOKS[name](net)
    expected = answer(net, **options)
    assert relative(unchanged(), expected) > 100 * TOLERANCE, "the hook changes nothing"
    assert relative(in_one_graph(net, told, changes), expected) < TOLERANCE


def test_all_at_once_stage_by_stage():
    """From the host, where stages that are equal share a graph: under names of their own."""
    net = oracle()
    options, told, changes = {}, {}, NOTHING
    for hook in (control, image, alone, free):
        more, names, other = hook(net)
        options.update(more)
        told.update(names)
        given = {k: v for k, v in other._asdict().items() if v != getattr(NOTHING, k)}
        changes = changes._replace(**given)
    expected = answer(net, **options)
    assert relative(in_stages(net, told, changes), expected) < TOLERANCE


def tensors(arrays):
    return mindspore.mutable({name: Tensor(value) for name, value in arrays.items()})


def params_of(net):
    params = {name: value.numpy() for name, value in net.state_dict().items()}
    assert params.keys() >= unet.shapes(CONFIG).keys()
    return params


def in_one_graph(net, told, changes):
    @mindspore.jit
    def apply(params, x, t, conditioning):
        return unet.apply(CONFIG, params, x, t, conditioning, changes=changes)

    told = tensors({"context": CONTEXT, **told})
    return apply(tensors(params_of(net)), Tensor(X), Tensor(T), told)


def in_stages(net, told, changes):
    params, told = params_of(net), {name: Tensor(value) for name, value in told.items()}
    owns, skips, graphs = unet_stages.owns(CONFIG, changes), unet_stages.skips(CONFIG), {}

    @mindspore.jit
    def enter(params, x, t, told):
        return unet.embed(CONFIG, params, x, t, told)

    def graph(stage, own):
        @mindspore.jit
        def apply(params, x, kept, inputs):
            return unet_stages.apply(CONFIG, stage, params, x, kept, inputs, 2**26, own)

        return apply

    def run(number, x, known):
        stage, own = STAGES[number], owns[number]
        same = stage._replace(name="stage", push_skip=False, mid=False)
        compiled = graphs.setdefault((same, own), graph(same, own))
        weights = {
            "stage" + name.removeprefix(stage.name): value
            for name, value in params.items()
            if name.startswith(stage.name + ".")
        }
        read = unet_changes.inputs_of(inputs, stage.name, skips[number], "stage")
        return compiled(tensors(weights), x, known, mindspore.mutable(read))

    @mindspore.jit
    def leave(params, x):
        return unet.head(CONFIG, params, x)

    all_params = tensors(params)
    x, inputs = enter(all_params, Tensor(X), Tensor(T), tensors({"context": CONTEXT}))
    inputs = {**inputs, **told}
    out = leave(all_params, unet_stages.fold(STAGES, run, x))
    assert len(graphs) < len(STAGES)
    return out
