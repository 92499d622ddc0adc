"""What is asked to be made of pictures: `image`, `strength`, `mask` and `inpaint`, checked."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdx import run_shapes
from mdx.checks import entries, finite, shown
from mdx.conditioning import Conditioning
from mdx.families import Family
from mdx.families.channels import INPAINT, INSTRUCT, NAME, UPSCALE, Layout
from mdx.nets import vae
from mdx.tasks import inpaint as inpainting
from mdx.tasks.inpaint import Inpaint, Region
from mdx.tasks.pictures import Pixels, cut, fitted, hard, pictures, sizes_of

__all__ = ["Task", "checked"]

STRENGTH, WITH_MASK = 0.8, 1.0  # where nobody says


class Task(NamedTuple):
    """What is asked; lists have one entry for all images, or one each."""

    layout: Layout  # what the network reads in channels
    shape: tuple[int, int, int]  # (C, h, w) of an image's latents
    pixels: list[Pixels]  # (H, W, 3) of the size that is drawn; none where there are latents
    latents: NDArray[np.float32] | None  # (P, C, h, w), in the place of pixels
    strength: list[float]  # how far an image is drawn anew
    masks: Sequence[Pixels] = ()  # (H, W), as the pixels; none without a mask
    originals: Sequence[Pixels] = ()  # what the drawn part is put back into, with masks
    whole_masks: Sequence[Pixels] = ()  # (H, W), as the originals
    regions: Sequence[Region] = ()  # what is drawn of the originals; none where all of them is
    inpaint: Inpaint = Inpaint()
    method: str | None = None  # one of METHODS; None keeps nothing by force

    @property
    def noise_alone(self) -> bool:
        """Whether at strength 1 nothing of the picture is under the noise where it is drawn."""
        return bool(self.masks) or bool(self.layout)

    @property
    def begins_with_picture(self) -> bool:
        """Whether any image has something of its picture under the noise."""
        return not self.noise_alone or min(self.strength) < 1

    @property
    def encodes(self) -> bool:
        """Whether any picture becomes latents first."""
        reads = "masked" in self.layout or "image" in self.layout
        needed = reads or self.begins_with_picture or self.method is not None
        return self.latents is None and needed


def checked(model: Any, family: Family, asked: Any, count: int) -> Task | None:
    """What `generate` is asked to make of pictures, None for nothing.

    TypeError, ValueError, OSError or MemoryError by the argument's name for what does not fit.
    """
    layout = family.layout(model)
    if asked.image is None:
        _check_absent(layout, asked)
        return None
    _check_present(layout, asked)
    strength, inpaint = _strength(asked, layout, count), inpainting.checked(asked.inpaint)
    latents = _latents(model, asked.image)
    if latents is not None:
        return _of_latents(model, asked, latents, Task(layout, (0, 0, 0), [], None, strength))
    found = pictures("image", asked.image)
    _check_count("image", len(found), count)
    grid = 1 if layout == UPSCALE else vae.factor(model.vae.config)
    alone = inpaint.only_masked is not None
    sides = run_shapes.trained(model) if alone else _sides(found, grid, asked)
    shape = run_shapes.shape(model, asked.height, asked.width, sides)
    size = shape[1] * grid, shape[2] * grid
    task = Task(layout, shape, [], None, strength, inpaint=inpaint)
    if asked.mask is None:
        return task._replace(pixels=[fitted(one, *size) for one in found])
    drawn = inpainting.masks_of(asked.mask, found)
    _check_count("mask", len(drawn), count)
    method = inpaint.method
    if method is None and (layout != INPAINT or not all(map(hard, drawn))):
        method = "x0"
    task = task._replace(method=method)
    return _in_regions(task, found, drawn, size) if alone else _whole(task, found, drawn, size)


def _check_absent(layout: Layout, asked: Any) -> None:
    """ValueError by name for arguments that want an image, and for a network that does."""
    for name in ("strength", "mask", "inpaint"):
        if getattr(asked, name) is not None:
            raise ValueError(f"{name} is about a picture: give image, too, or leave it out")
    prompt = asked.prompt
    if isinstance(prompt, Conditioning) and NAME in prompt.arrays:
        return
    if layout:
        what = "image and mask" if layout == INPAINT else "image"
        raise ValueError(f"image is None, and the checkpoint's network reads one: give {what}")


def _check_present(layout: Layout, asked: Any) -> None:
    """ValueError by name for arguments that do not go with an image, or with the network."""
    if asked.start is not None:
        raise ValueError("image and start exclude each other: both say where the run begins")
    if isinstance(asked.prompt, Conditioning) and NAME in asked.prompt.arrays:
        raise ValueError(f"prompt has {NAME} of its own, which are image's: leave one of them out")
    if asked.inpaint is not None and asked.mask is None:
        raise ValueError("inpaint says how a mask is used: give mask, too, or leave it out")
    if layout == INPAINT and asked.mask is None:
        raise ValueError("mask is None, and the checkpoint inpaints: give one, white where it does")
    if layout in (INSTRUCT, UPSCALE):
        for name in ("mask", "strength"):
            if getattr(asked, name) is not None:
                raise ValueError(
                    f"{name} is not for this checkpoint, whose network reads the picture itself, "
                    "and begins with noise: leave it out"
                )


def _strength(asked: Any, layout: Layout, count: int) -> list[float]:
    """One for all images, or one each."""
    value = asked.strength
    if value is None:
        return [STRENGTH if asked.mask is None and not layout else WITH_MASK]
    listed = entries(value)
    if listed is not None and len(listed) != count:
        raise ValueError(f"{len(listed)} entries of strength for {count} images")
    found = [finite("strength", one) for one in ([value] if listed is None else listed)]
    for one in found:
        if not 0 <= one <= 1:
            raise ValueError(f"strength must be from 0 to 1, all is drawn anew, not {shown(one)}")
    return found


def _latents(model: Any, image: Any) -> NDArray[np.float32] | None:
    """Latents (P, C, h, w) that stand for pictures; None where it is something else."""
    channels = model.vae.config.latent_channels
    if not isinstance(image, np.ndarray) or image.ndim != 4 or image.dtype.kind != "f":
        return None
    if image.shape[1] != channels or image.shape[-1] == 3 or not image.size:
        return None
    with np.errstate(over="ignore"):
        latents = image.astype(np.float32)
    if not np.isfinite(latents).all():
        raise ValueError("image: latents hold NaN or infinity")
    return latents


def _of_latents(model: Any, asked: Any, latents: NDArray[np.float32], task: Task) -> Task:
    if task.layout or asked.mask is not None:
        raise ValueError("image must be a picture, and not its latents, with a mask or this model")
    shape = run_shapes.shape(model, asked.height, asked.width, latents.shape[2:])
    if latents.shape[1:] != shape:
        raise ValueError(
            f"image: latents of shape {latents.shape[1:]} are not those of height and width, "
            f"{shape}: leave them out"
        )
    return task._replace(latents=latents, shape=shape)


def _check_count(name: str, found: int, count: int) -> None:
    if found not in (1, count):
        raise ValueError(f"{found} entries of {name} for {count} images: give one, or one each")


def _sides(found: list[Pixels], grid: int, asked: Any) -> tuple[int, int]:
    """Latents a side of the pictures' own size, rounded down; ValueError where they differ."""
    sides = []
    for axis, name in enumerate(("height", "width")):
        own = {one.shape[axis] // grid for one in found}
        wanted = getattr(asked, name) is None
        if wanted and len(own) > 1:
            raise ValueError(
                f"image: pictures of several sizes, {sizes_of(found)}: give height and width"
            )
        if wanted and 0 in own:
            raise ValueError(
                f"image: a {name} of {found[0].shape[axis]} pixels is less than one latent, "
                f"{grid}: give height and width"
            )
        sides.append(min(own))
    return sides[0], sides[1]


def _whole(task: Task, found: list[Pixels], drawn: list[Pixels], size: tuple[int, int]) -> Task:
    """All of the pictures at the size that is drawn."""
    pixels, masks = ([fitted(one, *size) for one in some] for some in (found, drawn))
    inpainting.check_drawn(masks)
    return task._replace(pixels=pixels, masks=masks, originals=pixels, whole_masks=masks)


def _in_regions(
    task: Task, found: list[Pixels], drawn: list[Pixels], size: tuple[int, int]
) -> Task:
    """What is around the masks, as large as it is drawn."""
    pairs = max(len(found), len(drawn))
    found, drawn = (some if len(some) == pairs else some * pairs for some in (found, drawn))
    padding = task.inpaint.only_masked or 0
    regions = [inpainting.region(one, padding, size) for one in drawn]
    pixels, masks = (
        [cut(one, region, *size) for one, region in zip(some, regions, strict=True)]
        for some in (found, drawn)
    )
    inpainting.check_drawn(masks)
    return task._replace(
        pixels=pixels, masks=masks, originals=found, whole_masks=drawn, regions=regions
    )
