"""A small checkpoint of each family, as a folder and as one file."""

import pytest

import mdx
from tests import repositories, single_files, tiny
from tests.repositories_xl import LEAST, LEAST_REFINER


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Small checkpoints of both families: name -> its folder and its one file."""
    place, found = tmp_path_factory.mktemp("single"), {}
    folders = {
        "SD": tiny.write(place / "sd"),
        "XL": repositories.write(place / "xl", LEAST),
        "refiner": repositories.write(place / "refiner", LEAST_REFINER),
    }
    for name, folder in folders.items():
        file = place / f"{name}.safetensors"
        with single_files.quiet():
            mdx.save(mdx.load(folder), file)
        found[name] = (folder, file)
    return found
