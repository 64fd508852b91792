"""API keys: created, verified and revoked. The database holds only a hash of each key.

A key has the form `bw_<id>_<secret>`. The id finds its row; the secret is 256 random bits.
"""

import hashlib
import re
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Any

from brushwork_schemas.errors import InvalidRequest, KeyNotFound, ServiceUnreachable, Unauthorized
from brushwork_schemas.wording.phrase import said
from brushwork_schemas.wording.validation import first_invalid
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update

from brushwork_core.audit.audit_log import DONE, AuditAction, AuditLog, Record, record
from brushwork_core.database.database import Database, now_ms
from brushwork_core.database.tables import API_KEYS
from brushwork_core.database.write_queue import answered_within
from brushwork_core.timing.timestamps import moment_of

PREFIX = "bw"
ID_BYTES = 6
SECRET_BYTES = 32
# The last use is written at most once a minute: a write for each request would be expensive.
NOTE_USE_EVERY_MS = 60_000
NOTE_USE_LIMIT_S = 0.2
MOST_A_MINUTE = 1_000_000
LONGEST_LIFE_S = 100 * 365 * 24 * 3600.0
HOW_TO_SEND_A_KEY = (
    "Send `Authorization: Bearer bw_...`. The Python client and the command line use BRUSHWORK_API_KEY. "
    "An operator creates keys with: brushwork keys create NAME"
)
_ID = re.compile(rf"[0-9a-f]{{{2 * ID_BYTES}}}")
_KEY = re.compile(rf"{PREFIX}_({_ID.pattern})_([0-9a-f]{{{2 * SECRET_BYTES}}})")


class Scope(StrEnum):
    """Rights of a key."""

    SUBMIT = "submit"
    """Submit, retry, cancel and delete jobs, and upload files."""
    READ = "read"
    """Read the jobs and files of its tenant, the catalogue and the workers."""
    ADMIN = "admin"
    """Submit and read for every tenant; read metrics and manage keys."""


class NewKey(BaseModel):
    """Properties of a key to be created."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100, pattern=r"^[^\x00-\x1f\x7f]+$")
    tenant: str = Field("", max_length=64, pattern=r"^[\x21-\x7e]*$")
    scopes: frozenset[Scope] = Field(frozenset({Scope.SUBMIT, Scope.READ}), min_length=1)
    requests_per_minute: int | None = Field(None, ge=1, le=MOST_A_MINUTE)
    daily_budget: float | None = Field(None, gt=0, allow_inf_nan=False)
    max_open_jobs: int | None = Field(None, ge=1, le=1_000_000)
    max_stored_bytes: int | None = Field(None, ge=1, le=2**62)
    expires_in_s: float | None = Field(None, gt=0, le=LONGEST_LIFE_S)


@dataclass(frozen=True)
class ApiKey:
    """A key without its secret.

    Args:
        id: The public part of the key.
        name: Name for people.
        tenant: Tenant whose jobs and files the key reads, and for whom it submits.
        scopes: Rights of the key.
        requests_per_minute: Limit of requests; None for no limit.
        daily_budget: Limit of megapixels x steps per UTC day; None for no limit.
        max_open_jobs: Limit of jobs of its tenant that have not ended; None for no limit.
        created_at: When the key was created.
        expires_at: When the key becomes invalid; None for never.
        revoked_at: When the key was revoked; None if it was not.
        last_used_at: Last use, to the minute.
        max_stored_bytes: Limit of the bytes of its tenant's files; None for no limit.
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
    max_stored_bytes: int | None = None


