"""Carries one webhook to its receiver: within a time, to hosts that may be reached, and nowhere else."""

import asyncio
import contextlib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network
from types import TracebackType
from typing import Self

import httpx
from ssrfguard import Policy, SSRFGuardError
from ssrfguard.httpx import AsyncClient

from brushwork.inputs.address import PUBLIC_HOSTS
from brushwork.webhooks.answer import DeliveryAnswer, answer_of

# A short answer is read so that its connection serves again; nobody looks at it.
MOST_READ_BYTES = 16_384
READING_S = 1.0
# Other well-known ports are those of mail, shells and the like, which a POST is not to reach.
PORTS = frozenset({80, 443, *range(1024, 65_536)})
# Never the machine's own cloud, which answers at link-local addresses, and on Amazon at one that looks inner.
_CLOUD = IPv6Network("fd00:ec2::254/128")
INNER_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = (
    *map(IPv4Network, ("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")),
    *(IPv6Network("::1/128"), *IPv6Network("fc00::/7").address_exclude(_CLOUD)),
)
HINT = " BRUSHWORK_WEBHOOK_PRIVATE=true allows loopback and inner networks."
PUBLIC = Policy(denied_networks=PUBLIC_HOSTS.denied_networks, allowed_ports=PORTS)
INNER_TOO = Policy(
    denied_networks=PUBLIC_HOSTS.denied_networks, allowed_ports=PORTS, allowed_networks=INNER_NETWORKS
)


class WebhookClient:
    """Posts webhooks; connections are kept for the next.

    Args:
        total_s: A receiver has so long in all.
        private: Whether loopback and inner networks may be reached.
    """

    def __init__(self, *, total_s: float, private: bool = False) -> None:
        self._total_s = total_s
        self._hint = "" if private else HINT
        self._client = AsyncClient(
            policy=INNER_TOO if private else PUBLIC,
            # Who resolves the name must be who checks the address, and that is no proxy.
            trust_env=False,
            verify=httpx.create_ssl_context(),
            timeout=total_s,
            headers={"User-Agent": "brushwork", "Accept-Encoding": "identity"},
        )

    async def deliver(self, url: str, headers: Mapping[str, str], body: str) -> DeliveryAnswer:
        """Post a JSON body; what went wrong is in the answer."""
        try:
            async with asyncio.timeout(self._total_s):
                return await self._post(url, headers, body)
        except TimeoutError:
            return DeliveryAnswer(error=f"The receiver took more than {self._total_s:g} s.")
        except SSRFGuardError as error:
            return DeliveryAnswer(
                error=f"The address may not be reached: {error}.{self._hint}", is_final=True
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return DeliveryAnswer(error=f"The receiver can't be reached: {type(error).__name__} {error}")

    async def _post(self, url: str, headers: Mapping[str, str], body: str) -> DeliveryAnswer:
        sent = {**headers, "Content-Type": "application/json"}
        async with self._client.stream(
            "POST", url, headers=sent, content=body.encode(), follow_redirects=False
        ) as response:
            answer = answer_of(response.status_code, response.headers)
            await _read_out(response)
        return answer

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


async def _read_out(response: httpx.Response) -> None:
    """Read a short answer to its end; one that is too long, too slow or broken off has told its status."""
    num_read = 0
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(READING_S):
            async for chunk in response.aiter_raw():
                num_read += len(chunk)
                if num_read > MOST_READ_BYTES:
                    return
