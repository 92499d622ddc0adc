"""Weights: what is read equals what is stored, in every dtype and layout, within its memory."""

import ctypes
import json
import subprocess
import sys

import mindspore
import numpy as np
import pytest
from safetensors.numpy import save_file

from mdx import bfloat16, weights
from mdx.safetensors_file import entries

DTYPES = {name: getattr(mindspore, name) for name in ("float32", "float16", "bfloat16")}
NUMPY = {"F64": np.float64, "F32": np.float32, "F16": np.float16}


def as_stored(array, stored):
    """An array of what a file holds of numbers that it stores so."""
    return bfloat16.rounded(array) if stored == "BF16" else array.astype(NUMPY[stored])


def numbers_of(array):
    """Those of an array of a file's or a tensor's, in float32 where they are bfloat16."""
    return bfloat16.widened(array) if array.dtype == bfloat16.WORD else array


def write_raw(path, tensors):
    """Write a safetensors file by hand: {name: (dtype, shape, bytes)}; odd lengths stay odd."""
    header, offset = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + len(data)],
        }
        offset += len(data)
    text = json.dumps(header).encode()
    blob = b"".join(data for _, _, data in tensors.values())
    path.write_bytes(len(text).to_bytes(8, "little") + text + blob)


@pytest.fixture
def arrays():
    random = np.random.default_rng(0)
    return {
        "a.weight": random.standard_normal((7, 5)).astype(np.float32),
        "a.bias": random.standard_normal(7).astype(np.float32),
        "scalar": np.array(3, np.float32),
        "empty": np.zeros((0, 4), np.float32),
    }


def shapes(arrays):
    return {name: a.shape for name, a in arrays.items()}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("stored", ["F64", "F32", "F16", "BF16"])
def test_every_stored_dtype_reads_as_its_numbers(tmp_path, arrays, stored, dtype):
    cast = {k: as_stored(v, stored) for k, v in arrays.items()}
    write_raw(tmp_path / "x", {k: (stored, v.shape, v.tobytes()) for k, v in cast.items()})
    read = weights.read([tmp_path / "x"], shapes(arrays), dtype)
    for name, value in cast.items():
        exact = numbers_of(value)
        expected = as_stored(exact, weights.DTYPES[dtype])
        assert read[name].dtype == DTYPES[dtype]
        assert read[name].shape == value.shape
        np.testing.assert_array_equal(bfloat16.array(read[name]), expected)


def test_offsets_that_are_not_aligned(tmp_path):
    values = np.arange(5, dtype=np.float32)
    write_raw(
        tmp_path / "x",
        {"half": ("F16", (1,), b"\0\x3c"), "whole": ("F32", (5,), values.tobytes())},
    )
    read = weights.read([tmp_path / "x"], {"half": (1,), "whole": (5,)})
    np.testing.assert_array_equal(read["whole"].asnumpy(), values)


@pytest.mark.parametrize("dtype", DTYPES)
def test_matching_dtype_is_mapped_and_never_written_back(tmp_path, arrays, dtype):
    path = tmp_path / "x.safetensors"
    weights.save(arrays, tmp_path / "plain")
    weights.save(weights.read([tmp_path / "plain"], shapes(arrays), dtype), path)
    before = path.read_bytes()
    read, places = weights.read_in_place([path], shapes(arrays), dtype)
    assert places.keys() == arrays.keys()
    with open("/proc/self/maps") as lines:
        maps = [line.split()[0] for line in lines if line.rstrip().endswith(str(path))]
    address = bfloat16.array(read["a.weight"]).ctypes.data
    assert any(int(m.split("-")[0], 16) <= address < int(m.split("-")[1], 16) for m in maps)
    ctypes.memset(address, 0, 4)
    assert bfloat16.array(read["a.weight"])[0, 0] == 0
    assert path.read_bytes() == before


