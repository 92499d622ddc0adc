"""What callbacks and scripts find on a pipeline about its last call."""

from typing import Any

from mdx.nets import vae

__all__ = ["Called"]


class Called:
    """The state of a pipeline's call, some of which a callback may change."""

    unet: Any
    vae: Any
    _guidance_scale: Any = None
    _clip_skip: Any = None
    _interrupt: bool = False
    _num_timesteps: int | None = None

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
