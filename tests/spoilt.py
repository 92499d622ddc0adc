"""Ways to spoil a checkpoint's folder, and the one clear error that loading it then gives."""

import numpy as np
from safetensors.numpy import load_file

from mdx import weights
from tests import tiny

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"


def change(folder, file, **values):
    tiny.change_json(folder / file, **values)


def rewrite(folder, file, edit):
    """Pass a weights file's dict through `edit`, which may return another."""
    params = load_file(folder / file)
    weights.save(edit(params) or params, folder / file)


def header(folder, file, edit):
    """Rewrite the JSON header of a weights file."""
    raw = (folder / file).read_bytes()
    length = int.from_bytes(raw[:8], "little")
    text = edit(raw[8 : 8 + length])
    (folder / file).write_bytes(len(text).to_bytes(8, "little") + text + raw[8 + length :])


def spoil_value(value):
    def edit(params):
        params["conv_in.weight"][3, 1, 2, 0] = value

    return edit


def cut(folder, file, keep):
    raw = (folder / file).read_bytes()
    (folder / file).write_bytes(raw[:keep])


def pickles(folder):
    (folder / UNET).rename(folder / "unet" / "diffusion_pytorch_model.bin")


def index(folder, **values):
    (folder / UNET).rename(folder / "unet" / "shard.safetensors")
    tiny.write_json(folder / f"{UNET}.index.json", values)


def empty(folder):
    for file in [f for f in folder.rglob("*") if f.is_file()]:
        file.unlink()


def as_whole_numbers(params):
    params["conv_in.bias"] = np.arange(16)


def respell_dtype(folder, size, record):
    """Make conv_in.bias that many bytes, of which the header says something else."""
    rewrite(folder, UNET, lambda p: p | {"conv_in.bias": np.zeros(size, np.uint8)})
    header(folder, UNET, lambda text: text.replace(b'"U8","shape":[%d]' % size, record))


