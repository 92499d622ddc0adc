"""What is told of a file without loading it, and the command that tells it."""

import hashlib
import json
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

import mdx
from mdx import cli, file_info, images
from tests import single_files
from tests.single_files import KINDS, UNET


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_file_is_told_of_at_once(kind, tmp_path):
    """By its header alone: of SDXL 7 GB, which are a hole here."""
    file = single_files.sparse(tmp_path / "large.safetensors", single_files.shapes(kind))
    begin = time.perf_counter()
    found = mdx.info(file)
    assert time.perf_counter() - begin < 1
    original = KINDS[kind][0]
    assert (found.sort, found.family, found.runs) == ("checkpoint", original.family, True)
    assert found.parts.keys() == original.parts.keys()
    assert sum(part.parameters for part in found.parts.values()) == found.parameters
    assert found.dtypes == {"F16": found.parameters}
    assert found.unknown == ()
    assert (found.sha256, found.autov2) == (None, None)
    assert found.size == file.stat().st_size > 1.5e9


def test_what_is_told_of_a_file(checkpoints, tmp_path):
    folder, file = checkpoints["SD"]
    found = mdx.info(file, hash=True)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert (found.sha256, found.autov2) == (digest, digest[:10].upper())
    tensors = load_file(file) | {UNET + "input_blocks.77.0.what": np.ones(2, np.float32)}
    strange = mdx.info(single_files.write(tmp_path / "s.safetensors", tensors))
    assert strange.unknown == (UNET + "input_blocks.77.0.what",)
    told = json.loads(file_info.as_json(found))
    assert told["parts"]["unet"]["dtypes"] == {"F32": 200644}
    with pytest.raises(FileNotFoundError, match="home of a user whom this machine does not know"):
        mdx.info("~nobody-of-this-name/x")
    with pytest.raises(ValueError, match="is a folder"):
        mdx.info(folder)
    with pytest.raises(FileNotFoundError):
        mdx.info(tmp_path / "gone")


def test_headers_are_read_without_mindspore(checkpoints):
    code = (
        "import sys, mdx; found = mdx.info(sys.argv[1]); assert found.parts; "
        "assert 'mindspore' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, checkpoints["SD"][1]], check=True, timeout=60)


def test_what_is_told_of_a_lora(tmp_path):
    name = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    tensors = {
        f"{name}.lora_down.weight": np.ones((8, 2048), np.float32),
        f"{name}.lora_up.weight": np.ones((640, 8), np.float32),
        f"{name}.alpha": np.float32(4),
    }
    metadata = {
        "ss_base_model_version": "sdxl_base_v1-0",
        "ss_tag_frequency": '{"10_cat": {"cat": 9, "a toy": 12}, "more": {"cat": 2}}',
    }
    found = mdx.info(single_files.write(tmp_path / "l.safetensors", tensors, metadata)).lora
    assert (found.ranks, found.layers, found.base) == ((8,), 1, "SDXL")
    assert found.triggers == ("a toy", "cat")
    assert not found.text_encoder


def test_the_command_tells_of_files(checkpoints, capsys):
    _, file = checkpoints["SD"]
    assert cli.main(["info", str(file)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("SD.safetensors: a file of weights")
    assert "  title       Stable Diffusion 1.x" in lines
    assert cli.main(["info", str(file), "--json", "--hash"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"]["parts"].keys() == {"text_encoder", "unet", "vae"}
    assert told["hash"] == {"sha256": (full := mdx.info(file, hash=True).sha256),
                            "autov2": full[:10].upper()}  # fmt: skip


def test_the_command_draws_with_a_file(checkpoints, here, calls, capsys):
    folder, file = checkpoints["SD"]
    model = ["--model", str(file), "--config", str(folder)]
    assert cli.main(["a red circle", *model, "--prediction-type", "v_prediction"]) == 0
    settings = images.read_settings("mdx.png")
    assert (settings["model"], settings["prediction_type"]) == (file.name, "v_prediction")
    assert "config" not in settings
    assert cli.main(["--from", "mdx.png", *model]) == 0
    assert images.read_settings("mdx-again.png")["prediction_type"] == "v_prediction"
    for given, words in (
        (["a red circle", "--model", str(file)], "give config="),
        (["a red circle", "--model", str(folder), "--config", str(folder)], "config is of one"),
        (["--from", "mdx.png", "--config", str(folder)], "--config is of the model"),
    ):
        with pytest.raises(SystemExit):
            cli.main(given)
        assert words in capsys.readouterr().err
