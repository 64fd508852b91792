"""Download pictures from URLs: only if this is allowed, and never from a private or link-local host.

Each redirect is checked like the URL itself.
"""

import ssl
import threading
import time
from functools import cache

import httpx
from brushwork_schemas.artifact import MAX_PICTURE_BYTES
from brushwork_schemas.errors import AddressRefused, InvalidImage
from brushwork_schemas.wording.phrase import private, said
from ssrfguard import BlockedURLError, Policy, SSRFGuardError
from ssrfguard.httpx import Client

from brushwork.inputs.reachable_hosts import PUBLIC_HOSTS

TOTAL_S = 20.0
PAUSE_S = 5.0


def fetch(
    url: str,
    *,
    allowed: bool,
    field: str = "image",
    policy: Policy = PUBLIC_HOSTS,
    total_s: float = TOTAL_S,
) -> bytes:
    """Return the content at an http(s) URL.

    Args:
        url: The URL.
        allowed: Whether pictures may be given as URLs at all.
        field: Name of the request's field, for error messages.
        policy: Which hosts and ports may be reached; by default public hosts on ports 80 and 443.
        total_s: Time limit in seconds, redirects included.

    Raises:
        AddressRefused: URLs are not allowed, or the policy does not allow this one.
        InvalidImage: The download failed, was too large, or took too long.
    """
    if not allowed:
        raise AddressRefused(
            said("{field}: pictures can't be given as URLs here.", field=field),
            field=field,
            hint="Send the picture itself, or set BRUSHWORK_IMAGE_ADDRESSES=true to allow URLs.",
        )
    deadline = time.monotonic() + total_s
    try:
        return _download(url, field, policy, deadline)
    except SSRFGuardError as error:
        raise AddressRefused(
            said("{field}: this URL may not be fetched: {error}", field=field, error=_refused(error, url)),
            field=field,
        ) from error
    # Closing the connection at the deadline may raise any of these errors.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as error:
        is_late = time.monotonic() >= deadline
        reason = (
            said("the download took more than {total_s} s", total_s=total_s) if is_late else _failed(error)
        )
        raise InvalidImage(
            said("{field}: {url!r} can't be fetched: {reason}.", field=field, url=url[:200], reason=reason),
            field=field,
        ) from error


def _refused(error: SSRFGuardError, url: str) -> str:
    """Return why a URL was refused, without the addresses that a name or a redirect leads to."""
    if isinstance(error, BlockedURLError) and error.url == url:
        # About the URL as the caller wrote it.
        return str(error)
    return private(error, "it leads to a host or a port that is not allowed.")


def _failed(error: Exception) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return said("the server answered with status {status}", status=error.response.status_code)
    return private(error, "its server does not answer as it should")


@cache
def _tls() -> ssl.SSLContext:
    """Return the rules of TLS. To read the certificates takes longer than most downloads."""
    return httpx.create_ssl_context()


def _download(url: str, field: str, policy: Policy, deadline: float) -> bytes:
    data = bytearray()
    pause_s = min(PAUSE_S, max(0.1, deadline - time.monotonic()))
    with Client(
        policy=policy,
        # A proxy would resolve the name itself, so the address could not be checked.
        trust_env=False,
        verify=_tls(),
        timeout=pause_s,
        headers={"Accept-Encoding": "identity"},
    ) as client:
        # httpx has no total deadline: a server that sends its headers slowly could hold the connection for
        # ever.
        alarm = threading.Timer(deadline - time.monotonic(), client.close)
        alarm.daemon = True
        alarm.start()
        try:
            with client.stream("GET", url, follow_redirects=True) as response:
                response.raise_for_status()
                # Raw bytes: a small compressed response could unpack to a very large one.
                for chunk in response.iter_raw():
                    data += chunk
                    if len(data) > MAX_PICTURE_BYTES:
                        raise InvalidImage(
                            said(
                                "{field}: {url!r} has more than {max_picture_bytes} bytes.",
                                field=field,
                                url=url[:200],
                                max_picture_bytes=MAX_PICTURE_BYTES,
                            ),
                            field=field,
                        )
                    if time.monotonic() > deadline:
                        raise TimeoutError
        finally:
            alarm.cancel()
    return bytes(data)