# What is done to a checkpoint's folder before load, and the error.
CHECKPOINTS = {
    "empty folder": (empty, "no checkpoint in the diffusers layout: it has no model_index.json"),
    "index is not JSON": (
        lambda f: (f / "model_index.json").write_text("{"),
        "model_index.json is not valid JSON",
    ),
    "index is a list": (
        lambda f: (f / "model_index.json").write_text("[]"),
        "model_index.json must hold a JSON object, not list",
    ),
    "index without a part": (
        lambda f: change(f, "model_index.json", unet=...),
        "model_index.json has no unet",
    ),
    "another kind of unet": (
        lambda f: change(f, "model_index.json", unet=["diffusers", "UNet3DModel"]),
        "a unet of class 'UNet3DModel', where mdx has only UNet2DConditionModel",
    ),
    "half of SDXL": (
        lambda f: change(f, "model_index.json", text_encoder_2=["transformers", "CLIPTextModel"]),
        "model_index.json has no tokenizer_2; mdx runs Stable Diffusion 1.x and 2.x, SDXL and ",
    ),
    "part's folder is missing": (
        lambda f: (f / "vae").rename(f / "somewhere"),
        "has no folder .*vae",
    ),
    "config is missing": (
        lambda f: (f / "unet" / "config.json").unlink(),
        "unet.config.json is missing",
    ),
    "config is binary": (
        lambda f: (f / "unet" / "config.json").write_bytes(b"\xff\xfe\0"),
        "unet.config.json is not valid JSON",
    ),
    "config value not supported": (
        lambda f: change(f, "unet/config.json", act_fn="snake"),
        "unet.config.json: act_fn 'snake' is not supported, only one of 'silu'",
    ),
    "scheduler not known": (
        lambda f: change(f, "model_index.json", scheduler=["diffusers", "MagicScheduler"]),
        "model_index.json: unknown scheduler 'MagicScheduler'",
    ),
    "scheduler's config is of an unknown one": (
        lambda f: (
            change(f, "model_index.json", scheduler=[None, None]),
            change(f, "scheduler/scheduler_config.json", _class_name="MagicScheduler"),
        ),
        "scheduler_config.json: unknown scheduler 'MagicScheduler'",
    ),
    "scheduler is missing": (
        lambda f: (f / "scheduler" / "scheduler_config.json").unlink(),
        "scheduler_config.json is missing",
    ),
    "weights are missing": (
        lambda f: (f / VAE).unlink(),
        "vae has no diffusion_pytorch_model.safetensors; .* as safetensors",
    ),
    "weights of another variant": (
        lambda f: (f / VAE).rename(f / VAE.replace(".safetensors", ".fp16.safetensors")),
        'has no diffusion_pytorch_model.safetensors, only .*; load with variant="fp16", which',
    ),
    "pickles only": (pickles, "only pickled weights .*model.bin.*convert"),
    "weights are empty": (lambda f: cut(f, UNET, 0), "is no safetensors file .0 bytes"),
    "weights are text": (
        lambda f: (f / UNET).write_text("<html>404: not found, sorry</html>"),
        "is no safetensors file",
    ),
    "a Git LFS pointer": (
        lambda f: (f / UNET).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0"),
        "is no safetensors file",
    ),
    "weights truncated in the data": (
        lambda f: cut(f, UNET, 100_000),
        "is truncated: 100000 bytes where its header needs",
    ),
    "weights truncated in the header": (lambda f: cut(f, UNET, 300), "is truncated: 300 bytes"),
    "header is not JSON": (
        lambda f: header(f, UNET, lambda text: b"x" * len(text)),
        "is damaged: its header",
    ),
    "header offsets do not fit": (
        lambda f: header(f, UNET, lambda text: text.replace(b"[0,", b"[4,", 1)),
        "is damaged: .*bytes cannot hold",
    ),
    "header offsets are negative": (
        lambda f: header(f, UNET, lambda text: text.replace(b"[0,", b"[-8,", 1)),
        "is damaged: .*-8 is no whole number",
    ),
    "dtype of another age": (
        lambda f: header(f, UNET, lambda text: text.replace(b'"F32"', b'"F2"', 1)),
        "conv_in.bias is stored as F2, which mdx does not read$",
    ),
    "keys are missing": (
        lambda f: rewrite(f, UNET, lambda p: {k: v for k, v in p.items() if "conv1" not in k}),
        r"do not fit the config beside them; \d+ missing: .*conv1",
    ),
    "keys are unexpected": (
        lambda f: rewrite(f, VAE, lambda p: p | EXTRA),
        r"12 unexpected: lora.*, \.\.\. \(12 in all\)",
    ),
    "a key is misshapen": (
        lambda f: change(f, "unet/config.json", in_channels=5),
        r"1 misshapen: conv_in.weight \[16, 4, 3, 3\] instead of \[16, 5, 3, 3\]",
    ),
    "NaN": (lambda f: rewrite(f, UNET, spoil_value(np.nan)), "conv_in.weight .*not finite"),
    "infinity": (lambda f: rewrite(f, UNET, spoil_value(-np.inf)), "conv_in.weight .*not finite"),
    "weights are whole numbers": (
        lambda f: rewrite(f, UNET, as_whole_numbers),
        "conv_in.bias is stored as I64, which mdx does not read as weights; it reads F64, F32",
    ),
    "weights of 8 bits": (
        lambda f: respell_dtype(f, 16, b'"F8_E8M0","shape":[16]'),
        "conv_in.bias is stored as F8_E8M0, which mdx does not read as weights; it reads F64, F32",
    ),
    "weights of 4 bits": (
        lambda f: respell_dtype(f, 8, b'"F4","shape":[16]'),
        "conv_in.bias is stored as F4, which mdx does not read as weights; it reads F64, F32",
    ),
    "shard outside its folder": (
        lambda f: index(f, weight_map={"conv_in.bias": "../vae/x.safetensors"}),
        "names '../vae/x.safetensors', but shards must be .* in its own folder",
    ),
    "shard at an absolute path": (
        lambda f: index(f, weight_map={"conv_in.bias": "/tmp/x.safetensors"}),
        "names '/tmp/x.safetensors', but shards must be",
    ),
    "shard is a pickle": (
        lambda f: index(f, weight_map={"conv_in.bias": "x.bin"}),
        "names 'x.bin', but shards must be .safetensors",
    ),
    "shard is missing": (
        lambda f: index(f, weight_map={"a": "shard.safetensors", "b": "gone.safetensors"}),
        "lacks shards that .* names: gone.safetensors",
    ),
    "shard index without a map": (lambda f: index(f, metadata={}), "it has no weight_map"),
    "vocabulary is missing": (
        lambda f: (f / "tokenizer" / "vocab.json").unlink(),
        "vocab.json is missing",
    ),
    "vocabulary with an id twice": (
        lambda f: change(f, "tokenizer/vocab.json", a=5),
        "vocab.json must map each token to an id of its own",
    ),
    "merges of another vocabulary": (
        lambda f: (f / "tokenizer" / "merges.txt").write_text("#version: 0.2\nnever seen\n"),
        "the merges do not fit the vocabulary",
    ),
    "merges are no pairs": (
        lambda f: (f / "tokenizer" / "merges.txt").write_text("a b\na b c\n"),
        "merges.txt, line 2: expected two tokens, found 'a b c'",
    ),
    "tokenizer.json of another kind": (
        lambda f: (f / "tokenizer" / "vocab.json").rename(f / "tokenizer" / "tokenizer.json"),
        "tokenizer.json holds no byte-pair vocabulary",
    ),
    "padding token not in the vocabulary": (
        lambda f: change(f, "tokenizer/special_tokens_map.json", pad_token="<|pad|>"),
        "the pad_token '<|pad|>' is not in the vocabulary",
    ),
    "rows longer than the positions": (
        lambda f: change(f, "tokenizer/tokenizer_config.json", model_max_length=77),
        "rows of 77 ids .* 16 positions",
    ),
    "vae of another size": (
        lambda f: respell(f, "vae", latent_channels=8),
        "latents have 8 channels .* the unet takes 4",
    ),
    "depth": (
        lambda f: respell(f, "unet", in_channels=5),
        "the unet takes 5 .* depth checkpoints are not supported",
    ),
    "an unknown number of channels": (
        lambda f: respell(f, "unet", in_channels=7),
        "the unet takes 7 .* expected as many, 9 as inpainting .* or 8 as InstructPix2Pix has",
    ),
    "a unet that learned variances": (
        lambda f: respell(f, "unet", out_channels=8),
        r"takes latents of 4 channels \(in_channels\) and gives 8 \(out_channels\)",
    ),
    "a unet of SDXL": (
        lambda f: respell(
            f,
            "unet",
            addition_embed_type="text_time",
            addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=64,
        ),
        "the unet reads pooled and ids beside the text",
    ),
    "text encoder of another width": (
        lambda f: respell(f, "unet", cross_attention_dim=24),
        "gives 16 values a token .* takes 24",
    ),
    "added token without a row in the embedding": (
        lambda f: tiny.write_json(f / "tokenizer" / "added_tokens.json", {"<cat-toy>": 560}),
        "the tokenizer has ids up to 560, but the text encoder embeds 560",
    ),
    "vocabulary larger than its embedding": (
        lambda f: respell(f, "text_encoder", vocab_size=500),
        "the text encoder embeds 500",
    ),
}
EXTRA = {f"lora.{i}": np.zeros(1, np.float32) for i in range(12)}


def respell(folder, part, **values):
    """Change a config and write weights that fit it."""
    net, config, base = tiny.NETS[part]
    change(folder, f"{part}/config.json", **values)
    params = tiny.random_params(net.shapes(net.from_json(config | values)))
    weights.save(params, folder / part / f"{base}.safetensors")
