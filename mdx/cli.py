"""The command `mdx`: prompts to PNG files, and a PNG file to the same picture again.

Its first argument may name a sub-command instead of a prompt: see COMMANDS, at the end.

MindSpore and the nets are imported once the arguments and the output are known to be good.
"""

import argparse
import json
import math
import re
import secrets
import sys
import time
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from mdx import images
from mdx.checks import bytes_of
from mdx.files import check_writable
from mdx.settings import Settings, from_json, to_json, version

__all__ = ["main"]

EPILOG = """\
Pictures are made for every prompt and every seed: one file, numbered files, or a --grid with
prompts in rows and seeds in columns. Every PNG carries the settings that made it.

Two first words are commands, with a --help of their own: `mdx samplers` lists what --scheduler
takes, `mdx table NAME` shows what a sampler does in numbers. To draw one of those words, put --
before it: mdx -- table"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the result is the exit status: 0, 2 for bad input, 130 when stopped."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in COMMANDS:
        make, work = COMMANDS[given[0]]
        options = make().parse_intermixed_args(given[1:])
    else:
        work, options = run, parser().parse_intermixed_args(given)
    try:
        with _short_warnings():
            work(options)
    except (ValueError, OSError, FloatingPointError, MemoryError) as error:
        _fail(str(error) or type(error).__name__)
    except KeyboardInterrupt:
        print("\nmdx: stopped", file=sys.stderr)
        return 130
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's arguments. Every default is None, so that `--from` sees what was given."""
    make = _Parser(prog="mdx", description="Make pictures from prompts.", epilog=EPILOG)
    make.add_argument("prompts", metavar="PROMPT", nargs="*", help="what to draw")
    make.add_argument("-o", "--output", metavar="FILE", help="PNG file to write (default: mdx.png)")
    make.add_argument(
        "--from", dest="source", metavar="FILE", help="make an mdx PNG again, bit for bit"
    )
    make.add_argument("--model", metavar="M", help="Hub id or folder (default: the packaged one)")
    make.add_argument("--variant", metavar="V", help='of the weights\' files, such as "fp16"')
    make.add_argument("--revision", metavar="R", help="branch, tag or commit on the Hub")
    make.add_argument(
        "--offline", action="store_true", default=None, help="use only what the Hub's cache holds"
    )
    make.add_argument("--dtype", metavar="D", help="float32 (default) or float16")
    make.add_argument("--negative", metavar="TEXT", help="what to keep out of the pictures")
    make.add_argument("--scheduler", metavar="NAME", help="default: the checkpoint's")
    make.add_argument("--steps", metavar="N", type=int, help="default: the scheduler's")
    make.add_argument("--guidance", metavar="G", type=float, help="default: 7.5; 1 is none")
    make.add_argument("--seed", metavar="S", type=int, nargs="+", help="default: a random one")
    make.add_argument("--size", metavar="S", help="64, or width and height as 96x64")
    make.add_argument("--memory", metavar="M", help="budget to keep within, as 6GB or 800MB")
    make.add_argument(
        "--grid", metavar=("R", "C"), type=int, nargs=2, help="one picture of R rows and C columns"
    )
    make.add_argument("--version", action="version", version=f"mdx {version()}")
    return make


def samplers_parser() -> argparse.ArgumentParser:
    """The arguments of `mdx samplers`."""
    make = _Parser(
        prog="mdx samplers",
        description="List the samplers by the models they are for, each by what its table says.",
        epilog="Names and classes both are good for --scheduler, and for `mdx table`.",
    )
    return make


def samplers(_: argparse.Namespace) -> None:
    """Print the list of samplers."""
    from mdx import listing

    for line in listing.samplers(_scheduler(None)):
        print(line)


