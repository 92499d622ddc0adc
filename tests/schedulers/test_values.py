"""Tables, levels and schedulers are values: they print small, compare, pickle, and say what they
read; and files that hold none are refused by name.
"""

import copy
import json
import pickle
import struct

import numpy as np
import pytest

from mdx import schedulers
from mdx.schedulers import Info, Levels, Scheduler, Table, files
from mdx.schedulers.record import ARRAYS
from mdx.schedulers.samplers import SAMPLERS
from tests.schedulers.members import IDS, MEMBERS, SD

LONG = {**SD, "trained_betas": np.linspace(1e-4, 0.02, 1000).tolist()}
OWN = schedulers.from_config(SD, "ddim")
V = schedulers.from_config(SD, "ddim", prediction_type="v_prediction")
T = schedulers.table(OWN, 4)
EPS, OTHER, FREE = T, schedulers.table(V, 4), T._replace(prediction=None)
STACK = schedulers.stack([T, schedulers.table(schedulers.from_config(SD, "euler_a"), 6)])


def state():
    from mindspore import Tensor

    return schedulers.State(Tensor(np.zeros((4, 2, 4, 64, 64), np.float32)), 3)


# 1. What they print


PRINTED = {
    "a table": (
        lambda: T,
        "Table(4 rows x 1 slot, deterministic, prediction='epsilon',\n"
        "      t 751 to 1, alpha 0.236 to 0.9996, sigma 0.9717 to 0.02915,\n"
        "      init_noise_scale 1)",
    ),
    "a long one": (
        lambda: schedulers.table(schedulers.from_config(SD), 900),
        "Table(901 rows x 4 slots, deterministic, prediction='epsilon',",
    ),
    "a stack": (lambda: STACK, "Table(6 rows x 1 slot for a batch of 2, with noise, prediction"),
    "no table": (lambda: T._replace(mix=3), "Table(of arrays that make none: see mdx.schedulers.c"),
    "a scheduler": (
        lambda: Scheduler("DDIMScheduler", (("beta_end", 0.012), ("clip_sample", False))),
        "Scheduler('DDIMScheduler', beta_end=0.012, clip_sample=False)",
    ),
    "one with a thousand betas": (
        lambda: schedulers.from_config(LONG, "ddim"),
        "Scheduler('DDIMScheduler', beta_end=0.012, ",
    ),
    "levels": (
        lambda: Levels(
            np.arange(999.0, -1, -1), np.linspace(0.1, 1, 1000), np.linspace(1, 0, 1000)
        ),
        "Levels(1000 of them: t 999 to 0, alpha 0.1 to 1, sigma 1 to 0)",
    ),
    "no levels": (lambda: Levels(1, 2, 3), "Levels(of what are no arrays of numbers)"),
    "a state": (state, "State(slots=Float32 (4, 2, 4, 64, 64), index=3)"),
    "what a step shows": (lambda: Info(state().slots), "Info(x0=Float32 (4, 2, 4, 64, 64))"),
}


@pytest.mark.parametrize("name", PRINTED)
def test_a_few_lines(name):
    make, words = PRINTED[name]
    text = repr(make())
    assert text.startswith(words)
    assert text.count("\n") <= 2
    assert len(text) < 600


# 2. Equal, hashed, pickled, copied

VALUES = {
    "table": (lambda: schedulers.table(OWN, 4), lambda: schedulers.table(OWN, 5)),
    "stack": (lambda: schedulers.stack([T, T]), lambda: schedulers.stack([T])),
    "other words": (lambda: schedulers.table(OWN, 4), lambda: OTHER),
    "no words": (lambda: schedulers.table(OWN, 4), lambda: FREE),
    "one number": (
        lambda: schedulers.table(OWN, 4),
        lambda: T._replace(clip=np.array([np.inf, np.inf, np.inf, 9.0])),
    ),
    "scheduler": (lambda: schedulers.from_config(LONG), lambda: schedulers.from_config(SD)),
    "levels": (
        lambda: Levels(*np.ones((3, 2))),
        lambda: Levels(*np.ones((3, 3))),
    ),
}


@pytest.mark.parametrize("name", VALUES)
def test_equal_by_value(name):
    make, another = VALUES[name]
    one, two, other = make(), make(), another()
    assert one is not two
    assert one == two
    assert (one != two) is False
    assert hash(one) == hash(two)
    assert one != other
    assert (one == other) is False
    assert {one: 1}[two] == 1
    assert one != "a table"
    assert one in [other, two]
    assert one not in [other]


def test_both_zeros_are_one():
    minus = T._replace(mix=np.where(T.mix == 0, -0.0, T.mix))
    assert minus == T
    assert hash(minus) == hash(T)


COPIES = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "old pickle": lambda x: pickle.loads(pickle.dumps(x, protocol=0)),
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("table", [T, STACK, FREE], ids=["one", "stack", "unasked"])
def test_copies_of_tables(way, table):
    """Equal to the last bit, and as closed as what they are of."""
    back = COPIES[way](table)
    assert type(back) is Table
    assert back == table
    assert back.prediction == table.prediction
    for name in ARRAYS:
        a, b = getattr(table, name), getattr(back, name)
        assert a.tobytes() == b.tobytes()
        assert not b.flags.writeable


