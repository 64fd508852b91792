"""All errors that brushwork raises on purpose, or stores with a job.

    BrushworkError
    ├── RequestError            the caller's fault: nothing was written, change the request
    │   ├── InvalidRequest      a parameter is missing, unknown or invalid
    │   │   └── JobNotEnded     the job has not ended: no result yet, and it can't be repeated or deleted
    │   ├── UnknownKind         no such kind of job
    │   ├── UnknownModel        no such model in the catalogue, or it serves another kind
    │   ├── InvalidDataset      the archive cannot be read, is too large, or has no classes of pictures
    │   ├── InvalidImage        the picture cannot be read, is too large, or has a format that is not allowed
    │   ├── AddressRefused      pictures by address are disabled, or the address is not allowed
    │   ├── IdempotencyConflict the idempotency key was used for another request
    │   ├── JobNotFound         no job with that id
    │   ├── FileNotFound        no file of that name that the caller may read
    │   ├── RouteNotFound       the gateway has no such path
    │   ├── MethodNotAllowed    the path does not support this HTTP method
    │   ├── UnsupportedMediaType    the path does not accept the type or encoding of the body
    │   ├── RangeNotSatisfiable the file is shorter than the requested range
    │   ├── HeadersTooLarge     the headers exceed the limit of the gateway
    │   ├── PayloadTooLarge     the body exceeds the limit of the gateway
    │   ├── RequestTimeout      the head or the body of the request came too slowly
    │   ├── QuotaExceeded       the stored files of the tenant would exceed its quota of bytes
    │   ├── PolicyRefused       a policy of the operator refuses the request, or its result
    │   ├── Unauthorized        no API key, or an invalid one
    │   ├── Forbidden           the key may not do this
    │   ├── Postponed           the same request may succeed later
    │   │   ├── RateLimited     the key has exceeded its rate of requests
    │   │   ├── BudgetExceeded  the daily budget of the key is used up
    │   │   └── QueueFull       too many jobs of this key or of all keys are open
    │   ├── KeyNotFound         no API key of that id
    │   └── EventNotFound       no webhook event with that id
    ├── NotFinite               a part of the model computed values that are infinite or not a number
    ├── JobFailed               the job ended without a result; raised by clients
    │   └── ResultHeld          the result waits for a reviewer
    ├── WaitTimeout             the job has not ended within the timeout; it continues
    ├── MachineError            the machine's or operator's fault: the request may succeed elsewhere or later
    │   ├── ModelUnavailable    the model cannot be loaded
    │   │   ├── ModelNotHere    its files are not on this machine; pull them
    │   │   ├── ModelFileMissing    a file of the model is missing
    │   │   ├── HashMismatch    a file has another SHA-256 than the pinned one
    │   │   ├── PickledWeights  its weights are pickled; loading them could run code
    │   │   ├── RemoteCode      it needs code from its repository
    │   │   ├── UnknownModelClass   its class is unknown to the library or to all families
    │   │   └── ModelTooLarge   it needs more memory than models may use
    │   ├── ArtifactMissing     a file of a job is not in the artifact store
    │   ├── OutOfMemory         the device has too little memory for this job
    │   ├── DeviceFailed        the device has failed; its worker is replaced
    │   ├── ServiceUnreachable  Redis, the database or the store does not answer
    │   │   └── ServiceMisconfigured    it answers, and refuses our settings or has other tables
    │   ├── SigningFailed       a picture was made, and cannot be signed
    │   │   └── CertificateUnusable     the certificate of the operator cannot sign
    │   ├── TooManyStreams      the process has reached its limit of event streams
    │   ├── TooManyConnections  the gateway has reached its limit of connections
    │   ├── TooManyUploads      the bodies that are being received take all the space that they may
    │   ├── MissingExtra        a package of an optional extra is not installed
    │   ├── PolicyFailed        a policy could not decide, and the operator chose to refuse then
    │   └── PluginFailed        a function of a plug-in raised an exception; the log has the traceback
    └── JobStopped              control flow inside a worker: canceled, or the lease was lost

Codes are stable, so programs can compare them. Messages may change.
"""

from brushwork_schemas.errors.error import BrushworkError as BrushworkError
from brushwork_schemas.errors.error import Fault as Fault
from brushwork_schemas.errors.error import MachineError as MachineError
from brushwork_schemas.errors.error import RequestError as RequestError
from brushwork_schemas.errors.gateway_refusals import HeadersTooLarge as HeadersTooLarge
from brushwork_schemas.errors.gateway_refusals import MethodNotAllowed as MethodNotAllowed
from brushwork_schemas.errors.gateway_refusals import PayloadTooLarge as PayloadTooLarge
from brushwork_schemas.errors.gateway_refusals import QuotaExceeded as QuotaExceeded
from brushwork_schemas.errors.gateway_refusals import RangeNotSatisfiable as RangeNotSatisfiable
from brushwork_schemas.errors.gateway_refusals import RequestTimeout as RequestTimeout
from brushwork_schemas.errors.gateway_refusals import RouteNotFound as RouteNotFound
from brushwork_schemas.errors.gateway_refusals import TooManyConnections as TooManyConnections
from brushwork_schemas.errors.gateway_refusals import TooManyStreams as TooManyStreams
from brushwork_schemas.errors.gateway_refusals import TooManyUploads as TooManyUploads
from brushwork_schemas.errors.gateway_refusals import UnsupportedMediaType as UnsupportedMediaType
from brushwork_schemas.errors.signing import CertificateUnusable as CertificateUnusable
from brushwork_schemas.errors.signing import SigningFailed as SigningFailed