def table_parser() -> argparse.ArgumentParser:
    """The arguments of `mdx table`."""
    make = _Parser(
        prog="mdx table",
        description="Print the numbers of a sampler's run: levels, and what each call adds up.",
        epilog="As in: mdx table dpmpp_2m --steps 20 use_karras_sigmas=true solver_order=3",
    )
    make.add_argument("name", metavar="NAME", help="of the sampler, as `mdx samplers` lists them")
    make.add_argument(
        "options", metavar="KEY=VALUE", nargs="*", default=[], help="of its config; VALUE is JSON"
    )
    make.add_argument("--steps", metavar="N", type=int, default=10, help="default: 10")
    make.add_argument(
        "--model",
        metavar="M",
        help="folder or Hub id whose levels it visits (default: the packaged one for samplers that "
        "can run it, their own for others)",
    )
    make.add_argument("--plot", metavar="FILE", type=Path, help="PNG file to draw the table in")
    return make


def table(options: argparse.Namespace) -> None:
    """Print a table, and draw it if asked. Raises ValueError or OSError for bad input."""
    from mdx import listing, schedulers

    scheduler = listing.chosen(
        _scheduler(options.model),
        options.name,
        _overrides(options.options),
        strict=options.model is not None,
    )
    made = schedulers.table(scheduler, options.steps)
    if options.plot is not None:
        if options.plot.suffix.lower() != ".png":
            raise ValueError(f"--plot must name a .png file, not {str(options.plot)!r}")
        check_writable(options.plot)
        try:
            listing.plot(scheduler, made, options.plot)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--plot wants matplotlib: pip install 'mdx[plots]' ({error})"
            ) from None
    for line in listing.rows(scheduler, made):
        print(line)


def _scheduler(model: str | None) -> Any:
    """The scheduler of a checkpoint."""
    from mdx import hub, model_index

    return model_index.scheduler(model_index.read(hub.resolve(model, parts=())))


def _overrides(options: Sequence[str]) -> dict[str, Any]:
    """KEY=VALUE options as a dict; what is no JSON is a word. ValueError for anything else."""
    found: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not (key.isidentifier() and equals and text):
            raise ValueError(f"an option of the config is KEY=VALUE, not {option!r}")
        if key in found:
            raise ValueError(f"{key} is given twice")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return found


def run(options: argparse.Namespace) -> None:
    """Make the pictures that the options ask for. Raises ValueError or OSError for bad input."""
    settings = again(options) if options.source else first_time(options)
    files = outputs(options, settings)
    for file in files:
        check_writable(file)
    begin = time.perf_counter()

    import mdx
    from mdx import hub

    folder = hub.resolve(
        settings.model,
        variant=settings.variant,
        revision=settings.revision,
        offline=bool(options.offline),
    )
    settings = settings._replace(revision=hub.commit(folder) or settings.revision)
    model = mdx.load(folder, dtype=settings.dtype, variant=settings.variant)
    loaded = time.perf_counter()
    made = []
    # One at a time: a picture then depends on its own settings alone, down to the last bit.
    for prompt in settings.prompts:
        for seed in settings.seeds:
            [image] = mdx.generate(
                model,
                prompt,
                negative_prompt=settings.negative,
                scheduler=settings.scheduler,
                steps=settings.steps,
                guidance=settings.guidance,
                seed=seed,
                height=settings.height,
                width=settings.width,
                memory=settings.memory,
                progress=sys.stderr.isatty(),
            )
            settings = settings._replace(width=image.width, height=image.height)
            if settings.grid is None:
                own = settings._replace(prompts=(prompt,), seeds=(seed,))
                _save(image, files[len(made)], own)
            made.append(image)
    if settings.grid is not None:
        _save(images.grid(made, *settings.grid), files[0], settings)
    end = time.perf_counter()
    pictures = f"{len(made)} pictures" if len(made) > 1 else "1 picture"
    print(f"{pictures} in {end - begin:.1f} s ({loaded - begin:.1f} s of it loading)")


