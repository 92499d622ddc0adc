"""Pipelines: small objects whose parts are attributes, and whose calls are `mdx.generate`'s."""

import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import mdx
from mdx import schedulers
from mdx.checks import did_you_mean, flag, shown
from mdx.compat.adapters import Adapters
from mdx.compat.called import Called
from mdx.compat.calls import bound
from mdx.compat.drawing import drawn
from mdx.compat.loading import NAMES, OF_FILES, ONLY, loaded_as
from mdx.compat.names import PIPELINES
from mdx.compat.parts import as_part
from mdx.compat.scheduler import as_sampler, meant
from mdx.compat.switches import Switches
from mdx.compat.texts import embedded
from mdx.compat.unmapped import neutral, unmapped
from mdx.families import StableDiffusion, family_of

__all__ = ["Pipeline"]

P = TypeVar("P", bound="Pipeline")

# Parts that no checkpoint of mdx has, which may be None.
NONE = ("safety_checker", "feature_extractor", "image_encoder")
OTHERS = ("requires_safety_checker", "force_zeros_for_empty_prompt", "add_watermarker")


@unmapped(PIPELINES)
class Pipeline(Adapters, Switches, Called):
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
        sampler = as_sampler(given["scheduler"])
        self.__dict__["_own"] = sampler.value
        for name in names:
            setattr(self, name, self._meant(name, given[name]))
        model = self._model(None)
        family_of(model).check(model)

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
    def from_single_file(
        cls: type[P], pretrained_model_link_or_path: str | os.PathLike[str], **asked: Any
    ) -> P:
        """Load a checkpoint of one file, by `mdx.load`.

        Args:
            pretrained_model_link_or_path: the .safetensors file.
            asked: mindspore_dtype, config, prediction_type, local_files_only, and parts in the
                place of the file's.

        Returns:
            The pipeline.

        Raises:
            OSError, ValueError, TypeError: as `mdx.load`, and by name for what is not mapped.
        """
        names = {**NAMES, **OF_FILES}
        options, replaced = loaded_as(f"{cls.__name__}.from_single_file", asked, names)
        model = mdx.load(pretrained_model_link_or_path, **options)
        return cls.chosen(model).of(model)._with(replaced)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        safe_serialization: bool | None = True,
        variant: str | None = None,
    ) -> None:
        """Write the checkpoint with its scheduler and what was fused, by `mdx.save`.

        Args:
            save_directory: a folder, which must be new or empty.
            safe_serialization: True: pickles are not written.
            variant: None: files have no variant.

        Raises:
            OSError, ValueError: as `mdx.save`, and for what is not mapped.
        """
        where = f"{type(self).__name__}.save_pretrained"
        neutral(f"{where}: safe_serialization", safe_serialization, ((None, True), "use it"))
        neutral(f"{where}: variant", variant, ((None,), "mdx.save(pipe.model, folder, dtype=...)"))
        mdx.save(self._model(None)._replace(scheduler=self.scheduler.value), save_directory)

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
        """What mdx calls it: the record that `mdx.generate` takes, with the LoRAs that are used.

        Its scheduler is the checkpoint's own, by which mdx knows what the network predicts.
        """
        return self._model(1.0)

    def _model(self, scale: float | None) -> Any:
        """The record with LoRAs at a scale; None: with those alone that are fused."""
        return self._adapted(self._bare, scale)

    @property
    def _bare(self) -> Any:
        """The record of its parts as they are."""
        held = {name: getattr(self, name) for name in self.parts if name != "scheduler"}
        values = {name: None if part is None else part.value for name, part in held.items()}
        return self.record(**values, scheduler=self._own, index=self._index)

    def _with(self: P, replaced: Mapping[str, Any]) -> P:
        """The pipeline itself, with parts in the place of its own."""
        for name, value in replaced.items():
            if name not in self.parts:
                raise TypeError(f"{type(self).__name__} has no part {name!r}")
            setattr(self, name, self._meant(name, value))
        if replaced:
            model = self._model(None)
            family_of(model).check(model)
        return self

    def _meant(self, name: str, value: Any) -> Any:
        """A part that a pipeline is made with: its sampler as its family means configs."""
        if name != "scheduler" or self.record is not StableDiffusion:
            return value
        return meant(as_sampler(value))

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "scheduler":
            sampler = as_sampler(value)
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

    safety_checker = feature_extractor = image_encoder = None

    def __repr__(self) -> str:
        """Its class, its scheduler and its parts."""
        return f"{type(self).__name__} with {type(self.scheduler).__name__} of\n{self.model!r}"
