"""A small SDXL and a small refiner of it."""

import shutil

import pytest

import mdx
from tests import repositories
from tests.repositories_xl import LEAST, LEAST_REFINER


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A small SDXL; read it, never write to it."""
    return repositories.write(tmp_path_factory.mktemp("xl"), LEAST)


@pytest.fixture
def copy(folder, tmp_path):
    """A copy of it, to be spoilt."""
    return shutil.copytree(folder, tmp_path / "copy")


@pytest.fixture(scope="session")
def base(folder):
    return mdx.load(folder)


@pytest.fixture(scope="session")
def refiner(tmp_path_factory):
    return mdx.load(repositories.write(tmp_path_factory.mktemp("refiner"), LEAST_REFINER))
