"""The HTTP client for webhooks: it has a time limit, and connects only to allowed hosts."""

import asyncio
import contextlib
from collections.abc import Mapping
from types import TracebackType
from typing import Self

import httpx
from ssrfguard import Policy, SSRFGuardError
from ssrfguard.httpx import AsyncClient

from brushwork.inputs.reachable_hosts import INNER_NETWORKS, PUBLIC_TABLE
from brushwork.webhooks.answer import DeliveryAnswer, answer_of

# A short answer is read, so that the connection can be used again. Its content is ignored.
MOST_READ_BYTES = 16_384
READING_S = 1.0
# Other well-known ports belong to mail, shells and similar services.
PORTS = frozenset({80, 443, *range(1024, 65_536)})
HINT = " BRUSHWORK_WEBHOOK_PRIVATE=true allows loopback and private networks."
PUBLIC = Policy(denied_networks=PUBLIC_TABLE, allowed_ports=PORTS)
INNER_TOO = Policy(denied_networks=PUBLIC_TABLE, allowed_ports=PORTS, allowed_networks=INNER_NETWORKS)


class WebhookClient:
    """Posts webhooks, and keeps connections open for the next ones.

    Args:
        total_s: Time limit of a delivery, in seconds.
        private: Whether loopback and private networks are allowed.
    """

    def __init__(self, *, total_s: float, private: bool = False) -> None:
        self._total_s = total_s
        self._hint = "" if private else HINT
        self._client = AsyncClient(
            policy=INNER_TOO if private else PUBLIC,
            # A proxy would resolve the name itself, so the address could not be checked.
            trust_env=False,
            verify=httpx.create_ssl_context(),
            timeout=total_s,
            headers={"User-Agent": "brushwork", "Accept-Encoding": "identity"},
        )

    async def deliver(self, url: str, headers: Mapping[str, str], body: str) -> DeliveryAnswer:
        """Post a JSON body, and return the result. It never raises for a failed delivery."""
        try:
            async with asyncio.timeout(self._total_s):
                return await self._post(url, headers, body)
        except TimeoutError:
            return DeliveryAnswer(error=f"The receiver did not answer within {self._total_s:g} s.")
        except SSRFGuardError as error:
            return DeliveryAnswer(
                error=f"The address of the receiver is not allowed: {error}.{self._hint}", is_final=True
            )
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            return DeliveryAnswer(error=f"Cannot connect to the receiver: {type(error).__name__} {error}")

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
    """Read a short answer to its end. A long, slow or broken one is left: its status is known already."""
    num_read = 0
    with contextlib.suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(READING_S):
            async for chunk in response.aiter_raw():
                num_read += len(chunk)
                if num_read > MOST_READ_BYTES:
                    return