@pytest.mark.parametrize("way", COPIES)
def test_copies_close_nothing_of_others(way):
    """An array that its owner may write to stays so; the copy has its own."""
    mine = T.t.copy()
    back = COPIES[way](T._replace(t=mine))
    mine[0] = 7
    assert back == T
    assert not back.t.flags.writeable


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("value", [OWN, schedulers.from_config(LONG)], ids=["short", "long"])
def test_copies_of_schedulers(way, value):
    back = COPIES[way](value)
    assert back == value
    assert hash(back) == hash(value)
    assert schedulers.table(back, 3) == schedulers.table(value, 3)


# 3. What they read


@pytest.mark.parametrize("member", MEMBERS, ids=IDS)
def test_tables_say_what_they_read(member):
    for word in member.predictions:
        s = member.scheduler(prediction_type=word)
        t = schedulers.table(s, 3)
        assert t.prediction == schedulers.prediction(s)
        assert t.prediction in (word, f"preconditioned {word}")
        assert t.prediction.startswith("preconditioned") == ("sigma_data" in s.config and
            member.name not in ("cm", "scm"))  # fmt: skip


def test_the_other_way_round_is_another_word():
    """invert_sigmas: the network's velocity leads from noise to picture."""
    s = schedulers.from_config({}, "flow_euler", invert_sigmas=True)
    plain = schedulers.from_config({}, "flow_euler")
    assert schedulers.table(s, 3).prediction == "inverted flow_prediction"
    assert schedulers.prediction(s) == "inverted flow_prediction"
    assert schedulers.prediction(plain) == "flow_prediction"


def test_every_sampler_says_a_word():
    for sampler in SAMPLERS:
        s = schedulers.from_config({}, sampler.names[0])
        assert schedulers.prediction(s) == schedulers.table(s, 2).prediction


PARTS = {
    "take": lambda t: schedulers.take(t, slice(1, 3)),
    "concat": lambda t: schedulers.concat(
        schedulers.take(t, slice(0, 2)), schedulers.take(t, slice(2, 4))
    ),
    "stack": lambda t: schedulers.stack([t, t]),
    "pad": lambda t: schedulers.pad(t, 3),
    "a shorter one of a stack": lambda t: schedulers.stack([schedulers.take(t, slice(0, 2)), t]),
}


@pytest.mark.parametrize("way", PARTS)
@pytest.mark.parametrize("table", [EPS, OTHER, FREE], ids=["epsilon", "v", "unasked"])
def test_parts_read_the_same(way, table):
    assert PARTS[way](table).prediction == table.prediction


def test_an_unasked_part_asks_nothing():
    late, early = schedulers.take(EPS, slice(2, 4)), schedulers.take(FREE, slice(0, 2))
    assert schedulers.concat(early, late).prediction == "epsilon"
    assert schedulers.stack([FREE, OTHER]).prediction == "v_prediction"


@pytest.mark.parametrize(
    "join",
    [
        lambda: schedulers.stack([EPS, OTHER]),
        lambda: schedulers.stack([FREE, EPS, OTHER]),
        lambda: schedulers.concat(
            schedulers.take(EPS, slice(0, 2)), schedulers.take(OTHER, slice(2, 4))
        ),
    ],
)
def test_one_model_cannot_return_both(join):
    with pytest.raises(ValueError, match="return 'epsilon' and 'v_prediction' cannot be run with"):
        join()


# 4. Files


def test_files_say_what_they_read(tmp_path):
    for t in (EPS, OTHER, FREE, STACK):
        schedulers.save(t, tmp_path / "t")
        assert schedulers.load(tmp_path / "t") == t


OLD = {
    # As mdx wrote them: the fields came with version 2 of the format, and words with 3.
    "1": ("quantile", "spread"),
    "2": (),
}


@pytest.mark.parametrize("version", OLD)
@pytest.mark.parametrize("table", [T, STACK], ids=["one", "stack"])
def test_old_tables_load(version, table, tmp_path):
    fields = {name: getattr(table, name) for name in ARRAYS if name not in OLD[version]}
    files.write(fields, tmp_path / "t", {**files.TABLE, "version": version})
    back = schedulers.load(tmp_path / "t")
    assert back == table._replace(prediction=None)


