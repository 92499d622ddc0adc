"""Which files a part's weights are read from: single or sharded, plain or of a variant."""

import json
import re

import numpy as np
import pytest
from safetensors.numpy import save_file

from mdx import weight_files, weights
from mdx.weight_files import check_variant, choose, find, found_in, nothing_found, variants

BASE = "diffusion_pytorch_model"

# File names as repositories have them, and the variants that they are of.
NAMES = {
    f"{BASE}.safetensors": {None},
    f"{BASE}.fp16.safetensors": {"fp16"},
    f"{BASE}.non_ema.safetensors": {"non_ema"},
    f"{BASE}.bf16-2.safetensors": {"bf16-2"},
    f"{BASE}.fp16.ema.safetensors": {"fp16.ema"},
    f"{BASE}.safetensors.index.json": {None},
    f"{BASE}.fp16.safetensors.index.json": {"fp16"},
    f"{BASE}.safetensors.index.fp16.json": {"fp16"},
    f"{BASE}.safetensors.fp16.index.json": {"fp16"},
    # A shard alone is nothing without its index.
    f"{BASE}-00001-of-00002.safetensors": set(),
    f"{BASE}.fp16-00001-of-00002.safetensors": set(),
    f"{BASE}-00001-of-00002.fp16.safetensors": set(),
    f"{BASE}.bin": set(),
    f"{BASE}.fp16.bin": set(),
    f"{BASE}.bin.index.json": set(),
    f"{BASE}_ema.safetensors": set(),
    f"{BASE}..safetensors": set(),
    f"{BASE}.a b.safetensors": set(),
    f"other.{BASE}.safetensors": set(),
    "model.safetensors": set(),
    "config.json": set(),
    "": set(),
}


@pytest.mark.parametrize(("name", "found"), NAMES.items())
def test_variants_by_file_name(name, found):
    assert variants([name], BASE) == found


def test_variants_of_a_text_encoder():
    names = ["model.safetensors", "model.fp16.safetensors", f"{BASE}.ema.safetensors"]
    assert variants([*names, "pytorch_model.safetensors"], "model") == {None, "fp16"}


def fill(folder, *names):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def shards(folder, index, *names):
    """An index, and shards that it names."""
    fill(folder, *names)
    (folder / index).write_text(json.dumps({"weight_map": {name: name for name in names}}))
    return folder


def test_single_files(tmp_path):
    fill(tmp_path, "model.safetensors", "model.fp16.safetensors")
    assert [path.name for path in find(tmp_path, "model")] == ["model.safetensors"]
    assert [path.name for path in find(tmp_path, "model", "fp16")] == ["model.fp16.safetensors"]


INDICES = [
    (None, f"{BASE}.safetensors.index.json"),
    ("fp16", f"{BASE}.fp16.safetensors.index.json"),
    ("fp16", f"{BASE}.safetensors.index.fp16.json"),
    ("fp16", f"{BASE}.safetensors.fp16.index.json"),
]


@pytest.mark.parametrize(("variant", "index"), INDICES)
def test_shards_with_every_index_name(tmp_path, variant, index):
    arrays = {name: np.full(3, i, np.float32) for i, name in enumerate("abc")}
    place = {n: f"{BASE}-0000{i % 2 + 1}-of-00002.safetensors" for i, n in enumerate(arrays)}
    for file in set(place.values()):
        save_file({n: arrays[n] for n in arrays if place[n] == file}, tmp_path / file)
    (tmp_path / index).write_text(json.dumps({"metadata": {}, "weight_map": place}))
    assert found_in(tmp_path, BASE) == {variant}
    files = find(tmp_path, BASE, variant)
    assert len(files) == 2
    read = weights.read(files, dict.fromkeys(arrays, (3,)))
    for name, value in arrays.items():
        np.testing.assert_array_equal(read[name].asnumpy(), value)


def test_files_may_be_links_as_in_the_hub_cache(tmp_path):
    weights.save({"a": np.zeros(1, np.float32)}, tmp_path / "0123")
    (tmp_path / "model.safetensors").symlink_to(tmp_path / "0123")
    assert weights.read(find(tmp_path, "model"), {"a": (1,)})


def test_variants_that_are_there_in_part(tmp_path):
    """A folder counts what can be loaded from it, and what is asked for, to say what it lacks."""
    fill(tmp_path, "model.safetensors")
    shards(tmp_path, "model.fp16.safetensors.index.json", "model.fp16-00001-of-00002.safetensors")
    assert found_in(tmp_path, "model") == {None, "fp16"}
    (tmp_path / "model.fp16-00001-of-00002.safetensors").unlink()
    (tmp_path / "model.ema.safetensors").symlink_to("gone")
    assert found_in(tmp_path, "model") == {None}
    assert found_in(tmp_path, "model", "fp16") == {None, "fp16"}
    assert found_in(tmp_path, "model", "ema") == {None, "ema"}
    assert found_in(tmp_path / "none", "model") == set()


