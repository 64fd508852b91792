"""Tells the faults of an artifact store apart: each has its own error, text and hint.

obstore has few classes of errors, so the answer of the server and the error of the system are read from the
text of the error. No text of obstore is passed on: it has addresses, XML and internals of the library.
"""

import errno
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from brushwork_schemas.errors import ServiceUnreachable
from brushwork_schemas.errors.store import (
    SETTING,
    BucketMissing,
    StoreDenied,
    StoreFull,
    StoreMisconfigured,
    StoreReadOnly,
    StoreUnreachable,
    WrongRegion,
)
from brushwork_schemas.wording.phrase import private, said


@dataclass(frozen=True)
class _Fault:
    error: type[ServiceUnreachable]
    # Takes `{answer}`: the status and the error code of the server, or the reason of the system.
    message: str
    hint: str


_MISSING = _Fault(
    BucketMissing,
    "The bucket of the artifact store does not exist ({answer}).",
    hint="Create the bucket that BRUSHWORK_ARTIFACTS_URL names, or correct the setting.",
)
_DENIED = _Fault(
    StoreDenied,
    "The artifact store denies access ({answer}).",
    hint="Grant s3:GetObject, s3:PutObject and s3:DeleteObject on the objects and s3:ListBucket on the "
    "bucket, or what corresponds to them (docs/storage.md).",
)
_CREDENTIALS = _Fault(
    StoreDenied,
    "The artifact store refuses the credentials ({answer}).",
    hint="Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the role of this machine.",
)
_NO_CREDENTIALS = _Fault(
    StoreDenied,
    "No credentials for the artifact store were found ({answer}).",
    hint="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role (docs/storage.md).",
)
_CLOCK = _Fault(
    StoreDenied,
    "The artifact store refuses the time of this machine ({answer}).",
    hint="Set the clock of this machine, for example with NTP.",
)
_REGION = _Fault(
    WrongRegion,
    "The bucket of the artifact store is in another region ({answer}).",
    hint="Set AWS_REGION to the region of the bucket.",
)
_PLAIN_HTTP = _Fault(
    StoreMisconfigured,
    "The address of the artifact store is not encrypted, and this is not allowed ({answer}).",
    hint="Use an https:// address in AWS_ENDPOINT_URL, or set AWS_ALLOW_HTTP=true in a private network.",
)
_TLS = _Fault(
    StoreMisconfigured,
    "No encrypted connection to the artifact store can be made ({answer}).",
    hint="Check that AWS_ENDPOINT_URL has the right scheme and port. For a private certificate authority set "
    "AWS_CA_BUNDLE to its certificate.",
)
_NO_STORE = _Fault(
    StoreMisconfigured,
    "The server at the address of the artifact store does not answer as an object store ({answer}).",
    hint="Check AWS_ENDPOINT_URL: it must be the address of the S3 interface, not of a web page.",
)
_REFUSED = _Fault(
    StoreMisconfigured,
    "The artifact store refuses the request ({answer}).",
    hint="Check BRUSHWORK_ARTIFACTS_URL and the settings of the store (docs/storage.md).",
)
_FULL = _Fault(
    StoreFull,
    "The artifact store is full: its quota or its disks are used up ({answer}).",
    hint="Raise the quota, or remove old jobs with brushwork prune.",
)
_FULL_DISK = _Fault(
    StoreFull,
    "The disk of the artifact store is full ({answer}).",
    hint="Free space on the disk, or remove old jobs with brushwork prune.",
)
_READ_ONLY = _Fault(
    StoreReadOnly,
    "The artifact store is read-only ({answer}).",
    hint="Make it writable: mount the volume read-write, or lift the lock of the bucket.",
)
_FOLDER_DENIED = _Fault(
    StoreDenied,
    "The folder of the artifact store denies access ({answer}).",
    hint="Let the user of this process read and write the folder that BRUSHWORK_ARTIFACTS_URL names.",
)
_NO_FOLDER = _Fault(
    StoreMisconfigured,
    "The artifact store cannot be used as a folder ({answer}).",
    hint="Set BRUSHWORK_ARTIFACTS_URL to a writable folder, or to s3://bucket/prefix.",
)
_FOLDER_HANGS = _Fault(
    StoreUnreachable,
    "The folder of the artifact store does not answer ({answer}).",
    hint="Check the server of the network folder, and the log of the system.",
)
_NOT_MOUNTED = _Fault(
    StoreUnreachable,
    "The folder of the artifact store is not the one that this process opened ({answer}).",
    hint="Mount it again. If another folder has replaced it for good, restart this process.",
)
_FOLDER_AWAY = _Fault(
    StoreUnreachable,
    "The disk of the artifact store has an error ({answer}).",
    hint="Check the disk, the mount and the log of the system.",
)
_AWAY = _Fault(
    StoreUnreachable,
    "The artifact store does not answer: {answer}.",
    hint="Check that it runs, and check AWS_ENDPOINT_URL and the network.",
)