def written(path, arrays, metadata):
    """A safetensors file of raw bytes: {name: (dtype, shape, bytes)}."""
    header, data = {"__metadata__": metadata}, b""
    for name, (dtype, shape, content) in arrays.items():
        place = [len(data), len(data) + len(content)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": place}
        data += content
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def raw(table=T, **changed):
    """A table's arrays as such a file has them."""
    own = {
        name: ("F64", list(getattr(table, name).shape), getattr(table, name).tobytes())
        for name in ARRAYS
    }
    return {**own, **changed}


SIZES = {"BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "F16": 2, "F32": 4, "I64": 8}
STATE = {
    "slots": ("F32", [1, 2, 3], bytes(24)),
    "index": ("I64", [], bytes(8)),
}


@pytest.mark.parametrize("dtype", SIZES)
def test_arrays_of_another_type(dtype, tmp_path):
    """Those that numpy has no word for, too."""
    path = tmp_path / "x.safetensors"
    written(path, raw(t=(dtype, [4], bytes(4 * SIZES[dtype]))), files.TABLE)
    with pytest.raises(
        ValueError, match=rf"x.safetensors is no table .* t must be F64, not {dtype}"
    ):
        schedulers.load(path)
    if dtype != "F32":
        slots = (dtype, [1, 2, 3], bytes(6 * SIZES[dtype]))
        written(path, {**STATE, "slots": slots}, files.STATE)
        with pytest.raises(ValueError, match=rf"x.safetensors .*slots must be F32, not {dtype}"):
            schedulers.load_state(path)


def doubles(*shape, value=0.0):
    return ("F64", list(shape), np.full(shape, value).tobytes())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mix": doubles()}, r"table.mix must be float64 \(N, K, K\+3\)"),
        ({"mix": doubles(4)}, "table.mix must be"),
        ({"mix": doubles(4, 1, 1, 1, 4)}, "table.mix must be"),
        ({"mix": doubles(4, 2, 4)}, "table.mix must be"),
        ({"mix": doubles(0, 1, 4)}, "table.t must be"),
        ({"t": doubles()}, r"table.t must be float64 \(4,\)"),
        ({"t": doubles(4, 1)}, r"table.t must be"),
        ({"t": doubles(4, value=np.nan)}, "table.t holds a number that is not usable"),
        ({"mix": doubles(4, 1, 4, value=np.inf)}, "table.mix holds a number"),
        ({"mix": doubles(4, 1, 4, value=1e308)}, "row 0 misses its level"),
        ({"sigma": doubles(4)}, "table.sigma must be"),
        ({"clip": doubles(4)}, "table.clip holds a number"),
        ({"more": doubles(4)}, "it should not have more"),
    ],
)
def test_arrays_that_make_no_table(changed, words, tmp_path):
    path = tmp_path / "x.safetensors"
    written(path, raw(**changed), files.TABLE)
    with pytest.raises(ValueError, match=rf"x.safetensors is no table of mdx: .*{words}"):
        schedulers.load(path)


@pytest.mark.parametrize("load", [schedulers.load, schedulers.load_state])
@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({}, "of mdx: no metadata"),
        ({"format": "pt"}, "of mdx: .*'format': 'pt'"),
        ({"version": "9"}, "version '9', and this mdx reads .*install a newer one"),
        ({"version": ""}, "version '', and this mdx reads"),
    ],
)
def test_files_of_another_kind(load, metadata, words, tmp_path):
    own = files.TABLE if load is schedulers.load else files.STATE
    written(
        tmp_path / "x", raw() if load is schedulers.load else STATE, metadata and own | metadata
    )
    with pytest.raises(ValueError, match=rf"/x is .*{words}"):
        load(tmp_path / "x")


def test_what_is_no_table_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="row 0 misses its level"):
        schedulers.save(T._replace(mix=2 * T.mix), tmp_path / "t")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mix": 3}, "table.mix must be .*not <class 'int'>"),
        ({"t": [1, 2, 3, 4]}, "table.t must be .*not list"),
        ({"t": T.t.astype(np.float32)}, "table.t must be .*not float32"),
        ({"prediction": 3}, "table.prediction must be .*not 3"),
    ],
)
def test_fields_that_make_no_table(changed, words):
    with pytest.raises(ValueError, match=words):
        schedulers.check(T._replace(**changed))


@pytest.mark.parametrize("rows", [slice("a"), slice(None, None, 1.5)])
def test_slices_that_are_none(rows):
    with pytest.raises(ValueError, match="whole numbers"):
        schedulers.take(T, rows)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda lv: lv.karras(10, 0.1, 0), "steps must be a whole number, 1 or more, not 0"),
        (lambda lv: lv.karras(10, 0.1, 2.0), "steps must be"),
        (lambda lv: lv.karras(10, -1, 3), "noise ratios must be 0 or more"),
        (lambda lv: lv.karras(np.inf, 0.1, 3), "noise ratios must be"),
        (lambda lv: lv.karras(10, 0.1, 3, rho=0), "rho must be"),
        (lambda lv: lv.exponential(10, 0, 3), "noise ratios must be above 0"),
        (lambda lv: lv.exponential(np.nan, 1, 3), "noise ratios must be"),
        (lambda lv: lv.beta(10, 0.1, 3, shape=0), "shape must be"),
        (lambda lv: lv.spaced("leading", 0, 1000), "steps must be"),
        (lambda lv: lv.spaced("even", 3, 1000), "'even' is not one of"),
    ],
)
def test_levels_of_bad_numbers(call, words):
    with pytest.raises(ValueError, match=words):
        call(schedulers.levels)
