"""The body of a request: its bytes, or the fields and files of a form."""

import tempfile
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO, cast

from brushwork_schemas.artifact import ARCHIVE_HEAD_BYTES, archive_type
from brushwork_schemas.errors import InvalidRequest, PayloadTooLarge, UnsupportedMediaType
from brushwork_schemas.kinds.file_places import ANY_INDEX, pattern_of
from brushwork_schemas.kinds.registry import file_patterns
from brushwork_schemas.wording.phrase import said
from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from brushwork.gateway.admission.access import Principal
from brushwork.gateway.admission.body_room import FIRST_BYTES, Room
from brushwork.gateway.dependencies import Gateway, Reader, Submitter
from brushwork.gateway.media_types import ARCHIVES, FORM, media_type_of
from brushwork.gateway.services import Services

MOST_FIELDS = 64
MOST_FILES = 64
# A field may hold a picture as a data: address. The guard limits the body as a whole.
LONGEST_FIELD_BYTES = 40 * 2**20
# Fields are held in memory, and the guard allows a larger body for a form with an archive.
LONGEST_FIELD_BESIDE_BYTES = 256 * 2**10
SPOOLED_FROM_BYTES = 2**20


@dataclass(frozen=True)
class Received:
    """The body of a request.

    Args:
        media_type: Media type without parameters, in lower case, with one name for JSON; empty if the request
            has none.
        data: The bytes; empty for a form and for an archive.
        fields: Fields of a form, without files.
        files: Files of a form, by field. An archive is an open file, so that it is not held in memory.
        archive: The body as an open file, if its media type is that of an archive.
        room: The room that the body takes.
    """

    media_type: str
    data: bytes = b""
    fields: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, bytes | BinaryIO] = field(default_factory=dict)
    archive: BinaryIO | None = None
    room: Room | None = None

    def release(self) -> None:
        """Forget a body that is not a form, and give back its room, before a wait that does not need it."""
        # The web framework keeps the fields and files of a form until the answer is sent.
        if self.room is not None and self.media_type != FORM:
            object.__setattr__(self, "data", b"")
            self.room.leave()

    def refuse_type(self, *known: str) -> None:
        """Refuse the media type.

        Args:
            known: Media types that the path accepts.

        Raises:
            UnsupportedMediaType: Always.
        """
        raise UnsupportedMediaType(
            said(
                "Content-Type: {media_type!r} is not supported at this path.", media_type=self.media_type[:80]
            ),
            field="Content-Type",
            hint=said("Use {known}.", known=known),
        )


async def received(request: Request, services: Gateway, principal: Submitter) -> AsyncIterator[Received]:
    """Read the whole body for a key that may submit; a FastAPI dependency. Errors: those of `_received`."""
    async with _received(request, services, principal) as body:
        yield body


async def received_to_read(request: Request, services: Gateway, principal: Reader) -> AsyncIterator[Received]:
    """Read the whole body for a key that may read; a FastAPI dependency. Errors: those of `_received`."""
    async with _received(request, services, principal) as body:
        yield body


@asynccontextmanager
async def _received(request: Request, services: Services, principal: Principal) -> AsyncIterator[Received]:
    """Read the whole body. The key is checked before a byte is read.

    Raises:
        RequestError: The form is malformed, or has too many parts.
        InvalidRequest: The form repeats a field.
        PayloadTooLarge: A file that is not an archive is larger than a picture may be.
        TooManyUploads: The bodies of other requests take all the room.
    """
    media_type = media_type_of(request.headers.get("content-type", ""))
    most_bytes = services.settings.max_upload_bytes
    async with services.bodies.room(principal.stream_tenant) as room:
        if media_type in ARCHIVES:
            await room.take(spool=_length(request) or services.settings.max_dataset_bytes)
            with tempfile.SpooledTemporaryFile(SPOOLED_FROM_BYTES) as spooled:
                await _spool(request, cast("BinaryIO", spooled))
                yield Received(media_type, archive=cast("BinaryIO", spooled))
        elif media_type == FORM:
            await take_for_form(room, request, most_bytes)
            longest = LONGEST_FIELD_BYTES if _length(request) <= most_bytes else LONGEST_FIELD_BESIDE_BYTES
            parts = request.form(max_files=MOST_FILES, max_fields=MOST_FIELDS, max_part_size=longest)
            async with parts as form:
                yield replace(await _parts_of(form.multi_items(), most_bytes), room=room)
        else:
            yield Received(media_type, await _whole(request, room, most_bytes), room=room)


async def take_for_form(room: Room, request: Request, most_bytes: int) -> None:
    """Take the room of a form: in the temporary folder for what is beyond the size of a picture.

    Raises:
        TooManyUploads: The bodies of other requests take all the room.
    """
    length = _length(request) or most_bytes
    await room.take(memory=min(length, most_bytes), spool=length if length > most_bytes else 0)


async def _whole(request: Request, room: Room, most_bytes: int) -> bytes:
    length = _length(request)
    await room.take(memory=length or FIRST_BYTES)
    whole = bytearray()
    async for piece in request.stream():
        await room.hold(len(whole) + len(piece), most_bytes)
        whole += piece
    return bytes(whole)


async def content_of(file: UploadFile, most_bytes: int) -> bytes | BinaryIO:
    """Return the bytes of a file in a form. An archive is returned as an open file: it may be large.

    Args:
        file: File of a form.
        most_bytes: Size limit of files that are not archives, in bytes.

    Raises:
        PayloadTooLarge: The file is not an archive, and larger than the limit.
    """
    head = await file.read(ARCHIVE_HEAD_BYTES)
    await file.seek(0)
    if archive_type(head) is not None:
        return file.file
    if (file.size or 0) > most_bytes:
        raise PayloadTooLarge(
            said(
                "The file is larger than {most_bytes} bytes, the limit of files that are not archives.",
                most_bytes=most_bytes,
            )
        )
    return await file.read()


async def _parts_of(parts: list[tuple[str, UploadFile | str]], most_bytes: int) -> Received:
    fields: dict[str, str] = {}
    files: dict[str, bytes | BinaryIO] = {}
    for name, value in parts:
        name = _place(name, {*fields, *files})
        if name in fields or name in files:
            raise InvalidRequest(
                said("{field}: the form repeats this field.", field=name[:80]), field=name[:80]
            )
        if isinstance(value, UploadFile):
            files[name] = await content_of(value, most_bytes)
        else:
            fields[name] = value
    return Received(FORM, fields=fields, files=files)


def _place(name: str, places: Collection[str]) -> str:
    """Return the place of a part: a form may repeat the name of a list of files, once for each file in it."""
    if f"{pattern_of(name)}.{ANY_INDEX}" not in file_patterns():
        return name
    return f"{name}.{sum(each.rpartition('.')[0] == name for each in places)}"


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
    # The guard has checked that it is a number.
    return int(request.headers.get("content-length", "0"))
