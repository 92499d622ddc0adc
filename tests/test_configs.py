"""Configs of every part, as people have them and as nobody should: typed, bounded, or refused."""

import json
import math
import shutil
from contextlib import suppress
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file

from mdx import families, fields, loading, model_index, net_files, schedulers
from mdx.families import stable_diffusion
from mdx.nets import clip, unet, vae
from mdx.schedulers import from_config
from mdx.schedulers.keys import KINDS
from mdx.schedulers.samplers import SAMPLERS
from tests import tiny, wild

NETS = {"unet": unet, "vae": vae, "text_encoder": clip}
CONFIGS = [(part, name) for part, configs in wild.NETS.items() for name in configs]
SCHEDULER = "scheduler/scheduler_config.json"
LONGEST = 500  # characters of an error, without the path of its file


def one_error(error, *names):
    """Asserts that it is a short line that names what it is about."""
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < LONGEST
    assert all(name in text for name in names), text


def outcome(call, *arguments):
    """What a call returns, or the text of its ValueError, which is one short line."""
    try:
        return call(*arguments), None
    except ValueError as error:
        text = str(error)
    assert "\n" not in text
    assert len(text) < LONGEST
    return None, text


def frozen(value):
    """A value of a file as a config holds it: lists are tuples."""
    return tuple(map(frozen, value)) if isinstance(value, list) else value


def more(value):
    """A number of layers, or all of them, and one more of each."""
    return tuple(map(more, value)) if isinstance(value, tuple) else value + 1


# What people have


@pytest.mark.parametrize(("part", "name"), CONFIGS)
def test_published_configs_are_read(part, name):
    net, json = NETS[part], wild.NETS[part][name]
    config = net.from_json(json)
    for field in config._fields:
        said = json.get(field, config._field_defaults[field])
        said = bool(said) if isinstance(config._field_defaults[field], bool) else said
        assert getattr(config, field) == frozen(said)
    # Whole numbers stay whole: they size arrays and count layers.
    whole = [v for v in config if isinstance(v, float) and v == int(v)]
    assert set(whole) <= {1.0}  # mid_block_scale_factor
    assert all(isinstance(n, int) for shape in net.shapes(config).values() for n in shape)


# Tensors and numbers of published weights.
WEIGHTS = {
    ("unet", "SD 1.4 as first published"): (686, 859_520_964),
    ("vae", "SD 1.4 as first published"): (248, 83_653_863),
    ("text_encoder", "SD 1.4 as first published"): (196, 123_060_480),
    ("unet", "SDXL"): (1680, 2_567_463_684),
    ("unet", "LCM-SDXL"): (1681, 2_567_463_684 + 256 * 320),
    ("text_encoder", "SDXL, the second"): (517, 694_659_840),
}


@pytest.mark.parametrize(("part", "name"), WEIGHTS)
def test_the_names_of_real_weights(part, name):
    """As many as there are in the published files; tests/parity has each by its name."""
    shapes = NETS[part].shapes(NETS[part].from_json(wild.NETS[part][name]))
    assert (len(shapes), sum(map(math.prod, shapes.values()))) == WEIGHTS[part, name]


def loaded(tmp_path, name):
    folder = wild.write(tmp_path, name)
    return model_index.scheduler(model_index.read(folder))


@pytest.mark.parametrize(
    ("name", "times"),
    {
        "SD 1.4 as first published": [751, 501, 501, 251, 1],
        "SD 1.5": [751, 501, 501, 251, 1],
        "SD 2.1 base": [751, 501, 501, 251, 1],
        "SD 2.1": [751, 501, 251, 1],
        "SD turbo": [999, 749, 499, 249],
        "tiny SD": [999, 749, 500, 250],
        "LCM": [999, 759, 499, 259],
        "LCM LoRA, fused": [999, 759, 499, 259],
        "DreamBooth of 2023": [751, 501, 251, 1],
        "DreamBooth of 2022": [751, 501, 251, 1],
        "conversion older than 0.9": [751, 501, 501, 251, 1],
        "conversion without steps_offset": [751, 501, 501, 251, 1],
        "index and config differ": [751, 501, 251, 1],
        "offset and clip said": [751, 501, 251, 1],
        "defaults marked as such": [751, 501, 251, 1],
        "image to image": [751, 501, 251, 1],
    }.items(),
)
def test_published_schedulers(tmp_path, name, times):
    """Times of four steps as StableDiffusionPipeline has them; latents are never clipped.

    Nor when the checkpoint's sampler is exchanged for DDIM, which clips where nothing is said.
    """
    scheduler = loaded(tmp_path, name)
    _, cls, _ = wild.SCHEDULERS[name]
    assert scheduler.name == cls
    table = schedulers.table(scheduler, 4)
    assert table.t.tolist() == times
    ddim = schedulers.table(from_config(scheduler, "ddim"), 4)
    assert np.isinf([*table.clip, *ddim.clip]).all()
    spacing = scheduler.config.get("timestep_spacing", "leading")
    offset = 0 if name == "LCM" else 1
    expected = {
        "leading": [750 + offset, 500 + offset, 250 + offset, offset],
        "trailing": [999, 749, 499, 249],
        "linspace": [999, 666, 333, 0],
    }
    assert ddim.t.tolist() == expected[spacing]


