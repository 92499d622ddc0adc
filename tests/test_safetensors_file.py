"""What the safetensors library refuses is refused; what it reads is read, but for a few rules."""

import json

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError, deserialize, safe_open
from safetensors.numpy import save_file

from mdx import safetensors_file
from mdx.safetensors_file import BITS, entries, stored_as, write

PAIR = '{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'
GOOD = f'{{"a":{PAIR}}}'
EIGHT = bytes(8)


def blob(header, data=EIGHT, length=None):
    """A file's bytes; `length` is what it claims of its header."""
    raw = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    return (len(raw) if length is None else length).to_bytes(8, "little") + raw + data


def record(dtype="F32", shape="[2]", offsets="[0,8]", name="a", more=""):
    return f'{{"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}{more}}}}}'


def several(*records):
    """A header of tensors called a, b, ..., each (dtype, shape, first, last)."""
    names = "abcdefgh"
    return json.dumps(
        {
            name: {"dtype": dtype, "shape": shape, "data_offsets": [first, last]}
            for name, (dtype, shape, first, last) in zip(names, records, strict=False)
        }
    )


def library(data):
    """The library's answer: names, dtypes and shapes; None where it refuses."""
    try:
        return {name: (one["dtype"], tuple(one["shape"])) for name, one in deserialize(data)}
    except SafetensorError:
        return None


def ours(folder, data):
    """What mdx finds, as `library`, or None and the error."""
    path = folder / "x.safetensors"
    path.write_bytes(data)
    try:
        found = entries(path)
    except ValueError as error:
        return None, str(error)
    return {name: (one.dtype, one.shape) for name, one in found.items()}, ""


ARRAYS = {
    "scalar": np.array(3, np.float32),
    "empty": np.zeros((0, 4), np.float32),
    "half": np.arange(5, dtype=np.float16),
    "turned": np.arange(6, dtype=np.float64).reshape(2, 3).T,
    "big-endian": np.arange(4, dtype=">i4"),
    "flags": np.array([True, False, True]),
    "bytes": np.arange(3, dtype=np.uint8),
    "a name \u00e9 \u2603": np.arange(2, dtype=np.int64),
    "complex": np.array([1j], np.complex64),
}


@pytest.mark.parametrize("names", [list(ARRAYS), list(ARRAYS)[::-1], []])
def test_a_file_of_ours_is_the_library_s(tmp_path, names):
    """Byte for byte, whatever the order in which tensors come."""
    arrays = {name: ARRAYS[name] for name in names}
    write(tmp_path / "ours", {name: (stored_as(one), one) for name, one in arrays.items()})
    usual = {name: np.ascontiguousarray(one).reshape(one.shape) for name, one in arrays.items()}
    save_file(usual, tmp_path / "theirs", metadata={"format": "pt"})
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_words_of_bfloat16_are_written_as_what_they_are(tmp_path):
    words = np.arange(6, dtype=np.uint16).reshape(2, 3)
    write(tmp_path / "x", {"a": ("BF16", words), "b": ("F32", np.ones(1, np.float32))})
    [(first, found), _] = sorted(deserialize((tmp_path / "x").read_bytes()))
    assert (first, found["dtype"], found["shape"]) == ("a", "BF16", [2, 3])
    assert bytes(found["data"]) == words.tobytes()


@pytest.mark.parametrize("dtype", [object, "U3", "complex128", "longdouble", "datetime64[s]"])
def test_arrays_that_no_file_holds(dtype):
    with pytest.raises(ValueError, match="a safetensors file holds no numbers of dtype"):
        stored_as(np.zeros(2, dtype))


