"""What a request brought: a body as it is, or the fields and the files of a form."""

import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, cast

from brushwork_schemas.artifact import ARCHIVE_HEAD_BYTES, archive_type
from brushwork_schemas.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from brushwork_schemas.kinds.registry import file_fields
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from brushwork.gateway.media_types import ARCHIVES, FORM
from brushwork.gateway.services import Services

MOST_FIELDS = 64
# A data address may stand in a field too; the guard bounds the body as a whole.
LONGEST_FIELD_BYTES = 40 * 2**20
# The fields of a form that brings an archive are held in memory, and the guard lets more of it pass.
LONGEST_FIELD_BESIDE_BYTES = 256 * 2**10
SPOOLED_FROM_BYTES = 2**20


@dataclass(frozen=True)
class Received:
    """The body of a request.

    Args:
        media_type: Without parameters, in small letters; empty where none was named.
        data: The body; empty for a form and for an archive.
        fields: Those of a form, files not among them.
        files: Those of a form, by the name of their field; an archive is open, and is not in memory.
        archive: The body, if it is to be an archive.
    """

    media_type: str
    data: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes | BinaryIO] = field(default_factory=dict)
    archive: BinaryIO | None = None

    def refuse_type(self, *known: str) -> None:
        """Refuse the media type.

        Args:
            known: Media types that the path accepts.

        Raises:
            UnsupportedMediaType: Always.
        """
        raise UnsupportedMediaType(
            f"Content-Type: {self.media_type[:80]!r} is not supported at this path.",
            field="Content-Type",
            hint=f"Use {', '.join(known)}.",
        )


async def received(request: Request) -> AsyncIterator[Received]:
    """A dependency: the body, read to its end. Name it after the one that asks who is there.

    Raises:
        InvalidRequest: A form holds a field twice.
        PayloadTooLarge: A file of a form is too large for a picture, and no archive.
        HTTPException: It is no form, or has too many parts: 400.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type in ARCHIVES:
        with tempfile.SpooledTemporaryFile(SPOOLED_FROM_BYTES) as spooled:
            await _spool(request, cast("BinaryIO", spooled))
            yield Received(media_type, archive=cast("BinaryIO", spooled))
    elif media_type == FORM:
        most_bytes = (await Services.of(request)).settings.max_upload_bytes
        longest = LONGEST_FIELD_BYTES if _length(request) <= most_bytes else LONGEST_FIELD_BESIDE_BYTES
        parts = request.form(max_files=len(file_fields()), max_fields=MOST_FIELDS, max_part_size=longest)
        async with parts as form:
            yield await _parts_of(form.multi_items(), most_bytes)
    else:
        yield Received(media_type, await request.body())


async def content_of(file: UploadFile, most_bytes: int) -> bytes | BinaryIO:
    """What a file of a form holds; an archive stays where it is, for it may be larger than memory.

    Raises:
        PayloadTooLarge: It is no archive, and has more than so many bytes.
    """
    head = await file.read(ARCHIVE_HEAD_BYTES)
    await file.seek(0)
    if archive_type(head) is not None:
        return file.file
    if (file.size or 0) > most_bytes:
        raise PayloadTooLarge(f"A file that is no archive may have at most {most_bytes} bytes.")
    return await file.read()


async def _parts_of(parts: list[tuple[str, UploadFile | str]], most_bytes: int) -> Received:
    fields: dict[str, str] = {}
    files: dict[str, bytes | BinaryIO] = {}
    for name, value in parts:
        if name in fields or name in files:
            raise InvalidRequest(f"The form holds {name[:80]!r} twice.", field=name[:80])
        if isinstance(value, UploadFile):
            files[name] = await content_of(value, most_bytes)
        else:
            fields[name] = value
    return Received(FORM, fields=fields, files=files)


async def _spool(request: Request, file: BinaryIO) -> None:
    pieces = bytearray()
    async for piece in request.stream():
        pieces += piece
        if len(pieces) >= SPOOLED_FROM_BYTES:
            await run_in_threadpool(file.write, bytes(pieces))
            pieces.clear()
    await run_in_threadpool(file.write, bytes(pieces))
    file.seek(0)


def _length(request: Request) -> int:
    # The guard has seen to it that it is a number.
    return int(request.headers.get("content-length", "0"))
