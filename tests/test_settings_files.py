"""Files in a picture's settings: what is kept of them, and which are the same again."""

import hashlib
import re

import pytest

from mdx import cli_files, options
from mdx.option_fields import Field, Option
from mdx.settings_files import File, Given, again_of, file, json, read

SCALED = file(scaled=True)


@pytest.mark.parametrize(
    ("word", "path", "scale"),
    [
        ("a.safetensors", "a.safetensors", None),
        ("a.safetensors:0.8", "a.safetensors", 0.8),
        ("a.safetensors:-1", "a.safetensors", -1.0),
        ("sub/a:b", "sub/a:b", None),
        ("C:\\a.safetensors", "C:\\a.safetensors", None),
        ("C:\\a.safetensors:2", "C:\\a.safetensors", 2.0),
        (":2", ":2", None),
        ("a:", "a:", None),
    ],
)
def test_a_scale_is_a_number_behind_the_last_colon(word, path, scale):
    assert read(word) == Given(path, scale)


def test_what_is_kept_is_the_name_and_the_bytes(tmp_path):
    place = tmp_path / "style.safetensors"
    place.write_bytes(b"x" * 3_000_000)
    digits = hashlib.sha256(place.read_bytes()).hexdigest()
    assert SCALED.kept(Given(str(place))) == File("style.safetensors", digits, 1.0)
    assert file().kept(Given(str(place))) == File("style.safetensors", digits)
    entry = SCALED.kept(Given(str(place), 0.5))
    assert json(entry) == {"name": "style.safetensors", "sha256": digits, "scale": 0.5}
    for kind, one in ((SCALED, entry), (file(), entry._replace(scale=None))):
        assert kind.fits(json(one))
        assert kind.made(json(one)) == kind.made(one) == one
    with pytest.raises(FileNotFoundError, match=r"the file '.*gone' does not exist"):
        SCALED.kept(Given(str(tmp_path / "gone")))
    with pytest.raises(FileNotFoundError, match="is no file"):
        SCALED.kept(Given(str(tmp_path)))


GOOD = {"name": "a.png", "sha256": "0" * 64}


@pytest.mark.parametrize(
    "entry",
    [
        None, "a.png", [], {}, {"name": "a.png"}, GOOD | {"more": 1}, GOOD | {"scale": 1.0},
        GOOD | {"name": "/etc/passwd"}, GOOD | {"name": "a\x1b[31m"}, GOOD | {"name": ""},
        GOOD | {"sha256": "0" * 63}, GOOD | {"sha256": "G" * 64}, GOOD | {"sha256": 0},
    ],
)  # fmt: skip
def test_what_is_no_record_of_a_file(entry):
    assert not file().fits(entry)
    assert file().fits(GOOD)
    assert not SCALED.fits(GOOD)
    assert not SCALED.fits(GOOD | {"scale": float("nan")})
    assert SCALED.fits(GOOD | {"scale": 2})


def test_a_file_again_has_the_scale_of_the_settings():
    known = File("a", "0" * 64, 0.7)
    found = File("b", "0" * 64, 1.0)
    assert again_of(Given("b"), found, known) == File("b", "0" * 64, 0.7)
    assert again_of(Given("b", 1.0), found, known) == found


# A field of files as any option may be one.
FIELD = Field(SCALED, Option("--style", "FILE", "", keyword="styles"), False, 0, False)


@pytest.fixture
def hold(monkeypatch):
    """A function: settings that hold files instead of options, of what is given, and places."""
    monkeypatch.setattr(options, "FIELDS", options.FIELDS | {"set": FIELD})
    monkeypatch.setattr(cli_files, "FIELDS", options.FIELDS)

    def settings_of(given):
        kept, places = cli_files.keep({"set": given})
        none = [None] * 6
        return options.Settings(
            "1", None, None, None, "float32", ("a",), (1,), *none, **kept
        ), places

    return settings_of


@pytest.fixture
def styled(hold, tmp_path):
    """Settings that hold a file, and where it lies."""
    place = tmp_path / "a.bin"
    place.write_bytes(b"a")
    held, places = hold([Given(str(place), 0.3)])
    assert places == {"set": (str(place),)}
    return held, place


def test_files_are_asked_for_again(styled, recwarn):
    held, place = styled
    with pytest.raises(ValueError, match=r"x.png was made with 'a.bin', .* give it with --style"):
        cli_files.keep_again(held, {}, "x.png")
    given = {"set": [Given(str(place))]}
    assert cli_files.keep_again(held, given, "x.png") == (held, {"set": (str(place),)})
    assert not recwarn
    place.write_bytes(b"other")
    other, own = (hashlib.sha256(some).hexdigest()[:12] for some in (b"other", b"a"))
    line = (
        f"--style names 'a.bin' (SHA-256 {other}), but x.png was made with 'a.bin' (SHA-256 "
        f"{own}): give that; or, for another picture, leave out --from and give as options what "
        "`mdx info x.png` lists"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(line)}$"):
        cli_files.keep_again(held, given, "x.png")
    assert not recwarn


def test_a_file_is_refused_where_there_was_none(styled):
    held, place = styled
    with pytest.raises(ValueError, match=r"but x.png was made with none: leave it out; or"):
        cli_files.keep_again(held._replace(set=()), {"set": [Given(str(place))]}, "x.png")


def test_several_files_are_those_of_the_picture_in_its_order(hold, tmp_path):
    """However they are given; and neither fewer, nor more, nor one for another."""
    given = []
    for name, scale, content in (("a", 0.3, b"1"), ("b", 0.5, b"2"), ("c", 0.7, b"2")):
        (tmp_path / name).write_bytes(content)
        given.append(Given(str(tmp_path / name), scale))
    held, places = hold(given)
    bare = [one._replace(scale=None) for one in given]
    assert cli_files.keep_again(held, {"set": bare}, "x.png") == (held, places)
    again, places = cli_files.keep_again(held, {"set": [given[2], given[1], bare[0]]}, "x.png")
    assert [(one.name, one.scale) for one in again.set] == [("a", 0.3), ("c", 0.7), ("b", 0.5)]
    assert [path[-1] for path in places["set"]] == ["a", "c", "b"]
    for wrong in (bare[:2], [*bare, bare[0]], [bare[0], bare[0], bare[1]]):
        with pytest.raises(ValueError, match=r"but x.png was made with 'a' .*, 'b' .*, 'c' "):
            cli_files.keep_again(held, {"set": wrong}, "x.png")


def test_a_file_that_there_is_not_is_named_by_its_option(styled):
    with pytest.raises(FileNotFoundError, match="--style: the file 'gone' does not exist"):
        cli_files.keep({"set": [Given("gone")]})