# Files that both refuse, and what mdx says.
REFUSED = {
    "nothing": (b"", "no safetensors file .0 bytes, no header"),
    "seven bytes": (bytes(7), "no safetensors file .7 bytes"),
    "no header": (bytes(8), "Expecting value"),
    "2**63 bytes of header": (blob("{}", b"", 2**63), "no safetensors file"),
    "overlap": (blob(several(("F32", [2], 0, 8), ("F32", [2], 0, 8))), "b at byte 0 .* overlaps"),
    "overlap by a part": (
        blob(several(("F32", [2], 0, 8), ("F32", [2], 4, 12)), bytes(12)),
        "b at byte 4 of the data overlaps",
    ),
    "an empty tensor within another": (
        blob(several(("F32", [2], 0, 8), ("F32", [0], 4, 4))),
        "b at byte 4 of the data overlaps",
    ),
    "gap before": (blob(several(("F32", [1], 4, 8))), "a at byte 4 of the data leaves a gap"),
    "gap between": (
        blob(several(("F32", [1], 0, 4), ("F32", [1], 8, 12)), bytes(12)),
        "b at byte 8 of the data leaves a gap",
    ),
    "bytes at the end": (blob(GOOD, bytes(9)), "1 bytes follow the last tensor"),
    "bytes without a tensor": (blob("{}", b"x"), "1 bytes follow the last tensor"),
    "cut": (blob(GOOD, bytes(7)), "is truncated: 69 bytes where its header needs 70"),
    "cut in the header": (blob(GOOD, b"", 500), "is truncated"),
    "no UTF-8": (blob(record(name="\xe9").encode("latin1")), "utf-8"),
    "UTF-16": (blob(GOOD.encode("utf-16-le")), "damaged"),
    "byte order mark": (blob("\ufeff" + GOOD), "BOM"),
    "zeros after the header": (blob(GOOD + "\0"), "Extra data"),
    "half a character": (blob(record(name="\\ud800")), "surrogates"),
    "half a character in the metadata": (
        blob(f'{{"__metadata__":{{"k":"\\ud800"}},"a":{PAIR}}}'),
        "surrogates",
    ),
    "a list": (blob("[]", b""), "a JSON list, not an object"),
    "null": (blob("null", b""), "not an object"),
    "two objects": (blob("{}{}", b""), "Extra data"),
    "a line break in a name": (blob(record(name="\n")), "Invalid control character"),
    "metadata of numbers": (blob(f'{{"__metadata__":{{"k":1}},"a":{PAIR}}}'), "names to text"),
    "metadata as text": (blob(f'{{"__metadata__":"x","a":{PAIR}}}'), "names to text"),
    "metadata as a list": (blob(f'{{"__metadata__":[],"a":{PAIR}}}'), "names to text"),
    "metadata twice": (
        blob(f'{{"__metadata__":{{}},"__metadata__":{{}},"a":{PAIR}}}'),
        "the key '__metadata__' occurs twice",
    ),
    "a key twice": (blob(record(more=',"dtype":"F32"')), "the key 'dtype' occurs twice"),
    "no shape": (blob('{"a":{"dtype":"F32","data_offsets":[0,8]}}'), "the record of a must have"),
    "shape null": (blob(record(shape="null")), "lists of whole numbers"),
    "shape true": (blob(record(shape="[true,2]")), "lists of whole numbers"),
    "shape in a list": (blob(record(shape="[[2]]")), "lists of whole numbers"),
    "shape 5,000 deep": (blob(record(shape="[" * 5000 + "]" * 5000)), "damaged"),
    "three offsets": (blob(record(offsets="[0,8,8]")), "3 offsets instead of 2"),
    "0.0": (blob(record(offsets="[0.0,8]")), "lists of whole numbers"),
    "8e0": (blob(record(offsets="[0,8e0]")), "lists of whole numbers"),
    "NaN": (blob(record(offsets="[0,NaN]")), "lists of whole numbers"),
    "-0": (blob(record(offsets="[-0,8]")), "-0 is no whole number"),
    "-8": (blob(record(offsets="[-8,0]")), "-8 is no whole number"),
    "2**64": (blob(record(shape=f"[0,{2**64}]", offsets="[0,0]"), b""), "is no whole number"),
    "10**400": (blob(record(shape=f"[{10**400}]")), r"10{90,99}\.\.\. is no whole number"),
    "offsets backwards": (blob(record(offsets="[8,0]")), "-8 bytes cannot hold a"),
    "too few bytes": (blob(record(shape="[3]")), "8 bytes cannot hold a, F32 of shape .3."),
    "2**63": (blob(record(shape=f"[{2**63}]")), "overflows"),
    # In 64 bits 2**62 + 2 numbers of 4 bytes are 8 bytes.
    "2**62 + 2": (blob(record(shape=f"[{2**62 + 2}]")), "overflows"),
    "0 after what overflows": (
        blob(record(shape=f"[{2**63},2,0]", offsets="[0,0]"), b""),
        "overflows",
    ),
    "half a byte": (blob(record("F4", "[3]", "[0,1]"), b"x"), "1 bytes cannot hold a, F4"),
    "dtype of the future": (blob(record("F2")), "a is stored as F2, which mdx does not read"),
    "dtype in small letters": (blob(record("f32")), "a is stored as f32, which mdx does not read"),
    "dtype 3": (blob(GOOD.replace('"F32"', "3")), "the dtype of a is no text"),
}

