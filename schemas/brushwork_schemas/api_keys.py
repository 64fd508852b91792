"""API keys: made, checked and revoked. Only a hash of each is kept, so a copy of the database opens no door.

A key reads `bw_<id>_<secret>`: the id finds its row, the secret is 256 random bits.
"""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Any

from sqlalchemy import select, update

from brushwork_schemas.database import Database, now_ms
from brushwork_schemas.errors import KeyNotFound, Unauthorized
from brushwork_schemas.tables import API_KEYS

PREFIX = "bw"
ID_BYTES = 6
SECRET_BYTES = 32
# The last use is noted at most so often: it is for people, and a write for each request would be dear.
NOTE_USE_EVERY_MS = 60_000
_KEY = re.compile(rf"{PREFIX}_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


class Scope(StrEnum):
    """What a key may do."""

    SUBMIT = "submit"
    """Submit, retry and cancel jobs, and bring files."""
    READ = "read"
    """See jobs and files of its tenant, the catalogue and the workers."""
    ADMIN = "admin"
    """All of that for every tenant, and metrics and keys."""


@dataclass(frozen=True)
class ApiKey:
    """A key as its operator sees it.

    Args:
        tenant: Whose jobs and files it sees, and whom its jobs are for.
        requests_per_minute: None is without bound, as for the next two.
        daily_budget: Megapixels x steps a day, UTC.
        max_open_jobs: Jobs of its tenant that have not ended.
    """

    id: str
    name: str
    tenant: str
    scopes: frozenset[Scope]
    requests_per_minute: int | None
    daily_budget: float | None
    max_open_jobs: int | None
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class ApiKeys:
    """Keeps the keys.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        *,
        tenant: str = "",
        scopes: Collection[Scope] = (Scope.SUBMIT, Scope.READ),
        requests_per_minute: int | None = None,
        daily_budget: float | None = None,
        max_open_jobs: int | None = None,
        expires_in_s: float | None = None,
    ) -> str:
        """Make a key.

        Returns:
            The key: shown this once, and never again.
        """
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
        expires_at = None if expires_in_s is None else now_ms() + round(expires_in_s * 1000)
        row = API_KEYS.insert().values(
            id=key_id,
            name=name,
            sha256=_hash(secret),
            tenant=tenant,
            scopes=sorted(scopes),
            requests_per_minute=requests_per_minute,
            daily_budget=daily_budget,
            max_open_jobs=max_open_jobs,
            created_at=now_ms(),
            expires_at=expires_at,
        )
        with self._database.writing() as connection:
            connection.execute(row)
        return f"{PREFIX}_{key_id}_{secret}"

    def verify(self, key: str) -> ApiKey:
        """The key's rights.

        Raises:
            Unauthorized: It is none, or was revoked, or has expired.
        """
        parts = _KEY.fullmatch(key)
        if parts is None:
            raise _refused("this is no key of brushwork's")
        statement = select(API_KEYS, now_ms().label("now")).where(API_KEYS.c.id == parts[1])
        with self._database.reading() as connection:
            row = connection.execute(statement).one_or_none()
        # Compared also where there is no such id, so that the time taken tells nothing.
        if not compare_digest(row.sha256 if row else _hash(""), _hash(parts[2])) or row is None:
            raise _refused("it is not known")
        if row.revoked_at is not None:
            raise _refused("it was revoked")
        if row.expires_at is not None and row.expires_at <= row.now:
            raise _refused("it has expired")
        if row.last_used_at is None or row.last_used_at < row.now - NOTE_USE_EVERY_MS:
            self._note_use(row.id)
        return _api_key(row)

    def revoke(self, key_id: str) -> None:
        """Make a key open nothing any more, from now on.

        Raises:
            KeyNotFound: There is none of that id.
        """
        revoked = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
        with self._database.writing() as connection:
            connection.execute(revoked.values(revoked_at=now_ms()))
            known = connection.execute(select(API_KEYS.c.id).where(API_KEYS.c.id == key_id)).first()
        if known is None:
            raise KeyNotFound(f"There is no key {ascii(key_id)[:40]}.", hint="See: brushwork keys list")

    def list(self) -> list[ApiKey]:
        """All keys, oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.id))
            return [_api_key(row) for row in rows]

    def are_there(self) -> bool:
        """Whether there is any key, in force or not: from the first on, every door asks for one."""
        with self._database.reading() as connection:
            return connection.execute(select(API_KEYS.c.id).limit(1)).first() is not None

    def _note_use(self, key_id: str) -> None:
        with self._database.writing() as connection:
            connection.execute(update(API_KEYS).where(API_KEYS.c.id == key_id).values(last_used_at=now_ms()))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _refused(reason: str) -> Unauthorized:
    return Unauthorized(
        f"The API key opens nothing: {reason}.",
        hint="Send `Authorization: Bearer bw_...`; an operator makes keys with: brushwork keys create NAME",
    )


def _api_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        requests_per_minute=row.requests_per_minute,
        daily_budget=row.daily_budget,
        max_open_jobs=row.max_open_jobs,
        created_at=datetime.fromtimestamp(row.created_at / 1000, UTC),
        expires_at=_moment(row.expires_at),
        revoked_at=_moment(row.revoked_at),
        last_used_at=_moment(row.last_used_at),
    )


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
