"""Every error that a caller, an operator or a stored job can meet.

    BrushworkError
    ├── RequestError            the caller's fault: nothing was written, change the request
    │   ├── InvalidRequest      a parameter is missing, unknown, of the wrong type or out of its limits
    │   │   └── JobNotEnded     only a job that has ended can be run again
    │   ├── UnknownKind         no such kind of job
    │   ├── UnknownModel        no such model in the catalogue, or it serves another kind
    │   ├── InvalidDataset      the archive can't be read, is too large, or holds no classes of pictures
    │   ├── InvalidImage        the picture can't be read, is of a format not allowed, or too large
    │   ├── AddressRefused      pictures by address are off, or this address may not be fetched
    │   ├── IdempotencyConflict a key that stands for another request
    │   ├── JobNotFound         no job with that id
    │   ├── FileNotFound        no file of that name, or none that this caller may see
    │   ├── RouteNotFound       the gateway has no such path
    │   ├── MethodNotAllowed    the path does not support this HTTP method
    │   ├── UnsupportedMediaType    the body has a type or an encoding that the path does not accept
    │   ├── RangeNotSatisfiable the file is shorter than the requested range
    │   ├── HeadersTooLarge     the headers are larger than the gateway accepts
    │   ├── PayloadTooLarge     more bytes than the gateway takes at once
    │   ├── Unauthorized        no key, or none that is known and in force
    │   ├── Forbidden           the key may not do this
    │   ├── Postponed           nothing is wrong with the request but its time
    │   │   ├── RateLimited     more requests than the key may make; later is better
    │   │   ├── BudgetExceeded  the key's budget of today is used up
    │   │   └── QueueFull       too many jobs wait, of this key or of all
    │   ├── KeyNotFound         no API key of that id
    │   └── EventNotFound       no webhook event with that id
    ├── JobFailed               raised by a client that asked for the result of a job that has none
    ├── WaitTimeout             the job has not ended within the caller's time; it goes on
    ├── MachineError            the machine's or operator's fault: the request may work elsewhere or later
    │   ├── ModelUnavailable    the model can't be loaded here
    │   │   ├── ModelNotHere    none of its files is on this machine: pull it
    │   │   ├── ModelFileMissing    one of its files is not there
    │   │   ├── HashMismatch    a file is not the one that was pinned
    │   │   ├── PickledWeights  its weights are pickled: loading them would run code
    │   │   ├── RemoteCode      it wants code of its own to be run
    │   │   ├── UnknownModelClass   it names a class that the library lacks, or of no known family
    │   │   └── ModelTooLarge   it does not fit into the memory that models may use
    │   ├── ArtifactMissing     a file that a job refers to is not in the store
    │   ├── OutOfMemory         the device has too little memory for this job
    │   ├── DeviceFailed        the device does not compute any more; its worker is replaced
    │   ├── ServiceUnreachable  Redis, the database or the store does not answer
    │   ├── TooManyStreams      this process has as many open event streams as it takes
    │   └── MissingExtra        packages that this part of brushwork needs are not installed
    └── JobStopped              control flow inside a worker: canceled, or the lease was lost

A code is stable: programs may compare it. The words after it may change.
"""

from typing import ClassVar, Literal

Fault = Literal["caller", "machine", "operator"]


class BrushworkError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: What happened, in one sentence.
        field: The parameter or setting it is about, if one.
        hint: What to do about it.
    """

    code: ClassVar[str] = "internal"
    fault: ClassVar[Fault] = "machine"

    def __init__(self, message: str, *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.hint = hint
        # Of several requests that were sent together, which one it is about.
        self.index: int | None = None

    def __str__(self) -> str:
        return f"{self.message} {self.hint}" if self.hint else self.message


class RequestError(BrushworkError):
    """The caller's fault; sending the same request again fails again.

    Raised itself where the gateway cannot read a request as HTTP, or a body as the form that it claims to be.
    """

    code = "bad_request"
    fault = "caller"


class InvalidRequest(RequestError):
    """A parameter is missing, unknown, of the wrong type or out of its limits."""

    code = "invalid_request"


class JobNotEnded(InvalidRequest):
    """The job has not ended yet: only one that has can be run again."""

    code = "job_not_ended"


class UnknownKind(RequestError):
    """There is no such kind of job."""

    code = "unknown_kind"


class UnknownModel(RequestError):
    """The catalogue has no such model, or the model serves another kind."""

    code = "unknown_model"


class InvalidImage(RequestError):
    """The picture can't be read, is of a format that is not allowed, or is too large."""

    code = "invalid_image"


