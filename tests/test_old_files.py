"""Files that an earlier mdx wrote still mean what they meant: see tests/goldens/make_files.py."""

import json

import numpy as np

import mdx
from mdx import cli, cli_pictures, images, schedulers
from mdx.settings import to_json, version
from tests.goldens import make_files


def test_a_table():
    """Its numbers are those that are made today, and it is run by today's loop."""
    stored, made = schedulers.load(make_files.TABLE), make_files.table()
    assert stored.prediction == made.prediction == "epsilon"
    for name, array in stored._asdict().items():
        if name != "prediction":
            np.testing.assert_allclose(array, getattr(made, name), rtol=1e-12, atol=1e-14)
    [*_, last] = make_files.states(stored, make_files.begun(stored))
    np.testing.assert_allclose(last.slots.asnumpy()[0], END, rtol=1e-5)


def test_a_state():
    """It goes on where it stopped: by a loop of one's own, and by `sample`."""
    table, state = schedulers.load(make_files.TABLE), schedulers.load_state(make_files.STATE)
    assert (state.index, state.carry, state.slots.shape[1:]) == (make_files.ROW, None, (2, 3))
    before = make_files.states(table, make_files.begun(table))[make_files.ROW - 1]
    np.testing.assert_allclose(state.slots.asnumpy(), before.slots.asnumpy(), rtol=1e-5)
    [*_, last] = make_files.states(table, state)
    np.testing.assert_allclose(last.slots.asnumpy()[0], END, rtol=1e-5)
    again = mdx.sample(lambda x, t: 0.25 * x, table, start=state, progress=False)
    np.testing.assert_allclose(again.slots.asnumpy()[0], END, rtol=1e-5)


# Of the run, as that mdx printed it.
END = np.float32(
    [[0.80644184, -0.84732944, 4.107713], [0.6728364, -3.4358177, 2.3192947]],
)


def test_a_picture_s_settings(tmp_path, monkeypatch):
    """`mdx --from` reads all that the command said, and would write the same again."""
    seen = []
    monkeypatch.setattr(cli_pictures, "draw", lambda asked, files: seen.append(asked))
    monkeypatch.chdir(tmp_path)
    cli.main(["--from", str(make_files.PICTURE), "-o", "again.png"])
    cli.main([*make_files.WORDS, "-o", "new.png"])
    old, new = (asked.settings for asked in seen)
    stored = images.read_settings(make_files.PICTURE)
    assert json.loads(json.dumps(to_json(old))) == stored | {"version": version()}
    assert (stored["width"], stored["height"]) == (64, 64)
    drawn = ("prompts", "negative", "seeds", "steps", "scheduler", "set", "guidance", "memory")
    assert {name: getattr(old, name) for name in drawn} == {
        name: getattr(new, name) for name in drawn
    }
