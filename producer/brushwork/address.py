"""Pictures by address: fetched only when allowed, and never from a private or link-local host.

ssrfguard resolves a name once, checks every address it means, connects to the checked one and does the
same again at each redirect.
"""

import time

import httpx
from brushwork_schemas.errors import AddressRefused, InvalidImage
from brushwork_schemas.pictures import MAX_BYTES
from ssrfguard import Policy, SSRFGuardError
from ssrfguard.httpx import Client

TOTAL_S = 20.0
PAUSE_S = 5.0


def fetch(url: str, *, allowed: bool, policy: Policy | None = None) -> bytes:
    """The bytes behind an http(s) address.

    Args:
        url: The address.
        allowed: Whether addresses are allowed at all.
        policy: What may be reached; by default public hosts on ports 80 and 443.

    Raises:
        AddressRefused: Addresses are off, or this one leads where nobody may fetch from.
        InvalidImage: Nothing came, or too much, or too slowly.
    """
    if not allowed:
        raise AddressRefused(
            "image: fetching pictures by address is switched off.",
            field="image",
            hint="Set BRUSHWORK_IMAGE_ADDRESSES=true, or send the picture itself.",
        )
    try:
        with Client(policy=policy or Policy(), timeout=PAUSE_S) as client:
            return _download(client, url)
    except SSRFGuardError as error:
        raise AddressRefused(f"image: this address may not be fetched: {error}", field="image") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise InvalidImage(f"image: {url[:200]} can't be fetched: {error}", field="image") from error


def _download(client: httpx.Client, url: str) -> bytes:
    deadline = time.monotonic() + TOTAL_S
    data = bytearray()
    with client.stream("GET", url, follow_redirects=True) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) > MAX_BYTES or time.monotonic() > deadline:
                raise InvalidImage(
                    f"image: {url[:200]} sends more than {MAX_BYTES} bytes or takes more than {TOTAL_S} s.",
                    field="image",
                )
    return bytes(data)
