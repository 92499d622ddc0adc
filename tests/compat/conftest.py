"""Pipelines of the smallest checkpoints, and a generate that draws nothing."""

import pytest
from PIL import Image

import mdx
from mdx import compat
from tests import repositories
from tests.repositories_xl import LEAST


@pytest.fixture(scope="session")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)


@pytest.fixture
def pipe(model):
    found = compat.StableDiffusionPipeline.of(model)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.fixture(scope="session")
def xl_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("xl")
    repositories.write(folder, LEAST)
    return mdx.load(folder)


@pytest.fixture
def asked(monkeypatch):
    """What generate is asked, as it would be: nothing is drawn."""
    seen = []

    def generate(model, prompt, **options):
        seen.append({"model": model, "prompt": prompt, **options})
        return [Image.new("RGB", (16, 16))]

    monkeypatch.setattr(mdx, "generate", generate, raising=False)
    return seen
