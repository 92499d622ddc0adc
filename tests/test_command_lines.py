"""Any command line: it is good, or it is refused in one line before anything is loaded."""

import re
import time

import huggingface_hub
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from mdx import cli, cli_arguments, cli_pictures, terminal
from mdx.schedulers.samplers import SAMPLERS
from tests.commanding import refused, write_png

ODD = (
    "", " ", "-", "--", "---", "-1", "0", "1", "2", "3", "64", "1e400", "nan", "inf", "-0.0", "x",
    "10" * 200, "9" * 5000, "1_0", "٣", "1x", "0x8", "64x64", "99999x99999", "1.5GB", "6GB",
    "9" * 400 + "GB", "0kB", "fp16", "float16", "flaot16", "bfloat16", "a/b", "~nosuch/x", "./no",
    ".", "..", "/", "/dev/null", "/proc/self/mem", "x.png", "pic.png", "no/x.png", "x" * 300,
    "x" * 300 + ".png", ".png", "a\0b", "a\0b.png", "\x1b[31m", "\x1b[31m.png", "\udcff", "\u202e",
    "=", "a=", "=b", "eta=0.5", "eta=", "eta=x", "eta=1e999", "use_karras_sigmas=true",
    "solver_order=" + "9" * 5000, "trained_betas=[]", "trained_betas=[0.1,true,null]",
    "trained_betas=" + "[" * 2000, "beta_end=-1", "steps_offset=" + "9" * 30,
    "num_train_timesteps=0", "num_train_timesteps=3", "beta_schedule=linear", "beta_schedule=[1]",
    "é=1", "lower_order_final=0", "*", "$HOME", "`id`", "samplers", "table", "euler", "eular",
    "dpmpp_2m", "pndm",
)  # fmt: skip
FLAGS = sorted(
    flag
    for make in (cli_arguments.pictures, cli_arguments.table)
    for flag in make()._option_string_actions
    if flag not in ("-h", "--help", "--version")
)
NAMES = [sampler.names[1] for sampler in SAMPLERS]
words = st.sampled_from((*ODD, *FLAGS)) | st.text(max_size=6)
pairs = st.tuples(st.sampled_from(FLAGS), words).map(list)
glued = st.tuples(st.sampled_from(FLAGS), words).map(lambda pair: ["=".join(pair)])
parts = st.lists(pairs | glued | words.map(lambda one: [one]), max_size=5)
lines = parts.map(lambda found: [word for part in found for word in part])
OPTIONS = {sampler.names[1]: sorted(sampler.defaults) for sampler in SAMPLERS}
VALUES = (
    "null", "true", "false", "0", "1", "2", "3", "-1", "0.5", "1e-9", "1e9", "-1e400", "NaN",
    "1e400", "[]", "[0.1]", '["x"]', "[[1]]", "{}", '{"a":1}', "x", '""', "9" * 30, "9" * 5000,
    "[1,2,3]", "linear", "scaled_linear", "epsilon", "v_prediction", "sample", "trailing", "\x1b",
)  # fmt: skip


@st.composite
def tables(draw):
    """A table of a sampler, with options of its own."""
    name = draw(st.sampled_from(NAMES))
    found = draw(st.lists(st.sampled_from(OPTIONS[name]), max_size=3, unique=True))
    options = [f"{key}={draw(st.sampled_from(VALUES))}" for key in found]
    return ["table", name, "--steps", draw(st.sampled_from(["1", "2", "7"])), *options]


@pytest.fixture
def world(here, monkeypatch):
    """A folder with a picture in it, no network, and nothing that draws; lists what would be."""

    def unreachable(*_, **__):
        raise huggingface_hub.utils.LocalEntryNotFoundError("no network")

    seen = []
    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    monkeypatch.setattr(cli_pictures, "draw", lambda asked, files: seen.append(files))
    write_png("pic.png", model="a/b")
    return seen


def check_one(world, capsys, line):
    world.clear()
    capsys.readouterr()
    before, status = time.monotonic(), 0
    try:
        assert cli.main(line) == 0
    except SystemExit as leaving:
        status = leaving.code
    # Well under a second, but for the other programs of a machine under load.
    assert time.monotonic() - before < 5
    out, err = capsys.readouterr()
    *notes, last = err.splitlines() or [""]
    assert status in (0, 2)
    assert all(note.startswith("mdx: warning: ") for note in notes), err
    assert all(terminal.plain(line) == line for line in (out + err).split("\n"))
    if status == 2:
        assert re.fullmatch("mdx: error: [^ ].*", last), err
        assert (out, world) == ("", [])
    else:
        assert last.startswith("mdx: warning: ") or last == "", err
    return status


