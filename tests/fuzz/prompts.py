"""Prompts and other texts for the tokenizer: of any characters, any length and any type."""

from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz import folders, odd
from tests.fuzz.fuzzer import Fuzzer, Input, Make

WORDS = ("a", "red", "circle", "on", "<|endoftext|>", "<|startoftext|>", "it's", "1234", "!", ",")
# Of prompts with weights, and those that change.
SIGNS = (
    "(", ")", "[", "]", ":", "|", "\\", "++", "--", '"', ":1.3)", ":0.5]", ":9]", "BREAK", "AND",
    "<lora:a:1>", ".blend(", ".attend(2)", "(a:-1)", "(a:1e9)", "()", "[]",
)  # fmt: skip
SYNTAXES = ("plain", "a1111", "comfyui", "compel")


def prompt_turn(random: Random, prompt: Any) -> Any:
    """The prompt after one turn."""
    kind = random.randrange(15)
    if kind == 0:
        return odd.anything(random)
    if kind == 1:
        return [prompt, odd.text(random)]
    if not isinstance(prompt, str):
        return odd.text(random)
    place = random.randrange(len(prompt) + 1)
    if kind < 7:
        return prompt[:place] + odd.text(random) + prompt[place:]
    if kind == 7:
        return prompt * random.choice((2, 10, 100))
    if kind == 8:
        return prompt[:place] + prompt[place:].upper()
    if kind == 9:
        return prompt[:place] + random.choice("\t\n\r\x00\x1b\u3000\u200d\ufe0f") + prompt[place:]
    if kind < 12:
        return prompt[:place] + " ".join(random.choices(WORDS, k=30)) + prompt[place:]
    return prompt[:place] + "".join(random.choices((*WORDS, *SIGNS), k=12)) + prompt[place:]


def prepare(folder: Path) -> Make:
    """Encode, or ask for a picture of, what is no sensible prompt."""
    import mdx
    from mdx import tokenizer

    folders.tiny_checkpoint(folder)
    model = mdx.load(folder)

    def make(random: Random, turns: list[Random]) -> Input:
        prompt: Any = " ".join(random.choices(WORDS, k=random.choice((0, 1, 5))))
        for turn in turns:
            prompt = prompt_turn(turn, prompt)
        kind = random.randrange(10)
        options = {"seed": 0, "steps": 2, "progress": False}
        options["prompt_syntax"] = random.choice(SYNTAXES)
        if kind < 7:
            what, run = "encode", lambda: tokenizer.encode(model.tokenizer, prompt)
        elif kind < 9:
            what, run = "prompt", lambda: mdx.generate(model, prompt, **options)
        else:
            what = "negative_prompt"
            run = lambda: mdx.generate(model, "a", negative_prompt=prompt, **options)  # noqa: E731
        return Input(f"{what}: {odd.shown(prompt)}", ("prompt",), run)

    return make


FUZZER = Fuzzer("prompts", 15, prepare)
