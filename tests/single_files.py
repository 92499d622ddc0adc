"""Checkpoints in one file, of every kind: real names with small weights, and what stands beside."""

import json
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from mdx import bfloat16, casting
from mdx.nets import clip, unet, vae
from mdx.safetensors_file import BITS, Lazy, stored_as, write_lazily
from mdx.single_file.layouts import names_for
from mdx.single_file.names import source
from mdx.single_file.originals import ORIGINALS
from mdx.weights import dtype_of
from tests import repositories, tiny, wild
from tests.repositories_xl import SMALLER as SMALLER_XL

XL, REFINER, SD_2, SD_1 = ORIGINALS
UNET, VAE = "model.diffusion_model.", "first_stage_model."
INPAINT = {"in_channels": 9}
UNETS = wild.NETS["unet"]
ENCODERS = wild.NETS["text_encoder"]
TEXTS = {"L": ENCODERS["SD 1.4 as first published"], "G": ENCODERS["SDXL, the second"]}
TEXTS["H"] = ENCODERS["SD 2.1"]

# Kind -> (its record, the published configs of its nets, the sizes that are made smaller).
KINDS: dict[str, tuple[Any, dict[str, dict], dict[str, dict]]] = {
    "SD 1.5": (
        SD_1,
        {"text_encoder": TEXTS["L"], "unet": UNETS["SD 1.5"], "vae": wild.VAE},
        repositories.SMALLER,
    ),
    "SD 1.5, inpainting": (
        SD_1,
        {"text_encoder": TEXTS["L"], "unet": UNETS["SD 1.5"] | INPAINT, "vae": wild.VAE},
        repositories.SMALLER,
    ),
    "SD 2.1": (
        SD_2,
        {"text_encoder": TEXTS["H"], "unet": UNETS["SD 2.1"], "vae": wild.VAE},
        repositories.SMALLER,
    ),
    "SDXL": (
        XL,
        {
            "text_encoder": TEXTS["L"],
            "text_encoder_2": TEXTS["G"],
            "unet": UNETS["SDXL"],
            "vae": wild.NETS["vae"]["SDXL"],
        },
        SMALLER_XL,
    ),
    "SDXL, inpainting": (
        XL,
        {
            "text_encoder": TEXTS["L"],
            "text_encoder_2": TEXTS["G"],
            "unet": UNETS["SDXL"] | INPAINT,
            "vae": wild.NETS["vae"]["SDXL"],
        },
        SMALLER_XL,
    ),
    "refiner": (
        REFINER,
        {
            "text_encoder_2": TEXTS["G"],
            "unet": UNETS["SDXL refiner"],
            "vae": wild.NETS["vae"]["SDXL"],
        },
        SMALLER_XL,
    ),
}
MODULES = {"unet": unet, "vae": vae}


# Channels that differ where the real ones do, so that the same blocks have shortcuts.
CHANNELS = {128: 32, 256: 64, 320: 32, 384: 32, 512: 128, 640: 64, 768: 64, 1280: 128, 1536: 128}
# Numbers of layers stay, for they make names.
KEPT = {"layers_per_block", "num_hidden_layers", "transformer_layers_per_block"}


@contextmanager
def quiet():
    """Without warnings: small checkpoints are not what their files say."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def module(part):
    """The net of a part."""
    return MODULES.get(part, clip)


def config(kind, part, small=False):
    """The record of a part's config, as published; or as small as keeps all names."""
    _, nets, smaller = KINDS[kind]
    said = dict(nets[part])
    if small:
        for key, sizes in (smaller.get(part, {}) | {"block_out_channels": CHANNELS}).items():
            if key in said and key not in KEPT:
                said[key] = repositories.exchanged(said[key], sizes)
        if part.startswith("text_encoder"):
            said["vocab_size"] = 40
    return module(part).from_json(said)


def sources(kind, part, small=False):
    """Each weight of a part: its shape, and where the file has it, without the part's prefix."""
    original = KINDS[kind][0]
    record = config(kind, part, small)
    is_open = original.parts[part].endswith(".model.")
    what = part if part in MODULES else "clip"
    names = names_for(what, record, is_open)
    shapes = module(part).shapes(record)
    return {name: (shape, source(names, name)) for name, shape in shapes.items()}


def stored_shape(shape, where):
    """The shape of a stored tensor, by that of a weight which it holds."""
    if where.transposed:
        return shape[::-1]
    rows = (shape[0] * where.blocks, *shape[1:])
    return (*rows, 1, 1) if ".mid.attn_1." in where.key and len(rows) == 2 else rows


def shapes(kind):
    """The tensors of a real file of a kind, by name."""
    found = {}
    for part, prefix in KINDS[kind][0].parts.items():
        for shape, where in sources(kind, part).values():
            found[prefix + where.key] = stored_shape(shape, where)
    return found


def weights(kind, seed=0):
    """Random weights of all parts, small: part -> name -> array."""
    return {
        part: tiny.random_params(module(part).shapes(config(kind, part, True)), seed + i)
        for i, part in enumerate(KINDS[kind][0].parts)
    }


def stored(kind, params):
    """The tensors that a file has for such weights, each made by the plainest rule there is."""
    found = {}
    for part, prefix in KINDS[kind][0].parts.items():
        rows = {}
        for name, (_, where) in sources(kind, part, True).items():
            array = params[part][name]
            if where.transposed:
                array = array.T
            if ".mid.attn_1." in where.key and array.ndim == 2:
                array = array[..., None, None]
            rows.setdefault(where.key, {})[where.block] = array
        for key, blocks in rows.items():
            found[prefix + key] = np.concatenate([blocks[i] for i in sorted(blocks)])
    return found


def write(path: Path, tensors, metadata=None) -> Path:
    """Write arrays as a safetensors file."""
    lazies = {
        name: Lazy(stored_as(array), array.shape, lambda array=array: array)
        for name, array in tensors.items()
    }
    write_lazily(path, lazies, metadata)
    return path


def sparse(path: Path, shapes, dtype="F16") -> Path:
    """A file of these shapes whose data is a hole: as large as a real one, and takes no room."""
    header, end = {}, 0
    for name, shape in shapes.items():
        size = int(np.prod(shape)) * BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + end)
    return path


def changed(net, function):
    """A net with other numbers, held as they were."""
    dtype = dtype_of(net.params)
    params = {k: casting.tensor(function(casting.floats(v)), dtype) for k, v in net.params.items()}
    return net._replace(params=params, places={})


def assert_same(got, wanted, *, but=()):
    """Two nets have equal configs, but for some fields, and equal weights."""
    ours = {key: value for key, value in got.config._asdict().items() if key not in but}
    assert ours == {key: value for key, value in wanted.config._asdict().items() if key not in but}
    assert got.params.keys() == wanted.params.keys()
    for name, param in got.params.items():
        ours, theirs = bfloat16.array(param), bfloat16.array(wanted.params[name])
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