quick = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@settings(quick, max_examples=150)
@given(line=lines)
@example(line=["a", "--size=--"])
@example(line=["a", "--set=--"])
@example(line=["a", "--seed=--"])
@example(line=["a", "--set", "eta=1", "--scheduler", "ddim"])
@example(line=["--from", "pic.png", "--trust"])
def test_any_line_is_good_or_refused_in_a_line(world, capsys, line):
    check_one(world, capsys, line)


@settings(quick, max_examples=60)
@example(line=["table", "cogvideox_ddim", "--steps", "1", "snr_shift_scale=0"])
@example(line=["table", "ddpm", "--steps", "1", f"beta_end={10**30}"])
@example(line=["table", "ddim", "--plot=--"])
@example(line=["table", "--", "ddim"])
@given(line=tables() | lines.map(lambda line: ["table", *line]))
def test_any_table_is_good_or_refused_in_a_line(world, capsys, line):
    check_one(world, capsys, line)


@settings(quick, max_examples=30)
@given(line=lines)
def test_any_list_of_samplers_is_good_or_refused_in_a_line(world, capsys, line):
    check_one(world, capsys, ["samplers", *line[:2]])


FROM = ["--from", "pic.png"]
KARRAS = ["--set", "use_karras_sigmas=true"]
EULER = ["a", "--scheduler", "euler", "--set"]
# A line, and words of the error.
BAD = {
    "--trust alone": (["a", "--trust"], "--trust is of the picture that --from names"),
    "--variant beside --from": ([*FROM, "--variant", "x"], "--variant is of the model"),
    "other options beside --from": (
        ["a", *FROM, "--size", "8", "--seed", "1", *KARRAS],
        "takes everything but the model from the picture; drop prompts, --seed, --size, --set",
    ),
    "pictures without end": (
        [*["a"] * 200, "--seed", *map(str, range(200))],
        "200 prompts times 200 seeds make 40000 pictures, and one command makes 10000 at most",
    ),
    "a grid without end": (
        [*["a"] * 90, "--grid", "9", "10", "--size", "9999"],
        "a grid of 89991 by 99990 pixels has more than 134217728",
    ),
    "a grid of none": (["a", "--grid", "0", "1"], "--grid must be a whole number from 1 to 10000"),
    "a dtype that is nearly one": (["a", "--dtype", "flaot16"], "; did you mean 'float16'?"),
    "a flag that is nearly one": (["a", "--sed", "1"], "--sed 1; did you mean '--seed'?"),
    "a sampler that is nearly one": (
        ["a", "--scheduler", "dpmpp2m"],
        "--scheduler: unknown scheduler 'dpmpp2m' (`mdx samplers` lists them); did you mean 'dpmpp",
    ),
    "an option that it has not": ([*EULER, "use_karas=1"], "Scheduler has no option use_karas (`m"),
    "an option that is nearly one": ([*EULER, "s_churm=1"], "lists them); did you mean 's_churn'?"),
    "an option of another kind": (
        [*EULER, "s_churn=x"],
        "--set: EulerDiscreteScheduler: s_churn 'x",
    ),
    "an option that none has": (
        ["a", "--set", "_=1"],
        "--set: no sampler has option _ (`mdx sample",
    ),
    "an option twice": (["a", *KARRAS, *KARRAS], "--set has 'use_karras_sigmas' twice"),
    "no option": (["a", "--set", "eta"], "--set must be KEY=VALUE, as use_karras_sigmas=true, not"),
    "two hyphens for a value": (["a", "--size=--"], "argument --size: expected one argument (mdx "),
    "a number of 30 digits": (
        [*EULER, "beta_end=" + "9" * 30],
        "--set 'beta_end' has a number of m",
    ),
    "a division by zero": (
        ["table", "cogvideox_ddim", "snr_shift_scale=0"],
        "CogVideoXDDIMScheduler: the numbers of its config make no run of 10 steps",
    ),
    "a budget of 400 digits": (["a", "--memory", "9" * 400 + "GB"], "--memory must be as 6GB or 8"),
    "a seed of 5000 digits": (["a", "--seed", "9" * 5000], "--seed: invalid int value: '999"),
    "a seed of 50 digits": (
        ["a", "--seed", "9" * 50],
        "--seed must be a whole number from 0 to 34",
    ),
    "half a character": (["a\udcff"], "prompts must be text in valid Unicode"),
    "a home of nobody": (["table", "ddim", "--model", "~nosuch/x"], "~nosuch/x"),
    "a name without end": (["a", "-o", "x" * 300 + ".png"], "File name too long"),
    "a name with a zero": (
        ["a", "-o", "a\0b.png"],
        "--output must be a file's name of 4096 characters at most, not 'a",
    ),
}


@pytest.mark.parametrize(("line", "message"), BAD.values(), ids=BAD.keys())
def test_bad_line(world, capsys, line, message):
    assert message in refused(capsys, line)
    assert world == []
