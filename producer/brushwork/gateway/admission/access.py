"""Who asks, and what they may: an API key for each tenant, or on loopback, while there is none, everybody."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import sha256

from brushwork_core.access.api_keys import HOW_TO_SEND_A_KEY, ApiKey, ApiKeys, Scope
from brushwork_schemas.errors import Forbidden, ServiceUnreachable, Unauthorized
from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

# A key is looked up at most so often; one that was revoked opens for so long still.
REMEMBER_S = 2.0
MOST_REMEMBERED = 10_000
COOKIE = "brushwork_key"


@dataclass(frozen=True)
class Principal:
    """Who asks.

    Args:
        key: None where no key is asked for.
    """

    key: ApiKey | None = None

    def may(self, scope: Scope) -> bool:
        """Whether it may do what needs that scope."""
        return self.key is None or scope in self.key.scopes or Scope.ADMIN in self.key.scopes

    @property
    def tenant(self) -> str | None:
        """Whose jobs and files alone it sees; None where it sees everybody's."""
        return None if self.key is None or Scope.ADMIN in self.key.scopes else self.key.tenant

    @property
    def holder(self) -> str | None:
        """The tenant at whose share its open streams and waits count; None where no key is asked for."""
        return None if self.key is None else self.key.tenant


class Access:
    """Finds out who asks. Remembers keys for a moment: most clients ask again and again.

    Args:
        keys: Where they are kept.
        clock: Seconds of a clock that never goes back.
    """

    def __init__(self, keys: ApiKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._known: dict[bytes, tuple[float, ApiKey]] = {}
        self._open: tuple[float, bool] = (0.0, False)

    def principal(self, key: str | None) -> Principal:
        """Who brings this key, or none.

        Raises:
            Unauthorized: A key is needed, or this one opens nothing.
        """
        if key is not None:
            return Principal(self._verified(key))
        if self.is_open():
            return Principal()
        raise Unauthorized("An API key is needed here.", hint=HOW_TO_SEND_A_KEY)

    def still_opens(self, key: str | None) -> bool:
        """Whether who came in with this key, or none, may stay; while the database is away, everybody may."""
        try:
            self.principal(key)
        except Unauthorized:
            return False
        except ServiceUnreachable:
            return True
        return True

    def remembered(self, key: str | None) -> Principal | None:
        """Who brings this key, or none, where the database need not be asked for it."""
        if key is None:
            until, is_open = self._open
            return Principal() if is_open and self._clock() < until else None
        until, known = self._known.get(_digest(key), (0.0, None))
        return Principal(known) if known is not None and self._clock() < until else None

    def _verified(self, key: str) -> ApiKey:
        if (remembered := self.remembered(key)) is not None and remembered.key is not None:
            return remembered.key
        now, verified = self._clock(), self._keys.verify(key)
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[_digest(key)] = (now + REMEMBER_S, verified)
        return verified

    def is_open(self) -> bool:
        """Whether nobody is asked for a key: as long as there is none."""
        until, is_open = self._open
        if self._clock() >= until:
            is_open = not self._keys.any_exist()
            self._open = (self._clock() + REMEMBER_S, is_open)
        return is_open


def asks_for(scope: Scope) -> Callable[[Request, Response], Awaitable[Principal]]:
    """A dependency: the principal, if it may do what needs `scope`."""

    async def principal(request: Request, response: Response) -> Principal:
        services = request.app.state.services
        key = key_of(request)
        # Mostly it is remembered, and no thread needed; a first look asks the database.
        found: Principal = services.access.remembered(key) or await run_in_threadpool(
            services.access.principal, key
        )
        if not found.may(scope):
            raise Forbidden(
                f"This key lacks the scope {scope.value!r}.",
                hint=f"An operator makes one with: brushwork keys create NAME --scope {scope.value}",
            )
        if found.key is not None and found.key.requests_per_minute is not None:
            allowance = await run_in_threadpool(services.limits.count, found.key)
            response.headers.update(allowance.headers())
        return found

    return principal


def key_of(request: Request) -> str | None:
    """The key that a request brings, in its header or its cookie.

    Raises:
        Unauthorized: The header can't be read.
    """
    header = request.headers.get("authorization")
    if header is None:
        return request.cookies.get(COOKIE)
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized("Authorization: it should read `Bearer bw_...`.", field="Authorization")
    return key.strip()


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
