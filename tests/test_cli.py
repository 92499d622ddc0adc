"""The command: its files, what they carry, and pictures made again from them bit for bit."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import mdx
from mdx import cli, hub, images, listing, schedulers
from mdx.schedulers.repaint import jumps
from mdx.schedulers.samplers import FAMILIES, SAMPLERS
from tests import tiny
from tests.schedulers import members

NAMES = [sampler.names[1] for sampler in SAMPLERS]


@pytest.fixture
def here(tmp_path, monkeypatch, tiny_checkpoint):
    """An empty working folder, in which no --model means the tiny checkpoint."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "PACKAGED", tiny_checkpoint)
    return tmp_path


@pytest.fixture
def calls(monkeypatch):
    """Pictures come from their seed and prompt alone; lists what generate was asked."""
    seen = []

    def generate(model, prompt, *, seed, height=None, width=None, **options):
        seen.append({"prompt": prompt, "seed": seed, **options})
        noise = np.random.default_rng([seed, len(prompt)])
        return [Image.fromarray(noise.integers(0, 256, (height or 16, width or 16, 3), np.uint8))]

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    return seen


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image)


def test_a_picture_and_the_same_again(here, capsys):
    """With the real model: new process or old, the same bytes."""
    assert cli.main(["a red circle", "-o", "x.png", "--steps", "2", "--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("x.png (seed 3)\n1 picture in ")
    assert cli.main(["--from", "x.png"]) == 0
    assert (here / "x-again.png").read_bytes() == (here / "x.png").read_bytes()
    assert pixels("x.png").std() > 0
    assert sorted(p.name for p in here.iterdir()) == ["x-again.png", "x.png"]


def test_settings_say_everything(here, calls, tiny_checkpoint):
    arguments = "--negative blue --scheduler euler --steps 7 --guidance 2.5 --seed 5 --size 24x8"
    more = ["--memory", "3GB", "--dtype", "float16", "--model", str(tiny_checkpoint)]
    cli.main(["a circle", *arguments.split(), *more])
    settings = images.read_settings("mdx.png")
    assert settings == {
        "version": cli.version(),
        "model": str(tiny_checkpoint),
        "variant": None,
        "revision": None,
        "dtype": "float16",
        "prompts": ["a circle"],
        "seeds": [5],
        "negative": "blue",
        "scheduler": "euler",
        "steps": 7,
        "guidance": 2.5,
        "width": 24,
        "height": 8,
        "memory": "3GB",
        "grid": None,
    }
    assert pixels("mdx.png").shape == (8, 24, 3)
    [call] = calls
    cli.main(["--from", "mdx.png", "-o", "b.png"])
    assert calls == [call, call]
    assert call["memory"] == "3GB"


def test_a_picture_from_before_budgets_is_made_again(here, calls):
    """Its settings lack the key, and it had none."""
    cli.main(["a", "--seed", "1"])
    settings = images.read_settings("mdx.png")
    assert settings.pop("memory", "missing") is None
    with Image.open("mdx.png") as image:
        images.save_png(image, "old.png", settings)
    cli.main(["--from", "old.png"])
    assert (here / "old-again.png").read_bytes() == (here / "mdx.png").read_bytes()


def test_a_budget_is_kept_within(here, capsys):
    """With the real model: the same picture as without, or the plan of why not."""
    options = ["--steps", "1", "--seed", "3"]
    cli.main(["a red circle", "-o", "free.png", *options])
    cli.main(["a red circle", "-o", "held.png", *options, "--memory", "2GB"])
    np.testing.assert_array_equal(pixels("held.png"), pixels("free.png"))
    capsys.readouterr()
    with pytest.raises(SystemExit):
        cli.main(["a red circle", *options, "--memory", "400MB"])
    assert "no choice of memory keeps within the budget" in capsys.readouterr().err


def test_a_random_seed_is_recorded(here, calls):
    cli.main(["a", "-o", "x.png"])
    cli.main(["a", "-o", "y.png"])
    cli.main(["--from", "x.png"])
    assert calls[0]["seed"] != calls[1]["seed"]
    assert calls[0]["seed"] == calls[2]["seed"]


def test_many_pictures_are_numbered_and_each_stands_for_itself(here, calls):
    cli.main(["a", "bb", "-o", "x.png", "--seed", "1", "2"])
    assert [(c["prompt"], c["seed"]) for c in calls] == [("a", 1), ("a", 2), ("bb", 1), ("bb", 2)]
    assert sorted(p.name for p in here.iterdir()) == [f"x-{i}.png" for i in (1, 2, 3, 4)]
    cli.main(["--from", "x-3.png"])
    assert (here / "x-3-again.png").read_bytes() == (here / "x-3.png").read_bytes()
    assert len(calls) == 5


def test_a_grid_is_one_picture(here, calls):
    cli.main(["a", "bb", "-o", "x.png", "--seed", "1", "2", "--grid", "2", "2"])
    cli.main(["bb", "-o", "one.png", "--seed", "1"])
    assert [p.name for p in sorted(here.iterdir())] == ["one.png", "x.png"]
    np.testing.assert_array_equal(pixels("x.png")[16:, :16], pixels("one.png"))
    cli.main(["--from", "x.png"])
    assert (here / "x-again.png").read_bytes() == (here / "x.png").read_bytes()


def test_a_relative_model_folder_is_found_from_elsewhere(here, calls, checkpoint, monkeypatch):
    cli.main(["a", "--model", checkpoint.name])
    (here / "sub").mkdir()
    monkeypatch.chdir(here / "sub")
    cli.main(["--from", "../mdx.png", "-o", "again.png"])
    assert (here / "sub" / "again.png").read_bytes() == (here / "mdx.png").read_bytes()


def test_a_hub_model_is_pinned_to_its_commit(here, calls, tiny_checkpoint, monkeypatch):
    import huggingface_hub

    tiny.hub_cache(here / "cache", "someone/tiny", tiny_checkpoint)
    real = huggingface_hub.snapshot_download

    def cached(repo, **options):
        return real(repo, cache_dir=here / "cache", **options)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", cached)
    cli.main(["a", "--model", "someone/tiny", "--offline"])
    assert images.read_settings("mdx.png")["revision"] == "c0ffee" * 6 + "cafe"
    assert images.read_settings("mdx.png")["model"] == "someone/tiny"
    cli.main(["--from", "mdx.png", "--offline"])
    assert (here / "mdx-again.png").read_bytes() == (here / "mdx.png").read_bytes()


def test_another_version_is_warned_of(here, calls, capsys):
    cli.main(["a"])
    settings = images.read_settings("mdx.png") | {"version": "0.0.1"}
    with Image.open("mdx.png") as image:
        images.save_png(image, "old.png", settings)
    assert cli.main(["--from", "old.png"]) == 0
    assert "mdx: warning: old.png was made by mdx 0.0.1; this is " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "status"),
    [(ValueError("no\nway"), 2), (OSError("disk"), 2), (FloatingPointError("NaN"), 2)],
)
def test_errors_of_the_work_are_one_line_and_leave_no_file(
    here, monkeypatch, capsys, error, status
):
    def generate(*_, **__):
        raise error

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    with pytest.raises(SystemExit) as leaving:
        cli.main(["a"])
    assert leaving.value.code == 2
    assert capsys.readouterr().err == f"mdx: error: {' '.join(str(error).split())}\n"
    assert list(here.iterdir()) == []