def test_old_vae_attention_loads(tmp_path):
    block = "decoder.mid_block.attentions.0."
    random = np.random.default_rng(0)
    weight = random.standard_normal((4, 4)).astype(np.float32)
    olds = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
    stored = {f"{block}{old}.weight": weight for old in olds}
    stored |= {f"{block}{old}.bias": weight[0] for old in olds}
    # As in the first single-file checkpoints: a 1x1 convolution.
    stored[f"{block}query.weight"] = weight[:, :, None, None]
    stored["decoder.conv_out.weight"] = weight
    weights.save(stored, tmp_path / "x")
    wanted = {f"{block}{new}.weight": (4, 4) for new in olds.values()}
    wanted |= {f"{block}{new}.bias": (4,) for new in olds.values()}
    wanted["decoder.conv_out.weight"] = (4, 4)
    read = weights.read([tmp_path / "x"], wanted, rename=weights.old_vae_names)
    for name, shape in wanted.items():
        assert read[name].shape == shape
        np.testing.assert_array_equal(
            read[name].asnumpy(), weight if len(shape) == 2 else weight[0]
        )


@pytest.mark.parametrize(
    "name",
    [
        "decoder.mid_block.attentions.0.group_norm.weight",
        "decoder.mid_block.attentions.0.to_q.bias",
        "decoder.up_blocks.0.resnets.0.conv1.weight",
        "quant_conv.weight",
        "key.weight",
    ],
)
def test_other_vae_names_stay(name):
    assert weights.old_vae_names(name) == name


def test_position_ids_are_ignored(tmp_path, arrays):
    extra = {"text_model.embeddings.position_ids": np.arange(77).reshape(1, 77)}
    save_file(arrays | extra, tmp_path / "x")
    assert weights.read([tmp_path / "x"], shapes(arrays)).keys() == arrays.keys()


def test_errors_list_a_few_keys_and_the_count(tmp_path):
    names = [f"layer.{i}" for i in range(30)]
    weights.save({n: np.zeros(2, np.float32) for n in names[:18]}, tmp_path / "x")
    wanted = dict.fromkeys(names[12:], (3,))
    with pytest.raises(ValueError, match="do not fit the config") as error:
        weights.read([tmp_path / "x"], wanted)
    text = str(error.value)
    assert "12 missing: layer.18, " in text
    assert "12 unexpected: layer.0, " in text
    assert "6 misshapen: layer.12 [2] instead of [3]" in text
    assert text.count(", ... (12 in all)") == 2
    assert text.count("layer.") == 3 * 3


def test_large_finite_numbers_are_not_called_infinite(tmp_path):
    weights.save({"a": np.full(1000, 3e38, np.float32)}, tmp_path / "x")
    assert weights.read([tmp_path / "x"], {"a": (1000,)})