def first_time(options: argparse.Namespace) -> Settings:
    """Options to settings. Raises ValueError for what cannot be right whatever the model is."""
    if not options.prompts:
        raise ValueError('give a prompt, as in: mdx "a red circle on a blue background"')
    width, height = _size(options.size)
    seeds = tuple(options.seed or [secrets.randbelow(2**32)])
    if min(seeds) < 0:
        raise ValueError(f"--seed must be 0 or more, not {min(seeds)}")
    if options.guidance is not None and not math.isfinite(options.guidance):
        raise ValueError(f"--guidance must be a finite number, not {options.guidance}")
    if options.memory is not None:
        try:
            bytes_of(options.memory)
        except ValueError:
            raise ValueError(f"--memory must be as 6GB or 800MB, not {options.memory!r}") from None
    dtype = options.dtype or "float32"
    if dtype not in ("float32", "float16"):
        raise ValueError(f"--dtype must be float32 or float16, not {dtype!r}")
    count = len(options.prompts) * len(seeds)
    if options.grid and (min(options.grid) < 1 or options.grid[0] * options.grid[1] != count):
        raise ValueError(
            f"--grid {options.grid[0]} {options.grid[1]} does not fit: {len(options.prompts)} "
            f"prompts times {len(seeds)} seeds make {count} pictures"
        )
    model = options.model
    if model is not None and Path(model).expanduser().exists():
        model = str(Path(model).expanduser().resolve())
    return Settings(
        version=version(),
        model=model,
        variant=options.variant,
        revision=options.revision,
        dtype=dtype,
        prompts=tuple(options.prompts),
        seeds=seeds,
        negative=options.negative,
        scheduler=options.scheduler,
        steps=options.steps,
        guidance=7.5 if options.guidance is None else options.guidance,
        width=width,
        height=height,
        memory=options.memory,
        grid=tuple(options.grid) if options.grid else None,
    )


def again(options: argparse.Namespace) -> Settings:
    """The settings of the PNG that --from names. Raises ValueError if other options are given."""
    allowed = {"source", "output", "offline"}
    given = {k: v for k, v in vars(options).items() if k not in allowed and v not in (None, [])}
    if given:
        raise ValueError(
            f"--from takes everything from the picture; drop {', '.join(sorted(given))}"
        )
    settings = from_json(images.read_settings(options.source))
    if settings.version != version():
        warnings.warn(
            f"{options.source} was made by mdx {settings.version}; this is {version()}, "
            "so the picture may differ",
            stacklevel=2,
        )
    return settings._replace(version=version())


def outputs(options: argparse.Namespace, settings: Settings) -> list[Path]:
    """The files to write: one, or one for each picture, numbered from 1."""
    source = Path(options.source or "mdx.png")
    # Without -o, the picture that --from reads stays as it is, to be compared.
    default = source.with_name(f"{source.stem}-again.png") if options.source else source
    path = Path(options.output) if options.output else default
    if path.suffix.lower() != ".png":
        raise ValueError(
            f"the output must be a .png file, which can carry its settings, not {str(path)!r}"
        )
    count = len(settings.prompts) * len(settings.seeds)
    if settings.grid or count == 1:
        return [path]
    digits = len(str(count))
    return [path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}") for i in range(1, count + 1)]


def _save(image: Any, path: Path, settings: Settings) -> None:
    images.save_png(image, path, to_json(settings))
    print(f"{path} (seed {' '.join(map(str, settings.seeds))})")


def _size(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if not match or 0 in (sides := (int(match[1]), int(match[2] or match[1]))):
        raise ValueError(
            f"--size must be a number of pixels as 64, or width and height as 96x64, not {text!r}"
        )
    return sides


class _Parser(argparse.ArgumentParser):
    """argparse prints its whole usage before an error; one line says more."""

    def error(self, message: str) -> NoReturn:
        _fail(f"{message} ({self.prog} --help lists the options)")


def _fail(message: str) -> NoReturn:
    print(f"mdx: error: {' '.join(message.split())}", file=sys.stderr)
    raise SystemExit(2)


@contextmanager
def _short_warnings():
    """Show warnings as one line each, without the place in the source."""

    def show(message: Any, category: Any, *_: Any, **__: Any) -> None:
        print(f"mdx: warning: {message}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


# What the first argument may be instead of a prompt: its arguments, and its work.
COMMANDS = {"samplers": (samplers_parser, samplers), "table": (table_parser, table)}
