"""A sampler as scripts hold it: an object of its class, made from another one's config."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mdx import schedulers
from mdx.checks import shown
from mdx.compat.configs import Config
from mdx.compat.unmapped import unmapped

__all__ = ["Sampler", "as_sampler", "classes", "meant"]

S = TypeVar("S", bound="Sampler")

UNSAID = "_use_default_values"  # the keys of a config that are its class's own defaults

TABLE = "a run's levels are a table, mdx.schedulers.table(scheduler.value, steps)"
STEP = "mdx.schedulers.step runs a table's row, and mdx.sample a whole table with a denoiser"
UNMAPPED = {
    "set_timesteps": TABLE,
    "timesteps": f"{TABLE}, and .t its times",
    "sigmas": f"{TABLE}, and .sigma / .alpha its sigmas",
    "init_noise_sigma": f"{TABLE}, and .init_noise_scale that number",
    "alphas_cumprod": f"{TABLE}, and .alpha**2 are those of its levels",
    "betas": "mdx.schedulers.noise.betas makes them",
    "num_inference_steps": TABLE,
    "order": f"{TABLE}, and .rows how often it calls the model",
    "scale_model_input": STEP,
    "step": STEP,
    "add_noise": "mdx.schedulers.add_noise(table, row, latents, noise)",
    "get_velocity": "mdx.nets is for training: examples/training.py",
    "register_to_config": "a scheduler is a value: from_config(scheduler.config, key=value)",
    "save_pretrained": "mdx.schedulers.save writes a table",
    "save_config": "mdx.schedulers.save writes a table",
}


@unmapped(UNMAPPED)
class Sampler:
    """A sampler and its config: a value, equal to others that say the same."""

    value: schedulers.Scheduler  # what mdx knows it as
    said: bool  # whether a caller said what the model predicts, and not a config

    def __init__(self, **config: Any) -> None:
        """The sampler with its own defaults, but for what is given."""
        self._be(schedulers.from_config({}, self._named(), **config), "prediction_type" in config)

    @classmethod
    def from_config(cls: type[S], config: Any, **overrides: Any) -> S:
        """This sampler for the model of a config, as `mdx.schedulers.from_config` makes it.

        Args:
            config: `scheduler.config`, or a dict like it.
            overrides: keys of the sampler, in the place of what the config says.

        Returns:
            The sampler.

        Raises:
            ValueError, TypeError: for what is no config, and keys that the sampler does not have.
        """
        said = "prediction_type" in overrides
        if isinstance(config, Sampler):
            config, said = config.value, said or config.said
        if not isinstance(config, Mapping | schedulers.Scheduler):
            raise TypeError(
                f"{cls.__name__}.from_config takes pipe.scheduler.config, not {shown(config)}: of "
                "a folder make one with from_pretrained"
            )
        if isinstance(config, Mapping):
            config = _said(config)
        return _made(cls, schedulers.from_config(config, cls._named(), **overrides), said)

    @classmethod
    def from_pretrained(
        cls: type[S],
        pretrained_model_name_or_path: str | os.PathLike[str],
        subfolder: str | None = None,
        **overrides: Any,
    ) -> S:
        """This sampler for the model of a folder.

        Args:
            pretrained_model_name_or_path: the folder of a checkpoint, or of its scheduler.
            subfolder: the scheduler's within it.
            overrides: keys of the sampler, in the place of what the file says.

        Returns:
            The sampler.

        Raises:
            FileNotFoundError: where there is no such folder; of the Hub take the checkpoint's own.
            ValueError, TypeError: as `from_config`.
        """
        folder = Path(pretrained_model_name_or_path, subfolder or "")
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder} is no folder with a scheduler_config.json: load the checkpoint, and use "
                f"{cls.__name__}.from_config(pipe.scheduler.config)"
            )
        said = "prediction_type" in overrides
        return _made(cls, schedulers.from_config(folder, cls._named(), **overrides), said)

    @property
    def config(self) -> Any:
        """Every key that is known: what was said, and the sampler's defaults for the rest."""
        given, defaults = dict(self.value.given), self.value.config
        unsaid = sorted(defaults.keys() - given.keys())
        return Config(
            {
                "_class_name": self.value.name,
                **defaults,
                **given,
                UNSAID: unsaid,
            }
        )

    @property
    def compatibles(self) -> list[type["Sampler"]]:
        """The classes of the samplers that the same model can run with."""
        return [classes()[name] for name in schedulers.compatibles(self.value)]

    @classmethod
    def _named(cls) -> str:
        if cls is Sampler:
            raise TypeError("choose a sampler's class, as mdx.compat.DDIMScheduler")
        return cls.__name__

    def _be(self, value: schedulers.Scheduler, said: bool) -> None:
        vars(self).update(value=value, said=said)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError(
            f"{type(self).__name__}.{name}: a scheduler is a value and is never changed; make "
            "another with from_config(scheduler.config, key=value)"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sampler):
            return NotImplemented
        return self.value == other.value

    def __hash__(self) -> int:
        return hash(self.value)

    def __repr__(self) -> str:
        """Its class and its config."""
        return f"{type(self).__name__} {json.dumps(self.config, indent=2, default=str)}\n"


def _said(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config whose keys that were left out are none that a script has changed since."""
    unsaid, name = config.get(UNSAID), config.get("_class_name")
    if not isinstance(unsaid, list | tuple) or name not in list(classes()):
        return dict(config)
    usual = schedulers.from_config({}, name).config
    kept = [key for key in unsaid if key in usual and config.get(key) == usual[key]]
    return {**config, UNSAID: kept}


def _made(cls: type[S], value: schedulers.Scheduler, said: bool) -> S:
    made = cls.__new__(cls)
    made._be(value, said)
    return made


def classes() -> dict[str, type[Sampler]]:
    """The class of every sampler, by its name."""
    return {cls.__name__: cls for cls in Sampler.__subclasses__()}


def as_sampler(value: Any) -> Sampler:
    """What a pipeline holds as its scheduler; TypeError for what can be none."""
    if isinstance(value, schedulers.Scheduler):
        return _made(classes()[value.name], value, said=False)
    if not isinstance(value, Sampler):
        raise TypeError(
            f"scheduler must be made by a class of mdx.compat, not {shown(value)}: as "
            "DDIMScheduler.from_config(pipe.scheduler.config)"
        )
    return value


def meant(sampler: Sampler) -> Sampler:
    """A sampler as pipelines of Stable Diffusion 1.x and 2.x mean it that they are made with.

    As of the checkpoint's own, its times begin at 1, and it clips no latents.
    """
    usual = {"steps_offset": 1, "clip_sample": False}
    changed = {
        key: value for key, value in usual.items() if sampler.config.get(key, value) != value
    }
    return type(sampler).from_config(sampler, **changed) if changed else sampler
