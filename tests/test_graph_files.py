"""A graph's file can name a library to load: only the user's own are read, in his own folder."""

import hashlib
import logging
import os
import stat
from pathlib import Path
from types import SimpleNamespace

import mindspore
import pytest

from mdx import compile_cache, graph_files
from tests.last_stage import inputs, run

NAME, CONTENT = "a" * 64, b"a graph"


@pytest.fixture
def place(tmp_path):
    """A folder for graphs, which is not there as yet."""
    return tmp_path / "mdx" / "graphs"


@pytest.fixture
def folder(place, monkeypatch):
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(place))
    return place


def named(content=CONTENT, name=NAME):
    return f"{name}.{hashlib.sha256(content).hexdigest()}.mindir"


def kept(place, content=CONTENT):
    """A graph that mdx wrote."""
    with graph_files.opened(place) as descriptor:
        graph_files.write(descriptor, NAME, content)
    return place / named(content)


def read(place):
    with graph_files.opened(place) as descriptor:
        return graph_files.read(descriptor, NAME)


def test_what_is_written_is_read(place):
    """In folders that are the user's alone, whatever lets others write there by default."""
    before = os.umask(0)
    try:
        file = kept(place)
    finally:
        os.umask(before)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (place.parent, place)] == [0o700] * 2
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read(place) == CONTENT
    assert [path.name for path in place.iterdir()] == [named()]


# What lets others change the folder, or put another in its place -> how to make it so.
UNSAFE = {
    "group writes": lambda place: place.chmod(0o770),
    "others write": lambda place: place.chmod(0o707),
    "others write, sticky": lambda place: place.chmod(0o1777),
    "others write above": lambda place: place.parent.chmod(0o777),
    "group writes far above": lambda place: place.parent.parent.chmod(0o770),
}


@pytest.mark.parametrize("how", UNSAFE)
def test_no_folder_that_others_could_change(place, how):
    kept(place)
    UNSAFE[how](place)
    with pytest.raises(graph_files.Unsafe, match=r"others may write to .*: chmod go-w"):
        read(place)


def test_a_sticky_folder_above_is_safe(place):
    """As /tmp is: others may write there, and not exchange what is the user's."""
    kept(place)
    place.parent.chmod(0o1777)
    assert read(place) == CONTENT


def test_no_folder_behind_a_link_that_others_could_change(tmp_path, place):
    """The folder itself may be safe; the link that names it lies where others write."""
    kept(place)
    between = tmp_path / "between"
    between.mkdir()
    (between / "link").symlink_to(place)
    (tmp_path / "first").symlink_to(between / "link")
    assert read(tmp_path / "first") == CONTENT
    between.chmod(0o777)
    for path in (between / "link", tmp_path / "first", tmp_path / "mdx" / ".." / "first"):
        with pytest.raises(graph_files.Unsafe, match=f"others may write to {between}"):
            read(path)


def test_links_without_end_are_no_way(tmp_path):
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(OSError, match="links"), graph_files.opened(tmp_path / "a" / "graphs"):
        pass


def test_no_folder_of_another_user(place, monkeypatch):
    """Root's own are fine above it, and not in its place."""
    kept(place)
    mine = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: mine + 1)
    with pytest.raises(graph_files.Unsafe, match=f"belongs to another user \\(uid {mine}\\)"):
        read(place)


@pytest.mark.parametrize(
    ("uid", "mode", "last", "safe"),
    [
        (7, 0o40755, True, True),
        (0, 0o40755, False, True),
        (0, 0o40755, True, False),
        (8, 0o40700, False, False),
        (0, 0o41777, False, True),
        (7, 0o41777, True, False),
        (7, 0o120777, False, True),
        (8, 0o120777, False, False),
    ],
)
def test_whose_a_step_on_the_way_may_be(monkeypatch, uid, mode, last, safe):
    """Of user 7's process; folders are 0o40000, links 0o120000."""
    monkeypatch.setattr(os, "geteuid", lambda: 7)
    step = (Path("/x"), SimpleNamespace(st_uid=uid, st_mode=mode), last)
    if safe:
        graph_files._check(*step)
    else:
        with pytest.raises(graph_files.Unsafe):
            graph_files._check(*step)


