"""Fields and keys of every other type and range: each is refused by its name, in one line."""

import math
from time import process_time

import pytest
from safetensors.numpy import load_file

from mdx import fields, loading, net_files
from mdx.nets import clip
from mdx.schedulers import from_config
from mdx.schedulers.keys import KINDS
from mdx.schedulers.samplers import SAMPLERS
from tests import tiny, wild
from tests.net_configs import LONGEST, NETS, SCHEDULER, one_error, outcome


def more(value):
    """A number of layers, or all of them, and one more of each."""
    return tuple(map(more, value)) if isinstance(value, tuple) else value + 1


DEEP = [0]
for _ in range(900):
    DEEP = [DEEP]
VALUES = {
    "text": "8", "long text": "x" * 10**6, "list": [8], "list of lists": [[8]], "deep": DEEP,
    "object": {}, "true": True, "null": None, "below 0": -1, "half": 0.5, "NaN": math.nan,
    "infinity": math.inf, "1e30": 1e30, "10^400": 10**400, "2^63": 2**63, "10^8": 10**8,
    "nothing": [], "list with text": ["8"], "long list": [0] * 10**6,
}  # fmt: skip
# What a field takes of these, by its name; any other refuses them all.
FLAGS = {"true", "null"}
TAKEN = {
    "sample_size": {"null"},
    "mid_block_type": {"null"},
    "only_cross_attention": FLAGS,
    "time_embedding_dim": {"null"},
    "reverse_transformer_layers_per_block": {"null"},
    "addition_embed_type": {"null"},
    "addition_time_embed_dim": {"null"},
    "projection_class_embeddings_input_dim": {"null"},
    "time_cond_proj_dim": {"null"},
    "num_class_embeds": {"null"},
    "latents_mean": {"null"},
    "latents_std": {"null"},
    "projection_dim": {"null"},
    "architectures": {"null"},
    "norm_eps": {"half"},
    "layer_norm_eps": {"half"},
    "mid_block_scale_factor": {"half"},
    "scaling_factor": {"half"},
    "shift_factor": {"half", "null", "below 0"},
}
FIELDS = [(part, field) for part, net in NETS.items() for field in net.Config._fields]


@pytest.mark.parametrize(("part", "field"), FIELDS)
def test_fields_of_every_other_type_are_refused(part, field):
    net, json = NETS[part], next(iter(wild.NETS[part].values()))
    flag = isinstance(net.Config._field_defaults[field], bool)
    taken = FLAGS if flag else TAKEN.get(field, set())
    begun = process_time()
    for name, value in VALUES.items():
        if name in taken:
            assert net.from_json(json | {field: value}) is not None
        else:
            with pytest.raises(ValueError, match=field) as error:
                net.from_json(json | {field: value})
            one_error(error, field)
    assert process_time() - begun < 1


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda s: s.names[0])
def test_keys_of_every_other_type_are_refused(sampler):
    """What is taken can be hashed and compared, and is of the type of the key's default."""
    for key, default in sampler.defaults.items():
        for value in VALUES.values():
            scheduler, error = outcome(from_config, {key: value}, sampler.names[0])
            assert error is None or key in error
            if scheduler is not None:
                assert hash(scheduler) == hash(from_config({key: value}, sampler.names[0]))
                found = scheduler.config[key]
                assert default is None or found is None or type(found) is type(default)


def test_every_key_has_a_type():
    """A default that is None tells none: keys.py does, or the record's choices."""
    for sampler in SAMPLERS:
        unsaid = {key for key, default in sampler.defaults.items() if default is None}
        assert unsaid <= KINDS.keys() | sampler.choices.keys()


@pytest.mark.parametrize(
    "value", [{}, [[8]], {"a": [1]}, "?" * 10**5], ids=["{}", "[[8]]", "object", "?"]
)
def test_keys_of_other_samplers_are_typed_too(value):
    """A config is refused for them now, not once it is turned into one of theirs."""
    for key in {key for sampler in SAMPLERS for key in sampler.defaults} - {"upscale_mode"}:
        for name in ("pndm", "flow_euler"):
            scheduler, error = outcome(from_config, {key: value}, name)
            assert scheduler is None
            assert key in error


