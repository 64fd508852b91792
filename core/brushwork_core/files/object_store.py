"""Opens the folder or the bucket of an artifact store, with bounds on the time that a request may take.

What S3 needs is read from the environment under the names of the AWS SDKs (`AWS_ACCESS_KEY_ID`,
`AWS_REGION`, `AWS_ENDPOINT_URL`, ...), as obstore does: tools of an operator then use the same values.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from brushwork_schemas.errors.store import SETTING, StoreMisconfigured
from brushwork_schemas.wording.phrase import private, said
from obstore.exceptions import BaseError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from brushwork_core.files.store_faults import store_fault
from brushwork_core.files.store_folder import StoreFolder

CONNECT_S = 2.0
# A request is given up after this time without a byte in either direction.
SILENT_S = 5.0
# While a file is sent, the server is silent, so a file of many bytes gets more time.
SILENT_SENDING_S = 60.0
# The sum of all time for one request, such as a download that a slow caller reads.
LONGEST_S = 3600.0
RETRIES, RETRY_S = 2, 5.0
HINT = "Set BRUSHWORK_ARTIFACTS_URL to a writable folder, or to s3://bucket/prefix, and check AWS_... if set."
# By scheme: the prefix of the variables that obstore reads.
_PREFIXES = {
    "s3": "AWS_",
    "s3a": "AWS_",
    "gs": "GOOGLE_",
    "az": "AZURE_",
    "abfs": "AZURE_",
    "abfss": "AZURE_",
}
# Names of obstore's client options, which would be lost from the environment once bounds are given.
_CLIENT_OPTIONS = frozenset(
    (
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_content_type",
        "http1_only",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "randomize_addresses",
        "read_timeout",
        "timeout",
        "user_agent",
    )
)
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class OpenedStore:
    """The same folder or bucket twice.

    Args:
        quick: Gives a request up after `SILENT_S` without a byte.
        patient: Waits `SILENT_SENDING_S`, for files of many bytes.
        folder: Bounds the calls to a folder; None for a bucket.
    """

    quick: ObjectStore
    patient: ObjectStore
    folder: StoreFolder | None = None


def opened_store(url: str) -> OpenedStore:
    """Open a folder or a bucket. No request is sent.

    Args:
        url: A folder, or an address of obstore: `s3://bucket/prefix`, `gs://`, `az://` or `memory:///`.

    Raises:
        ServiceUnreachable: The address or a setting of the store is wrong, or its folder cannot be made.
    """
    try:
        if "://" not in url or url.startswith("file://"):
            # In a file:// address, characters of the folder may be percent-encoded.
            folder = unquote(url.removeprefix("file://")) if "://" in url else url
            path = Path(folder).absolute()
            local = LocalStore(path, mkdir=True)
            return OpenedStore(local, local, StoreFolder(path))
        if url.startswith("memory:"):
            memory = MemoryStore()
            return OpenedStore(memory, memory)
        _forget_empty()
        _expect_usable(url)
        return OpenedStore(_remote(url, SILENT_S), _remote(url, SILENT_SENDING_S))
    except OSError as error:
        raise store_fault(error) from error
    except (BaseError, ValueError) as error:
        # A text with an address may have a password.
        reason = str(error).split("\n", 1)[0].rstrip(".") if "@" not in str(error) else "it has an @"
        message = said(
            "An address or a setting of the artifact store is not valid: {reason}.", reason=private(reason)
        )
        raise _misconfigured(message, HINT) from error


def _forget_empty() -> None:
    """Take a variable without a value as one that is not set, as the AWS SDKs do; obstore fails or panics."""
    for name in [name for name, value in os.environ.items() if name.startswith("AWS_") and not value]:
        del os.environ[name]


def _remote(url: str, silent_s: float) -> ObjectStore:
    options = {
        "connect_timeout": f"{CONNECT_S * 1000:.0f}ms",
        "read_timeout": f"{silent_s * 1000:.0f}ms",
        "timeout": f"{LONGEST_S:.0f}s",
        **_client_options(_PREFIXES.get(_scheme(url), "AWS_")),
    }
    given: dict[str, Any] = {}
    if provider := _profile() if _scheme(url) in ("s3", "s3a") else None:
        given["credential_provider"] = provider
    if (bundle := os.environ.get("AWS_CA_BUNDLE")) and _scheme(url) in ("s3", "s3a"):
        options["root_certificate"] = Path(bundle).read_text("ascii")
    retries: Any = {
        "max_retries": RETRIES,
        "retry_timeout": timedelta(seconds=RETRY_S),
        "backoff": {"max_backoff": timedelta(seconds=1)},
    }
    return from_url(url, client_options=cast(Any, options), retry_config=retries, **given)


def _client_options(prefix: str) -> dict[str, str]:
    found = {
        name.lower().removeprefix(prefix.lower()): value
        for name, value in os.environ.items()
        if name.upper().startswith(prefix)
    }
    return {name: value for name, value in found.items() if name in _CLIENT_OPTIONS and value}


def _profile() -> Callable[[], Any] | None:
    """Credentials of the profile that AWS_PROFILE names. obstore does not read profiles, boto3 does."""
    profile = os.environ.get("AWS_PROFILE")
    if not profile or os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    try:
        session = import_module("boto3").Session(profile_name=profile)
        return cast("Callable[[], Any]", import_module("obstore.auth.boto3").Boto3CredentialProvider(session))
    except ImportError as error:
        raise _misconfigured(
            said("AWS_PROFILE is set, but the package boto3, which reads profiles, is not installed."),
            "Run: pip install boto3. Or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.",
        ) from error
    # botocore has many classes of errors, and is not always installed.
    except Exception as error:
        raise _misconfigured(
            said("The profile that AWS_PROFILE names gives no credentials."),
            "Check the profile with: aws sts get-caller-identity",
        ) from error


def _expect_usable(url: str) -> None:
    """Refuse values for which obstore would panic, or which it would ignore."""
    if "@" in urlsplit(url).netloc and _scheme(url) in ("s3", "s3a", "gs"):
        raise _misconfigured(
            said("The address of the artifact store has a user name or password, which would be ignored."),
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.",
        )
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        region = os.environ.get(name)
        if region and not _REGION.fullmatch(region):
            raise _misconfigured(said("{name} is not the name of a region.", name=name), _EXAMPLE_REGION)
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"):
        endpoint = os.environ.get(name)
        if endpoint and not _is_address(endpoint):
            raise _misconfigured(
                said("{name} is not an address with http:// or https://.", name=name), _EXAMPLE_ENDPOINT
            )


_EXAMPLE_REGION = "Set it to a name such as eu-central-1; for MinIO us-east-1, for R2 auto."
_EXAMPLE_ENDPOINT = "Set it to an address such as https://minio.example.com:9000."


def _is_address(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 0) >= 0
    except ValueError:
        return False


def _scheme(url: str) -> str:
    return urlsplit(url).scheme.lower()


def _misconfigured(message: str, hint: str) -> StoreMisconfigured:
    return StoreMisconfigured(message, field=SETTING, hint=hint)
