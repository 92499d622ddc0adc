"""Networks with more channels: which they are, what they read, and whole checkpoints of them."""

import numpy as np
import pytest

import mdx
from mdx import conditioning, families, schedulers
from mdx.families import channels
from mdx.sampling import kept
from mdx.sampling.guidance import Instructed
from tests import repositories
from tests.tasks.asking import asked, hole, picture, wider


def test_what_networks_read(model):
    layouts = {5: channels.INPAINT, 4: channels.INSTRUCT, 0: channels.PLAIN}
    for more, layout in layouts.items():
        other = wider(model, more)
        assert channels.layout(other.unet, other.vae) == layout
    told = wider(model, 3, num_class_embeds=10)
    assert channels.layout(told.unet, told.vae) == channels.UPSCALE
    for more, words in [(1, "depth checkpoints"), (2, "or 8 as InstructPix2Pix")]:
        other = wider(model, more)
        with pytest.raises(ValueError, match=words):
            channels.layout(other.unet, other.vae)


def test_channels_of_a_conditioning(model):
    """They may be given by hand; what does not fit is refused by name."""
    one = mdx.encode_prompt(model, "a")
    read = conditioning.make(one.family, {**one.arrays, "channels": np.zeros((1, 4, 8, 8))})
    other = wider(model, 4)
    mdx.denoiser(other, read)
    with pytest.raises(ValueError, match="the conditioning has no channels"):
        mdx.denoiser(other, one)
    with pytest.raises(ValueError, match=r"channels of the conditioning must be left out"):
        mdx.denoiser(model, read)
    with pytest.raises(ValueError, match=r"must be float32 \(B, 5, h, w\), not float32 \(1, 4, 8"):
        mdx.denoiser(wider(model, 5), read)
    with pytest.raises(ValueError, match="expected the same height and width"):
        mdx.denoiser(other, read).init((1, 4, 8, 9))
    with pytest.raises(ValueError, match="prompt has channels of its own"):
        asked(other, prompt=read, image=picture())


def test_instructions_are_three_calls():
    """Those that count for nothing are left out."""
    calls = []

    def called(value):
        def function(x, t):
            calls.append(value)
            return np.full_like(x, value)

        return function

    table = schedulers.table(schedulers.from_config({}, "ddim", clip_sample=False), 1)
    parts = [kept.lift(called(value)) for value in (5.0, 3.0, 2.0)]
    for text, image, expected in [(7.0, 1.5, [5, 3, 2]), (1.0, 1.0, [5]), (4.0, 1.0, [5, 3])]:
        calls.clear()
        guide = mdx.guidance.instruct(text, image)
        assert isinstance(guide, Instructed)
        one = guide._of(parts)
        x = kept.Tensor(np.zeros((1, 4, 8, 8), np.float32))
        [row, *_] = mdx.sampling.denoiser.rows(table)
        out, _ = one.apply(one.init(x.shape), x, row)
        assert calls == expected
        np.testing.assert_allclose(out.asnumpy(), 2 + image * (3 - 2) + text * (5 - 3), rtol=1e-6)
    with pytest.raises(ValueError, match="networks that read a picture in channels"):
        mdx.guidance.instruct(7.0)(called(1.0), called(2.0))


def test_one_graph_is_for_networks_alone(model):
    with pytest.raises(ValueError, match="one_graph cannot keep a part of a picture"):
        asked(model, image=picture(), mask=hole(), one_graph=True)
    with pytest.raises(ValueError, match="instructions with guidance call it three times"):
        asked(wider(model, 4), image=picture(), one_graph=True)
    asked(wider(model, 4), image=picture(), one_graph=True, guidance=1.0)
    asked(wider(model, 5), image=picture(), mask=hole(), one_graph=True)
    with pytest.raises(ValueError, match="one_graph cannot keep"):
        asked(wider(model, 5), image=picture(), mask=hole() / 2, one_graph=True)


@pytest.fixture(scope="module")
def upscaler(tmp_path_factory):
    """An upscaler, small."""
    folder = tmp_path_factory.mktemp("upscaler")
    repositories.write(folder, repositories.OF_PICTURES["upscaler"])
    return mdx.load(folder)


def test_an_upscaler_is_known_by_its_parts(upscaler, tmp_path):
    model = upscaler
    assert isinstance(model, families.StableDiffusionUpscaler)
    assert (model.low_res_scheduler.name, model.index.noise_level) == ("DDPMScheduler", 350)
    mdx.save(model, tmp_path / "again")
    again = mdx.load(tmp_path / "again")
    assert again.index.parts == model.index.parts
    assert again.index.noise_level == 350
    assert again.low_res_scheduler == model.low_res_scheduler


def test_what_an_upscaler_is_told(upscaler):
    """Its noise level is part of the conditioning: a whole number that it was taught."""
    model = upscaler
    width = model.text_encoder.config.hidden_size
    rows = {"context": np.zeros((1, 77, width)), "channels": np.zeros((1, 3, 8, 8))}
    one = conditioning.make("stable_diffusion_upscaler", rows | {"noise_level": np.array([7])})
    assert mdx.denoiser(model, one).inputs(one, (1, 4, 8, 8))["labels"].tolist() == [7]
    for level in (-1, 351, 7.5):
        wrong = conditioning.make(one.family, rows | {"noise_level": np.array([level])})
        with pytest.raises(ValueError, match="noise_level of the conditioning must be whole"):
            mdx.denoiser(model, wrong)
    with pytest.raises(ValueError, match="noise_level must be 350 or less"):
        mdx.upscale(model, "a", picture(), noise_level=351)
    assert asked(model, image=picture(9, 13)).task.shape == (4, 9, 13)
    assert asked(model, image=picture(9, 13), height=64).task.shape == (4, 16, 13)


def test_an_upscaler_s_latents_have_one_scale(upscaler):
    model = upscaler
    config = model.vae.config._replace(scaling_factor=0.18215)
    wrong = model._replace(vae=model.vae._replace(config=config))
    with pytest.raises(ValueError, match=r"by 0.08333, whatever its config.json says"):
        families.stable_diffusion_upscaler.check(wrong)


@pytest.mark.parametrize(("name", "layout"), [("inpainting", channels.INPAINT),
                                              ("InstructPix2Pix", channels.INSTRUCT)])  # fmt: skip
def test_checkpoints_that_read_a_picture_load(tmp_path, name, layout):
    folder = repositories.write(tmp_path / "x", repositories.OF_PICTURES[name])
    model = mdx.load(folder)
    assert families.check_model(model).layout(model) == layout
