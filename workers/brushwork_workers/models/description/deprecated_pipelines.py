"""Modules of deprecated pipelines of diffusers, under the names that published folders have for them."""

import importlib
import pkgutil

from diffusers import pipelines
from diffusers.pipelines import deprecated


def find_deprecated_modules() -> None:
    """Let diffusers find the modules of deprecated pipelines in `model_index.json`.

    diffusers 0.42 has moved these pipelines. The index of Stable Cascade, for example, says that a module is
    in `wuerstchen`, where `from_pretrained` does not find it any more.
    """
    for module in pkgutil.iter_modules(deprecated.__path__):
        if module.ispkg and not hasattr(pipelines, module.name):
            found = importlib.import_module(f"{deprecated.__name__}.{module.name}")
            setattr(pipelines, module.name, found)
