"""Finds the jobs that made a picture, by the hashes of the file and by what it looks like."""

from collections.abc import Sequence
from typing import Any

from brushwork_schemas.artifact.provenance_report import Match, MatchedBy
from sqlalchemy import ColumnElement, CompoundSelect, select, tuple_, union_all

from brushwork_core.database.database import Database
from brushwork_core.database.picture_prints import NUM_BANDS, PICTURE_PRINTS
from brushwork_core.database.review_table import REVIEWS, is_held
from brushwork_core.database.tables import JOB_ARTIFACTS, JOBS
from brushwork_core.provenance.appearance.fingerprint import (
    LEAST_CONTRAST,
    MOST_DIFFERENCE,
    Fingerprint,
    SearchedPicture,
    contrast,
    difference,
    num_different_bits,
)

MOST_MATCHES = 10
# Pictures of a tenant that share a part of the hash and are compared by the whole hash.
MOST_HASHES = 20_000
# The nearest of them by the hash, whose thumbnails are compared.
MOST_THUMBNAILS = 400
# Of 64. Copies differ by 2 bits on average, pictures of other places by 32.
MOST_DIFFERENT_BITS = 16
_BANDS = [PICTURE_PRINTS.c[f"band_{number}"] for number in range(NUM_BANDS)]
_KEY = (PICTURE_PRINTS.c.job_id, PICTURE_PRINTS.c.sha256)
_Key = tuple[str, str]


class PrintSearch:
    """Searches the pictures that jobs have made.

    Args:
        database: Database of the ledger.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, picture: SearchedPicture, tenant: str | None) -> tuple[Match, ...]:
        """Return the jobs that made a picture, the surest first; at most ten.

        Equal bytes are found first, then equal bytes without the signature, then equal pixels, and at last
        what looks the same. Only the first of these that finds something counts.

        Args:
            picture: The picture.
            tenant: Only jobs of this tenant are found; None for those of all tenants.
        """
        return (
            self._by_content(picture.sha256, tenant)
            or self._by_hash("unsigned_sha256", picture.unsigned_sha256, tenant)
            or self._by_hash("pixels_sha256", picture.pixels_sha256, tenant)
            or self._by_appearance(picture.fingerprint, tenant)
        )

    def _by_content(self, sha256: str, tenant: str | None) -> tuple[Match, ...]:
        of_job = (JOB_ARTIFACTS.c.sha256 == sha256, JOB_ARTIFACTS.c.role == "output")
        found = select(JOBS.c.id, JOB_ARTIFACTS.c.sha256).join(JOBS, JOBS.c.id == JOB_ARTIFACTS.c.job_id)
        found = found.where(*of_job, *(() if tenant is None else (JOBS.c.tenant == tenant,)))
        return self._matches(found.order_by(JOBS.c.created_at), MatchedBy.CONTENT)

    def _by_hash(self, name: str, sha256: str | None, tenant: str | None) -> tuple[Match, ...]:
        if sha256 is None:
            return ()
        found = select(*_KEY).where(PICTURE_PRINTS.c[name] == sha256, *_of(tenant), _is_served())
        return self._matches(found.order_by(*_KEY), MatchedBy(name.removesuffix("_sha256")))

    def _matches(self, found: Any, by: MatchedBy) -> tuple[Match, ...]:
        with self._database.reading() as connection:
            rows = connection.execute(found.limit(MOST_MATCHES)).all()
        return tuple(Match(job_id=job_id, sha256=sha256, by=by) for job_id, sha256 in rows)

    def _by_appearance(self, seen: Fingerprint, tenant: str | None) -> tuple[Match, ...]:
        if contrast(seen.thumbnail) < LEAST_CONTRAST:
            return ()
        alike: list[tuple[float, _Key]] = []
        for key, thumbnail in self._thumbnails(self._nearest(seen, tenant)).items():
            if (by := difference(seen.thumbnail, thumbnail)) <= MOST_DIFFERENCE:
                alike.append((by, key))
        return tuple(
            Match(job_id=job_id, sha256=sha256, by=MatchedBy.APPEARANCE, difference=round(by, 3))
            for by, (job_id, sha256) in sorted(alike)[:MOST_MATCHES]
        )

    def _nearest(self, seen: Fingerprint, tenant: str | None) -> list[_Key]:
        """The pictures with the nearest hashes, among those that share a part of it."""
        found = candidates(seen.probes(), tenant)
        own = seen.bands
        with self._database.reading() as connection:
            rows = {(row[0], row[1]): row[2:] for row in connection.execute(found)}
        near = [(num_different_bits(own, bands), key) for key, bands in rows.items()]
        return [key for bits, key in sorted(near) if bits <= MOST_DIFFERENT_BITS][:MOST_THUMBNAILS]

    def _thumbnails(self, keys: list[_Key]) -> dict[_Key, bytes]:
        if not keys:
            return {}
        found = select(*_KEY, PICTURE_PRINTS.c.thumbnail).where(tuple_(*_KEY).in_(keys), _is_served())
        with self._database.reading() as connection:
            return {(row[0], row[1]): row[2] for row in connection.execute(found)}


def candidates(probes: Sequence[Sequence[int]], tenant: str | None) -> CompoundSelect[Any]:
    """Return the query for job, file and hash of the pictures that share a part of the hash.

    Args:
        probes: The values of each band that a copy may have.
        tenant: Only pictures of this tenant; None for those of all tenants.
    """
    some = [
        select(*_KEY, *_BANDS).where(band.in_(values), *_of(tenant)).limit(MOST_HASHES // NUM_BANDS)
        for band, values in zip(_BANDS, probes, strict=True)
    ]
    # SQLite knows no LIMIT in a part of a union, but in a query from which it selects.
    return union_all(*(select(part.subquery()) for part in some))


def _of(tenant: str | None) -> tuple[ColumnElement[bool], ...]:
    return () if tenant is None else (PICTURE_PRINTS.c.tenant == tenant,)


def _is_served() -> ColumnElement[bool]:
    """Condition: the picture is not of a held result, whose files nobody is told of."""
    held = select(REVIEWS.c.job_id).where(REVIEWS.c.job_id == PICTURE_PRINTS.c.job_id, is_held())
    return ~held.exists()
