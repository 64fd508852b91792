"""What the files of a job say about their origin: read once, for a file never changes."""

from collections.abc import Sequence
from functools import lru_cache

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.errors import BrushworkError

from brushwork.gateway.services import Services
from brushwork.inputs.file_origin import FIELD
from brushwork.page.views.job_view import JobDetails

MOST_CACHED = 1024
# As many as a request of the included kinds may ask for.
MOST_READ = 16


def histories_of(details: JobDetails, services: Services) -> Sequence[ProvenanceReport | None]:
    """Return what each picture of a job says about its origin.

    Returns:
        A report for each picture of the result; None for one that can't be read now, and for those after the
        sixteenth. Nothing if the job has made no picture. The jobs that made them are not searched.
    """
    if not details.makes_pictures:
        return ()
    read = [_history(services, picture.sha256) for picture in details.pictures[:MOST_READ]]
    return [*read, *[None] * (len(details.pictures) - len(read))]


def _history(services: Services, sha256: str) -> ProvenanceReport | None:
    try:
        return _report(services.backend.decoder, services.store, sha256)
    except BrushworkError:
        # The page shows the rest of the job.
        return None


@lru_cache(maxsize=MOST_CACHED)
def _report(decoder: Decoder, store: ArtifactStore, sha256: str) -> ProvenanceReport:
    return decoder.report(store.get(sha256), FIELD).report
