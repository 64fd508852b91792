"""The workers: Celery processes that load models and run jobs. Install with `brushwork[workers]`."""

import os

# Hugging Face's libraries read these when they are imported. A worker never downloads a model by itself.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