def test_a_bare_config_keeps_the_defaults_of_its_class():
    config = from_config({"_class_name": "DDIMScheduler"}).config
    assert (config["steps_offset"], config["clip_sample"]) == (0, True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"index": ["diffusers", "EulerDiscreteScheduler"]}, "EulerDiscreteScheduler"),
        ({"config": ...}, "PNDMScheduler"),
        ({"config": "NeverHeardOfScheduler"}, "PNDMScheduler"),
        ({"index": ...}, "PNDMScheduler"),
        ({"index": [None, None], "config": "LMSDiscreteScheduler"}, "LMSDiscreteScheduler"),
    ],
)
def test_the_class_of_the_index_wins(checkpoint, changes, name):
    if "index" in changes:
        tiny.change_json(checkpoint / "model_index.json", scheduler=changes["index"])
    if "config" in changes:
        tiny.change_json(checkpoint / SCHEDULER, _class_name=changes["config"])
    assert loading.load(checkpoint).scheduler.name == name


@pytest.mark.parametrize(
    ("version", "said", "meant"),
    [
        ("0.2.2", 32, 64),
        ("0.8.1", 32, 64),
        ("0.8.0.dev0", 63, 64),
        ("0.6.0", 8, 64),
        ("0.6.0", 32.0, 64),
        ("0.6.0", 64, 64),
        ("0.6.0", 96, 96),
        ("0.6.0", [32, 48], (32, 48)),
        ("0.6.0", None, None),
        ("0.6.0", ..., None),
        ("0.9.0.dev0", 32, 32),
        ("0.9.0rc1", 32, 32),
        ("0.10.0", 32, 32),
        ("1.0", 32, 32),
        (..., 32, 32),
        (None, 32, 32),
        (5, 32, 32),
        ("new", 32, 32),
        ("9" * 5000, 32, 32),
    ],
)
def test_sample_size_of_old_conversions(version, said, meant):
    json = {"_diffusers_version": version, "sample_size": said}
    json = {key: value for key, value in json.items() if value is not ...}
    index = model_index.Index(Path("model_index.json"), "StableDiffusionPipeline", {})
    assert unet.from_json(stable_diffusion.meant(index, json)).sample_size == meant
    index = index._replace(pipeline="LatentConsistencyModelPipeline")
    own = tuple(said) if isinstance(said, list) else None if said is ... else said
    assert unet.from_json(stable_diffusion.meant(index, json)).sample_size == own


@pytest.mark.parametrize("side", [True, 31.5, math.nan, "32", {}, [8]])
def test_no_sample_size_of_an_old_conversion(side):
    index = model_index.Index(Path("model_index.json"), "StableDiffusionPipeline", {})
    json = {"_diffusers_version": "0.6.0", "sample_size": side}
    with pytest.raises(ValueError, match="sample_size"):
        unet.from_json(stable_diffusion.meant(index, json))


def test_an_old_conversion_loads(checkpoint):
    tiny.change_json(checkpoint / "unet" / "config.json", **wild.AVERAGED)
    tiny.change_json(checkpoint / "unet" / "config.json", _diffusers_version="0.6.0")
    assert loading.load(checkpoint).unet.config.sample_size == 64


# What changes the picture and is not computed

REFUSED = {
    "unet": {
        "time_cond_proj_dim": 255,
        "addition_embed_type": "text_image",
        "class_embed_type": "timestep",
        "encoder_hid_dim": 4096,
        "encoder_hid_dim_type": "text_proj",
        "num_attention_heads": 8,
        "dual_cross_attention": True,
        "num_class_embeds": 0,
        "resnet_skip_time_act": True,
        "resnet_out_scale_factor": 2.0,
        "time_embedding_type": "fourier",
        "time_embedding_act_fn": "gelu",
        "timestep_post_act": "silu",
        "projection_class_embeddings_input_dim": -1,
        "attention_type": "gated",
        "class_embeddings_concat": True,
        "mid_block_only_cross_attention": True,
        "cross_attention_norm": "group_norm",
        "reverse_transformer_layers_per_block": [[1], [1], [1], [1]],
        "quantization_config": {"bits": 4},
    },
    "vae": {
        "latents_mean": [0.0] * 4,
        "latents_std": [1.0] * 4,
        "in_channels": 6,
        "out_channels": 4,
        "temporal_compression_ratio": 4,
    },
    "text_encoder": {
        "model_type": "t5",
        "pruned_heads": {"1": [0]},
        "architectures": ["T5EncoderModel"],
        "relative_attention_num_buckets": 32,
    },
}