def _linked(path):
    whole = path.with_name("elsewhere")
    whole.write_bytes(CONTENT)
    path.symlink_to(whole)


def _grown(path):
    path.write_bytes(CONTENT)
    os.truncate(path, graph_files.LARGEST + 1)


def _writable(path):
    path.write_bytes(CONTENT)
    path.chmod(0o666)


ODD = {
    "pipe": os.mkfifo,
    "folder": os.mkdir,
    "link": _linked,
    "link to a device": lambda path: path.symlink_to("/dev/zero"),
    "large": _grown,
    "writable by others": _writable,
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_of_the_user_s_is_let_be(place, kind):
    """Not opened, not read, not removed, and nothing waits for it."""
    with graph_files.opened(place):
        ODD[kind](place / named())
        assert read(place) is None
        assert os.path.lexists(place / named())


@pytest.mark.parametrize("kind", ["pipe", "folder", "link", "link to a device"])
def test_what_is_exchanged_after_the_look_is_let_be(place, monkeypatch, kind):
    """It is looked at once more when it is open."""
    usual, looks = graph_files._is_ours, []

    def look(found):
        looks.append(found)
        return len(looks) == 1 or usual(found)

    monkeypatch.setattr(graph_files, "_is_ours", look)
    with graph_files.opened(place):
        ODD[kind](place / named())
        assert read(place) is None
        assert os.path.lexists(place / named())


def test_only_graphs_are_removed(place, monkeypatch):
    """Whatever their size, and whatever their names begin and end with."""
    monkeypatch.setattr(graph_files, "LIMIT", 1)
    others = ["mine.mindir", f"{NAME}.mindir", f"{NAME}.note.mindir", f"x{named()}", ".mindir"]
    part, folder = f".{NAME}.12-34.mindir", named(b"a folder")
    with graph_files.opened(place) as descriptor:
        for name in [*others, part, named(b"older")]:
            (place / name).write_bytes(b"mine")
        (place / folder).mkdir()
        graph_files.write(descriptor, NAME, CONTENT)
        graph_files.trim(descriptor)
        assert {path.name for path in place.iterdir()} == {*others, folder}


def test_only_a_damaged_graph_is_removed(place):
    kept(place)
    damaged, other = place / named(), place / f"{NAME}.mine.mindir"
    damaged.write_bytes(b"damaged")
    other.write_bytes(b"mine")
    assert read(place) is None
    assert [path.name for path in place.iterdir()] == [other.name]


def test_what_was_hashed_is_what_mindspore_loads(folder, monkeypatch):
    """A file of its own, where nobody else may look, whatever becomes of the first one."""
    run(inputs())
    [file] = folder.iterdir()
    usual, seen = mindspore.load, []

    def load(path):
        os.truncate(file, 0)
        seen.append((Path(path).parent, Path(path).read_bytes()))
        assert stat.S_IMODE(Path(path).parent.stat().st_mode) == 0o700
        return usual(path)

    monkeypatch.setattr(mindspore, "load", load)
    run(inputs())
    [(where, content)] = seen
    assert where != folder
    assert not where.exists()
    assert hashlib.sha256(content).hexdigest() == file.name.split(".")[1]


def test_a_run_goes_without_and_says_so_once(folder, monkeypatch, caplog):
    monkeypatch.setenv("MDX_COMPILE_CACHE", "0")
    expected, _ = run(inputs())
    monkeypatch.setenv("MDX_COMPILE_CACHE", str(folder))
    kept(folder)
    folder.chmod(0o777)
    compile_cache._warn.cache_clear()
    with caplog.at_level(logging.WARNING, "mdx"):
        for _ in range(2):
            out, made = run(inputs())
            assert (out.tobytes(), made) == (expected.tobytes(), 0)
    [record] = [one for one in caplog.records if one.name == "mdx"]
    assert str(folder) in record.getMessage()
    assert [path.name for path in folder.iterdir()] == [named()]
