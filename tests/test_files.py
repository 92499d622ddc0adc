"""Files are written whole or not at all, wherever users point; and errors say what is there."""

import errno
import os
import resource
import stat
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from mdx import files, images, schedulers, tokenizer, weights
from mdx.files import check_writable, replacing


def write(path, text="new"):
    with replacing(path) as part:
        part.write_text(text)


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def left(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("length", [1, 224, 225, 254, 255])
@pytest.mark.parametrize("suffix", ["", ".png", "." + "s" * 50])
def test_names_of_any_length_that_a_file_may_have(tmp_path, length, suffix):
    name = "n" * (length - len(suffix)) + suffix
    write(tmp_path / name)
    check_writable(tmp_path / name)
    assert left(tmp_path) == [name]


def test_letters_that_take_several_bytes(tmp_path):
    write(tmp_path / ("é" * 127))
    assert left(tmp_path) == ["é" * 127]


# Where nothing can be written, and what is said. `{}` is the tmp_path.
NOWHERE = {
    "a folder": ("{}/folder", "folder is a folder; give the name of a file"),
    "the folder itself": ("{}", "is a folder; give the name of a file"),
    "no folder": ("{}/none/x", "none/x: No such file or directory|folder .*none does not exist"),
    "a file for a folder": ("{}/file/x", "cannot write .*file/x: Not a directory"),
    "256 bytes": ("{}/" + "n" * 256, "cannot write .*nnn: File name too long"),
    "a null character": ("{}/a\0b", "'.*a.x00b' cannot be the name of a file: .*null"),
    "half a character": ("{}/\ud83d", r"cannot be the name of a file: .*surrogates"),
    "a pipe": ("{}/pipe", "cannot write .*pipe: something is there that is no file"),
    "a loop of links": ("{}/loop", "cannot write .*loop: something is there that is no file"),
    "a device": ("/dev/null", "cannot write /dev/null: something is there that is no file"),
    "a file system of another kind": ("/proc/x", "cannot write /proc/x: No such file"),
}


@pytest.mark.parametrize("act", [write, check_writable])
@pytest.mark.parametrize(("path", "message"), NOWHERE.values(), ids=NOWHERE)
def test_where_nothing_can_be_written(tmp_path, act, path, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    before = left(tmp_path)
    with pytest.raises((OSError, ValueError), match=message) as error:
        act(path.format(tmp_path))
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert left(tmp_path) == before


def test_a_folder_that_is_closed_to_writers(tmp_path, monkeypatch):
    """As the system says it; a test may be run by a user whom no mode keeps out."""

    def closed(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))

    monkeypatch.setattr(files.tempfile, "mkdtemp", closed)
    with pytest.raises(PermissionError, match=r"cannot write .*x: Permission denied") as error:
        write(tmp_path / "x")
    assert error.value.errno == errno.EACCES


@contextmanager
def room_for(size):
    """Files may have this many bytes: what is written beyond is refused, as by a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


TABLE = schedulers.table(schedulers.from_config({}, "ddim"), 50)

# All that mdx writes through `replacing`, each with more than 100 bytes.
WRITERS = {
    "text": lambda path: write(path, "x" * 10_000),
    "weights": lambda path: weights.save({"a": np.zeros(1000, np.float32)}, path),
    "table": lambda path: schedulers.save(TABLE, path),
    "picture": lambda path: images.save_png(Image.effect_noise((64, 64), 50), path, {}),
    "tokenizer": lambda path: tokenizer.train(["a b c"], path, vocab_size=520),
}


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_a_full_disk(tmp_path, writer):
    """The error names the file; what was there stays, and nothing else does."""
    path = tmp_path / "x.png"
    if writer is WRITERS["tokenizer"]:
        path.mkdir()
        path = path / "vocab.json"
    path.write_text("old")
    with room_for(100), pytest.raises(OSError, match=f"cannot write {path}: .*File too large"):
        writer(tmp_path / "x.png")
    assert path.read_text() == "old"
    assert left(path.parent) == [path.name]


def test_the_number_of_the_error_is_kept(tmp_path):
    message = r"cannot write .*x: No space left on device"
    with pytest.raises(OSError, match=message) as error, replacing(tmp_path / "x"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert error.value.errno == errno.ENOSPC
    assert left(tmp_path) == []


def test_errors_about_other_files_stay(tmp_path):
    with pytest.raises(FileNotFoundError, match="other"), replacing(tmp_path / "x"):
        (tmp_path / "other").read_text()
    with pytest.raises(OSError, match=r"^in words of its own$"), replacing(tmp_path / "x"):
        raise OSError("in words of its own")
    assert left(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_what_is_stopped_leaves_the_old_file(tmp_path, error):
    (tmp_path / "x").write_text("old")

    def stopped():
        with replacing(tmp_path / "x") as part:
            part.write_text("half")
            (part.parent / "beside").touch()
            raise error

    with pytest.raises(error):
        stopped()
    assert left(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "old"


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o644, 0o666, 0o755])
@pytest.mark.parametrize("writer", ["text", "weights"])
def test_a_file_that_is_replaced_keeps_its_mode(tmp_path, writer, bits):
    (tmp_path / "x").touch()
    (tmp_path / "x").chmod(bits)
    WRITERS[writer](tmp_path / "x")
    assert mode(tmp_path / "x") == bits
    assert (tmp_path / "x").stat().st_size > 100


@pytest.mark.parametrize("mask", [0o022, 0o027, 0o077])
@pytest.mark.parametrize("writer", ["text", "weights"])
def test_a_new_file_has_the_users_mode(tmp_path, writer, mask):
    before = os.umask(mask)
    try:
        WRITERS[writer](tmp_path / "x")
    finally:
        os.umask(before)
    assert mode(tmp_path / "x") == 0o666 & ~mask


def test_a_link_is_followed(tmp_path):
    """As by every program that opens a file to write it; the link stays one."""
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("old")
    (tmp_path / "there" / "file").chmod(0o640)
    (tmp_path / "link").symlink_to("there/file")
    (tmp_path / "new").symlink_to(tmp_path / "there" / "not yet")
    for name in ("link", "new"):
        check_writable(tmp_path / name)
        write(tmp_path / name)
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / name).read_text() == "new"
    assert mode(tmp_path / "there" / "file") == 0o640
    assert left(tmp_path / "there") == ["file", "not yet"]


def test_who_reads_the_old_file_reads_it_to_the_end(tmp_path):
    write(tmp_path / "x", "old")
    with (tmp_path / "x").open() as reader:
        write(tmp_path / "x")
        assert reader.read() == "old"


def part(folder, where, process, age=0):
    """What a writer has left, `age` seconds ago."""
    made = folder / f".mdx-{where}-{process}-abc_1.part"
    made.mkdir()
    (made / "x").write_text("half")
    for path in (made / "x", made):
        os.utime(path, times=(time.time() - age,) * 2)
    return made


@pytest.fixture
def ended():
    """The number of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


DAY = 24 * 60 * 60
HERE = files._here()


def test_what_killed_writers_left_is_removed(tmp_path, ended):
    mine, other = os.getpid(), os.getppid()
    kept = [
        part(tmp_path, HERE, mine),
        part(tmp_path, HERE, other),
        part(tmp_path, HERE, 1),
        # Of another machine or container nobody here knows which processes run.
        part(tmp_path, "0123abcd", ended),
        part(tmp_path, "0123abcd", mine, DAY - 100),
    ]
    gone = [
        part(tmp_path, HERE, ended),
        part(tmp_path, HERE, 2**31),
        part(tmp_path, HERE, mine + 1, DAY + 100).rename(tmp_path / f".mdx-{HERE}-{mine}-old.part"),
        part(tmp_path, "4567abcd", mine, DAY + 100),
    ]
    not_ours = [".mdx-x.part", ".x.12-34.part.png", f".mdx-{HERE}-{ended}-x.part.png", "mdx.part"]
    for name in not_ours:
        (tmp_path / name).mkdir()
    (tmp_path / f".mdx-{HERE}-{ended}-file.part").touch()
    (tmp_path / f".mdx-{HERE}-{ended}-link.part").symlink_to(tmp_path / "mdx.part")
    write(tmp_path / "x")
    assert not [path for path in gone if path.exists()]
    assert all((path / "x").exists() for path in kept)
    assert all((tmp_path / name).is_dir() for name in not_ours)
    assert len(left(tmp_path)) == len(kept) + len(not_ours) + 3


KILLED = """
import os, sys
from mdx.files import replacing
with replacing(sys.argv[1]) as part:
    part.write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_a_writer_that_was_killed(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "x")]
    assert subprocess.run(command, check=False).returncode == -9
    [name] = left(tmp_path)
    assert files.PART.fullmatch(name)
    write(tmp_path / "y")
    assert left(tmp_path) == ["y"]


def test_a_file_that_is_read_and_is_not_there(tmp_path):
    (tmp_path / "link.json").symlink_to("blobs/gone")
    with pytest.raises(FileNotFoundError, match=r"x\.json is missing$"):
        files.read_json(tmp_path / "x.json")
    assert not files.is_there(tmp_path / "x.json")
    for read in (files.read_json, files.is_there):
        with pytest.raises(FileNotFoundError, match=r"a link to a file that is gone .blobs/gone.$"):
            read(tmp_path / "link.json")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("unet.conv.weight", "unet.conv.weight"),
        ("é", "é"),
        ("", "''"),
        ("a\nb", r"'a\nb'"),
        ("\x1b[2J", r"'\x1b[2J'"),
        ("\u202etxt", r"'\u202etxt'"),
        ("x" * 101, "x" * 100 + "..."),
    ],
)
def test_names_as_errors_show_them(name, text):
    assert files.as_name(name) == text
