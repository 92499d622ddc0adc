"""What MindSpore says when memory runs out, as a MemoryError that says what to do."""

import re
from collections.abc import Callable
from typing import Any

__all__ = ["explained"]

# MindSpore raises RuntimeError with one of these: of its own pool, of C++, of the system. The last
# is that of a thread for whose stack there is no room.
WORDS = (
    "memory isn't enough", "memory not enough", "out of memory", "std::bad_alloc",
    "cannot allocate memory", "resource temporarily unavailable", "alloc failed",
)  # fmt: skip


def explained(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The function, with MemoryError that names it, where MindSpore has no memory for it."""

    def run(*arguments: Any) -> Any:
        try:
            return call(*arguments)
        except RuntimeError as error:
            text = str(error)
            if not any(words in text.lower() for words in WORDS):
                raise
            size = re.search(r"alloc size: ?(\d+)", text)
            asked = f"{size[1]} bytes that" if size else "what"
            shapes = ", ".join(str(tuple(a.shape)) for a in arguments if hasattr(a, "shape"))
            raise MemoryError(
                f"there is no memory for {asked} `{name}` asked for, of arrays {shapes}: mdx.plan "
                'says what a run takes; generate takes less with memory="6GB" or '
                'memory=mdx.Memory(weights="stage"), with batch=1, and for smaller pictures'
            ) from None

    return run
