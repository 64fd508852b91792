"""The workers: Celery processes that load models and run jobs. Install with `brushwork[workers]`."""

import os
import sys

# Hugging Face's libraries read these when they are imported. A worker never downloads a model by itself.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# ONNX Runtime would identify the machine and report what it runs; diffusers imports it where it is installed.
# OpenVINO would report that it is imported; without this package it uses a stub of its own.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# OpenMP's library (libgomp) reads this when torch is imported. Its threads spin while they wait for work, by
# default for many milliseconds. Beside other processes that takes most of the cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
