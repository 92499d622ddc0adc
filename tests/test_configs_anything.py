"""Configs, schedulers and indices that hold anything at all: read, or refused in one line."""

import json
import shutil
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdx import families, model_index, schedulers
from mdx.schedulers import from_config
from mdx.schedulers.samplers import SAMPLERS
from tests import tiny, wild
from tests.net_configs import NETS, outcome

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(0, 64)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["DownBlock2D", "epsilon", "leading", "PNDMScheduler", "diffusers"]),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=6,
)


@pytest.mark.parametrize("part", NETS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_value_of_a_net(part, data):
    """It is a config whose weights can be named, or one error that names the key."""
    published = data.draw(st.sampled_from(list(wild.NETS[part].values())))
    key = data.draw(st.sampled_from(sorted({*published, *NETS[part].Config._fields})))
    changed = published | {key: data.draw(json_values)}
    config, error = outcome(NETS[part].from_json, changed)
    assert error is None or key in error
    if config is not None:
        assert hash(config) == hash(NETS[part].from_json(changed))
        if NETS[part].depth(config) < 200:
            assert len(NETS[part].shapes(config)) > 50


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_value_of_a_scheduler(data):
    """It is a scheduler that makes a table or refuses its numbers, or an error names the key."""
    _, name, config = data.draw(st.sampled_from(list(wild.SCHEDULERS.values())))
    key = data.draw(st.sampled_from(sorted({*config, *from_config({}, name).config})))
    scheduler, error = outcome(from_config, config | {key: data.draw(json_values)}, name)
    assert error is None or key in error
    if scheduler is not None:
        assert hash(scheduler) == hash(from_config(scheduler))
        with suppress(ValueError):
            schedulers.table(scheduler, 4)


numbers = st.sampled_from([0, 1, 2, 1e-300, 1e-5, 0.02, 0.5, 0.999, 10.0, 80.0, 1e5, 1e12, -1e12])


@settings(max_examples=150, deadline=None)
@given(data=st.data(), sampler=st.sampled_from(SAMPLERS), steps=st.sampled_from([1, 2, 5]))
def test_any_numbers_of_a_sampler(data, sampler, steps):
    """They make a table of finite numbers, or none, and there is one kind of error."""
    names = st.sampled_from(sorted(sampler.defaults))
    given = data.draw(st.dictionaries(names, numbers, min_size=1, max_size=4))
    with suppress(ValueError), np.errstate(all="ignore"):
        table = schedulers.table(from_config(given, sampler.names[0]), steps)
        assert np.isfinite(table.mix).all()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_value_of_the_index(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("index")
    key = data.draw(st.sampled_from([*tiny.INDEX, "text_encoder_2", "sample_sigmas"]))
    content = tiny.INDEX | {key: data.draw(json_values)}
    (folder / "model_index.json").write_text(json.dumps(content))
    index, error = outcome(model_index.read, folder)
    if index is not None:
        assert isinstance(index.pipeline, str | None)
        assert all(isinstance(part, str) for part in index.parts.values())
        _, error = outcome(families.find, index)
    assert error is None or (key in error and str(folder) in error)
    shutil.rmtree(folder)