def test_stopping_leaves_no_file(here, monkeypatch, capsys):
    def generate(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    assert cli.main(["a"]) == 130
    assert capsys.readouterr().err == "\nmdx: stopped\n"
    assert list(here.iterdir()) == []


def test_a_failed_write_keeps_the_old_picture(here, calls, monkeypatch):
    cli.main(["a", "--seed", "1"])
    before = (here / "mdx.png").read_bytes()

    def half(self, path, **_):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", half)
    with pytest.raises(SystemExit):
        cli.main(["a", "--seed", "2"])
    assert [p.name for p in here.iterdir()] == ["mdx.png"]
    assert (here / "mdx.png").read_bytes() == before


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table"], "the following arguments are required: NAME (mdx table --help"),
        (["table", "nonsense"], "unknown scheduler 'nonsense'; known are"),
        (["table", "ddim", "--steps", "0"], "steps must be a whole number from 1 to 1000, not 0"),
        (["table", "ddim", "--steps", "x"], "invalid int value: 'x' (mdx table --help"),
        (["table", "ddim", "--plot", "x.jpg"], "--plot must name a .png file, not 'x.jpg'"),
        (["table", "ddim", "--plot", "no/x.png"], "folder no does not exist"),
        (["table", "ddim", "--model", "./none"], "'./none' is neither a folder nor a Hub id"),
        (["table", "ddim", "eta"], "an option of the config is KEY=VALUE, not 'eta'"),
        (["table", "ddim", "eta="], "an option of the config is KEY=VALUE, not 'eta='"),
        (["table", "ddim", "=1"], "an option of the config is KEY=VALUE, not '=1'"),
        (["table", "ddim", "eta=1", "eta=0"], "eta is given twice"),
        (["table", "ddim", "eta=x"], "DDIMScheduler: eta 'x' is not supported, only a number"),
        (["table", "ddim", "order=2"], "DDIMScheduler has no option order"),
        (["table", "ddim", "name=2"], "DDIMScheduler has no option name"),
        (["table", "ddim", "trained_betas={}"], "trained_betas {} is not supported, only a list"),
        (["table", "dpmpp_2m", "solver_order=3.5"], "solver_order 3.5 is not supported, only one"),
        (["table", "ddim", "num_train_timesteps=99999999999"], "a whole number from 1 to 100000"),
        (["samplers", "all"], "unrecognized arguments: all (mdx samplers --help"),
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


@pytest.mark.parametrize("word", cli.COMMANDS)
def test_a_command_s_name_may_be_a_prompt(here, calls, word):
    cli.main(["--", word])
    cli.main(["--seed", "1", "--", word])
    cli.main([f"{word} and chairs"])
    assert [call["prompt"] for call in calls] == [word, word, f"{word} and chairs"]


def test_help_and_bad_arguments_do_not_wait_for_mindspore():
    code = "import sys\nfrom mdx import cli\ntry: cli.main({})\nexcept SystemExit: pass\n"
    code += "assert not {{'mindspore', 'tokenizers', 'huggingface_hub'}} & sys.modules.keys()"
    good = (["--help"], ["samplers"], ["table", "--help"], ["table", "pndm"])
    for arguments in (*good, ["a", "--size", "big"], ["a", "-o", "no/where.png"]):
        subprocess.run([sys.executable, "-c", code.format(arguments)], check=True)


def test_python_m_mdx():
    run = subprocess.run(
        [sys.executable, "-m", "mdx", "--seed", "x"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 2
    assert "Traceback" not in run.stderr


def test_the_settings_chunk_is_plain_json(here, calls):
    """Any tool that shows PNG text chunks can read it."""
    cli.main(["ein roter Kreis, größer 🎉"])
    with Image.open("mdx.png") as image:
        assert json.loads(image.text["mdx"])["prompts"] == ["ein roter Kreis, größer 🎉"]
