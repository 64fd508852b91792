"""The last stage of a convolutional network: the last feature maps that have a place in the picture."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import torch
from torch import Tensor, nn

# Axes of a tensor of tokens: [rows, tokens, channels].
_TOKENS = 3


def last_stage(network: nn.Module, run: Callable[[], object], size: Sequence[int]) -> nn.Module | None:
    """Return the last module of a network that returns feature maps in the proportions of its input.

    Args:
        network: The network.
        run: Runs the network once. It is called in a thread that has the network for itself.
        size: Height and width of the input.

    Returns:
        The module; None if there is none, as in a network of tokens.
    """
    found: list[nn.Module] = []

    def note(module: nn.Module, given: object, answer: object) -> None:
        if not isinstance(answer, Tensor):
            return
        if answer.ndim == _TOKENS:
            # What has become tokens since has no place in the picture.
            found.clear()
        elif _is_feature_map(answer, size):
            found.append(module)

    with ExitStack() as hooks, torch.no_grad():
        for module in network.modules():
            hooks.callback(module.register_forward_hook(note).remove)
        run()
    return found[-1] if found else None


def _is_feature_map(answer: Tensor, size: Sequence[int]) -> bool:
    if answer.ndim != 4:
        return False
    height, width = answer.shape[-2:]
    # The rounding of each stage may change a side by one.
    is_in_proportion = abs(height * size[1] - width * size[0]) <= max(size)
    return 1 < height < size[0] and 1 < width < size[1] and is_in_proportion
