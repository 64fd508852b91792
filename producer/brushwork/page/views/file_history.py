"""What the files of a job say about their origin: read once, for a file never changes."""

from functools import lru_cache

from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.media.decoders.decoder import Decoder
from brushwork_schemas.artifact.provenance_report import ProvenanceReport
from brushwork_schemas.errors import BrushworkError

from brushwork.gateway.services import Services
from brushwork.inputs.file_origin import FIELD
from brushwork.page.views.job_view import JobDetails

MOST_CACHED = 256


def history_of(details: JobDetails, services: Services) -> ProvenanceReport | None:
    """Return what the first picture or video of a job says about its origin.

    Returns:
        None if the job has made neither, or if the file can't be read now. The jobs that made it are
        not searched.
    """
    file = details.main_file
    if not details.makes_pictures or file is None:
        return None
    try:
        return _report(services.backend.decoder, services.store, file.sha256)
    except BrushworkError:
        # The page shows the rest of the job.
        return None


@lru_cache(maxsize=MOST_CACHED)
def _report(decoder: Decoder, store: ArtifactStore, sha256: str) -> ProvenanceReport:
    return decoder.report(store.get(sha256), FIELD).report