class InvalidDataset(RequestError):
    """The archive can't be read, breaks a limit, or does not hold folders of pictures."""

    code = "invalid_dataset"


class AddressRefused(RequestError):
    """Pictures by address are switched off, or this address may not be fetched."""

    code = "address_refused"


class IdempotencyConflict(RequestError):
    """The idempotency key was used before, for another request."""

    code = "idempotency_conflict"


class JobNotFound(RequestError):
    """The ledger has no job with that id."""

    code = "job_not_found"


class EventNotFound(RequestError):
    """The outbox has no webhook event with that id."""

    code = "event_not_found"


class FileNotFound(RequestError):
    """The store has no file of that name, or none that this caller may see."""

    code = "file_not_found"


class KeyNotFound(RequestError):
    """There is no API key of that id."""

    code = "key_not_found"


class RouteNotFound(RequestError):
    """The gateway has no such path."""

    code = "not_found"


class MethodNotAllowed(RequestError):
    """The path does not support this HTTP method."""

    code = "method_not_allowed"


class UnsupportedMediaType(RequestError):
    """The body has a media type or a content encoding that the path does not accept."""

    code = "unsupported_media_type"


class RangeNotSatisfiable(RequestError):
    """The file is shorter than the requested range."""

    code = "range_not_satisfiable"


class HeadersTooLarge(RequestError):
    """The headers of the request are larger than the gateway accepts."""

    code = "request_header_fields_too_large"


class PayloadTooLarge(RequestError):
    """More bytes than the gateway takes at once."""

    code = "payload_too_large"


class Unauthorized(RequestError):
    """There is no key, or none that is known and in force."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The key may not do this, or the request comes from where none may come from."""

    code = "forbidden"


class Postponed(RequestError):
    """Nothing is wrong with the request but its time.

    Args:
        message: What happened.
        retry_after_s: When to come again, in seconds.
        hint: What to do about it.
    """

    code = "postponed"

    def __init__(self, message: str, *, retry_after_s: float = 1.0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class RateLimited(Postponed):
    """More requests than the key may make in this time."""

    code = "rate_limited"


class BudgetExceeded(Postponed):
    """The key's budget of today is used up."""

    code = "budget_exceeded"


class QueueFull(Postponed):
    """Too many jobs wait already, of this key or of all."""

    code = "queue_full"


class JobFailed(BrushworkError):
    """The job ended without a result; `code` of the job's own error is in the message."""

    code = "job_failed"


class WaitTimeout(BrushworkError, TimeoutError):
    """The job has not ended within the caller's time; the job itself goes on."""

    code = "wait_timeout"
    fault = "caller"


class MachineError(BrushworkError):
    """The machine's or the operator's fault; the same request may work elsewhere or later."""

    code = "machine_error"


class ModelUnavailable(MachineError):
    """The model can't be loaded here."""

    code = "model_unavailable"
    fault = "operator"


class ModelNotHere(ModelUnavailable):
    """None of the model's files is on this machine."""

    code = "model_not_here"


class ModelFileMissing(ModelUnavailable):
    """One of the model's files is not there."""

    code = "model_file_missing"


class HashMismatch(ModelUnavailable):
    """A file of the model is not the one that was pinned."""

    code = "hash_mismatch"


class PickledWeights(ModelUnavailable):
    """The model's weights are pickled: to load them would be to run whatever they hold."""

    code = "pickled_weights"


class RemoteCode(ModelUnavailable):
    """The model wants code of its own to be run."""

    code = "remote_code"


class UnknownModelClass(ModelUnavailable):
    """The model's configuration names a class that the library lacks, or one of no known family."""

    code = "unknown_model_class"


class ModelTooLarge(ModelUnavailable):
    """The model does not fit into the memory that models may use."""

    code = "model_too_large"


class ArtifactMissing(MachineError):
    """A file that a job refers to is not in the artifact store."""

    code = "artifact_missing"


class DeviceFailed(MachineError):
    """The device does not compute any more, whatever it is given; its worker is replaced."""

    code = "device_failed"


class OutOfMemory(MachineError):
    """The device has too little memory for this job."""

    code = "out_of_memory"


class ServiceUnreachable(MachineError):
    """Redis, the database or the artifact store does not answer."""

    code = "service_unreachable"


class TooManyStreams(MachineError):
    """This process has as many open event streams and waits as it takes."""

    code = "too_many_streams"


class MissingExtra(MachineError):
    """A part of brushwork was called whose packages are not installed."""

    code = "missing_extra"
    fault = "operator"


class JobStopped(BrushworkError):
    """Raised inside a running job to leave it: it was canceled, or its lease is lost."""

    code = "stopped"
