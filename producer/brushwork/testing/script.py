"""The outcomes of jobs that a test has set for the fake worker."""

import hashlib
import io
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.provenance.marks.encoding import PNG, FileForm, encoded
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.provenance.picture_writer import OutputChoices
from brushwork_schemas.artifact import MP4, Artifact
from brushwork_schemas.errors import BrushworkError
from brushwork_schemas.job import Job, JobError
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import kind_named
from brushwork_schemas.kinds.result import Result
from PIL import Image

from brushwork.testing.sample_explanation import sample_explanation

# A result of the kind, some of its fields, its short form, or an error; None is the sample result.
Outcome = Result | Mapping[str, Any] | Sequence[Any] | str | bytes | Image.Image | BaseException | None
# A field that only videos have. Their posters are JPEGs.
POSTER, _POSTER_FORM = "poster", FileForm("jpeg")
ScriptedOutcome = Outcome | Callable[[Job], Outcome]


class Script:
    """The outcomes of jobs, by kind. Safe to share between threads.

    Args:
        store: Stores the files of results.
    """

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store
        self._outcomes: dict[str, list[ScriptedOutcome]] = defaultdict(list)
        self._lock = threading.Lock()

    def set_outcomes(self, kind: str, outcomes: Sequence[ScriptedOutcome]) -> None:
        """Set the outcomes of the next jobs of this kind. The last one is used for all later jobs.

        Raises:
            UnknownKind: There is no such kind.
        """
        with self._lock:
            self._outcomes[kind_named(kind).name] = list(outcomes)

    def next_outcome(self, job: Job) -> Result | JobError:
        """Return the result or error of a running job, and move on to the next outcome of its kind."""
        with self._lock:
            left = self._outcomes[job.kind]
            scripted = left.pop(0) if len(left) > 1 else (left[0] if left else None)
        return self.outcome(job, scripted)

    def outcome(self, job: Job, scripted: ScriptedOutcome) -> Result | JobError:
        """Return the result or error that `scripted` stands for."""
        try:
            given = scripted(job) if callable(scripted) else scripted
        except Exception as error:
            given = error
        if isinstance(given, BrushworkError):
            return JobError.of(given)
        if isinstance(given, BaseException):
            message = f"The job failed with a bug ({type(given).__name__}: {given})."
            return JobError(code="internal", message=message, fault="machine")
        if isinstance(given, Result):
            return given
        try:
            sample = kind_named(job.kind).sample(job, self._picture)
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            message = f"The function sample of the kind {job.kind} failed ({reason})."
            return JobError(code="internal", message=message, fault="machine")
        return self._result(job, sample, given)

    def _result(self, job: Job, sample: Mapping[str, Any], given: Any) -> Result:
        kind = kind_named(job.kind)
        fields = {**sample, **_fields(kind, given)}
        if "explanation" not in fields:
            fields["explanation"] = sample_explanation(job, fields, self._picture)
        for made in ("images", "videos"):
            if made in fields:
                seed = fields.setdefault("seed", job.request.seed)
                fields.setdefault("seeds", [seed + number for number in range(len(fields[made]))])
        form = OutputChoices.of(job.request).form
        fields["explanation"] = self._stored_explanation(fields["explanation"], form)
        stored = {name: self._stored(value, form) for name, value in fields.items()}
        return kind.result_type.model_validate({"provenance": _provenance(job), **stored})

    def _stored_explanation(self, given: Any, form: FileForm) -> Any:
        """Store the files of an explanation that is given by its fields."""
        if not isinstance(given, Mapping):
            return given
        maps = [
            {name: self._stored(value, form if name == "pair" else None) for name, value in each.items()}
            for each in given.get("maps", ())
        ]
        return {**given, "maps": maps}

    def _picture_file(self, picture: Image.Image, form: FileForm) -> Artifact:
        data = encoded(picture, form)
        names = {
            "pixels_sha256": pixels_sha256(picture),
            "unsigned_sha256": hashlib.sha256(data).hexdigest(),
        }
        return self._store.put_picture(data).model_copy(update=names)

    def _stored(self, value: Any, form: FileForm | None) -> Any:
        """Store the pictures and files within `value`, and return it with artifacts in their place.

        Args:
            value: A field of a result, or a part of one.
            form: How pictures are written; None for findings, which are plain PNGs.
        """
        match value:
            case (bytes(data), str(media_type)):
                return self._file(data, media_type)
        if isinstance(value, Image.Image):
            if form is None:
                return self._store.put_picture(encoded(value, PNG))
            return self._picture_file(value, form)
        if isinstance(value, bytes):
            return self._store.put_picture(value)
        if isinstance(value, list | tuple):
            return tuple(self._stored(each, form) for each in value)
        if isinstance(value, Mapping):
            form = _POSTER_FORM if POSTER in value else form
            return {name: self._stored(each, form) for name, each in value.items()}
        return value

    def _file(self, data: bytes, media_type: str) -> Artifact:
        if media_type != MP4:
            return self._store.put_file(data, media_type)
        return self._store.put_picture(data).model_copy(
            update={"unsigned_sha256": hashlib.sha256(data).hexdigest()}
        )

    def _picture(self, sha256: str) -> Image.Image:
        return Image.open(io.BytesIO(self._store.get(sha256)))


def _fields(kind: Kind, given: Any) -> Mapping[str, Any]:
    """Return the result fields that a test has given, in full or as a short form.

    Raises:
        TypeError: It is not a result of this kind.
    """
    if given is None:
        return {}
    short = kind.from_short(given)
    if short is not None:
        return short
    if isinstance(given, Mapping):
        return given
    raise TypeError(f"a {type(given).__name__} is not a result of {kind.name}")


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
