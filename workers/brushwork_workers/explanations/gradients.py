"""Gradients of a network's scores, as calls that gather with those of other jobs.

The methods are those of captum: integrated gradients (Sundararajan et al., 2017) and Grad-CAM (Selvaraju et
al., 2017). captum computes them in the thread of the job; each row of a call to the network goes through the
model executor.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.wording.phrase import said
from torch import Tensor, nn

from brushwork_workers.batching.call_options import CallOptions
from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.explanations.extra_calls import OnDone
from brushwork_workers.explanations.last_stage import last_stage

# The activations of all layers are kept until the gradient is computed.
_MEMORY_FACTOR = 4
# Steps of the path that are in memory at the same time.
_STEPS_AT_ONCE = 32


@dataclass(frozen=True)
class TorchOnly:
    """A state of the module in which no engine runs it: engines compute no gradients."""

    def activate(self, module: Any) -> None:
        """Do nothing: the weights stay as they are."""


class ScoreGradients:
    """Differentiates the score of one class.

    The score of a row is the product of the network's output and a direction, such as the vector that has 1
    for the class and 0 for the others.

    Args:
        model: Name of the model, for errors.
        network: The network, whose layers are looked at.
        forward: Returns the outputs, [rows, outputs], of pixels, [rows, 3, height, width].
        model_executor: Runs the calls.
        options: Options of the network's calls.
    """

    def __init__(
        self,
        model: str,
        network: nn.Module,
        forward: Callable[[Tensor], Tensor],
        model_executor: ModelExecutor,
        options: CallOptions,
    ) -> None:
        self._model = model
        self._network = network
        self._forward = forward
        self._model_executor = model_executor
        self._options = replace(
            options, pixels_per_row=_MEMORY_FACTOR * options.pixels_per_row, adapters=TorchOnly()
        )

    def integrated(
        self,
        pixels: Tensor,
        baseline: Tensor,
        direction: Tensor,
        num_steps: int,
        on_done: OnDone | None = None,
    ) -> Tensor:
        """Return the integrated gradients of the pixels: [3, height, width], float32 on the CPU.

        Args:
            pixels: The prepared picture: [1, 3, height, width].
            baseline: The prepared picture that the path begins with, of the same shape.
            direction: [outputs].
            num_steps: Number of steps of the path; each is one call.
            on_done: Called after each call; see `run_beside`.
        """
        # It imports matplotlib, which takes a second and is needed for nothing else.
        from captum.attr import IntegratedGradients

        rows = partial(self._rows, direction=direction, on_done=on_done)
        found: Tensor = IntegratedGradients(lambda path: _Differentiated.apply(path, rows)).attribute(
            pixels.float().cpu(),
            baselines=baseline.float().cpu(),
            n_steps=num_steps,
            internal_batch_size=_STEPS_AT_ONCE,
        )
        return found[0].detach()

    def grad_cam(self, pixels: Tensor, direction: Tensor) -> Tensor:
        """Return the map of Grad-CAM at the size of the last stage: [rows, columns], float32 on the CPU.

        Args:
            pixels: The prepared picture: [1, 3, height, width].
            direction: [outputs].

        Raises:
            InvalidRequest: The network has no last stage of feature maps.
        """
        found: Tensor = self._model_executor.call(
            self._options, self.class_activation, pixels.float().cpu(), direction[None]
        )
        return found[0].float().cpu()

    def class_activation(self, pixels: Tensor, directions: Tensor) -> Tensor:
        """Run in a call of the executor: return the maps of Grad-CAM, [rows, height, width].

        Args:
            pixels: [rows, 3, height, width].
            directions: [rows, outputs].
        """
        from captum.attr import LayerGradCam

        inputs, given = self._on_device(pixels)
        stage = last_stage(self._network, lambda: self._forward(given(inputs)), pixels.shape[-2:])
        if stage is None:
            raise InvalidRequest(
                said("explain.method: {model} has no feature maps, which grad-cam needs.", model=self._model),
                field="explain.method",
                hint=said("Use {method}.", method="occlusion"),
            )
        with torch.enable_grad():
            found: Tensor = LayerGradCam(lambda rows: self._scores(given(rows), directions), stage).attribute(
                inputs.requires_grad_(), relu_attributions=True
            )
        return found[:, 0].detach()

    def differentiated(self, pixels: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
        """Run in a call of the executor: return the scores, [rows], and their gradients, as `pixels`.

        Args:
            pixels: [rows, 3, height, width], float32.
            directions: [rows, outputs].
        """
        inputs, given = self._on_device(pixels)
        with torch.enable_grad():
            inputs.requires_grad_()
            scores = self._scores(given(inputs), directions)
            # Not `backward`: the gradients of the weights would be added up, and kept.
            (gradients,) = torch.autograd.grad(scores.sum(), inputs)
        return scores.detach(), gradients

    def _scores(self, pixels: Tensor, directions: Tensor) -> Tensor:
        outputs = self._forward(pixels)
        return (outputs.float() * directions.to(outputs.device)).sum(dim=1)

    def _on_device(self, pixels: Tensor) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Return the pixels on the network's device in float32, and what gives them its number format."""
        weight = next(self._network.parameters())
        return pixels.to(weight.device).detach().clone(), lambda rows: rows.to(weight.dtype)

    def _rows(self, path: Tensor, direction: Tensor, on_done: OnDone | None) -> tuple[Tensor, Tensor]:
        calls = [
            partial(self._model_executor.call, self._options, self.differentiated, row[None], direction[None])
            for row in path
        ]
        answers = self._model_executor.run_beside(calls, on_done=on_done)
        scores, gradients = zip(*answers, strict=True)
        return torch.cat(scores).cpu(), torch.cat(gradients).cpu()


class _Differentiated(torch.autograd.Function):
    """Scores whose gradients come from calls through the model executor."""

    @staticmethod
    def forward(ctx: Any, pixels: Tensor, rows: Callable[[Tensor], tuple[Tensor, Tensor]]) -> Tensor:
        """Return the score of each row: [rows]."""
        scores, gradients = rows(pixels.detach())
        ctx.save_for_backward(gradients)
        return scores

    @staticmethod
    def backward(ctx: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        """Return the gradients that were computed with the scores."""
        (gradients,) = ctx.saved_tensors
        return outputs[0][:, None, None, None] * gradients, None
