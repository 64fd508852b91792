"""Download pictures from URLs: only if this is allowed, and never from a private or link-local host.

ssrfguard resolves a host name once, checks every IP address that it stands for, and connects to the checked
address. It does the same again at each redirect.
"""

import threading
import time
from ipaddress import IPv4Network

import httpx
from brushwork_schemas.artifact import MAX_PICTURE_BYTES
from brushwork_schemas.errors import AddressRefused, InvalidImage
from brushwork_schemas.wording.phrase import private, said
from ssrfguard import DEFAULT_DENIED, AddressTable, Block, BlockedURLError, Policy, Reach, SSRFGuardError
from ssrfguard.httpx import Client

TOTAL_S = 20.0
PAUSE_S = 5.0
# Every machine at Azure reaches Azure's platform services at this address, although it counts as public.
_AZURE = Block(IPv4Network("168.63.129.16/32"), "Azure platform services", "none", Reach.DENIED)
PUBLIC_HOSTS = Policy(denied_networks=AddressTable((*DEFAULT_DENIED.blocks, _AZURE)))


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


def _download(url: str, field: str, policy: Policy, deadline: float) -> bytes:
    data = bytearray()
    pause_s = min(PAUSE_S, max(0.1, deadline - time.monotonic()))
    with Client(policy=policy, timeout=pause_s, headers={"Accept-Encoding": "identity"}) as client:
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
