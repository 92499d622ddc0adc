"""Write files as mdx writes them: a table, a state in the middle of its run, a picture's settings.

Run from the repository's root of the commit whose files are wanted:

    python -m tests.goldens.make_files

Those that are here were written by commit edf1a0f, the last one that knew a single family; they
are not to be written anew, for what is tested is that they still load.
"""

from pathlib import Path

import numpy as np

from mdx import cli, schedulers

HERE = Path(__file__).parent
TABLE, STATE, PICTURE = (
    HERE / name for name in ("table.safetensors", "state.safetensors", "picture.png")
)

NOISE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "clip_sample": False,
}
ROW = 2  # before which the state was saved

# The command that drew the picture.
WORDS = (
    "a large red circle on a blue background", "--negative", "green", "--seed", "3",
    "--steps", "2", "--scheduler", "dpmpp_2m", "--set", "use_karras_sigmas=true",
    "--guidance", "3", "--memory", "4GB",
)  # fmt: skip


def table() -> schedulers.Table:
    """Four steps of a multistep sampler."""
    options = {"use_karras_sigmas": True}
    return schedulers.table(schedulers.from_config(NOISE, "dpmpp_2m", **options), 4)


def states(table: schedulers.Table, state: schedulers.State) -> list[schedulers.State]:
    """The states after each row that is left, for a model that returns a quarter of the sample."""
    found = []
    for _ in range(state.index, table.rows):
        state, _ = schedulers.step(table, state, 0.25 * state.slots.asnumpy()[0])
        found.append(state)
    return found


def begun(table: schedulers.Table) -> schedulers.State:
    """The state before the first row."""
    noise = np.random.Generator(np.random.PCG64(0)).standard_normal((2, 3))
    return schedulers.init(table, noise)


if __name__ == "__main__":
    schedulers.save(table(), TABLE)
    schedulers.save_state(states(table(), begun(table()))[ROW - 1], STATE)
    cli.main([*WORDS, "-o", str(PICTURE)])
