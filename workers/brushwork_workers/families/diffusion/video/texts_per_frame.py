"""Texts that a pipeline repeats for every frame, in a form that the batcher can stack.

The pipelines of AnimateDiff give the denoiser a text for each frame of each row, one after another: (rows x
frames, tokens, channels), beside latents of (rows, channels, frames, height, width). The batcher stacks
tensors that have as many rows as the first one, so a job's proxy folds the texts into (rows, frames, tokens,
channels), and the module unfolds them.
"""

from typing import Any

from diffusers import UNetMotionModel
from torch import Tensor, nn

_TEXT = "encoder_hidden_states"


def unfold_in(module: nn.Module) -> None:
    """Let a denoiser take folded texts, if it is one that is given a text for each frame."""
    if isinstance(module, UNetMotionModel):
        module.register_forward_pre_hook(_unfolded, with_kwargs=True)


def folding(proxy: Any) -> Any:
    """Return what folds the texts that a pipeline gives to a denoiser, if they have to be folded."""
    return _FoldingProxy(proxy) if isinstance(proxy, UNetMotionModel) else proxy


class _FoldingProxy:
    """Replaces the proxy of a denoiser. All but its calls is that of the proxy."""

    def __init__(self, proxy: Any) -> None:
        self.__dict__["_proxy"] = proxy

    def __call__(self, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Call the proxy with folded texts."""
        text, rows = kwargs.get(_TEXT), len(sample)
        if isinstance(text, Tensor) and text.ndim == 3 and len(text) > rows and len(text) % rows == 0:
            kwargs = {**kwargs, _TEXT: text.unflatten(0, (rows, -1))}
        return self._proxy(sample, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._proxy, name)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        found: type = self._proxy.__class__
        return found


def _unfolded(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    text = kwargs.get(_TEXT)
    if not isinstance(text, Tensor) or text.ndim != 4:
        return None
    return args, {**kwargs, _TEXT: text.flatten(0, 1)}
