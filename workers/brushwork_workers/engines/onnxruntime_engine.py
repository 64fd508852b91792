"""Runs an exported module in ONNX Runtime, on the CPU."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


class OnnxruntimeEngine:
    """A session of ONNX Runtime.

    Args:
        file: The module in ONNX format. For int8 its weights are quantized already.
        precision: `float32` or `int8`.
        num_threads: Number of CPU threads to compute with.
    """

    def __init__(self, file: Path, precision: str, num_threads: int) -> None:
        onnxruntime: Any = import_module("onnxruntime")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        # Threads that wait would take the cores from the threads of the jobs.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.inter_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        # The exporter leaves out inputs that the module does not use.
        self._inputs = [
            (each.name, int(each.name.removeprefix("input"))) for each in self._session.get_inputs()
        ]

    def run(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Run the module."""
        given = {name: tensors[index].numpy() for name, index in self._inputs}
        return [torch.from_numpy(answer) for answer in self._session.run(None, given)]
