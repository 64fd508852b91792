"""The workers: Celery processes that load models and run jobs. Install with `brushwork[workers]`."""

import os

# Hugging Face's libraries read these when they are imported. A worker never downloads a model by itself.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# OpenMP's library (libgomp) reads this when torch is imported. Its threads spin while they wait for work, by
# default for many milliseconds. Beside other processes that takes most of the cores.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")
