"""The names of tensors in one file, and the configs that shapes tell."""

import pytest

from mdx.single_file import configs, contents
from mdx.single_file.contents import Held
from mdx.single_file.layouts import names_for
from mdx.single_file.names import read_by
from mdx.single_file.recognising import recognised
from tests import single_files, wild
from tests.single_files import KINDS, MODULES, SD_1, SD_2, XL


@pytest.mark.parametrize("kind", KINDS)
def test_names_of_real_sizes_go_both_ways(kind):
    original = KINDS[kind][0]
    for part in original.parts:
        known = single_files.sources(kind, part)
        keys = [where.key for _, where in known.values()]
        what = part if part in MODULES else "clip"
        is_open = original.parts[part].endswith(".model.")
        names = names_for(what, single_files.config(kind, part), is_open)
        back = read_by(names, keys)
        assert {name for some in back.values() for name in some} == known.keys()
        for name, (_, where) in known.items():
            assert name in back[where.key]
        # A file's own names give the same map as the config does.
        held = Held(what, "", "OpenCLIP" if is_open else "transformers")
        held = held if what == "clip" else held._replace(layout="original")
        shapes = {where.key: single_files.stored_shape(*one) for one in known.values()
                  for where in one[1:]}  # fmt: skip
        assert contents.names_of(held, shapes) == names


@pytest.mark.parametrize("kind", KINDS)
def test_configs_are_found_by_shapes(kind):
    """Those of real files equal what was published of them."""
    original = KINDS[kind][0]
    shapes = single_files.shapes(kind)
    what = recognised(shapes)
    assert (what.sort, what.original) == ("checkpoint", original)
    assert ("inpainting" in what.title) == ("inpainting" in kind)
    for part, prefix in original.parts.items():
        own = {key[len(prefix) :]: one for key, one in shapes.items() if key.startswith(prefix)}
        if part == "unet":
            json = configs.of_unet(own, original, kind == "SD 2.1")
        elif part == "vae":
            json = configs.of_vae(own, original.vae)
        else:
            layout = "OpenCLIP" if prefix.endswith(".model.") else "transformers"
            json = configs.of_text(own, Held("clip", prefix, layout), original.text[part], 23)
            json["num_hidden_layers"] = single_files.config(kind, part).num_hidden_layers
        found = single_files.module(part).from_json(json)
        published = single_files.config(kind, part)
        for field in published._fields:
            one, other = getattr(found, field), getattr(published, field)
            silent = field in ("sample_size", "eos_token_id", "projection_dim", "architectures")
            assert one == other or silent, (part, field)


@pytest.mark.parametrize("name", [name for name in wild.NETS["unet"] if "floats" not in name])
def test_blocks_of_every_published_unet_are_read(name):
    """Those that were cut down, too: fewer layers, no middle, lists within lists."""
    published = MODULES["unet"].from_json(wild.NETS["unet"][name])
    names = names_for("unet", published)
    shapes = MODULES["unet"].shapes(published)
    stored = {unet_names_source(names, key): shape for key, shape in shapes.items()}
    assert len(stored) == len(shapes)
    assert contents.names_of(Held("unet", "", "original"), stored) == names
    original = XL if published.addition_embed_type else SD_1 if "1." in name else SD_2
    json = configs.of_unet(stored, original, True)
    found = MODULES["unet"].from_json(json)
    # Numbers of levels without transformers say nothing.
    assert MODULES["unet"].shapes(found) == shapes


def unet_names_source(names, key):
    from mdx.single_file.names import source

    return source(names, key).key
