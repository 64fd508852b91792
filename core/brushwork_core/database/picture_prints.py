"""What the pictures of a job look like, recorded so that a copy of one leads back to the job."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    bindparam,
    select,
)

from brushwork_core.database.tables import JOBS, METADATA
from brushwork_core.database.upsert import insert_or_ignore

NUM_BANDS = 4

# One row for each picture that a job has made: addition 0007.
PICTURE_PRINTS = Table(
    "picture_prints",
    METADATA,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    # Name of the file.
    Column("sha256", String(64), primary_key=True),
    # That of the job, so that an index finds the pictures of a tenant.
    Column("tenant", String(64), nullable=False, server_default=""),
    # Of the pixels, and of the file without its signature.
    Column("pixels_sha256", String(64)),
    Column("unsigned_sha256", String(64)),
    # The perceptual hash in four parts of 16 bits, each with an index.
    *(Column(f"band_{number}", Integer, nullable=False) for number in range(NUM_BANDS)),
    # 16 x 16 pixels of three bytes.
    Column("thumbnail", LargeBinary, nullable=False),
)
for _name in ("pixels_sha256", "unsigned_sha256", *(f"band_{number}" for number in range(NUM_BANDS))):
    Index(f"ix_picture_prints_{_name}", PICTURE_PRINTS.c[_name], PICTURE_PRINTS.c.tenant)


@dataclass(frozen=True)
class PicturePrint:
    """What one stored picture looks like.

    Args:
        sha256: Name of its file.
        bands: Its perceptual hash: four numbers of 16 bits.
        thumbnail: Its colours: 16 x 16 pixels of three bytes.
        pixels_sha256: SHA-256 of its pixels; None if it is not known.
        unsigned_sha256: SHA-256 of its file without the signature; None if it is not known.
    """

    sha256: str
    bands: tuple[int, ...]
    thumbnail: bytes
    pixels_sha256: str | None = None
    unsigned_sha256: str | None = None


def record_prints(connection: Connection, made: Sequence[tuple[str, PicturePrint]]) -> None:
    """Record the prints of pictures.

    Args:
        connection: Open transaction.
        made: Job id and print of each picture. A job may have made the same file twice.
    """
    if not made:
        return
    tenant = select(JOBS.c.tenant).where(JOBS.c.id == bindparam("made_by")).scalar_subquery()
    names = ("sha256", "pixels_sha256", "unsigned_sha256", "thumbnail")
    values: dict[str, Any] = {
        "job_id": bindparam("made_by"),
        **{name: bindparam(f"of_{name}") for name in names},
    }
    values |= {f"band_{number}": bindparam(f"of_band_{number}") for number in range(NUM_BANDS)}
    statement = insert_or_ignore(connection, PICTURE_PRINTS).values(tenant=tenant, **values)
    rows = [
        {"made_by": job_id}
        | {f"of_{name}": getattr(each, name) for name in names}
        | {f"of_band_{number}": band for number, band in enumerate(each.bands)}
        for job_id, each in made
    ]
    connection.execute(statement, rows)
