"""Graphs in files: another process is served from them, any change makes another, none is wrong."""

import gc
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mindspore
import numpy as np
import pytest
from mindspore import Tensor
from mindspore.graph.api import _pynative_executor, ms_compile_cache

import mdx
from mdx import compile_cache, encoding, graph_files, graph_key, latents
from mdx.kernels.device import ASCEND
from mdx.nets import clip, unet_stages, vae
from mdx.sampling import network, one_graph, staged
from tests import tiny
from tests.generating import latents as generated
from tests.last_stage import CONFIG, inputs, run

HERE = Path(__file__).parent.parent


def files(folder):
    return sorted(folder.rglob("*.mindir"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder for graphs."""
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path / "graphs"))
    return tmp_path / "graphs"


@pytest.fixture
def expected(monkeypatch):
    """The last stage's output, compiled by MindSpore alone."""
    with monkeypatch.context() as patch:
        patch.setenv("MDX_COMPILE_CACHE", "0")
        return run(inputs())[0]


PICTURE = """
import hashlib, json, sys
import mdx
from tests.compiles import counted
model = mdx.load(sys.argv[1])
with counted() as compiles:
    made = mdx.generate(model, "a red circle", seed=0, steps=2, output="np", progress=False)
digest = hashlib.sha256(made.tobytes()).hexdigest()
print(json.dumps([digest, compiles.count, compiles.files]))
"""


def process(*arguments, source=HERE):
    """A process of Python with the mdx of a folder."""
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=source,
        env=os.environ | {"PYTHONPATH": f"{source}{os.pathsep}{HERE}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(process):
    """What it prints as JSON; it must print nothing else."""
    out, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    return json.loads(out)


def test_a_second_process_compiles_nothing(tmp_path, tiny_checkpoint, monkeypatch):
    """The same picture bit for bit, as without files; and nobody is told of it."""
    made = generated(mdx.load(tiny_checkpoint), steps=2, output="np")
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(tmp_path))
    digest = hashlib.sha256(made.tobytes()).hexdigest()
    assert said(process("-c", PICTURE, tiny_checkpoint)) == [digest, 5, 5]
    kept = files(tmp_path)
    assert len(kept) == 5
    assert said(process("-c", PICTURE, tiny_checkpoint)) == [digest, 5, 0]
    assert files(tmp_path) == kept


def test_a_change_of_the_code_is_seen(folder, expected, tmp_path):
    """Another folder with the same files is the same mdx, and one with another line is not."""
    copy = tmp_path / "copy"
    shutil.copytree(HERE / "mdx", copy / "mdx", ignore=shutil.ignore_patterns("__pycache__"))
    assert run(inputs())[1] == 1
    assert said(process("-m", "tests.last_stage", source=copy)) == [expected.tobytes().hex(), 0]
    file = copy / "mdx" / "sampling" / "staged.py"
    line = "towards - away"
    assert file.read_text().count(line) == 1
    file.write_text(file.read_text().replace(line, "away - towards"))
    out, made = said(process("-m", "tests.last_stage", source=copy))
    assert made == 1
    assert out != expected.tobytes().hex()
    assert len(files(folder)) == 2


def test_code_that_changed_since_it_was_imported_is_not_kept(folder, expected, monkeypatch):
    monkeypatch.setitem(graph_key.SOURCES, "mdx.sampling.staged", "of before")
    out, made = run(inputs())
    assert (out.tobytes(), made, files(folder)) == (expected.tobytes(), 0, [])


def test_what_is_reached_is_seen_and_nothing_else():
    """A UNet's stage depends on kernels that it names through others, and not on the command."""
    reached = graph_key.reached({"mdx.sampling.staged"})
    assert {
        "mdx.sampling.staged",
        "mdx.nets.unet",
        "mdx.nets.layers",
        "mdx.kernels.parts",
    } <= reached
    assert not {"mdx.cli", "mdx.listing", "mdx.settings", "mdx.shapes"} & reached
    assert "mdx.nets.unet" not in graph_key.reached({"mdx.schedulers.device"})


IMPORTS = {
    "import mdx.nets.unet": {"mdx.nets.unet", "mdx.nets"},
    "from mdx.nets import unet": {"mdx.nets.unet", "mdx.nets"},
    "from mdx import kernels": {"mdx.kernels"},
    "from mdx.kernels import linear": {"mdx.kernels"},
    "from mdx import generate": {"mdx"},
    "from . import unet": {"mdx.nets.unet", "mdx.nets"},
    "from .unet import apply": {"mdx.nets.unet", "mdx.nets"},
    "from ..kernels.parts import after": {"mdx.kernels.parts", "mdx.kernels"},
    "import numpy, mindspore": set(),
    "def later():\n    if True:\n        from mdx import files": {"mdx.files"},
    "try:\n    import mdx.hub\nexcept ImportError:\n    pass": {"mdx.hub"},
}


@pytest.mark.parametrize("text", IMPORTS)
def test_imports_of_every_kind_are_found(monkeypatch, tmp_path, text):
    """mdx itself is reached by its name alone: what it imports, it imports when it is asked for."""
    file = tmp_path / "made_up.py"
    file.write_text(text)
    usual = graph_key._file
    place = lambda name: file if name == "mdx.nets.made_up" else usual(name)  # noqa: E731
    monkeypatch.setattr(graph_key, "_file", place)
    assert graph_key._imported("mdx.nets.made_up", text) == IMPORTS[text]


@pytest.mark.parametrize(("module", "seen"), [("mdx.kernels.parts", True), ("mdx.cli", False)])
def test_a_change_of_another_module_is_not_seen(monkeypatch, module, seen):
    function = plain(staged._exit, CONFIG, True)
    before = graph_key.key(function, ())
    usual = graph_key._digest
    changed = graph_key._file(module)
    monkeypatch.setattr(
        graph_key, "_digest", lambda file: "another" if file == changed else usual(file)
    )
    monkeypatch.setitem(graph_key.SOURCES, module, "another")
    assert (graph_key.key(function, ()) != before) == seen


def digest(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def patched(name, value):
    return lambda monkeypatch: monkeypatch.setattr(name, value)


# What a graph depends on -> how to change that, or what to call with.
CHANGES = {
    "version of mindspore": patched("mindspore.__version__", "2.10.1"),
    "version of python": patched("platform.python_version", lambda: "3.12.99"),
    "lowering": patched("mdx.graph_key.lowering", lambda: ASCEND),
    "oneDNN's instructions": lambda patch: patch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2_VNNI"),
    "mindspore's environment": lambda patch: patch.setenv("MS_DEV_SIDE_EFFECT_LOAD_ELIM", "2"),
    "config": {"config": CONFIG._replace(norm_eps=1e-3)},
    "guidance": {"guided": False},
    "shape": {"arguments": {"batch": 4}},
    "dtype": {"arguments": {"dtype": np.float16}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(folder, expected, monkeypatch, capfd, change):
    """Another graph is made and kept, the first still known for what it was, and nobody told."""
    capfd.readouterr()
    assert run(inputs())[1] == 1
    with monkeypatch.context() as patch:
        if callable(CHANGES[change]):
            CHANGES[change](patch)
            again = {"arguments": inputs()}
        else:
            again = {**CHANGES[change]}
            again["arguments"] = inputs(**again.get("arguments", {}))
        assert run(**again)[1] == 1
        assert run(**again)[1] == 0
    assert len(files(folder)) == 2
    out, made = run(inputs())
    assert (out.tobytes(), made) == (expected.tobytes(), 0)
    assert capfd.readouterr() == ("", "")


def test_memory_settings_are_seen():
    """part_bytes is a number that functions close over, as the stage is a record."""
    stages = unet_stages.stages(CONFIG)
    made = [(stages[0], 10**6), (stages[0], 10**7), (stages[1], 10**6)]
    keys = [compile_cache.key(plain(staged._stage, CONFIG, *one), ()) for one in made]
    assert len(set(keys)) == 3


def plain(factory, *arguments):
    """The function that a factory of compiled ones compiles."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (encoding, latents, network, one_graph, staged):
            patch.setattr(module, "compiled", lambda function: function)
        return factory.__wrapped__(*arguments)


def test_everything_has_a_key():
    """No function of mdx closes over what has none: each is kept, under a key of its own."""
    text, decoder = clip.from_json(tiny.TEXT), vae.from_json(tiny.VAE)
    stages = [(staged._stage, CONFIG, stage, 10**6) for stage in unet_stages.stages(CONFIG)]
    made = [
        (encoding.clip_graph, text, -1, True, False),
        *((kind, CONFIG, guided, 10**6) for guided in (True, False)
          for kind in (network._in_one_call, one_graph._runner)),
        *((kind, CONFIG, guided) for guided in (True, False)
          for kind in (staged._entry, staged._exit)),
        *stages,
        *((kind, decoder) for kind in (latents._encoder, latents._enlarger)),
        *((kind, decoder, 10**6) for kind in (latents._decoder, latents._beginner)),
    ]  # fmt: skip
    keys = [compile_cache.key(plain(*one), ()) for one in made]
    assert len(set(keys)) == len(made)


def test_what_has_no_key_is_compiled_all_the_same(folder):
    tensor = Tensor(np.float32([1, 2]))

    def add(x):
        return x + tensor

    with pytest.raises(ValueError, match="has no key"):
        compile_cache.key(add, ())
    assert compile_cache.compiled(add)(tensor).asnumpy().tolist() == [2, 4]
    assert files(folder) == []


def test_weights_are_no_part_of_a_file(folder, monkeypatch):
    """Mutable or not, they are inputs: others are computed with from the same file."""
    outs = [run(inputs(seed)) for seed in (0, 1)]
    assert [made for _, made in outs] == [1, 0]
    monkeypatch.setenv("MDX_COMPILE_CACHE", "0")
    for seed, (out, _) in enumerate(outs):
        assert out.tobytes() == run(inputs(seed))[0].tobytes()


def test_another_order_of_parameters_is_another_graph(folder, expected):
    params, *others = inputs()
    assert run((params, *others))[1] == 1
    out, made = run((dict(reversed(params.items())), *others))
    assert (out.tobytes(), made) == (expected.tobytes(), 1)


SPOILT = {
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "one bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "longer": lambda content: content + b"\0",
    "another graph": lambda content: other_graph(),
}


def other_graph():
    run(inputs(), guided=False)
    return max(files(compile_cache.folder()), key=lambda file: file.stat().st_mtime_ns).read_bytes()


@pytest.mark.parametrize("damage", SPOILT)
def test_a_spoilt_file_is_made_again(folder, expected, damage):
    run(inputs())
    [file] = files(folder)
    content = SPOILT[damage](file.read_bytes())
    file.unlink()
    file.write_bytes(content)
    out, made = run(inputs())
    assert (out.tobytes(), made) == (expected.tobytes(), 1)
    out, made = run(inputs())
    assert (out.tobytes(), made) == (expected.tobytes(), 0)


def test_two_processes_at_once(folder, expected):
    """Both are right, and leave whole files alone; what a killed one leaves is not read."""
    runs = [process("-m", "tests.last_stage"), process("-m", "tests.last_stage")]
    for each in runs:
        assert said(each)[0] == expected.tobytes().hex()
    kept = files(folder)
    assert {file.name.split(".")[1] for file in kept} == {digest(file) for file in kept}
    left = folder / f".{kept[0].name.split('.')[0]}.1-1.mindir"
    left.write_bytes(b"half")
    out, made = run(inputs())
    assert (out.tobytes(), made) == (expected.tobytes(), 0)


@pytest.mark.parametrize("frozen", [False, True])
def test_garbage_collection_is_left_as_it_was(folder, expected, frozen):
    """What a program has frozen stays so, and nothing else does."""
    gc.unfreeze()  # as conftest.py leaves it
    if frozen:
        gc.freeze()
    before = gc.get_freeze_count()
    try:
        assert np.array_equal(run(inputs())[0], expected)
        assert files(folder)
        assert (gc.get_freeze_count() > 0) == frozen
        assert gc.get_freeze_count() <= before
    finally:
        gc.freeze()


def test_a_traced_graph_is_freed_when_its_file_is_read(folder, expected):
    before = set(ms_compile_cache)
    assert np.array_equal(run(inputs())[0], expected)
    assert len(files(folder)) == 1
    assert not {phase for phase in set(ms_compile_cache) - before if "export" in phase}


def test_switched_off(expected, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MDX_COMPILE_CACHE", "0")
    out, made = run(inputs())
    assert (out.tobytes(), made, [*tmp_path.iterdir()]) == (expected.tobytes(), 0, [])


@pytest.mark.parametrize("switch", [None, "1"])
def test_where_files_are_kept(tmp_path, monkeypatch, switch):
    """Below XDG_CACHE_HOME, where that is a folder; else below the home; without one, nowhere."""
    monkeypatch.delenv("MDX_COMPILE_CACHE")
    if switch:
        monkeypatch.setenv("MDX_COMPILE_CACHE", switch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compile_cache.folder() == tmp_path / "mdx" / "graphs"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compile_cache.folder() == tmp_path / ".cache" / "mdx" / "graphs"

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert compile_cache.folder() is None


@pytest.mark.parametrize("value", ["off", "cache/graphs", "~no-such-user/x"])
def test_a_wrong_switch_is_an_error(monkeypatch, value):
    monkeypatch.setenv("MDX_COMPILE_CACHE", value)
    with pytest.raises(ValueError, match="MDX_COMPILE_CACHE must be 0, 1 or the absolute path"):
        run(inputs())


def test_a_folder_that_cannot_be_written(folder, expected):
    folder.write_text("a file")
    out, made = run(inputs())
    assert (out.tobytes(), made) == (expected.tobytes(), 0)


def test_a_full_disk(folder, expected, monkeypatch):
    def export(*_, file_name, **__):
        Path(file_name).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mindspore, "export", export)
    out, _ = run(inputs())
    assert (out.tobytes(), files(folder)) == (expected.tobytes(), [])


def test_files_not_used_for_longest_go_first(folder, monkeypatch):
    run(inputs())
    [first] = files(folder)
    run(inputs(batch=4))
    [second] = set(files(folder)) - {first}
    for age, file in enumerate([first, second]):
        os.utime(file, (age, age))
    monkeypatch.setattr(graph_files, "LIMIT", int(2.5 * first.stat().st_size))
    assert run(inputs())[1] == 0  # now the second is the older one
    assert run(inputs(batch=6))[1] == 1
    assert first in files(folder)
    assert second not in files(folder)
    assert len(files(folder)) == 2


def test_derivatives_are_not_taken_of_a_file_s_graph(folder, expected):
    """They would be zero: the graph has none of its parts' derivatives."""
    _pynative_executor.set_grad_flag(True)
    try:
        out, made = run(inputs())
    finally:
        _pynative_executor.set_grad_flag(False)
    assert (out.tobytes(), made, files(folder)) == (expected.tobytes(), 0, [])