# Key of a file, and the value: one error that names both, as rows that were met.
SPOILT = [
    ("unet/config.json", "block_out_channels", [16.5, 32.0]),
    ("unet/config.json", "cross_attention_dim", 96.5),
    ("unet/config.json", "sample_size", "8"),
    ("unet/config.json", "sample_size", [8]),
    ("unet/config.json", "sample_size", {}),
    ("unet/config.json", "norm_eps", "1e-5"),
    ("unet/config.json", "freq_shift", [0]),
    ("unet/config.json", "freq_shift", 8),
    ("unet/config.json", "layers_per_block", 10**8),
    ("unet/config.json", "transformer_layers_per_block", 10**8),
    ("unet/config.json", "layers_per_block", 1000),
    ("unet/config.json", "transformer_layers_per_block", [1000, 1000]),
    ("unet/config.json", "norm_num_groups", 7),
    ("unet/config.json", "attention_head_dim", 3),
    ("unet/config.json", "down_block_types", ["DownBlock2D"]),
    ("unet/config.json", "only_cross_attention", [True]),
    ("vae/config.json", "scaling_factor", None),
    ("vae/config.json", "scaling_factor", 0),
    ("vae/config.json", "scaling_factor", [0.18215]),
    ("vae/config.json", "shift_factor", "0"),
    ("vae/config.json", "layers_per_block", 10**8),
    ("vae/config.json", "layers_per_block", 1000),
    ("vae/config.json", "norm_num_groups", 5),
    ("text_encoder/config.json", "eos_token_id", "2"),
    ("text_encoder/config.json", "eos_token_id", [2]),
    ("text_encoder/config.json", "num_hidden_layers", 10**8),
    ("text_encoder/config.json", "num_attention_heads", 3),
    (SCHEDULER, "num_train_timesteps", 2**31),
    (SCHEDULER, "num_train_timesteps", 2**63),
    (SCHEDULER, "num_train_timesteps", 0),
    (SCHEDULER, "trained_betas", [0.1] * 200_000),
    (SCHEDULER, "beta_start", 1e30),
    (SCHEDULER, "beta_end", "0.012"),
    (SCHEDULER, "clip_sample_range", {}),
    (SCHEDULER, "_class_name", ["PNDMScheduler"]),
    ("model_index.json", "vae", ["diffusers", {}]),
    ("model_index.json", "vae", "diffusers"),
    ("model_index.json", "unet", ["diffusers", "UNet2DConditionModel", "more"]),
    ("model_index.json", "scheduler", {"class": "x"}),
    ("model_index.json", "scheduler", ["diffusers", 5]),
    ("model_index.json", "_class_name", ["x"]),
]


@pytest.mark.parametrize(("file", "key", "value"), SPOILT)
def test_one_error_that_names_file_and_key(checkpoint, file, key, value):
    tiny.change_json(checkpoint / file, **{key: value})
    begun = process_time()
    with pytest.raises(ValueError, match=key) as error:
        loading.load(checkpoint)
    assert process_time() - begun < 1
    error.value.args = (str(error.value).replace(str(checkpoint), ""),)
    one_error(error, file, key)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 5000 + "]" * 5000, "is not valid JSON|must hold a JSON object"),
        ('{"act_fn": ' + "[" * 5000 + "]" * 5000 + "}", "is not valid JSON|act_fn"),
        ('{"act_fn": ' * 5000 + "1" + "}" * 5000, "is not valid JSON|act_fn"),
        ('{"norm_eps": ' + "9" * 5000 + "}", "is not valid JSON"),
        ('{"sample_size": 8, "sample_size": 16}', "the key 'sample_size' occurs twice"),
        ('{"act_fn": "\\ud800"}', "act_fn"),
        ('{"norm_eps": NaN}', "norm_eps nan is not supported"),
        ("{}{}", "is not valid JSON"),
        ("null", "must hold a JSON object"),
    ],
)
@pytest.mark.parametrize("file", ["unet/config.json", SCHEDULER])
def test_files_that_are_no_configs(checkpoint, file, text, words):
    if file == SCHEDULER:
        text, words = (s.replace("norm_eps", "beta_start") for s in (text, words))
        text, words = (s.replace("act_fn", "beta_schedule") for s in (text, words))
    (checkpoint / file).write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        loading.load(checkpoint)
    assert file in str(error.value)
    assert len(str(error.value)) < LONGEST


def test_layers_are_weighed_against_the_file(checkpoint, monkeypatch):
    """A config is refused for layers that its file has no tensors for, before they are listed."""
    held = len(load_file(checkpoint / "text_encoder" / "model.safetensors"))
    monkeypatch.setattr(net_files, "FEW_LAYERS", 1)
    assert loading.load(checkpoint).text_encoder.config.num_hidden_layers == 2
    tiny.change_json(checkpoint / "text_encoder" / "config.json", num_hidden_layers=held + 1)
    monkeypatch.setattr(clip, "shapes", None)
    with pytest.raises(ValueError, match=f"{held + 1} layers .* the weights beside it are {held} "):
        loading.load(checkpoint)


@pytest.mark.parametrize("part", NETS)
def test_depth_counts_layers(part):
    """A layer more anywhere is more depth, and there are never more layers than weights."""
    net, names = (
        NETS[part],
        ("num_hidden_layers", "layers_per_block", "transformer_layers_per_block"),
    )
    for published in wild.NETS[part].values():
        config = net.from_json(published)
        assert 0 < net.depth(config) <= len(net.shapes(config)) / 4
        nested = getattr(config, "reverse_transformer_layers_per_block", None)
        # One more in a block that lists its transformers would need a longer list.
        for name in (set(names) - ({"layers_per_block"} if nested else set())) & set(
            config._fields
        ):
            deeper = config._replace(**{name: more(getattr(config, name))})
            grown = len(net.shapes(deeper)) - len(net.shapes(config))
            assert 0 < net.depth(deeper) - net.depth(config) <= grown / 4


def test_values_are_shown_in_short():
    for value in VALUES.values():
        text = fields.shown(value)
        assert len(text) <= fields.LONGEST
        assert "\n" not in text
    assert len(fields.shown(["x" * 50] * 6)) == fields.LONGEST
    assert fields.shown("x" * 10**6 + "end").endswith("xend'")
    assert fields.shown(10**400) == "of 400 digits"
    assert fields.shown("\x1b[31m\n") == repr("\x1b[31m\n")