class ApiKeys:
    """Stores the keys.

    Args:
        database: Database of the keys.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, **properties: Any) -> str:
        """Create a key.

        Args:
            name: Name for people, 1 to 100 characters.
            **properties: The other fields of `NewKey`.

        Returns:
            The key. It cannot be read again.

        Raises:
            InvalidRequest: A property is invalid; `field` names it.
        """
        new = _checked({"name": name, **properties})
        key_id, secret = secrets.token_hex(ID_BYTES), secrets.token_hex(SECRET_BYTES)
        expires_at = None if new.expires_in_s is None else now_ms() + round(new.expires_in_s * 1000)
        row = API_KEYS.insert().values(
            **new.model_dump(exclude={"scopes", "expires_in_s"}),
            id=key_id,
            sha256=_hash(secret),
            scopes=sorted(new.scopes),
            created_at=now_ms(),
            expires_at=expires_at,
        )
        rights = new.model_dump(mode="json", exclude={"tenant"})
        created = Record(
            AuditAction.KEY_CREATED,
            (key_id,),
            new.tenant,
            detail={**rights, "scopes": sorted(new.scopes)},
        )
        with self._database.writing() as connection:
            connection.execute(row)
            record(connection, created)
        return f"{PREFIX}_{key_id}_{secret}"

    def verify(self, key: str) -> ApiKey:
        """Return the properties of a key.

        Raises:
            Unauthorized: The key has a wrong format, is unknown, was revoked or has expired.
        """
        parts = _KEY.fullmatch(key)
        if parts is None:
            raise _invalid("wrong format")
        statement = select(API_KEYS, now_ms().label("now")).where(API_KEYS.c.id == parts[1])
        with self._database.reading() as connection:
            row = connection.execute(statement).one_or_none()
        # Compared also for an unknown id, so that the time of the reply does not reveal which ids exist.
        if not compare_digest(row.sha256 if row else _hash(""), _hash(parts[2])) or row is None:
            raise _invalid("unknown")
        if row.revoked_at is not None:
            raise _invalid("revoked")
        if row.expires_at is not None and row.expires_at <= row.now:
            raise _invalid("expired")
        if row.last_used_at is None or row.last_used_at < row.now - NOTE_USE_EVERY_MS:
            self._note_use(row.id)
        return _api_key(row)

    def revoke(self, key_id: str) -> None:
        """Make a key invalid from now on.

        Raises:
            KeyNotFound: No key has this id.
        """
        revoked = update(API_KEYS).where(API_KEYS.c.id == key_id, API_KEYS.c.revoked_at.is_(None))
        try:
            key = self.get(key_id)
        except KeyNotFound as error:
            AuditLog(self._database).add(Record(AuditAction.KEY_REVOKED, (key_id[:40],), outcome=error.code))
            raise
        with self._database.writing() as connection:
            is_new = connection.execute(revoked.values(revoked_at=now_ms())).rowcount
            outcome = DONE if is_new else "already_revoked"
            record(connection, Record(AuditAction.KEY_REVOKED, (key_id,), key.tenant, outcome))

    def get(self, key_id: str) -> ApiKey:
        """Return the key of that id.

        Raises:
            KeyNotFound: No key has this id.
        """
        if _ID.fullmatch(key_id):
            with self._database.reading() as connection:
                row = connection.execute(select(API_KEYS).where(API_KEYS.c.id == key_id)).one_or_none()
            if row is not None:
                return _api_key(row)
        raise KeyNotFound(
            said("There is no key {key_id}.", key_id=ascii(key_id)[:40]), hint="See: brushwork keys list"
        )

    def list(self) -> list[ApiKey]:
        """Return all keys, the oldest first."""
        with self._database.reading() as connection:
            rows = connection.execute(select(API_KEYS).order_by(API_KEYS.c.created_at, API_KEYS.c.id))
            return [_api_key(row) for row in rows]

    def any_exist(self) -> bool:
        """Return whether a key was ever created. From then on every request needs a key."""
        with self._database.reading() as connection:
            return connection.execute(select(API_KEYS.c.id).limit(1)).first() is not None

    def _note_use(self, key_id: str) -> None:
        used = update(API_KEYS).where(API_KEYS.c.id == key_id).values(last_used_at=now_ms())
        # The key is valid even if its use cannot be written. Requests that only read need not wait for that.
        with suppress(ServiceUnreachable), answered_within(NOTE_USE_LIMIT_S):
            self._database.write(lambda connection: connection.execute(used).rowcount)


def id_of(key: str) -> str:
    """Return the public part of a key, which `revoke` expects."""
    return key.split("_")[1]


def _checked(properties: dict[str, Any]) -> NewKey:
    try:
        return NewKey(**properties)
    except ValidationError as error:
        wrong = first_invalid(error)
        field = wrong.name.partition(".")[0]
        raise InvalidRequest(
            said("{field}: {reason}.", field=field, reason=wrong.reason), field=field
        ) from None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("ascii")).hexdigest()


def _invalid(reason: str) -> Unauthorized:
    return Unauthorized(said("Invalid API key: {reason}.", reason=reason), hint=HOW_TO_SEND_A_KEY)


def _api_key(row: Any) -> ApiKey:
    return ApiKey(
        id=row.id,
        name=row.name,
        tenant=row.tenant,
        scopes=frozenset(Scope(scope) for scope in row.scopes),
        requests_per_minute=row.requests_per_minute,
        daily_budget=row.daily_budget,
        max_open_jobs=row.max_open_jobs,
        created_at=moment_of(row.created_at),
        expires_at=moment_of(row.expires_at),
        revoked_at=moment_of(row.revoked_at),
        last_used_at=moment_of(row.last_used_at),
        max_stored_bytes=row.max_stored_bytes,
    )
