"""Pipelines: small objects whose parts are attributes, and whose calls are `mdx.generate`'s."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import mdx
from mdx import schedulers
from mdx.checks import did_you_mean, flag, shown
from mdx.compat.calls import bound
from mdx.compat.drawing import drawn
from mdx.compat.loading import ONLY, loaded_as
from mdx.compat.names import PIPELINES
from mdx.compat.parts import as_part
from mdx.compat.scheduler import Sampler, as_sampler
from mdx.compat.switches import Switches
from mdx.compat.texts import embedded
from mdx.compat.unmapped import neutral, unmapped
from mdx.families import family_of
from mdx.nets import vae

__all__ = ["Pipeline"]

P = TypeVar("P", bound="Pipeline")

# Parts that no checkpoint of mdx has, which may be None.
NONE = ("safety_checker", "feature_extractor", "image_encoder")
OTHERS = ("requires_safety_checker", "force_zeros_for_empty_prompt", "add_watermarker")


@unmapped(PIPELINES)
class Pipeline(Switches):
    """A checkpoint's parts, and a call that draws with them; `model` is what mdx calls it."""

    record: ClassVar[Any]  # of its models: mdx.families
    task: ClassVar[str]  # "text", "image" or "inpaint"
    places: ClassVar[tuple[str, ...]]  # arguments of a call that may come without a name
    arguments: ClassVar[frozenset[str]]  # all of them
    output: ClassVar[Any]  # makes of pictures what a call gives back
    usual_guidance: ClassVar[float | None] = None  # None: of the checkpoint's family
    usual_strength: ClassVar[float] = 1.0

    scheduler: Any
    unet: Any
    text_encoder: Any
    text_encoder_2: Any
    tokenizer: Any
    tokenizer_2: Any
    _own: schedulers.Scheduler  # what the checkpoint's network is for
    _index: Any = None  # what model_index.json says
    _guidance_scale: Any = None
    _clip_skip: Any = None
    _interrupt: bool = False
    _num_timesteps: int | None = None

    def __init__(self, **given: Any) -> None:
        """A pipeline of parts, as `components` of another has them."""
        names = [name for name in self.record._fields if name != "index"]
        if lacking := [name for name in names if name not in given]:
            raise TypeError(f"{type(self).__name__} needs {', '.join(lacking)}: None for none")
        for name, value in given.items():
            if name in ONLY and name not in names:
                neutral(f"{type(self).__name__}: {name}", value, ONLY[name])
            elif name not in (*names, *OTHERS):
                meant = did_you_mean(name, names)
                raise TypeError(f"{type(self).__name__} has no part {name!r}{meant}")
        sampler = _sampler(given["scheduler"])
        self.__dict__["_own"] = sampler.value
        for name in names:
            setattr(self, name, given[name])
        family_of(self.model).check(self.model)

    @classmethod
    def of(cls: type[P], model: Any) -> P:
        """A pipeline of a model.

        Args:
            model: what `mdx.load` returned.

        Returns:
            The pipeline.

        Raises:
            ValueError: for a model of another family.
        """
        if not isinstance(model, cls.record):
            raise ValueError(f"{cls.__name__} is for {cls.record.__name__}, not {shown(model)}")
        made = cls.__new__(cls)
        made.__dict__.update(_own=model.scheduler, _index=model.index)
        for name in model._fields:
            if name != "index":
                setattr(made, name, getattr(model, name))
        return made

    @classmethod
    def from_pretrained(
        cls: type[P], pretrained_model_name_or_path: str | os.PathLike[str] | None, **asked: Any
    ) -> P:
        """Load a checkpoint, by `mdx.load`.

        Args:
            pretrained_model_name_or_path: a folder in the diffusers layout or a Hub id; None for
                the packaged checkpoint.
            asked: mindspore_dtype, variant, revision, use_safetensors, local_files_only, and parts
                in the place of the folder's.

        Returns:
            The pipeline.

        Raises:
            OSError, ValueError, TypeError: as `mdx.load`, and by name for what is not mapped.
        """
        options, replaced = loaded_as(f"{cls.__name__}.from_pretrained", asked)
        model = mdx.load(pretrained_model_name_or_path, **options)
        return cls.chosen(model).of(model)._with(replaced)

    @classmethod
    def from_pipe(cls: type[P], pipeline: "Pipeline", **replaced: Any) -> P:
        """A pipeline of this class with the parts of another.

        Args:
            pipeline: the other.
            replaced: parts in the place of its own.

        Returns:
            The pipeline.

        Raises:
            ValueError, TypeError: for one of another family, and parts that do not fit.
        """
        if not isinstance(pipeline, Pipeline):
            raise TypeError(f"pipeline must be a pipeline of mdx.compat, not {shown(pipeline)}")
        made = cls.chosen(pipeline.model).of(pipeline.model)
        for name in pipeline.parts:
            setattr(made, name, getattr(pipeline, name))
        return made._with(replaced)

    @classmethod
    def chosen(cls: type[P], model: Any) -> type[P]:
        """The class of a model's pipeline: this one."""
        return cls

    @property
    def parts(self) -> list[str]:
        """The names of its parts."""
        return [name for name in self.record._fields if name != "index"]

    @property
    def components(self) -> dict[str, Any]:
        """Its parts by name, for another pipeline's constructor."""
        return {**{name: getattr(self, name) for name in self.parts}, **dict.fromkeys(NONE)}

    @property
    def model(self) -> Any:
        """What mdx calls it: the record that `mdx.generate` takes.

        Its scheduler is the checkpoint's own, by which mdx knows what the network predicts.
        """
        held = {name: getattr(self, name) for name in self.parts if name != "scheduler"}
        values = {name: None if part is None else part.value for name, part in held.items()}
        return self.record(**values, scheduler=self._own, index=self._index)

    def _with(self: P, replaced: Mapping[str, Any]) -> P:
        """The pipeline itself, with parts in the place of its own."""
        for name, value in replaced.items():
            if name not in self.parts:
                raise TypeError(f"{type(self).__name__} has no part {name!r}")
            setattr(self, name, value)
        if replaced:
            family_of(self.model).check(self.model)
        return self

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "scheduler":
            sampler = _sampler(value)
            if sampler.said:  # what the network predicts: the config was mistaken
                said = sampler.value.config["prediction_type"]
                self.__dict__["_own"] = schedulers.from_config(self._own, prediction_type=said)
            self.__dict__[name] = sampler
        elif name in self.parts:
            self.__dict__[name] = as_part(name, value)
        elif name in NONE:
            neutral(f"{type(self).__name__}.{name}", value, ONLY[name])
        elif name.startswith("_"):
            self.__dict__[name] = value
        else:
            meant = did_you_mean(name, self.parts)
            raise AttributeError(f"{type(self).__name__} has no part {name!r}{meant}")

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Draw pictures, by `mdx.generate`: see docs/compat.md for the arguments.

        Returns:
            A tuple whose first field is the pictures: `[0]` and `.images`.

        Raises:
            As `mdx.generate`, and by name for what is not mapped.
        """
        return self.output(drawn(self, bound(type(self), given, named)))

    def encode_prompt(self, prompt: Any = None, *places: Any, **asked: Any) -> tuple[Any, ...]:
        """What prompts become, for prompt_embeds and kin: see `mdx.encode_prompt`.

        Args:
            prompt: a text or a list of them.
            places: what may come without a name: num_images_per_prompt and
                do_classifier_free_guidance; of SDXL prompt_2 comes first.
            asked: these, negative_prompt, clip_skip and embeddings that are there already.

        Returns:
            Tensors of the prompts and of the negative ones, None where nothing is guided; of SDXL
            then the vectors of both.

        Raises:
            ValueError, TypeError: by name for what does not fit.
        """
        order = ("num_images_per_prompt", "do_classifier_free_guidance", "negative_prompt")
        order = ("prompt_2", *order) if "prompt_2" in self.arguments else order
        named = {**dict(zip(order, places, strict=False)), **asked}
        guided = flag("do_classifier_free_guidance", named.pop("do_classifier_free_guidance", True))
        call = bound(type(self), (), {"prompt": prompt, **named})
        return embedded(self.model, call, guided)

    def _begin(self, guidance: Any, clip_skip: Any) -> None:
        """What callbacks find at the beginning of a call."""
        self.__dict__.update(
            _guidance_scale=guidance, _clip_skip=clip_skip, _interrupt=False, _num_timesteps=None
        )

    @property
    def guidance_scale(self) -> Any:
        """How far the last call was guided."""
        return self._guidance_scale

    @property
    def clip_skip(self) -> Any:
        """The last call's clip_skip."""
        return self._clip_skip

    @property
    def num_timesteps(self) -> int | None:
        """How often the last call with a callback calls its network."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Whether a callback stopped the last call, by `pipe._interrupt = True`."""
        return self._interrupt

    @property
    def vae_scale_factor(self) -> int:
        """Pixels a latent."""
        return vae.factor(self.vae.value.config)

    @property
    def dtype(self) -> Any:
        """The dtype of the network's weights."""
        return self.unet.dtype

    @property
    def requires_safety_checker(self) -> bool:
        """No picture is looked at."""
        return False

    safety_checker = feature_extractor = image_encoder = None

    def __repr__(self) -> str:
        """Its class, its scheduler and its parts."""
        return f"{type(self).__name__} with {type(self.scheduler).__name__} of\n{self.model!r}"


def _sampler(value: Any) -> Sampler:
    """What a pipeline holds as its scheduler; TypeError for what can be none."""
    if isinstance(value, schedulers.Scheduler):
        return as_sampler(value)
    if not isinstance(value, Sampler):
        raise TypeError(
            f"scheduler must be made by a class of mdx.compat, not {shown(value)}: as "
            "DDIMScheduler.from_config(pipe.scheduler.config)"
        )
    return value