class InvalidRequest(RequestError):
    """A parameter is missing, unknown or invalid."""

    code = "invalid_request"


class JobNotEnded(InvalidRequest):
    """The job has not ended, so it has no result, and can be neither run again nor deleted."""

    code = "job_not_ended"


class UnknownKind(RequestError):
    """There is no such kind of job."""

    code = "unknown_kind"


class UnknownModel(RequestError):
    """The catalogue has no such model, or the model serves another kind."""

    code = "unknown_model"


class InvalidImage(RequestError):
    """The picture cannot be read, is too large, or has a format that is not allowed."""

    code = "invalid_image"


class InvalidDataset(RequestError):
    """The archive cannot be read, exceeds a limit, or has no folders of pictures."""

    code = "invalid_dataset"


class AddressRefused(RequestError):
    """Pictures by address are disabled, or the address is not allowed."""

    code = "address_refused"


class IdempotencyConflict(RequestError):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"


class JobNotFound(RequestError):
    """The ledger has no job with that id."""

    code = "job_not_found"


class EventNotFound(RequestError):
    """The outbox has no webhook event with that id."""

    code = "event_not_found"


class FileNotFound(RequestError):
    """The store has no file of that name that the caller may read."""

    code = "file_not_found"


class KeyNotFound(RequestError):
    """No API key has that id."""

    code = "key_not_found"


class PolicyRefused(RequestError):
    """A policy of the operator refuses the request, or the result of the job."""

    code = "policy_refused"


class Unauthorized(RequestError):
    """There is no API key, or an invalid one."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The key lacks the right for this, or the origin of the request is not allowed."""

    code = "forbidden"


class Postponed(RequestError):
    """The request is valid, and may succeed later.

    Args:
        message: What is wrong, in one sentence.
        retry_after_s: Seconds after which to try again.
        hint: How to fix it.
    """

    code = "postponed"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Postponed):
    """The key has exceeded its rate of requests."""

    code = "rate_limited"


class BudgetExceeded(Postponed):
    """The daily budget of the key is used up."""

    code = "budget_exceeded"


class QueueFull(Postponed):
    """Too many jobs of this key, or of all keys, are open."""

    code = "queue_full"


class JobFailed(BrushworkError):
    """The job ended without a result. The message has the code of the job's own error."""

    code = "job_failed"


class ResultHeld(JobFailed):
    """The job has ended, and its result waits for a reviewer."""

    code = "result_held"


class WaitTimeout(BrushworkError, TimeoutError):
    """The job has not ended within the timeout. It continues."""

    code = "wait_timeout"
    fault = "caller"


class NotFinite(BrushworkError):
    """A part of the model computed values that are infinite or not a number. It would do so again.

    Args:
        fault: The operator's, whose files are damaged, unless the request is the cause.
    """

    code = "not_finite"
    fault: Fault = "operator"

    def __init__(
        self, message: str, *, fault: Fault = "operator", field: str | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.fault = fault


class ModelUnavailable(MachineError):
    """The model cannot be loaded."""

    code = "model_unavailable"
    fault = "operator"


class ModelNotHere(ModelUnavailable):
    """The files of the model are not on this machine."""

    code = "model_not_here"


class ModelFileMissing(ModelUnavailable):
    """A file of the model is missing."""

    code = "model_file_missing"


class HashMismatch(ModelUnavailable):
    """A file of the model has another SHA-256 than the pinned one."""

    code = "hash_mismatch"


class PickledWeights(ModelUnavailable):
    """The weights are pickled. To load them could run code."""

    code = "pickled_weights"


class RemoteCode(ModelUnavailable):
    """The model needs code from its repository."""

    code = "remote_code"


class UnknownModelClass(ModelUnavailable):
    """The configuration of the model names a class that is unknown to the library or to all families."""

    code = "unknown_model_class"


class ModelTooLarge(ModelUnavailable):
    """The model needs more memory than models may use."""

    code = "model_too_large"


class ArtifactMissing(MachineError):
    """A file of a job is not in the artifact store."""

    code = "artifact_missing"


class DeviceFailed(MachineError):
    """The device has failed. Its worker is replaced."""

    code = "device_failed"


class OutOfMemory(MachineError):
    """The device has too little memory for this job."""

    code = "out_of_memory"


class ServiceUnreachable(MachineError):
    """Redis, the database or the artifact store does not answer."""

    code = "service_unreachable"


class ServiceMisconfigured(ServiceUnreachable):
    """Redis, the database or the store refuses our settings, or its tables are of another version.

    The same settings will be refused again, until an operator changes something.
    """

    code = "service_misconfigured"
    fault = "operator"


class MissingExtra(MachineError):
    """A package of an optional extra is not installed."""

    code = "missing_extra"
    fault = "operator"


class PolicyFailed(MachineError):
    """A policy raised an exception or took too long, and the operator chose to refuse then."""

    code = "policy_failed"
    fault = "operator"


class PluginFailed(MachineError):
    """A function of a plug-in raised an exception that is not about the request; see the log."""

    code = "plugin_failed"
    fault = "operator"


class JobStopped(BrushworkError):
    """Raised inside a running job to stop it: it was canceled, expired or lost its lease."""

    code = "stopped"