# Files that the library reads and mdx does not, and why not.
STRICTER = {
    "a name twice": (
        blob(f'{{"a":{PAIR},"a":{PAIR}}}'),
        "the key 'a' occurs twice",  # the library takes the last, other readers the first
    ),
    "a name of the metadata twice": (
        blob(f'{{"__metadata__":{{"k":"1","k":"2"}},"a":{PAIR}}}'),
        "the key 'k' occurs twice",
    ),
    "a key that the format lacks": (
        blob(record(more=',"strides":[1]')),
        "the record of a must have data_offsets, dtype, shape",
    ),
    "a list for a record": (blob('{"a":["F32",[2],[0,8]]}'), "the record of a must have"),
    "an object for a dtype": (blob(GOOD.replace('"F32"', '{"F32":null}')), "is no text"),
    "nine dimensions": (
        blob(record(shape="[1,1,1,1,1,1,1,1,2]")),
        "a has 9 dimensions, and mdx reads 8 at most",
    ),
    "26 MB of header": (
        blob("{}" + " " * 26_000_000, b""),
        "a header of 26000002 bytes, and mdx reads 25000000",
    ),
}

# Files that both read.
READ = {
    "two numbers": blob(GOOD),
    "no tensors": blob("{}", b""),
    "spaces around the header": blob(f" {GOOD}\t\r\n  "),
    "a scalar": blob(record("F64", "[]")),
    "eight dimensions": blob(record(shape="[1,1,1,1,1,1,1,2]")),
    "no numbers, of 2**64 - 1 rows": blob(record(shape=f"[0,{2**64 - 1},7]", offsets="[0,0]"), b""),
    "empty tensors at either end": blob(
        several(("F32", [2], 0, 8), ("F32", [0], 8, 8), ("F32", [3, 0], 0, 0))
    ),
    "in another order": blob(several(("F32", [1], 4, 8), ("F32", [1], 0, 4))),
    "metadata": blob(f'{{"__metadata__":{{"format":"pt"}},"a":{PAIR}}}'),
    "metadata null": blob(f'{{"__metadata__":null,"a":{PAIR}}}'),
    "a pair of surrogates": blob(record(name="\\ud83d\\ude00")),
    "no name": blob(record(name="")),
    "a null character": blob(record(name="\\u0000")),
} | {
    f"8 of {dtype}": blob(record(dtype, "[8]", f"[0,{bits}]"), bytes(bits))
    for dtype, bits in BITS.items()
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_the_library_refuses(tmp_path, data, message):
    assert library(data) is None
    assert_refused(tmp_path, data, message)


@pytest.mark.parametrize(("data", "message"), STRICTER.values(), ids=STRICTER)
def test_what_mdx_refuses_besides(tmp_path, data, message):
    assert library(data) is not None
    assert_refused(tmp_path, data, message)


def assert_refused(folder, data, message):
    path = folder / "x.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        entries(path)
    assert str(error.value).startswith(str(path))
    # Nothing to be downloaded again where the file may be sound.
    unread = "mdx read" in message or "does not read" in message
    assert ("download it again" in str(error.value)) is not unread
    assert error.value.__suppress_context__ or error.value.__context__ is None


@pytest.mark.parametrize("data", READ.values(), ids=READ)
def test_what_both_read(tmp_path, data):
    found, error = ours(tmp_path, data)
    assert not error
    assert found == library(data)
    with safe_open(tmp_path / "x.safetensors", framework="np") as file:
        assert set(file.keys()) == set(found)


def test_tensors_lie_where_the_library_finds_them(tmp_path):
    data = bytes(range(20))
    path = tmp_path / "x.safetensors"
    path.write_bytes(
        blob(several(("U8", [7], 13, 20), ("U8", [0], 0, 0), ("U8", [13], 0, 13)), data)
    )
    theirs = {name: bytes(one["data"]) for name, one in deserialize(path.read_bytes())}
    for name, entry in entries(path).items():
        size = entry.shape[0]
        assert path.read_bytes()[entry.start : entry.start + size] == theirs[name]


def test_errors_show_no_endless_names_and_no_escape_codes(tmp_path):
    _, error = ours(tmp_path, blob(record(shape="[3]", name="\\u001b[2J" + "x" * 10_000)))
    assert "'\\x1b[2Jxxx" in error
    assert "\x1b" not in error


NUMBERS = st.sampled_from([0, 1, 2, 3, 4, 7, 8, 12, 2**31, 2**62, 2**63, 2**64 - 1, 2**64])
DTYPES = st.sampled_from([*BITS, "F2", "f32"])
MARKS = (
    r"""{ } [ ] , : - . e 0 9 é null true NaN \u0041 \ud800 \udc00 "a" "shape" "__metadata__" """
)
SNIPPETS = st.sampled_from([*MARKS.split(" "), '"', "\\", "\0", "\ufeff"])


@st.composite
def headers(draw):
    """Tensors laid out as they should be, with some of their numbers changed."""
    found, end = [], 0
    for _ in range(draw(st.integers(0, 4))):
        dtype = draw(DTYPES)
        shape = draw(st.lists(st.integers(0, 4), max_size=9))
        count = 1
        for n in shape:
            count *= n
        size = count * BITS.get(dtype, 8) // 8
        found.append([dtype, shape, end, end + size])
        end += size
    for _ in range(draw(st.integers(0, 2))):
        if found:
            one = draw(st.sampled_from(found))
            part = draw(st.integers(0, 3))
            if part == 0:
                one[0] = draw(DTYPES)
            elif part == 1:
                one[1] = draw(st.lists(NUMBERS, max_size=4))
            else:
                one[part] = draw(NUMBERS)
    order = draw(st.permutations(found))
    return several(*order), end + draw(st.sampled_from([0, 0, 0, 1, -1]))


@settings(deadline=None)
@given(made=headers(), edits=st.lists(st.tuples(st.integers(0, 400), SNIPPETS), max_size=3))
@example(made=(GOOD, 8), edits=[])
def test_mutated_files(tmp_path_factory, made, edits):
    header, size = made
    for place, snippet in edits:
        place %= len(header) + 1
        header = header[:place] + snippet + header[place + len(snippet) * (place % 2) :]
    compare(tmp_path_factory.getbasetemp(), blob(header, bytes(max(size, 0))))


@settings(deadline=None)
@given(data=st.binary(max_size=60), place=st.integers(0, 80), length=st.integers(0, 6))
def test_mutated_bytes(tmp_path_factory, data, place, length):
    good = blob(several(("F32", [1], 0, 4), ("F16", [2], 4, 8)))
    compare(tmp_path_factory.getbasetemp(), good[:place] + data + good[place + length :])


# By which rules of its own mdx refuses what the library reads.
RULES = ("twice", "must have", "is no text", "dimensions, and mdx reads")


def compare(folder, data):
    theirs = library(data)
    found, error = ours(folder, data)
    assert error.startswith(str(folder / "x.safetensors")) is (found is None)
    assert len(error) < 1000
    if theirs is None:
        assert found is None
    else:
        assert found == theirs or any(rule in error for rule in RULES), error


def test_limits_are_at_most_the_librarys():
    assert safetensors_file.MAX_HEADER <= 100_000_000