# Error codes of S3, MinIO, Ceph, Garage, Azure and Google, in lower case.
_BY_CODE: Mapping[str, _Fault] = {
    "nosuchbucket": _MISSING,
    "containernotfound": _MISSING,
    "accessdenied": _DENIED,
    "invalidaccesskeyid": _CREDENTIALS,
    "signaturedoesnotmatch": _CREDENTIALS,
    "invalidtoken": _CREDENTIALS,
    "expiredtoken": _CREDENTIALS,
    "tokenrefreshrequired": _CREDENTIALS,
    "authenticationfailed": _CREDENTIALS,
    "invalidsecurity": _CREDENTIALS,
    "requesttimetooskewed": _CLOCK,
    "permanentredirect": _REGION,
    "authorizationheadermalformed": _REGION,
    "illegallocationconstraintexception": _REGION,
    "quotaexceeded": _FULL,
    "xminiostoragefull": _FULL,
    "xminioadminbucketquotaexceeded": _FULL,
    "insufficientstorage": _FULL,
    # The request was damaged or too slow; the same one may succeed.
    "requesttimeout": _AWAY,
    "baddigest": _AWAY,
    "nosuchupload": _AWAY,
}
_BY_STATUS: Mapping[int, _Fault] = {
    401: _CREDENTIALS,
    403: _DENIED,
    404: _NO_STORE,
    405: _READ_ONLY,
    507: _FULL,
}
_BY_ERRNO: Mapping[int, _Fault] = {
    errno.ENOSPC: _FULL_DISK,
    errno.EDQUOT: _FULL_DISK,
    errno.EROFS: _READ_ONLY,
    errno.EACCES: _FOLDER_DENIED,
    errno.EPERM: _FOLDER_DENIED,
    errno.ENOTDIR: _NO_FOLDER,
    errno.EEXIST: _NO_FOLDER,
    errno.ENOENT: _NO_FOLDER,
    errno.EISDIR: _NO_FOLDER,
    errno.ELOOP: _NO_FOLDER,
    errno.ENAMETOOLONG: _NO_FOLDER,
    errno.ETIMEDOUT: _FOLDER_HANGS,
    errno.ENODEV: _NOT_MOUNTED,
}
# Words of obstore's texts: pattern, fault, and what the message says of the reason.
_BY_WORDS: tuple[tuple[re.Pattern[str], _Fault, str], ...] = tuple(
    (re.compile(pattern), fault, reason)
    for pattern, fault, reason in (
        # The addresses at which machines in a cloud find their credentials, and tokens of a workload.
        (r"169\.254\.(169\.254|170\.)", _NO_CREDENTIALS, said("no role of this machine")),
        (r"(?i)token ?request|AssumeRole|assume role", _CREDENTIALS, said("no token")),
        (r"redirect without LOCATION|BareRedirect", _REGION, said("a redirect")),
        (r"BadScheme", _PLAIN_HTTP, said("plain http")),
        (r"(?i)certificate|InvalidContentType|InvalidMessage", _TLS, said("TLS")),
        (r"dns error", _AWAY, said("its name is unknown")),
        (r"ConnectionRefused", _AWAY, said("the connection was refused")),
        (r"TimedOut|kind: Timeout", _AWAY, said("no answer in time")),
        (r"HostUnreachable|NetworkUnreachable", _AWAY, said("its network cannot be reached")),
        (r"kind: Connect", _AWAY, said("no connection")),
        (
            r"Missing(Etag|LastModified|ContentLength)|(?i:invalid .* response)",
            _NO_STORE,
            said("another answer"),
        ),
    )
)
_STATUS = re.compile(r"status code: (\d{3})|\bstatus: (\d{3})")
_CODE = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_ERRNO = re.compile(r"\(os error (\d{1,4})\)")


def store_fault(error: BaseException) -> ServiceUnreachable:
    """Return the error of ours that says what is wrong with the store.

    Args:
        error: An exception of obstore or of the system.
    """
    text = str(error)
    status, code = _status(text), _code(text)
    if status is not None and "169.254." not in text:
        return _raised(_by_answer(status, code), f"HTTP {status}" + (f", {code}" if code else ""))
    number = _errno(error, text)
    if number is not None and "tcp connect error" not in text:
        return _raised(_BY_ERRNO.get(number, _FOLDER_AWAY), os.strerror(number))
    for pattern, fault, reason in _BY_WORDS:
        if pattern.search(text):
            return _raised(fault, said(reason))
    # Callers read that the log has the reason; the text may have addresses.
    return _raised(_AWAY, private(text.split("\n", 1)[0].rstrip(".")))


def has_answered(error: BaseException) -> bool:
    """Return whether a server has answered the request, with an error."""
    return _status(str(error)) is not None


def is_bucket_missing(error: BaseException) -> bool:
    """Return whether a `FileNotFoundError` of obstore is about the bucket, and not about one file."""
    code = _code(str(error))
    return code is not None and _BY_CODE.get(code.lower()) is _MISSING


def is_unsupported(error: BaseException) -> bool:
    """Return whether the server does not know the condition `If-None-Match` of a write."""
    return isinstance(error, NotImplementedError) or _status(str(error)) == 501


def _by_answer(status: int, code: str | None) -> _Fault:
    if code is not None:
        if found := _BY_CODE.get(code.lower()):
            return found
        if "readonly" in code.lower():
            return _READ_ONLY
    return _BY_STATUS.get(status, _AWAY if status >= 500 or status in (408, 429) else _REFUSED)


def _raised(fault: _Fault, answer: str) -> ServiceUnreachable:
    return fault.error(said(fault.message, answer=answer), field=SETTING, hint=fault.hint)


def _status(text: str) -> int | None:
    found = _STATUS.search(text)
    return int(found[1] or found[2]) if found else None


def _code(text: str) -> str | None:
    found = _CODE.search(text)
    return found[1] if found else None


def _errno(error: BaseException, text: str) -> int | None:
    if isinstance(error, OSError) and error.errno:
        return error.errno
    found = _ERRNO.search(text)
    return int(found[1]) if found else None
