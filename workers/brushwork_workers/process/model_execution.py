"""Creates what runs the heavy calls of a worker's models."""

from collections.abc import Callable, Collection

import torch
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.errors import InvalidRequest, UnknownModel
from brushwork_schemas.wording.phrase import said

from brushwork_workers.batching.batcher import Batcher
from brushwork_workers.batching.caching_executor import CachingExecutor
from brushwork_workers.batching.model_executor import ModelExecutor, SerialExecutor
from brushwork_workers.batching.prompt_cache import PromptCache
from brushwork_workers.batching.stats import BatchStats
from brushwork_workers.device.selection import default_pixels
from brushwork_workers.execution.job_group import JobGroups
from brushwork_workers.model_cache.loaded_model import LoadedModel

CLASSIFICATION = "image-classification"


def new_model_executor(
    settings: Settings,
    device: torch.device,
    prompt_cache: PromptCache,
    on_batch: Callable[[BatchStats], None],
) -> ModelExecutor:
    """Return the executor that the settings ask for.

    Args:
        settings: Limits of a batch and of the prompt cache, and the number of workers that share the cores.
        device: The worker's device.
        prompt_cache: Keeps what text encoders return.
        on_batch: Called after every successful batch.
    """
    rows, pixels = settings.max_batch_rows, _most_pixels(settings, device)
    num_threads = max(1, torch.get_num_threads() // settings.workers_here)
    # On a GPU, a pipeline waits for its pictures to be copied from the device; others must not wait, too.
    is_cooperative = device.type == "cpu"
    own = (
        SerialExecutor()
        if rows == 1
        else Batcher(rows, pixels, on_batch, num_threads, is_cooperative=is_cooperative)
    )
    if not settings.prompt_cache_mb:
        return own
    return CachingExecutor(own, prompt_cache, shares_batches=rows > 1)


def new_job_groups(
    settings: Settings, device: torch.device, loaded: Callable[[str], LoadedModel | None]
) -> JobGroups:
    """Return what chooses the jobs that run in one thread.

    Args:
        settings: Limits of a batch.
        device: The worker's device.
        loaded: Returns a model that is loaded.
    """
    return JobGroups(loaded, max_rows=settings.max_batch_rows, max_pixels=_most_pixels(settings, device))


def _most_pixels(settings: Settings, device: torch.device) -> int:
    return settings.max_batch_pixels or default_pixels(device)


def chosen_models(
    catalogue: Catalogue, names: str | None, kinds: Collection[str], classifiers: Collection[str] = ()
) -> list[Model]:
    """Return the models that a worker serves.

    Args:
        catalogue: All models.
        names: Names, separated by commas; None for all models of its kinds.
        kinds: The kinds of the worker.
        classifiers: Names of the image classifiers that policies need, whatever the worker serves.

    Raises:
        InvalidRequest: The catalogue has no such classifier.
    """
    for name in classifiers:
        try:
            catalogue.named(name, CLASSIFICATION)
        except UnknownModel as error:
            raise InvalidRequest(
                said("Invalid policies: {message}", message=error.message), field="policies", hint=error.hint
            ) from error
    chosen = {name.strip() for name in names.split(",")} if names else None
    return [
        model
        for model in catalogue
        if model.name in classifiers
        or (set(model.kinds) & set(kinds) and (chosen is None or model.name in chosen))
    ]
