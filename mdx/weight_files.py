"""Which files hold a part's weights: plain or those of a variant, whole or in shards."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

from mdx.fields import shown
from mdx.files import as_name, first_few, how_to_complete, is_there, read_json

__all__ = [
    "PICKLES",
    "WORD",
    "check_variant",
    "choose",
    "find",
    "found_in",
    "nothing_found",
    "variants",
]

PICKLES = (".bin", ".ckpt", ".pt", ".pth")

# The variant that stores a dtype; float32 is stored without one.
OF_DTYPE = {"float16": "fp16", "bfloat16": "bf16"}

WORD = r"\w[\w.-]*"

# What follows a part's base name where weights are. An index of shards has been written with the
# variant at any of three places. Shards have a number in place of a variant, or after it.
ENDS = [
    re.compile(end.format(variant=rf"(?P<variant>(?!\S*-\d{{5}}-of-\d{{5}}){WORD})"))
    for end in (
        r"(\.{variant})?\.safetensors",
        r"(\.{variant})?\.safetensors\.index\.json",
        r"\.safetensors\.index\.{variant}\.json",
        r"\.safetensors\.{variant}\.index\.json",
    )
]


def check_variant(variant: str | None) -> None:
    """Raise TypeError or ValueError unless `variant` is None or a word that a file may bear."""
    if variant is None:
        return
    problem = f'variant must be None or a word such as "fp16", not {shown(variant)}'
    if not isinstance(variant, str):
        raise TypeError(problem)
    if not re.fullmatch(WORD, variant):
        raise ValueError(problem)


def variants(names: Iterable[str], base: str) -> set[str | None]:
    """The variants of which a folder with files of these names has weights; None is the plain one.

    `base` is "diffusion_pytorch_model" (unet, vae) or "model" (text encoder).
    """
    ends = [name.removeprefix(base) for name in names if name.startswith(base)]
    matches = [pattern.fullmatch(end) for end in ends for pattern in ENDS]
    return {match["variant"] for match in matches if match}


def found_in(folder: Path, base: str, asked: str | None = None) -> set[str | None]:
    """`variants` of a folder on disk, but for those that lack files; one that is asked for counts.

    A download of other variants leaves the indices of all of them there.
    """

    def whole(variant):
        try:
            return bool(find(folder, base, variant))
        except (OSError, ValueError):
            return False

    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return {one for one in variants(names, base) if one == asked or whole(one)}


def choose(
    where: object, there: Mapping[str, Iterable[str | None]], asked: str | None, dtype: str
) -> dict[str, str | None]:
    """Choose the variant of each part out of those that are `there` for it.

    A part takes the variant that is asked for, and its plain files where it has none. Where no
    variant is asked for, "float16" takes fp16 files and "bfloat16" bf16 ones, which need not be
    cast, before plain ones.
    FileNotFoundError, with `where` this is, if no part has the variant that is asked for.
    """
    there = {part: set(some) for part, some in there.items()}
    if asked and not any(asked in some for some in there.values()):
        known = sorted({one for some in there.values() for one in some if one})
        others = (
            f"; there are {first_few(known)}" if known else ", nor of any other; leave variant out"
        )
        raise FileNotFoundError(f"{where} has no weights of variant {shown(asked)}{others}")
    wanted = asked or OF_DTYPE.get(dtype)
    return {part: wanted if wanted in some else None for part, some in there.items()}


def find(folder: str | Path, base: str, variant: str | None = None) -> tuple[Path, ...]:
    """Find the safetensors files of one part, single or sharded.

    `base` is "diffusion_pytorch_model" (unet, vae) or "model" (text encoder); `variant` is
    "fp16" or the like. Raises FileNotFoundError where there is none (and says what there is),
    ValueError for a shard index that names files outside `folder`.
    """
    folder = Path(folder)
    dot = f".{variant}" if variant else ""
    single = folder / f"{base}{dot}.safetensors"
    indices = [
        folder / f"{base}{dot}.safetensors.index.json",
        folder / f"{base}.safetensors.index{dot}.json",
        folder / f"{base}.safetensors{dot}.index.json",
    ]
    if is_there(single):
        return (single,)
    for index in indices:
        if is_there(index):
            return _shards(index)
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    raise nothing_found(folder, names, base, variant)


def _shards(index: Path) -> tuple[Path, ...]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise ValueError(f"{index} is no shard index: it has no weight_map")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        # A bare file name: anything else could read files that are not the checkpoint's.
        bare = PurePosixPath(name).name == name == PureWindowsPath(name).name
        if not bare or not name.endswith(".safetensors"):
            raise ValueError(
                f"{index} names {name[:100]!r}, but shards must be .safetensors files in its own "
                "folder"
            )
    files = tuple(index.parent / name for name in names)
    gone = [file.name for file in files if not file.is_file()]
    if gone:
        raise FileNotFoundError(
            f"{index.parent} lacks shards that {index.name} names: {first_few(gone)}"
            + how_to_complete(index)
        )
    return files


def nothing_found(
    where: str | Path, names: Iterable[str], base: str, variant: str | None
) -> FileNotFoundError:
    """The error for a folder, with files of these names, that lacks the weights of a variant."""
    names, wanted = (
        sorted(names),
        f"{base}.{variant}.safetensors" if variant else f"{base}.safetensors",
    )
    others = sorted(one or "" for one in variants(names, base))
    pickles = [name for name in names if name.endswith(PICKLES)]
    strange = [name for name in names if name.endswith(".safetensors")]
    if "" in others:
        text = f"{where} has no {wanted}, but plain weights; leave variant out"
    elif others:
        words = " or ".join(f'variant="{as_name(one)}"' for one in others)
        text = (
            f"{where} has no {wanted}, only weights of another variant; load with {words}, which "
            "takes the plain files of parts that do not have it"
        )
    elif pickles:
        text = (
            f"{where} has only pickled weights ({first_few(pickles)}), which can run code when "
            "read, so mdx reads safetensors alone; take a revision of the checkpoint that has "
            f"{wanted}, or convert it with safetensors' convert tool"
        )
    elif strange:
        text = (
            f"{where} has no {wanted}, but {first_few(strange)}; if its weights are there, give "
            "the file that name"
        )
    else:
        text = (
            f"{where} has no {wanted}; a checkpoint needs its weights as safetensors "
            "(one with only .bin or .ckpt files must be converted first)"
        )
    return FileNotFoundError(text + how_to_complete(Path(where)))