@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("F32", "float32"), ("F32", "float16"), ("F32", "bfloat16"), ("BF16", "bfloat16")],
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite(tmp_path, stored, dtype, value):
    """At either end, or cast: refused when read. Within, mapped: found when all are looked at."""
    length = 2 * weights.LOOKED_AT + 3
    for at in (0, length // 2, length - 1):
        numbers = np.zeros(length, np.float32)
        numbers[at] = value
        made = bfloat16.tensor if stored == "BF16" else np.asarray
        cast = {"a": as_stored(numbers, stored), "b": as_stored(np.zeros(1), stored)}
        weights.save({name: made(value) for name, value in cast.items()}, tmp_path / "x")
        if at == length // 2 and stored == weights.DTYPES[dtype]:
            found = weights.read([tmp_path / "x"], {"a": (length,), "b": (1,)}, dtype)
            assert weights.not_finite(found) == ["a"]
        else:
            with pytest.raises(ValueError, match="x: a has values that are not finite"):
                weights.read([tmp_path / "x"], {"a": (length,), "b": (1,)}, dtype)


# The largest number that each holds is read, and one that it would round to infinity refused.
LARGEST = {"float16": (65504.0, 65520.0), "bfloat16": (2.0**128 - 2.0**120, 2.0**128 - 2.0**119)}


@pytest.mark.parametrize("dtype", LARGEST)
@pytest.mark.parametrize("stored", ["F32", "F64"])
def test_numbers_beyond_a_dtype(tmp_path, stored, dtype):
    for number, fits in zip(LARGEST[dtype], (True, False), strict=True):
        numbers = as_stored(np.array([1.0, -number]), stored)
        write_raw(tmp_path / "x", {"a": (stored, (2,), numbers.tobytes())})
        if fits:
            [read] = weights.read([tmp_path / "x"], {"a": (2,)}, dtype).values()
            np.testing.assert_array_equal(numbers_of(bfloat16.array(read)), numbers)
        else:
            message = f'a has values too large for {dtype}; load it with dtype="float32"'
            with pytest.raises(ValueError, match=message):
                weights.read([tmp_path / "x"], {"a": (2,)}, dtype)


def test_numbers_beyond_float32_are_beyond_mdx(tmp_path):
    write_raw(tmp_path / "x", {"a": ("F64", (1,), np.array([1e39]).tobytes())})
    with pytest.raises(ValueError, match="too large for float32; mdx holds nothing wider"):
        weights.read([tmp_path / "x"], {"a": (1,)})


def test_save_reads_back_and_keeps_dtypes(tmp_path, arrays):
    mixed = arrays | {"half": mindspore.Tensor(np.ones(3, np.float16))}
    mixed |= {"brain": bfloat16.tensor(bfloat16.rounded(np.ones(3, np.float32)))}
    weights.save(mixed, tmp_path / "x.safetensors")
    weights.save(mixed, tmp_path / "x.safetensors")  # onto an existing file
    read = weights.read([tmp_path / "x.safetensors"], shapes(mixed), "float16")
    np.testing.assert_array_equal(read["half"].asnumpy(), np.ones(3))
    np.testing.assert_array_equal(read["brain"].asnumpy(), np.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["x.safetensors"]
    dtypes = {name: entry.dtype for name, entry in entries(tmp_path / "x.safetensors").items()}
    assert dtypes == dict.fromkeys(arrays, "F32") | {"half": "F16", "brain": "BF16"}


def test_a_saved_file_may_be_read_as_any_other(tmp_path, arrays):
    weights.save(arrays, tmp_path / "x.safetensors")
    (tmp_path / "other").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1, [oct(mode) for mode in modes]


PEAK = """
import sys
import numpy as np
import mindspore
from mdx import bfloat16, weights
from mdx.safetensors_file import entries

def status(key):
    for line in open("/proc/self/status"):
        if line.startswith(key):
            return int(line.split()[1]) * 1024

path, dtype = sys.argv[1:]
shapes = {name: entry.shape for name, entry in entries(path).items()}
mindspore.mutable({"warm": mindspore.Tensor.from_numpy(np.zeros(3, np.float32))})
open("/proc/self/clear_refs", "w").write("5")  # peak = now
before = status("VmRSS")
params = mindspore.mutable(weights.read([path], shapes, dtype))
total = sum((4 if dtype == "float32" else 2) * int(np.prod(s)) for s in shapes.values())
for p in params.values():  # every page of it in memory
    bfloat16.array(p).sum()
print((status("VmHWM") - before) / total)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(
    ("stored", "dtype"),
    [("F32", "float32"), ("F16", "float16"), ("F32", "float16"), ("F16", "float32"),
     ("BF16", "float32"), ("F32", "bfloat16")],
)  # fmt: skip
def test_loading_needs_at_most_1_2_times_the_final_weights(tmp_path, stored, dtype):
    size = {"F32": 4, "F16": 2, "BF16": 2}[stored]
    # 72M parameters as in a real net: a few large, many small; 290 MB as float32.
    tensors = {"embedding": (16_000, 1000)}
    tensors |= {f"block.{i}.weight": (1280, 1280, 3, 3) for i in range(3)}
    tensors |= {f"block.{i}.linear": (1000, 1000) for i in range(12)}
    header, offset = {}, 0
    for name, shape in tensors.items():
        end = offset + size * int(np.prod(shape))
        header[name] = {"dtype": stored, "shape": shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    chunk = np.random.default_rng(0).standard_normal(1 << 20).astype(np.float32)
    data = as_stored(chunk, stored).tobytes()
    with (tmp_path / "x").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        while offset:
            offset -= file.write(data[: min(offset, len(data))])
    run = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / "x"), dtype],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    ratio = float(run.stdout.split()[-1])
    print(f"{stored} -> {dtype}: peak {ratio:.3f} of the final weights")
    assert 0.9 < ratio <= 1.2
