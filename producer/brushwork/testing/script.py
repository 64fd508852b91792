"""What a fake worker answers, as the test has written it."""

import io
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.pictures import encode_png
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.result import Result
from PIL import Image

# A result of the kind, or part of one; a function of the job that returns one or raises; an error.
Outcome = Result | Mapping[str, Any] | Sequence[Any] | str | bytes | Image.Image | BaseException | None
Written = Outcome | Callable[[Job], Outcome]


class Script:
    """Outcomes by kind.

    Args:
        store: Where the pictures of results go.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._written: dict[str, list[Written]] = defaultdict(list)
        self._lock = threading.Lock()

    def write(self, kind: str, outcomes: Sequence[Written]) -> None:
        """Answer jobs of this kind by these, one after the other; the last is for all that follow.

        Raises:
            UnknownKind: There is no such kind.
        """
        with self._lock:
            self._written[kind_named(kind).name] = list(outcomes)

    def play(self, job: Job) -> Result | JobError:
        """What becomes of a running job."""
        with self._lock:
            left = self._written[job.kind]
            written = left.pop(0) if len(left) > 1 else (left[0] if left else None)
        return self.outcome(job, written)

    def outcome(self, job: Job, written: Written) -> Result | JobError:
        """What becomes of a running job by that."""
        try:
            said = written(job) if callable(written) else written
        except Exception as error:
            said = error
        if isinstance(said, BrushworkError):
            return JobError.of(said)
        if isinstance(said, BaseException):
            message = f"The job ended in a bug ({type(said).__name__}: {said})."
            return JobError(code="internal", message=message, fault="machine")
        return said if isinstance(said, Result) else self._result(job, said)

    def _result(self, job: Job, said: Any) -> Result:
        kind = kind_named(job.kind)
        fields = {**kind.sample(job, self._picture), **_fields(kind, said)}
        if "images" in fields:
            seed = fields.setdefault("seed", job.request.seed)
            fields.setdefault("seeds", [seed + number for number in range(len(fields["images"]))])
        stored = {name: self._stored(value) for name, value in fields.items()}
        return kind.result_type.model_validate({"provenance": _provenance(job), **stored})

    def _stored(self, value: Any) -> Any:
        """The value with artifacts in place of pictures and other files."""
        match value:
            case (bytes(data), str(media_type)):
                return self._store.put_file(data, media_type)
        if isinstance(value, Image.Image):
            return self._store.put_picture(encode_png(value))
        if isinstance(value, bytes):
            return self._store.put_picture(value)
        if isinstance(value, list | tuple):
            return tuple(self._stored(each) for each in value)
        return value

    def _picture(self, sha256: str) -> Image.Image:
        return Image.open(io.BytesIO(self._store.get(sha256)))


def _fields(kind: Kind, said: Any) -> Mapping[str, Any]:
    """Return the result fields for what a test has written.

    Raises:
        TypeError: It is not a result of this kind.
    """
    if said is None:
        return {}
    short = kind.from_short(said)
    if short is not None:
        return short
    if isinstance(said, Mapping):
        return said
    raise TypeError(f"a {type(said).__name__} is not a result of {kind.name}")


def _provenance(job: Job) -> dict[str, Any]:
    return {
        "model": job.model,
        "model_revision": "fake",
        "versions": {},
        "device": "none",
        "dtype": "none",
        "worker": "fake",
        "attempt": job.attempt,
        "timings": {"queued_s": 0.0, "loading_s": 0.0, "running_s": 0.0},
    }
