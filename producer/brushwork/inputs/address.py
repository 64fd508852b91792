"""Pictures by address: fetched only when allowed, and never from a private or link-local host.

ssrfguard resolves a name once, checks every address it means, connects to the checked one and does the
same again at each redirect.
"""

import threading
import time
from ipaddress import IPv4Network

import httpx
from brushwork_core.media.pictures import MAX_BYTES
from brushwork_schemas.errors import AddressRefused, InvalidImage
from ssrfguard import DEFAULT_DENIED, AddressTable, Block, Policy, Reach, SSRFGuardError
from ssrfguard.httpx import Client

TOTAL_S = 20.0
PAUSE_S = 5.0
# Azure's own services answer every machine there at this address, though it counts as public.
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
    """The bytes behind an http(s) address.

    Args:
        url: The address.
        allowed: Whether addresses are allowed at all.
        field: The request's field that an error names.
        policy: What may be reached; by default public hosts on ports 80 and 443.
        total_s: Give up after about so long, redirects included.

    Raises:
        AddressRefused: Addresses are off, or this one leads where nobody may fetch from.
        InvalidImage: Nothing came, or too much, or too slowly.
    """
    if not allowed:
        raise AddressRefused(
            f"{field}: fetching pictures by address is switched off.",
            field=field,
            hint="Set BRUSHWORK_IMAGE_ADDRESSES=true, or send the picture itself.",
        )
    deadline = time.monotonic() + total_s
    try:
        return _download(url, field, policy, deadline)
    except SSRFGuardError as error:
        raise AddressRefused(f"{field}: this address may not be fetched: {error}", field=field) from error
    # A connection that is closed at the deadline raises whatever it was doing.
    except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, ValueError) as error:
        reason = f"it took more than {total_s} s" if time.monotonic() >= deadline else error
        raise InvalidImage(f"{field}: {url[:200]!r} can't be fetched: {reason}.", field=field) from error


def _download(url: str, field: str, policy: Policy, deadline: float) -> bytes:
    data = bytearray()
    pause_s = min(PAUSE_S, max(0.1, deadline - time.monotonic()))
    with Client(policy=policy, timeout=pause_s, headers={"Accept-Encoding": "identity"}) as client:
        # Headers that trickle in are read inside httpx, where no deadline is looked at.
        alarm = threading.Timer(deadline - time.monotonic(), client.close)
        alarm.daemon = True
        alarm.start()
        try:
            with client.stream("GET", url, follow_redirects=True) as answer:
                answer.raise_for_status()
                # Raw, for a small compressed answer may unfold to a very large one.
                for chunk in answer.iter_raw():
                    data += chunk
                    if len(data) > MAX_BYTES:
                        raise InvalidImage(
                            f"{field}: {url[:200]!r} sends more than {MAX_BYTES} bytes.", field=field
                        )
                    if time.monotonic() > deadline:
                        raise TimeoutError
        finally:
            alarm.cancel()
    return bytes(data)
