"""Authentication: the principal of a request. Each tenant has API keys; without any key, loopback is open."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from brushwork_core.access.api_keys import HOW_TO_SEND_A_KEY, ApiKey, ApiKeys, Scope
from brushwork_schemas.errors import ServiceUnreachable, Unauthorized
from fastapi import Request

# For so long the result of a database lookup is used. A revoked key stays valid for at most this time.
CACHE_S = 2.0
MOST_CACHED = 10_000
COOKIE = "brushwork_key"


@dataclass(frozen=True)
class Principal:
    """Who makes a request.

    Args:
        key: The verified API key; None if the gateway is open.
    """

    key: ApiKey | None = None

    def may(self, scope: Scope) -> bool:
        """Return whether the principal has a scope."""
        return self.key is None or scope in self.key.scopes or Scope.ADMIN in self.key.scopes

    @property
    def may_read(self) -> bool:
        """Whether it has the scope `read`."""
        return self.may(Scope.READ)

    @property
    def is_operator(self) -> bool:
        """Whether it has an admin key. Without any key, the gateway does not know who calls."""
        return self.key is not None and Scope.ADMIN in self.key.scopes

    @property
    def tenant(self) -> str | None:
        """The only tenant whose jobs and files it may see; None if it may see those of all tenants."""
        return None if self.key is None or Scope.ADMIN in self.key.scopes else self.key.tenant

    @property
    def stream_tenant(self) -> str | None:
        """The tenant for whose limit its open streams count; None if the gateway is open."""
        return None if self.key is None else self.key.tenant


class Access:
    """Finds the principal of an API key. It caches results for a moment: most clients send many requests.

    Args:
        keys: The keys in the database.
        clock: Returns seconds of a clock that never goes back.
    """

    def __init__(self, keys: ApiKeys, clock: Callable[[], float] = time.monotonic) -> None:
        self._keys = keys
        self._clock = clock
        self._cached_keys: dict[bytes, tuple[float, ApiKey]] = {}
        self._cached_open: tuple[float, bool] = (0.0, False)

    def principal(self, key: str | None) -> Principal:
        """Return the principal of an API key.

        Args:
            key: The key of the request; None if it has none.

        Raises:
            Unauthorized: The key is invalid, or a key is required and missing.
        """
        if key is not None:
            return Principal(self._verified(key))
        if self.is_open():
            return Principal()
        raise Unauthorized("An API key is required.", hint=HOW_TO_SEND_A_KEY)

    def is_still_valid(self, key: str | None) -> bool:
        """Return whether an open stream may go on. While the database does not answer, every stream may."""
        try:
            self.principal(key)
        except Unauthorized:
            return False
        except ServiceUnreachable:
            return True
        return True

    def cached(self, key: str | None) -> Principal | None:
        """Return the principal if the cache knows it; None if the database must be read."""
        if key is None:
            until, is_open = self._cached_open
            return Principal() if is_open and self._clock() < until else None
        until, known = self._cached_keys.get(_digest(key), (0.0, None))
        return Principal(known) if known is not None and self._clock() < until else None

    def remembered(self, key: str | None, for_s: float) -> Principal | None:
        """Return the principal that the database confirmed in the last `for_s` seconds; None if it did not.

        Only for requests that must be answered without the database. A revoked key is still remembered.
        """
        if key is None:
            until, is_open = self._cached_open
            return Principal() if is_open and self._clock() < until - CACHE_S + for_s else None
        until, known = self._cached_keys.get(_digest(key), (0.0, None))
        return Principal(known) if known is not None and self._clock() < until - CACHE_S + for_s else None

    def is_open(self) -> bool:
        """Return whether requests need no API key, which is so as long as there is none."""
        until, is_open = self._cached_open
        if self._clock() >= until:
            is_open = not self._keys.any_exist()
            self._cached_open = (self._clock() + CACHE_S, is_open)
        return is_open

    def _verified(self, key: str) -> ApiKey:
        if (cached := self.cached(key)) is not None and cached.key is not None:
            return cached.key
        now, verified = self._clock(), self._keys.verify(key)
        if len(self._cached_keys) >= MOST_CACHED:
            self._cached_keys.clear()
        self._cached_keys[_digest(key)] = (now + CACHE_S, verified)
        return verified


def key_of(request: Request) -> str | None:
    """Return the API key of a request, from its header or its cookie.

    Raises:
        Unauthorized: The header is malformed.
    """
    header = request.headers.get("authorization")
    if header is None:
        return request.cookies.get(COOKIE)
    scheme, _, key = header.partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        raise Unauthorized(
            "Authorization: must have the form `Bearer bw_...`.",
            field="Authorization",
            hint="Send: Authorization: Bearer bw_...",
        )
    return key.strip()


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