@pytest.mark.parametrize(
    ("part", "key"), [(part, key) for part in REFUSED for key in REFUSED[part]]
)
def test_what_is_not_computed_is_refused_by_name(part, key):
    json = next(iter(wild.NETS[part].values())) | {key: REFUSED[part][key]}
    with pytest.raises(ValueError, match=key) as error:
        NETS[part].from_json(json)
    one_error(error, key)


@pytest.mark.parametrize(
    ("part", "changes", "words"),
    [
        ("unet", {"block_out_channels": [15] * 4, "norm_num_groups": 5, "attention_head_dim": 3},
         "15 channels cannot be split into 2 halves .*block_out_channels"),
        ("unet", {"block_out_channels": [2] * 4, "norm_num_groups": 2, "attention_head_dim": 1,
                  "freq_shift": 1}, "freq_shift 1 is not supported, only below half"),
        ("unet", {"layers_per_block": [2, 2]}, "layers_per_block has 2 entries for 4 blocks"),
        ("unet", {"up_block_types": ["UpBlock2D"]}, "4 entries for 4 down_block_types and 1 up"),
        ("unet", {"transformer_layers_per_block": [1, 1, [2, 2], 1]},
         "reverse_transformer_layers_per_block null is not supported where"),
        ("unet", {"transformer_layers_per_block": [1, 1, [2, 2, 2], 1],
                  "reverse_transformer_layers_per_block": [1] * 4},
         r"transformer_layers_per_block\[2\] has 3 entries for 2 layers"),
        ("unet", {"reverse_transformer_layers_per_block": [1, 1, [1, 2], 1]},
         r"reverse_transformer_layers_per_block\[2\] has 2 entries for 3 layers"),
        ("unet", {"reverse_transformer_layers_per_block": [1, 1]},
         "reverse_transformer_layers_per_block has 2 entries for 4 blocks"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 256},
         "projection_class_embeddings_input_dim null is not supported with addition_embed_type"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": None,
                  "projection_class_embeddings_input_dim": 2816},
         "addition_time_embed_dim null is not supported with addition_embed_type"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 255,
                  "projection_class_embeddings_input_dim": 2816},
         "255 channels cannot be split into 2 halves .*addition_time_embed_dim"),
        ("unet", {"addition_embed_type": "text_time", "addition_time_embed_dim": 256,
                  "projection_class_embeddings_input_dim": 256},
         "projection_class_embeddings_input_dim 256 is not supported, only more than"),
        ("unet", {"time_cond_proj_dim": 2}, "time_cond_proj_dim 2 is not supported, only an even"),
        ("vae", {"latents_mean": [0.0] * 4}, "latents_mean is not supported without latents_std"),
        ("vae", {"latents_std": [1.0] * 4}, "latents_std is not supported without latents_mean"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 3},
         "latents_std has 3 entries for 4 latent_channels"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0, 0.0, 1.0, 1.0]},
         r"latents_std\[1\] 0.0 is not supported, only a number above 0"),
        ("vae", {"latents_mean": [0.0] * 4, "latents_std": [1.0] * 4, "shift_factor": 0.1},
         "shift_factor 0.1 is not supported with latents_mean"),
        ("vae", {"up_block_types": ["UpDecoderBlock2D"]}, "up_block_types has 1 entries for 4"),
        ("text_encoder", {"architectures": ["CLIPTextModelWithProjection"], "projection_dim": None},
         "projection_dim null is not supported with a projection"),
    ],
)  # fmt: skip
def test_fields_that_do_not_fit_each_other(part, changes, words):
    with pytest.raises(ValueError, match=words) as error:
        NETS[part].from_json(next(iter(wild.NETS[part].values())) | changes)
    one_error(error)


def test_a_scheduler_key_of_2022_that_changes_the_picture():
    old = wild.SCHEDULERS["DreamBooth of 2022"][2]
    assert from_config(old | {"predict_epsilon": True}) == from_config(old)
    with pytest.raises(ValueError, match="predict_epsilon False is not supported"):
        from_config(old | {"predict_epsilon": False})


# Types and ranges

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


# Anything at all

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
