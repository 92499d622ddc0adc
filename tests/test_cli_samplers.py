"""`mdx samplers` and `mdx table`: what they print and draw, and what they refuse."""

import json
import re
import sys

import numpy as np
import pytest

from mdx import cli, cli_samplers, listing, sampler_facts, schedulers
from mdx.schedulers.repaint import jumps
from mdx.schedulers.samplers import FAMILIES, SAMPLERS
from mdx.single_file.schedule import usual_config
from tests import single_files, tiny
from tests.commanding import pixels, refused
from tests.schedulers import members

NAMES = [sampler.names[1] for sampler in SAMPLERS]


def listed(capsys, *arguments):
    """The lines that a sub-command prints."""
    assert cli.main([*arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_samplers_are_listed_with_what_the_tests_claim_of_them(here, capsys):
    """All of them; every figure is that of the lists that the properties are tested on."""
    lines = listed(capsys, "samplers")
    assert lines[0].split() == ["name", "class", "order", "calls", "slots", "noise"]
    body = [line.split() for line in lines[1 : lines.index("")] if line.startswith("  ")]
    found = {name: facts for name, *facts in body}
    assert len(body) == len(found) == len(SAMPLERS)
    for sampler in SAMPLERS:
        kind, name = sampler.names[:2]
        claimed = [m for m in members.MEMBERS if m.name == name]
        # An option may choose another order, or make a sampler without noise of one with it.
        member = next((m for m in claimed if m.options in ({}, members.PLAIN)), claimed[0])
        order = "-" if member.stochastic else member.order_crowded or member.order_log_snr
        noise = "yes" if member.stochastic else "no"
        got_kind, got_order, each, *more, slots, got_noise = found[name]
        assert [got_kind, got_order, slots, got_noise] == [
            kind, str(order), str(member.slots), noise,
        ], name  # fmt: skip
        for steps in (20, 40):
            calls = schedulers.table(member.scheduler(), steps).rows
            if name == "repaint":  # its member has fewer jumps than the default
                calls = len(jumps(steps, 10, 10))
            assert int(each) * steps + int(more[0] if more else 0) == calls, name


@pytest.mark.parametrize("sampler", SAMPLERS, ids=NAMES)
def test_the_figures_in_the_file_are_those_that_are_measured(sampler):
    """Where this fails: python -m mdx.sampler_facts"""
    assert sampler_facts.facts_of(sampler) == sampler_facts.measured(sampler)


def test_the_list_measures_nothing(capsys, monkeypatch):
    """That takes seconds."""
    monkeypatch.setattr(sampler_facts, "measured", None)
    assert len(listed(capsys, "samplers")) > len(SAMPLERS)


def test_the_file_has_all_and_nothing_else():
    assert list(json.loads(sampler_facts.FILE.read_text())) == NAMES


def test_a_sampler_that_the_file_lacks_is_measured(monkeypatch):
    monkeypatch.setattr(sampler_facts, "_kept", dict)
    [euler] = [one for one in SAMPLERS if one.names[1] == "euler"]
    assert sampler_facts.facts_of(euler) == sampler_facts.Facts(1, 1, 0, 1, False)


@pytest.mark.parametrize("name", NAMES)
def test_options_are_listed_and_taken(capsys, name):
    """Each default, and each value that may be, is what `mdx table` and --set take."""
    lines = listed(capsys, "samplers", name)
    sampler = listing.find(name)
    assert lines[0] == f"{sampler.names[0]} ({', '.join(sampler.names[1:])})"
    assert lines[1] == f"for {FAMILIES[sampler.family]}"
    text = "\n".join(lines[5 : lines.index("", 5)])
    body = [line.split(None, 2) for line in re.sub(r"\n {9,}", " ", text).splitlines()]
    assert [key for key, *_ in body] == sorted(sampler.defaults)
    for key, default, choices in body:
        [(_, value)] = cli_samplers.overrides([f"{key}={default}"], "").items()
        assert value == sampler.defaults[key] or [*sampler.defaults[key]] == value
        if key in sampler.choices:
            words = [f"{key}={choice}" for choice in choices.split(", ")]
            found = [cli_samplers.overrides([word], "")[key] for word in words]
            assert tuple(found) == sampler.choices[key]
        else:
            assert choices in KINDS
    assert max(map(len, lines)) <= 100


KINDS = {
    "true, false",
    "a number",
    "a number, or null",
    "a whole number, 0 or more",
    "a list of numbers, or null",
    "a list of whole numbers, 0 or more",
}


def test_every_family_is_listed_in_words(here, capsys):
    """Each sampler stands under the models that it is for."""
    lines, family = listed(capsys, "samplers"), None
    assert {sampler.family for sampler in SAMPLERS} == FAMILIES.keys()
    own = {sampler.names[1]: sampler.family for sampler in SAMPLERS}
    for line in lines[1 : lines.index("")]:
        if line.startswith("  "):
            assert own[line.split()[0]] == family
        else:
            family, words = line.split(": ", 1)
            assert words == FAMILIES[family]
        assert len(line) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_a_table_is_printed_whole(here, capsys, name):
    """All its coefficients, to the digits shown, within 100 columns."""
    lines = listed(capsys, "table", name, "--steps", "7")
    own = listing.chosen(schedulers.from_config(tiny.SCHEDULER), name, {})
    table = schedulers.table(own, 7)
    assert max(map(len, lines)) <= 100
    head = lines[2].split()[4:]
    every = ["x", *(f"s{k}" for k in range(1, table.slots)), "out", "x0", "noise"]
    found = np.zeros_like(table.mix)
    row = -1
    for line in lines[3 : lines.index("", 3) - 1]:
        left, _, right = line.partition(" =")
        if len(left.split()) > 1:
            row += 1
            numbers = [float(n) for n in left.split()[:4]]
            expected = [row, table.t[row], table.alpha[row], table.sigma[row]]
            np.testing.assert_allclose(numbers, expected, atol=0.00501)
        for column, value in zip(head, right.split(), strict=True):
            slot = every.index(left.split()[-1])
            found[row, slot, every.index(column)] = 0 if value == "." else float(value)
    np.testing.assert_allclose(found, table.mix, atol=5.1e-5, rtol=1e-3)
    begin = "a picture" if "inverse" in name else f"{table.init_noise_scale:.4g}"
    assert lines[1].startswith(f"begins with {begin}")


def test_a_table_with_options(here, capsys):
    """Numbers, words and truth values, before the others or after them."""
    options = {"use_karras_sigmas": True, "solver_order": 3, "final_sigmas_type": "sigma_min"}
    words = ["use_karras_sigmas=true", "solver_order=3", "final_sigmas_type=sigma_min"]
    lines = listed(capsys, "table", "dpmpp_2m", *words[:1], "--steps", "4", *words[1:])
    own = schedulers.from_config(schedulers.from_config(tiny.SCHEDULER), "dpmpp_2m", **options)
    table = schedulers.table(own, 4)
    assert lines == list(listing.rows(own, table))
    assert lines[0].startswith("DPMSolverMultistepScheduler: 4 model calls, 3 slots")


@pytest.mark.parametrize("name", ["sde_ve", "scm", "flow_heun", "repaint"])
def test_any_table_is_drawn(here, capsys, name):
    listed(capsys, "table", name, "--steps", "12", "--plot", "x.png")
    assert pixels("x.png").std() > 0


def test_a_table_is_drawn(here, capsys):
    lines = listed(capsys, "table", "lms", "--plot", "lms.png")
    assert lines[0].startswith("LMSDiscreteScheduler: 10 model calls, 4 slots, deterministic")
    assert pixels("lms.png").std() > 0
    assert [file.name for file in here.iterdir()] == ["lms.png"]


def test_a_table_of_another_checkpoint(here, capsys, checkpoint):
    """Its levels as `load` has them: Stable Diffusion's never clip, whatever their config says."""
    file = checkpoint / "scheduler" / "scheduler_config.json"
    tiny.change_json(file, clip_sample=True, clip_sample_range=2.5, steps_offset=0)
    lines = listed(capsys, "table", "ddim", "--steps", "2", "--model", str(checkpoint))
    assert lines[3].split()[:2] == ["0", "501.00"]
    assert "clipped" not in lines[-1]
    tiny.change_json(checkpoint / "model_index.json", _class_name="StableDiffusionXLPipeline")
    lines = listed(capsys, "table", "ddim", "--steps", "2", "--model", str(checkpoint))
    assert lines[3].split()[:2] == ["0", "500.00"]
    assert lines[-1] == "x0 is clipped to 2.5."


@pytest.mark.parametrize(("kind", "own"), {"SD 1.5": "pndm", "SDXL": "euler"}.items())
def test_a_table_of_one_file(here, capsys, kind, own):
    """Its levels are of the scheduler that such a file is loaded with, which it does not say."""
    file = str(single_files.sparse(here / "one.safetensors", single_files.shapes(kind)))
    config = usual_config(single_files.KINDS[kind][0], False, False)
    base = schedulers.from_config(config)
    assert base.name == schedulers.from_config({}, own).name
    for name in (own, "ddim"):
        lines = listed(capsys, "table", name, "--steps", "5", "--model", file)
        sampler = schedulers.from_config(base, name)
        assert lines == list(listing.rows(sampler, schedulers.table(sampler, 5)))
    noise = lines
    v = ["--prediction-type", "v_prediction"]
    lines = listed(capsys, "table", "ddim", "--steps", "5", "--model", file, *v)
    sampler = schedulers.from_config(base, "ddim", prediction_type="v_prediction")
    assert lines == list(listing.rows(sampler, schedulers.table(sampler, 5)))
    assert lines != noise


def test_a_table_of_one_file_that_is_marked(here, capsys):
    shapes = single_files.shapes("SDXL") | {"v_pred": (0,), "ztsnr": (0,)}
    file = single_files.sparse(here / "one.safetensors", shapes)
    lines = listed(capsys, "table", "ddim", "--steps", "2", "--model", str(file))
    original = single_files.KINDS["SDXL"][0]
    base = schedulers.from_config(usual_config(original, True, True))
    sampler = schedulers.from_config(base, "ddim")
    assert lines == list(listing.rows(sampler, schedulers.table(sampler, 2)))
    assert lines[3].split()[:3] == ["0", "999.00", "0.0000"]  # noise alone, whose alpha is 0


def test_a_table_of_one_file_like_a_checkpoint(here, capsys, checkpoint):
    """Its levels are that checkpoint's."""
    file = here / "one.safetensors"
    single_files.sparse(file, single_files.shapes("SD 1.5"))
    tiny.change_json(checkpoint / "scheduler" / "scheduler_config.json", beta_end=0.02)
    words = ("table", "ddim", "--steps", "3")
    found = listed(capsys, *words, "--model", str(file), "--config", str(checkpoint))
    assert found == listed(capsys, *words, "--model", str(checkpoint))
    assert found != listed(capsys, *words, "--model", str(file))


def test_a_table_of_one_file_that_says_too_little_or_is_none(here, capsys, checkpoint):
    sd = single_files.shapes("SD 1.5")
    single_files.sparse(here / "one.safetensors", sd)
    alone = {name: shape for name, shape in sd.items() if name.startswith("first_stage_model.")}
    single_files.sparse(here / "vae.safetensors", alone)
    (here / "old.ckpt").write_bytes(b"x")
    folder = ["--model", str(checkpoint)]
    for words, error in (
        (["--model", "gone.safetensors"], "gone.safetensors"),
        (["--model", "vae.safetensors"], "vae.safetensors is a VAE alone"),
        (["--model", "old.ckpt"], "old.ckpt is pickled"),
        ([*folder, "--config", "x"], "--config is of a --model that is one .safetensors file"),
        (["--prediction-type", "epsilon"], "--prediction-type is of a --model that is one"),
        (
            ["--model", "one.safetensors", "--prediction-type", "v"],
            "--prediction-type must be epsilon or v_prediction, not 'v'",
        ),
        (["--model", "one.safetensors", "--config", "./no"], "'./no' is neither a folder nor"),
    ):
        assert error in refused(capsys, ["table", "ddim", *words])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table"], "the following arguments are required: NAME (mdx table --help"),
        (["table", "nonsense"], "unknown scheduler 'nonsense' (`mdx samplers` lists them)"),
        (["table", "ddim", "--steps", "0"], "steps must be a whole number from 1 to 1000, not 0"),
        (["table", "ddim", "--steps", "x"], "invalid int value: 'x' (mdx table --help"),
        (["table", "ddim", "--plot", "x.jpg"], "--plot must name a .png file, not 'x.jpg'"),
        (["table", "ddim", "--plot", "no/x.png"], "folder no does not exist"),
        (["table", "ddim", "--model", "./none"], "'./none' is neither a folder nor a Hub id"),
        (
            ["table", "ddim", "eta"],
            "an option must be KEY=VALUE, as use_karras_sigmas=true, not 'eta'",
        ),
        (["table", "ddim", "eta="], "use_karras_sigmas=true, not 'eta='"),
        (["table", "ddim", "=1"], "use_karras_sigmas=true, not '=1'"),
        (["table", "ddim", "eta=1", "eta=0"], "an option has 'eta' twice"),
        (["table", "ddim", "eta=x"], "DDIMScheduler: eta 'x' is not supported, only a number"),
        (["table", "ddim", "order=2"], "DDIMScheduler has no option order"),
        (["table", "ddim", "name=2"], "DDIMScheduler has no option name"),
        (["table", "ddim", "trained_betas={}"], "trained_betas {} is not supported, only a list"),
        (["table", "dpmpp_2m", "solver_order=3.5"], "solver_order 3.5 is not supported, only one"),
        (["table", "ddim", "num_train_timesteps=99999999999"], "a whole number from 1 to 100000"),
        (["table", "dpmpp2m"], "'dpmpp2m' (`mdx samplers` lists them); did you mean 'dpmpp_2m'?"),
        (
            ["table", "ddim", "--step", "2", "--plit", "x"],
            "--plit x; did you mean '--plot'? (mdx ta",
        ),
        (
            ["table", "dpmpp_2m", "solver_ordr=3"],
            "solver_ordr (`mdx samplers dpmpp_2m` lists them)",
        ),
        (["table", "dpmpp_2m", "solver_ordr=3"], "; did you mean 'solver_order'?"),
        (["table", "ddim", "eta=" + "[" * 10**5], "an option 'eta' has too many lists in lists"),
        (["samplers", "al"], "unknown scheduler 'al' (`mdx samplers` lists them)"),
        (["samplers", "Eular"], "; did you mean 'euler'?"),
        (["samplers", "euler", "lms"], "unrecognized arguments: lms (mdx samplers --help"),
    ],
)
def test_errors_of_sub_commands_are_one_line(here, capsys, arguments, words):
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mdx: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert list(here.iterdir()) == []


def test_a_table_for_other_networks_than_the_checkpoint_s(here, capsys, tiny_checkpoint):
    """Without --model it visits its own levels; with one it is refused."""
    assert cli.main(["table", "flow_euler", "--steps", "2"]) == 0
    with pytest.raises(SystemExit):
        cli.main(["table", "flow_euler", "--model", str(tiny_checkpoint)])
    words = "FlowMatchEulerDiscreteScheduler is for other networks than PNDMScheduler's"
    assert words in capsys.readouterr().err


def test_plots_without_matplotlib(here, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(SystemExit):
        cli.main(["table", "ddim", "--plot", "x.png"])
    assert "--plot wants matplotlib: pip install 'mdx[plots]'" in capsys.readouterr().err
