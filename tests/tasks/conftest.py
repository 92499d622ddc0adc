"""The tiny checkpoint, of which no test changes anything."""

import pytest

import mdx


@pytest.fixture(scope="session")
def model(tiny_checkpoint):
    return mdx.load(tiny_checkpoint)
