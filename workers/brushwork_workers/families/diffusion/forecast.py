"""The predicted clean latents of a running pipeline, taken from its scheduler at every step."""

import functools
import logging
from collections.abc import Callable
from typing import Any

from torch import Tensor

LOGGER = logging.getLogger(__name__)


class Forecast:
    """Records the predicted clean latents of each step of a scheduler, without changing its results.

    The latents of an early step are mostly noise. Most schedulers return the clean latents that the model
    output implies as their second value, multistep schedulers keep them, and for flow matching they follow
    from the step.

    Args:
        scheduler: A scheduler of diffusers that no other job uses; None if the pipeline has none.

    Attributes:
        latents: The prediction of the last step; None if there is none.
        listener: Called after each step with its number, the number of all steps, and the latents.
    """

    def __init__(self, scheduler: Any) -> None:
        self._scheduler = scheduler
        self.latents: Tensor | None = None
        self.listener: Callable[[int, int, Any], None] | None = None
        self._num_done = 0
        if scheduler is not None:
            self._observe(scheduler)

    def _observe(self, scheduler: Any) -> None:
        step = scheduler.step

        # Pipelines inspect the signature of `step`; `wraps` preserves it.
        @functools.wraps(step)
        def observed_step(
            model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any
        ) -> Any:
            output = step(model_output, timestep, sample, *args, **kwargs)
            try:
                self.latents = self._clean_latents(model_output, sample, output)
            # Only previews use the prediction. A job must not fail because of them.
            except Exception as error:
                LOGGER.debug("No prediction of clean latents: %r", error)
                self.latents = None
            self._report(output)
            return output

        scheduler.step = observed_step

    def _report(self, output: Any) -> None:
        self._num_done += 1
        if self.listener is not None:
            latents = output[0] if isinstance(output, tuple) else getattr(output, "prev_sample", None)
            self.listener(self._num_done - 1, max(self._num_done, len(self._scheduler.timesteps)), latents)

    def _clean_latents(self, model_output: Tensor, sample: Tensor, output: Any) -> Tensor | None:
        if not isinstance(output, tuple):
            return None
        if len(output) > 1:
            clean: Tensor = output[1]
            return clean
        config = self._scheduler.config
        if "base_shift" in config and self._scheduler.step_index:
            sigma = self._scheduler.sigmas[self._scheduler.step_index - 1]
            predicted: Tensor = sample - sigma * model_output
            return predicted
        keeps_clean = config.get("predict_x0", "++" in config.get("algorithm_type", ""))
        outputs: list[Tensor | None] = getattr(self._scheduler, "model_outputs", [])
        return outputs[-1] if keeps_clean and outputs else None
