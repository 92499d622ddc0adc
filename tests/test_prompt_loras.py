"""LoRAs that prompts name, as A1111 writes them."""

import re

import pytest

from mdx.prompt_loras import Tag, file_of, parted

READ = {
    "a cat": ("a cat", ()),
    "a <lora:style:0.8> cat": ("a  cat", (Tag("style", 0.8, 0.8),)),
    "<lora:style>": ("", (Tag("style", 1.0, 1.0),)),
    "<LORA:a b.c:-1>x": ("x", (Tag("a b.c", -1.0, -1.0),)),
    "<lora:s:0.5:2>": ("", (Tag("s", 0.5, 2.0),)),
    "<lora:s:te=0.5:unet=2>": ("", (Tag("s", 0.5, 2.0),)),
    "<lora:s:unet=2>": ("", (Tag("s", 1.0, 2.0),)),
    "<lora:a:1><lora:b:2> x": (" x", (Tag("a", 1.0, 1.0), Tag("b", 2.0, 2.0))),
    "<lorax:a:1>": ("<lorax:a:1>", ()),
}


@pytest.mark.parametrize("prompt", READ)
def test_what_is_read(prompt):
    assert parted(prompt) == READ[prompt]


@pytest.mark.parametrize(
    "tag", ["<lora:a:x>", "<lora:a:>", "<lora:a:1:2:3>", "<lora:a:dyn=1>", "<lora:a:inf>",
            "<lora:a:te=1:te=2>"],
)  # fmt: skip
def test_what_is_refused(tag):
    with pytest.raises(ValueError, match=re.escape(repr(tag)) + " must be <lora:NAME>"):
        parted(tag)


def test_files_lie_in_the_folder_and_nowhere_else(tmp_path):
    folder = tmp_path / "loras"
    folder.mkdir()
    for place in (folder / "a.safetensors", tmp_path / "secret.safetensors"):
        place.write_bytes(b"")
    assert file_of(Tag("a", 1, 1), str(folder)) == folder / "a.safetensors"
    for name in ("../secret", "/etc/x", "..", "", "a\\b", "x" * 300, "a\n"):
        with pytest.raises(ValueError, match="is no bare name of a file"):
            file_of(Tag(name, 1, 1), str(folder))
    with pytest.raises(FileNotFoundError, match="names the LoRA 'b', and there is no"):
        file_of(Tag("b", 1, 1), str(folder))
