"""Scores of pictures by an image classifier of the catalogue, through the batcher like other model calls."""

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from brushwork_core.ledger import Ledger
from brushwork_core.ledger.transitions import STEPS
from brushwork_core.media.decoders.current import on_behalf_of
from brushwork_schemas.catalogue import Model
from brushwork_schemas.kinds.image_classification import ImageClassificationRequest
from PIL import Image

from brushwork_workers.batching.model_executor import ModelExecutor
from brushwork_workers.execution.attempt import Attempt
from brushwork_workers.execution.attempt_start import AttemptStart
from brushwork_workers.execution.exclusive_gate import ExclusiveGate
from brushwork_workers.execution.service_patience import LOOK_EVERY_S, ServicePatience
from brushwork_workers.model_cache.load_postponed import LoadPostponed
from brushwork_workers.model_cache.loaded_model import LoadedModel
from brushwork_workers.model_cache.model_manager import ModelManager

KIND = "image-classification"
MOST_LABELS = 1000
Scores = Mapping[str, float]


class _OnePicture:
    """The context of a handler that classifies a picture which is in memory."""

    def __init__(self, attempt: Attempt, picture: Image.Image) -> None:
        self._attempt = attempt
        self._picture = picture.convert("RGB")
        self.job_id = attempt.claim.job_id

    def picture(self, sha256: str) -> Image.Image:
        """Return the picture."""
        return self._picture

    def warn(self, warning: Any) -> None:
        """Leave the warning out: it is about a request that nobody has sent."""

    def progress(self, step: int, total: int) -> None:
        """Stop if the job must stop."""
        self._attempt.check()

    def check_stop(self) -> None:
        """Stop if the job must stop."""
        self._attempt.check()


class PictureScores:
    """Classifies the pictures of results.

    A job holds neither its own model nor the gate when it waits for the classifier, so the two models need
    not fit into memory together.

    Args:
        model_manager: Loads the classifiers.
        model_executor: Runs their calls.
        ledger: Records whether the attempt rests or performs.
        patience: Repeats ledger calls while the database cannot be reached.
        exclusive_gate: Gives exclusive access to jobs that have to be alone.
    """

    def __init__(
        self,
        model_manager: ModelManager,
        model_executor: ModelExecutor,
        ledger: Ledger,
        patience: ServicePatience,
        exclusive_gate: ExclusiveGate,
    ) -> None:
        self._model_manager = model_manager
        self._model_executor = model_executor
        self._ledger = ledger
        self._patience = patience
        self._exclusive_gate = exclusive_gate

    def of(
        self, attempt: Attempt, name: str, labels: Sequence[str], pictures: Sequence[Image.Image]
    ) -> list[Scores]:
        """Return the scores of pictures, 0 to 1, by label.

        Args:
            attempt: The attempt that made the pictures.
            name: Name of the classifier.
            labels: Labels to choose from, for a classifier without labels of its own.
            pictures: The pictures.

        Raises:
            ModelUnavailable: This worker cannot load the classifier.
            JobStopped: The job must stop.
            LoadPostponed: The worker is stopping, or another job waits for exclusive access.
        """
        model = self._model_manager.named(name, KIND)
        while True:
            try:
                return self._classified(attempt, model, labels, pictures)
            except LoadPostponed as postponed:
                # A finished job does not run again only because its classifier is in demand.
                if postponed.after_s == 0 or self._exclusive_gate.has_exclusive_waiter:
                    raise
                self._pause(attempt, postponed.after_s)

    def _pause(self, attempt: Attempt, seconds: float) -> None:
        left = seconds
        while left > 0 and not self._exclusive_gate.has_exclusive_waiter:
            attempt.check()
            time.sleep(min(LOOK_EVERY_S, left))
            left -= LOOK_EVERY_S

    def _classified(
        self, attempt: Attempt, model: Model, labels: Sequence[str], pictures: Sequence[Image.Image]
    ) -> list[Scores]:
        start = AttemptStart(attempt, self._ledger, self._patience, self._exclusive_gate)
        with ExitStack() as held:
            reservation = held.enter_context(self._model_manager.reserve(model, start.while_waiting))
            held.enter_context(start.begun())
            loaded = self._model_manager.load(reservation, start.while_loading)
            request = _request_of(model, labels)
            job = self._model_executor.job(
                attempt,
                model=model.name,
                priority=STEPS[attempt.claim.priority],
                alone=bool(attempt.claim.request.get("deterministic")),
                on_progress=attempt.touch,
            )
            with job, on_behalf_of(attempt.claim.job_id, None):
                return [_scores(loaded, request, _OnePicture(attempt, each)) for each in pictures]


def _request_of(model: Model, labels: Sequence[str]) -> ImageClassificationRequest:
    given = tuple(labels) if "candidate_labels" in model.accepts else None
    return ImageClassificationRequest(
        image="0" * 64, model=model.name, top_k=MOST_LABELS, candidate_labels=given
    )


def _scores(loaded: LoadedModel, request: ImageClassificationRequest, context: Any) -> Scores:
    fields = loaded.handler_of(KIND).perform(request, context)
    return {each.label: each.score for each in fields["predictions"]}
