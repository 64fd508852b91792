"""What the gateway refuses because of how a request is sent, or because it has enough to do."""

from brushwork_schemas.errors.error import MachineError, RequestError


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
    """The body of the request exceeds the limit of the gateway."""

    code = "payload_too_large"


class TooManyStreams(MachineError):
    """The process has reached its limit of event streams and waits."""

    code = "too_many_streams"


class RequestTimeout(RequestError):
    """The client sent the head or the body of its request too slowly, or not at all."""

    code = "request_timeout"


class QuotaExceeded(RequestError):
    """The stored files of the tenant would take more bytes than its quota."""

    code = "quota_exceeded"


class TooManyConnections(MachineError):
    """The gateway holds as many connections as it may, and each of them is busy."""

    code = "too_many_connections"


class TooManyUploads(MachineError):
    """The bodies that are being received take all the memory or disk that they may take together."""

    code = "too_many_uploads"