# What parts have, what is asked for, and what each part takes.
BOTH, PLAIN, HALF, ODD = {None, "fp16"}, {None}, {"fp16"}, {"ema"}
ALL = {None, "fp16", "bf16"}
CHOICES = [
    ((BOTH, BOTH), None, "float32", (None, None)),
    ((BOTH, BOTH), None, "float16", ("fp16", "fp16")),
    ((BOTH, BOTH), "fp16", "float32", ("fp16", "fp16")),
    ((BOTH, PLAIN), None, "float16", ("fp16", None)),
    ((HALF, PLAIN), None, "float16", ("fp16", None)),
    ((HALF, PLAIN), "fp16", "float32", ("fp16", None)),
    ((HALF, PLAIN), None, "float32", (None, None)),  # the first one's error says what to do
    ((BOTH, ODD), "fp16", "float16", ("fp16", None)),
    ((BOTH, {None, "ema"}), "ema", "float16", (None, "ema")),
    ((PLAIN, PLAIN), None, "float16", (None, None)),
    ((ALL, BOTH), None, "bfloat16", ("bf16", None)),
    ((ALL, BOTH), None, "float16", ("fp16", "fp16")),
    ((ALL, {"bf16"}), None, "float32", (None, None)),
    (({"bf16"}, HALF), None, "bfloat16", ("bf16", None)),
    ((ALL, BOTH), "fp16", "bfloat16", ("fp16", "fp16")),
    ((ALL, PLAIN), "bf16", "float16", ("bf16", None)),
    ((set(), BOTH), "fp16", "float32", (None, "fp16")),
    ((set(), set()), None, "float32", (None, None)),
]


@pytest.mark.parametrize(("there", "asked", "dtype", "chosen"), CHOICES)
def test_choice_by_part(there, asked, dtype, chosen):
    parts = ("unet", "vae")
    found = choose("x", dict(zip(parts, there, strict=True)), asked, dtype)
    assert found == dict(zip(parts, chosen, strict=True))


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ((BOTH, ODD), "org/x has no weights of variant 'fp61'; there are ema, fp16"),
        ((PLAIN, set()), "of variant 'fp61', nor of any other; leave variant out"),
    ],
)
def test_a_variant_that_no_part_has(there, message):
    with pytest.raises(FileNotFoundError, match=message):
        choose("org/x", {"unet": there[0], "vae": there[1]}, "fp61", "float32")


@pytest.mark.parametrize("variant", ["", "../x", "a/b", ".fp16", "fp 16", "fp16\n", "a\0b", "-x"])
def test_variants_are_words(variant):
    with pytest.raises(ValueError, match='variant must be None or a word such as "fp16", not'):
        check_variant(variant)


def test_variants_are_text():
    check_variant(None)
    check_variant("fp16")
    with pytest.raises(TypeError, match=r"variant must be None or a word .* not 16"):
        check_variant(16)


# What a folder has, the variant that it lacks, and what is said.
LACKING = {
    "nothing": ([], None, f"has no {BASE}.safetensors; a checkpoint needs its weights as safe"),
    "plain only": (
        [f"{BASE}.safetensors"],
        "fp16",
        f"has no {BASE}.fp16.safetensors, but plain weights; leave variant out",
    ),
    "fp16 only": (
        [f"{BASE}.fp16.safetensors"],
        None,
        'only weights of another variant; load with variant="fp16", which takes the plain files',
    ),
    "two variants": (
        [f"{BASE}.fp16.safetensors", f"{BASE}.safetensors.index.ema.json"],
        None,
        'load with variant="ema" or variant="fp16", which',
    ),
    "pickles": ([f"{BASE}.bin"], None, f"only pickled weights .{BASE}.bin.* convert"),
    "another base": (
        ["pytorch_model.safetensors"],
        None,
        "but pytorch_model.safetensors; if its weights are there, give the file that name",
    ),
}


@pytest.mark.parametrize(("names", "variant", "message"), LACKING.values(), ids=LACKING)
def test_what_is_said_of_what_is_there(tmp_path, names, variant, message):
    with pytest.raises(FileNotFoundError, match=message):
        find(fill(tmp_path, *names), BASE, variant)
    assert re.search(message, str(nothing_found("a/b", names, BASE, variant)))


@pytest.mark.parametrize("single", [True, False])
def test_a_link_whose_file_is_gone(tmp_path, single):
    name = "model.safetensors" if single else "model.safetensors.index.json"
    (tmp_path / name).symlink_to("../../blobs/gone")
    with pytest.raises(FileNotFoundError, match=f"{name} is a link to a file that is gone .*gone"):
        find(tmp_path, "model")
    # Not in the Hub's cache: nothing that could be loaded once more.
    assert weight_files.how_to_complete(tmp_path) == ""
