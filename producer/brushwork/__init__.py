"""A queue for image work: submit jobs, wait for them, fetch their results.

The import is light: it loads the schemas, pydantic and pydantic-settings. A client loads what it needs when
it is opened: httpx for a gateway; Celery, SQLAlchemy and obstore for a direct connection. It never loads the
code of the workers, which is in `brushwork_workers`.
"""

from brushwork_core.settings.settings import Settings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.errors import (
    BrushworkError,
    IdempotencyConflict,
    InvalidImage,
    InvalidRequest,
    JobFailed,
    JobNotEnded,
    JobNotFound,
    RequestError,
    ServiceUnreachable,
    UnknownKind,
    UnknownModel,
    WaitTimeout,
)
from brushwork_schemas.job import Job, JobError, Progress
from brushwork_schemas.options import Priority
from brushwork_schemas.preview import Preview
from brushwork_schemas.states import JobState

from brushwork.async_client import AsyncClient
from brushwork.client import Client
from brushwork.transports.job_events import JobEvent
from brushwork.typed.arguments import UntypedKind

__version__ = "0.1.0"

__all__ = [
    "Artifact",
    "AsyncClient",
    "BrushworkError",
    "Client",
    "IdempotencyConflict",
    "InvalidImage",
    "InvalidRequest",
    "Job",
    "JobError",
    "JobEvent",
    "JobFailed",
    "JobNotEnded",
    "JobNotFound",
    "JobState",
    "Preview",
    "Priority",
    "Progress",
    "RequestError",
    "ServiceUnreachable",
    "Settings",
    "UnknownKind",
    "UnknownModel",
    "UntypedKind",
    "WaitTimeout",
    "__version__",
]
