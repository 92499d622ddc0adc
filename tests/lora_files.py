"""LoRAs of random numbers: the factors of each kind, what they come to by loops in float64, and the
names by which tools write them."""

import itertools
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

RANK = 3


def factors(kind: str, shape: tuple, seed: int = 0, rank: int = RANK, dtype=np.float64) -> dict:
    """Random tensors of a layer with a weight of a shape (O, I) or (O, I, k, k), by endings."""
    random = np.random.default_rng(seed)
    outputs, inputs, *size = shape
    ones = [1] * len(size)

    def some(*sides):
        # In steps that every dtype holds, so that all dialects say the same numbers.
        return (random.integers(-32, 33, sides) / 64).astype(dtype)

    if kind in ("LoRA", "DoRA", "DoRA of inputs", "DoRA of PEFT"):
        found = {
            "lora_down.weight": some(rank, inputs, *size),
            "lora_up.weight": some(outputs, rank, *ones),
        }
        if kind == "DoRA":
            found["dora_scale"] = 1 + abs(some(outputs, 1, *ones))
        if kind == "DoRA of inputs":
            found["dora_scale"] = 1 + abs(some(1, inputs, *ones))
        if kind == "DoRA of PEFT":
            sides = (1, outputs, *ones) if size else (outputs,)
            found["lora_magnitude_vector.weight"] = 1 + abs(some(*sides))
        return found
    if kind == "LoCon with mid":
        return {
            "lora_down.weight": some(rank, inputs, *ones),
            "lora_mid.weight": some(rank, rank, *size),
            "lora_up.weight": some(outputs, rank, *ones),
        }
    if kind == "LoHa":
        columns = inputs * int(np.prod(size))
        halves = {"hada_w1": (1,), "hada_w2": (2,)}
        return {
            name: array
            for half in halves
            for name, array in (
                (f"{half}_a", some(outputs, rank)),
                (f"{half}_b", some(rank, columns)),
            )
        }
    if kind == "LoHa with cores":
        return {
            name: array
            for half in "12"
            for name, array in (
                (f"hada_t{half}", some(rank, rank, *size)),
                (f"hada_w{half}_a", some(rank, outputs)),
                (f"hada_w{half}_b", some(rank, inputs)),
            )
        }
    if kind == "LoKr":
        return {"lokr_w1": some(2, 4), "lokr_w2": some(outputs // 2, inputs // 4, *size)}
    if kind == "LoKr of factors":
        columns = inputs // 4 * int(np.prod(size))
        return {
            "lokr_w1": some(2, 4),
            "lokr_w2_a": some(outputs // 2, rank),
            "lokr_w2_b": some(rank, columns),
        }
    if kind == "LoKr all of factors":
        columns = inputs // 4 * int(np.prod(size))
        return {
            "lokr_w1_a": some(2, rank),
            "lokr_w1_b": some(rank, 4),
            "lokr_w2_a": some(outputs // 2, rank),
            "lokr_w2_b": some(rank, columns),
        }
    if kind == "LoKr with a core":
        return {
            "lokr_w1": some(2, 4),
            "lokr_t2": some(rank, rank, *size),
            "lokr_w2_a": some(rank, outputs // 2),
            "lokr_w2_b": some(rank, inputs // 4),
        }
    assert kind == "difference"
    return {"diff": some(*shape), "diff_b": some(outputs)}


KINDS = (
    "LoRA", "DoRA", "DoRA of inputs", "DoRA of PEFT", "LoHa", "LoKr", "LoKr of factors",
    "LoKr all of factors", "difference",
)  # fmt: skip
OF_CONVOLUTIONS = ("LoCon with mid", "LoHa with cores", "LoKr with a core")


def expected(found: dict, weight: np.ndarray, alpha: float | None = None) -> np.ndarray:
    """The change of a weight, number by number, in float64."""
    weight = np.float64(weight)
    outputs, inputs, *size = weight.shape
    kernels = list(itertools.product(*map(range, size)))
    change = np.zeros_like(weight)
    t = {name: np.float64(array) for name, array in found.items()}

    def each(number):
        for o, i in itertools.product(range(outputs), range(inputs)):
            for n, k in enumerate(kernels):
                change[(o, i, *k)] = number(o, i, n, k)

    def factored(a, b):
        return lambda o, i, n, k: a[o] @ b[:, i * len(kernels) + n]

    def cored(core, a, b):
        return lambda o, i, n, k: a[:, o] @ core[(..., *k)] @ b[:, i]

    rank = None
    if "lora_mid.weight" in t:
        up, mid, down = (t[f"lora_{one}.weight"] for one in ("up", "mid", "down"))
        rank = len(down)
        each(lambda o, i, n, k: up[o].ravel() @ mid[(..., *k)] @ down[:, i].ravel())
    elif "lora_down.weight" in t:
        up, down = t["lora_up.weight"], t["lora_down.weight"]
        rank = len(down)
        each(lambda o, i, n, k: up[o].ravel() @ down[(slice(None), i, *k)])
    elif "hada_w1_a" in t:
        rank = len(t["hada_w1_b"])
        core = "hada_t1" in t
        one, two = (
            cored(t[f"hada_t{h}"], t[f"hada_w{h}_a"], t[f"hada_w{h}_b"])
            if core
            else factored(t[f"hada_w{h}_a"], t[f"hada_w{h}_b"])
            for h in "12"
        )
        each(lambda o, i, n, k: one(o, i, n, k) * two(o, i, n, k))
    elif "lokr_w1" in t or "lokr_w1_a" in t:
        first = t["lokr_w1"] if "lokr_w1" in t else t["lokr_w1_a"] @ t["lokr_w1_b"]
        rows, columns = outputs // len(first), inputs // first.shape[1]
        if "lokr_w2" in t:
            second = t["lokr_w2"].reshape(rows, columns, len(kernels))
            part = lambda o, i, n, k: second[o, i, n]  # noqa: E731
        elif "lokr_t2" in t:
            rank, part = (
                len(t["lokr_w2_b"]),
                cored(t["lokr_t2"], t["lokr_w2_a"], t["lokr_w2_b"]),
            )
        else:
            rank, part = len(t["lokr_w2_b"]), factored(t["lokr_w2_a"], t["lokr_w2_b"])
        each(lambda o, i, n, k: first[o // rows, i // columns] * part(o % rows, i % columns, n, k))
    else:
        change = t["diff"].copy()
    change *= 1 if rank is None or alpha is None else alpha / rank
    lengths = t.get("dora_scale", t.get("lora_magnitude_vector.weight"))
    if lengths is None:
        return change
    moved = weight + change
    for o, i in itertools.product(range(outputs), range(inputs)):
        if found.get("dora_scale") is not None and lengths.shape[0] == 1:
            moved[o, i] *= lengths[0, i].item() / np.linalg.norm((weight + change)[:, i])
        else:
            moved[o, i] *= lengths.ravel()[o] / np.linalg.norm((weight + change)[o])
    return moved - weight


def write(path: Path, layers: dict, metadata: dict | None = None) -> Path:
    """A file of layers: from a layer's name to its tensors by their endings."""
    tensors = {
        f"{name}.{ending}": np.ascontiguousarray(array)
        for name, found in layers.items()
        for ending, array in found.items()
    }
    save_file(tensors, path, metadata=metadata)
    return path
