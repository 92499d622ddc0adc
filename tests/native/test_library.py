"""Which library is built, found and loaded, and what is said where there is none."""

import logging
import os

import pytest

from mdx.kernels import native
from mdx.kernels.native import build
from tests.native.libraries import CLASSES, load

FLAGS = "processor\t: 0\nflags\t\t: fpu sse {}\nbugs\t\t: avx2 f16c fma\n"
AVX512 = "avx2 fma f16c avx512f avx512bw avx512dq avx512vl"
PROCESSORS = {
    "fma f16c": [],
    "avx2 fma f16c": ["avx2"],
    "avx2 fma f16c avx512f avx512cd": ["avx2"],
    AVX512: ["avx512", "avx2"],
    AVX512 + " avx512_bf16": ["avx512-bf16", "avx512", "avx2"],
}


@pytest.mark.parametrize("flags", PROCESSORS)
def test_a_processor_is_told_by_its_features(flags):
    assert [kind.name for kind in build.classes(FLAGS.format(flags))] == PROCESSORS[flags]


@pytest.mark.parametrize("kind", CLASSES)
def test_each_library_knows_its_class(kind):
    assert load(kind).mdx_class().decode() == kind


@pytest.mark.parametrize("kind", CLASSES[:1])
def test_the_best_class_is_loaded_from_the_packages_folder(kind):
    load(kind)
    native.library.cache_clear()
    assert native.processor_class() == kind
    assert native.path().parent == build.HERE


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    """A package whose folder has no library."""
    monkeypatch.setattr(native, "HERE", tmp_path)
    native.library.cache_clear()
    yield tmp_path
    native.library.cache_clear()


def test_without_a_library_one_line_says_what_that_costs(nowhere, caplog):
    with caplog.at_level(logging.INFO, logger="mdx"):
        assert native.processor_class() is None
        assert native.path() is None
        native.set_threads(2)
        with pytest.raises(RuntimeError, match="no native library for Linear"):
            native.custom("Linear", (1, 1))
    assert len(caplog.records) == 1
    assert "without its native operators" in caplog.text
    assert "python -m mdx.kernels.native.build" in caplog.text


def test_what_is_no_library_is_not_loaded(nowhere, caplog):
    for kind in build.CLASSES:
        (nowhere / kind.file()).write_bytes(b"not a library")
    assert native.library() is None
    assert len(caplog.records) == 1


def test_names_and_threads_that_make_no_sense():
    with pytest.raises(ValueError, match="'Product' is none of the native operators Linear, "):
        native.custom("Product", (1, 1))
    with pytest.raises(ValueError, match="at least 1 thread, not 0"):
        native.set_threads(0)


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_a_compiler_that_fails_leaves_no_library(compiler, tmp_path, monkeypatch):
    monkeypatch.setenv("CC", compiler)
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(build, "_supported", lambda: True)
    with pytest.raises(build.NotBuiltError, match=f"the compiler {compiler} "):
        build.build(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_system_gets_no_library(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(build.NotBuiltError, match="for Linux on x86-64, not darwin"):
        build.build(tmp_path)
    assert build.classes() == ()


def test_only_what_is_newer_than_its_source_is_current(tmp_path):
    assert not build.current(tmp_path)
    for kind in build.CLASSES:
        (tmp_path / kind.file()).write_bytes(b"")
    assert build.current(tmp_path)
    os.utime(tmp_path / build.AVX2.file(), (0, 0))
    assert not build.current(tmp_path)
