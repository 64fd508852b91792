"""The environment variables that are not fields of `Settings`. No other module reads the environment."""

import os
from pathlib import Path

DATA_DIR = Path("brushwork-data")
ENV_FILE = "brushwork.env"


def variable(name: str) -> str | None:
    """Return the value of an environment variable; None where it is not set or empty."""
    return os.environ.get(name) or None


def data_dir() -> Path:
    """Return the data folder of `brushwork up`: `BRUSHWORK_DATA`, by default `./brushwork-data`."""
    return Path(variable("BRUSHWORK_DATA") or DATA_DIR)


def env_file() -> Path:
    """Return the file in which `brushwork up` writes the addresses of its services."""
    return data_dir() / ENV_FILE


def models_dir() -> Path:
    """Return the folder of pulled models: `BRUSHWORK_MODEL_FILES`, by default `models` in the data folder."""
    chosen = variable("BRUSHWORK_MODEL_FILES")
    return Path(chosen) if chosen else data_dir() / "models"


def cache_dir() -> Path:
    """Return the folder that workers write to: `BRUSHWORK_CACHE_FILES`, by default that of pulled models.

    It has copies of trained models, and the digests of model files. All of it can be made again.
    """
    chosen = variable("BRUSHWORK_CACHE_FILES")
    return Path(chosen) if chosen else models_dir()


def hub_cache_dir() -> Path:
    """Return the cache folder of Hugging Face's tools: `HF_HUB_CACHE`, else `hub` in `HF_HOME`."""
    home = Path(variable("HF_HOME") or Path.home() / ".cache" / "huggingface")
    return Path(variable("HF_HUB_CACHE") or home / "hub")


def modelscope_endpoint() -> str:
    """Return the address of ModelScope: `MODELSCOPE_ENDPOINT`, by default https://www.modelscope.cn."""
    return (variable("MODELSCOPE_ENDPOINT") or "https://www.modelscope.cn").rstrip("/")


def modelscope_token() -> str | None:
    """Return the token for private repositories on ModelScope: `MODELSCOPE_API_TOKEN`."""
    return variable("MODELSCOPE_API_TOKEN")


def torchvision_mirror() -> str | None:
    """Return the address that replaces download.pytorch.org/models: `TORCHVISION_MIRROR`."""
    return variable("TORCHVISION_MIRROR")
