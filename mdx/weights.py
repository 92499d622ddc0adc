"""Checkpoint files to flat parameter dicts: map, cast, check, save.

Weights that already have the wanted dtype stay in the file, mapped: they take memory when they are
used, and can give it back. Others are cast through small buffers, so that loading needs the final
weights' memory and little more.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mindspore
import numpy as np

from mdx import bfloat16
from mdx.checks import one_of
from mdx.files import as_name, first_few, replacing
from mdx.mapped import MappedFile, Place, array, drop_unused, open_file
from mdx.safetensors_file import Entry, entries, stored_as, write

__all__ = [
    "DTYPES",
    "as_floats",
    "check_dtype",
    "dtype_of",
    "misfits",
    "new_text_names",
    "not_finite",
    "old_vae_names",
    "read",
    "read_entries",
    "read_in_place",
    "save",
]

# What weights may be held in, and how a file says so.
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}

# What files may hold, and the arrays of it.
STORED = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": bfloat16.WORD,
}

# Of 16 bits, by the arrays that hold them: those of NaN and infinity, of which all are set.
EXPONENT = {STORED["F16"]: 0x7C00, STORED["BF16"]: 0x7F80}

CHUNK = 1 << 18  # elements handled at once, so that no temporary grows with the tensor
THREADS = 4  # that cast tensors, each through a buffer of its own

# Elements at either end of a mapped tensor that are checked when it is loaded. Training that
# diverged shows there; to look at all would be to read all of the file.
LOOKED_AT = 1 << 14

# A buffer that transformers once saved beside the weights; it holds 0, 1, 2, ...
HARMLESS = ("text_model.embeddings.position_ids",)


def check_dtype(dtype: str) -> None:
    """Raise ValueError unless weights can be held in `dtype`."""
    one_of("dtype", dtype, tuple(DTYPES))


def dtype_of(params: Mapping[str, mindspore.Tensor]) -> str:
    """The dtype in which weights are held, one of DTYPES, by the first of them; else "float32"."""
    named = str(next(iter(params.values())).dtype).lower()
    return named if named in DTYPES else "float32"


def read(
    files: Iterable[str | Path],
    shapes: Mapping[str, Sequence[int]],
    dtype: str = "float32",
    *,
    rename: Callable[[str], str | None] | None = None,
) -> dict[str, mindspore.Tensor]:
    """Read the parameters named in `shapes` as tensors of `dtype`, one of DTYPES.

    `rename` maps a name in the files to the one in `shapes`, None to leave it out. Raises
    ValueError that lists every missing, unexpected or misshapen key (the first three and the
    count), and for weights that are no numbers, not finite, or too large for `dtype`. Of those that
    stay in the file only the ends are looked at: `not_finite` looks at all.
    """
    return read_in_place(files, shapes, dtype, rename=rename)[0]


def read_in_place(
    files: Iterable[str | Path],
    shapes: Mapping[str, Sequence[int]],
    dtype: str = "float32",
    *,
    rename: Callable[[str], str | None] | None = None,
) -> tuple[dict[str, mindspore.Tensor], dict[str, Place]]:
    """`read`, and where in their files those parameters lie that were not copied."""
    check_dtype(dtype)
    files = [Path(file) for file in files]
    found: dict[str, Entry] = {}
    for file in files:
        for stored, entry in entries(file).items():
            name = rename(stored) if rename else stored
            if name is None:
                continue
            if name in found:
                raise ValueError(
                    f"{as_name(name)} occurs twice: in {found[name].path} and in {file}"
                )
            found[name] = entry
    if problems := misfits(found, shapes):
        where = files[0].parent if files else "no files"
        raise ValueError(f"the weights in {where} do not fit the config beside them; {problems}")
    return read_entries(found, shapes, dtype)


def read_entries(
    found: Mapping[str, Entry],
    shapes: Mapping[str, Sequence[int]],
    dtype: str,
    transposed: Collection[str] = (),
) -> tuple[dict[str, mindspore.Tensor], dict[str, Place]]:
    """`read_in_place` of tensors, or runs of rows of them, that fit the shapes: see `misfits`.

    Those that are `transposed` have rows where their file has columns; their entries' shapes are
    what they become.
    """
    maps = {file: open_file(file) for file in {found[name].path for name in shapes}}
    placed = {
        name: None
        if name in transposed
        else _place(name, found[name], maps[found[name].path], dtype)
        for name in shapes
    }
    places = {name: place for name, place in placed.items() if place is not None}
    arrays = {name: array(place, STORED[DTYPES[dtype]]) for name, place in places.items()}
    others = [name for name in shapes if name not in places]
    with ThreadPoolExecutor(THREADS) as pool:
        casts = pool.map(lambda name: _cast(name, found[name], dtype), others)
        arrays.update(zip(others, casts, strict=True))
    for name in transposed:
        columns = arrays[name].reshape(found[name].shape[::-1])
        arrays[name] = np.ascontiguousarray(columns.T).reshape(-1)

    for name in places:
        for some in (arrays[name][:LOOKED_AT], arrays[name][-LOOKED_AT:]):
            _check_finite(name, found[name], some)
    # Looking at them took memory, which is not needed before the first use.
    for file in maps.values():
        drop_unused(file)
    made = bfloat16.tensor if dtype == "bfloat16" else mindspore.Tensor.from_numpy
    return {name: made(arrays[name].reshape(shapes[name])) for name in shapes}, places


def not_finite(params: Mapping[str, mindspore.Tensor]) -> list[str]:
    """The names of parameters that hold NaN or infinity; reads all of them."""

    def spoilt(param):
        numbers = bfloat16.array(param).reshape(-1)
        parts = (numbers[i : i + CHUNK] for i in range(0, len(numbers), CHUNK))
        return not all(map(_finite, parts))

    return [name for name, param in params.items() if spoilt(param)]


def misfits(found: Mapping[str, Entry], shapes: Mapping[str, Sequence[int]]) -> str:
    """What of the tensors found is not as wanted, in words; "" if all is."""
    missing = [name for name in shapes if name not in found]
    unexpected = [name for name in found if name not in shapes and name not in HARMLESS]
    misshapen = [
        f"{name} {list(found[name].shape)} instead of {list(shape)}"
        for name, shape in shapes.items()
        if name in found and not _same_layout(found[name].shape, tuple(shape))
    ]
    lists = {"missing": missing, "unexpected": unexpected, "misshapen": misshapen}
    return "; ".join(
        f"{len(names)} {word}: {first_few(names)}" for word, names in lists.items() if names
    )


def _same_layout(stored: tuple[int, ...], wanted: tuple[int, ...]) -> bool:
    """Whether the two hold the same numbers: a linear layer is a 1x1 convolution."""
    return stored == wanted or (
        {len(stored), len(wanted)} == {2, 4}
        and stored[:2] == wanted[:2]
        and set(stored[2:] + wanted[2:]) == {1}
    )


def _place(name: str, entry: Entry, file: MappedFile, dtype: str) -> Place | None:
    """Where a tensor can be used as it lies; None where it must be cast, or lies askew."""
    if entry.dtype not in STORED:
        raise ValueError(
            f"{entry.path}: {name} is stored as {entry.dtype}, which mdx does not read as weights; "
            f"it reads {', '.join(STORED)}"
        )
    size = STORED[entry.dtype].itemsize
    if entry.dtype != DTYPES[dtype] or entry.start % size:
        return None
    return Place(file, entry.start, math.prod(entry.shape) * size)


def as_floats(name: str, entry: Entry) -> np.ndarray:
    """A small tensor's numbers as float32, for what is no weight. Raises ValueError."""
    if entry.dtype not in STORED:
        raise ValueError(f"{entry.path}: {as_name(name)} is stored as {entry.dtype}")
    return _cast(name, entry, "float32").reshape(entry.shape)


