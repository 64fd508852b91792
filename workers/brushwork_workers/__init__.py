"""What a GPU machine runs: Celery workers that load models and do the jobs. Needs `brushwork[workers]`."""

import os

# Read by Hugging Face's libraries when they are first imported: a worker never downloads by itself.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
