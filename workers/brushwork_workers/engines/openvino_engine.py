"""Runs an exported module in OpenVINO, on the CPU."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

_HINTS = {"float32": "f32", "bfloat16": "bf16"}


class OpenvinoEngine:
    """A compiled model of OpenVINO.

    Args:
        file: The module in ONNX format.
        precision: `float32` or `bfloat16`.
        num_threads: Number of CPU threads to compute with.
    """

    def __init__(self, file: Path, precision: str, num_threads: int) -> None:
        openvino: Any = import_module("openvino")
        core = openvino.Core()
        hints = {
            # Without this hint OpenVINO computes in bfloat16 wherever the CPU can.
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
            "INFERENCE_NUM_THREADS": num_threads,
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            # Two workers of one machine would pin their threads to the same cores.
            "ENABLE_CPU_PINNING": False,
        }
        model = core.read_model(str(file))
        self._inputs = [int(each.get_any_name().removeprefix("input")) for each in model.inputs]
        self._request = core.compile_model(model, "CPU", hints).create_infer_request()

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Run the module."""
        given = [tensors[index].contiguous().numpy() for index in self._inputs]
        answers = self._request.infer(given, share_inputs=True)
        return [torch.from_numpy(answer) for answer in answers.to_tuple()]


def computes_bfloat16() -> bool:
    """Return whether this CPU has instructions for bfloat16."""
    openvino: Any = import_module("openvino")
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