def _cast(name: str, entry: Entry, dtype: str) -> np.ndarray:
    """One tensor's numbers, flat, in another dtype."""
    stored = STORED[entry.dtype]
    count = math.prod(entry.shape)
    # Read, not mapped: pages of a mapping would count beside the copy until the kernel drops them.
    numbers = np.empty(count, STORED[DTYPES[dtype]])
    buffer: np.ndarray = np.empty(min(count, CHUNK), stored)
    with entry.path.open("rb") as file:
        file.seek(entry.start)
        for i in range(0, count, CHUNK):
            part = buffer[: min(CHUNK, count - i)]
            if file.readinto(part.data.cast("B")) != part.nbytes:
                raise ValueError(f"{entry.path} became shorter while it was read")
            _check_finite(name, entry, part)
            wide = bfloat16.widened(part) if entry.dtype == "BF16" else part
            with np.errstate(over="ignore"):
                some = bfloat16.rounded(wide) if dtype == "bfloat16" else wide
                numbers[i : i + CHUNK] = some
            _check_range(name, entry, numbers[i : i + CHUNK], dtype)
    return numbers


def _check_finite(name: str, entry: Entry, numbers: np.ndarray) -> None:
    if not _finite(numbers):
        raise ValueError(
            f"{entry.path}: {name} has values that are not finite (NaN or infinity); "
            "the file is damaged or its training diverged"
        )


def _check_range(name: str, entry: Entry, numbers: np.ndarray, dtype: str) -> None:
    if not _finite(numbers):
        hint = "mdx holds nothing wider" if dtype == "float32" else 'load it with dtype="float32"'
        raise ValueError(f"{entry.path}: {name} has values too large for {dtype}; {hint}")


def _finite(numbers: np.ndarray) -> bool:
    if numbers.dtype in EXPONENT:
        # As integers, for float16 arithmetic is slow, and numpy has none of bfloat16.
        return int((numbers.view(np.uint16) & 0x7FFF).max(initial=0)) < EXPONENT[numbers.dtype]
    # NaN and infinity survive a sum. The sum of large finite numbers may overflow: look closer.
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(numbers.sum())) or bool(np.isfinite(numbers).all())


def old_vae_names(name: str) -> str:
    """The current name of a VAE weight: early checkpoints name the attention layers otherwise."""
    layer, dot, kind = name.rpartition(".")
    block, inner, last = layer.rpartition(".")
    if ".attentions." not in f".{block}.":
        return name
    return block + inner + OLD_ATTENTION.get(last, last) + dot + kind


OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}


def new_text_names(name: str) -> str:
    """transformers 5 saves CLIPTextModel without the prefix that all checkpoints before it have."""
    bare = name.startswith(("embeddings.", "encoder.", "final_layer_norm."))
    return "text_model." + name if bare else name


def save(params: Mapping[str, Any], path: str | Path) -> None:
    """Write parameters (tensors or arrays) as one safetensors file, whole or not at all.

    Dtypes are kept. Raises OSError where the file cannot be written.
    """
    tensors = {name: _stored(param) for name, param in params.items()}
    with replacing(path) as part:
        write(part, tensors)


def _stored(param: Any) -> tuple[str, np.ndarray]:
    """A parameter as a file holds it: its dtype, and its numbers."""
    if not isinstance(param, mindspore.Tensor):
        param = np.asarray(param)
        return stored_as(param), param
    numbers = bfloat16.array(param)
    return "BF16" if param.dtype == mindspore.bfloat16 else stored_as(numbers), numbers
