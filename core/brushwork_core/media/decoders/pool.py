"""A small pool of decoder processes, which tenants use in turns."""

import atexit
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from typing import Any

from brushwork_schemas.errors import InvalidDataset, InvalidImage, ServiceUnreachable
from brushwork_schemas.wording.phrase import Phrase, said
from PIL import Image

from brushwork_core.media import pictures
from brushwork_core.media.decoders import tasks
from brushwork_core.media.decoders.current import current_tenant
from brushwork_core.media.decoders.decoder import Decoder, in_process
from brushwork_core.media.decoders.decoder_process import DecoderProcess, Lost
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.reading.file_reading import FileReading
from brushwork_core.shares.fair_share import FairShare
from brushwork_core.shares.turns import Turns

LOGGER = logging.getLogger(__name__)
# A process that was ended from outside says nothing about the picture.
_TRIES = 3


class DecoderPool:
    """Decodes pictures in child processes. A `Decoder`.

    Each process has a limit of memory, and each picture one of CPU time, by its size. A process that dies is
    replaced, and the picture that has ended it is refused. While several tenants wait, they take turns; one
    tenant alone cannot hold all processes if there are three or more.

    Args:
        size: Number of processes. They are started when they are needed.
        trusted: Certificates of authorities that are trusted to issue those of credentials, as PEM.
    """

    def __init__(self, size: int, trusted: str = "") -> None:
        self._trusted = trusted
        self._lock = threading.Lock()
        self._share = FairShare(size)
        self._idle = [DecoderProcess() for _ in range(size)]
        self._all = tuple(self._idle)
        self._turns: Turns[Future[DecoderProcess]] = Turns()

    def cleaned(self, data: bytes, reading: Reading) -> bytes:
        """Return the file to store for a picture."""
        answer, found = self._perform("clean", data, reading)
        return data if answer["is_kept"] else found

    def credentials(self, data: bytes) -> bytes | None:
        """Validate the credentials of a picture."""
        return self._perform("credentials", data, Reading(), trusted=self._trusted)[1] or None

    def decoded(self, data: bytes, reading: Reading) -> Image.Image:
        """Return the pixels of a picture."""
        answer, found = self._perform("decode", data, reading)
        return Image.frombytes(answer["mode"], tuple(answer["size"]), found)

    def thumbnail(self, data: bytes, side: int) -> bytes:
        """Return a stored picture as a small WebP."""
        return self._perform("thumbnail", data, Reading(), side=side)[1]

    def report(self, data: bytes, field: str) -> FileReading:
        """Return what a picture says about its origin."""
        reading = Reading(field, max_bytes=pictures.MAX_STORED_BYTES)
        return FileReading.of_json(self._perform("report", data, reading, trusted=self._trusted)[1])

    def check_dataset(self, data: bytes) -> None:
        """Check everything of an archive but the pictures."""
        self._perform("check dataset", data, Reading("dataset"))

    def close(self) -> None:
        """End all processes. Tasks that run are lost."""
        for process in self._all:
            process.close()

    def _perform(
        self, name: str, data: bytes, reading: Reading, **arguments: Any
    ) -> tuple[dict[str, Any], bytes]:
        task = {"name": name, **vars(reading), **arguments}
        for _ in range(_TRIES):
            try:
                with self._process(current_tenant()) as process:
                    answer, found = process.perform(task, data)
            except Lost as lost:
                LOGGER.warning("A decoder process ended with status %s", lost.code)
                if not lost.is_by_picture:
                    continue
                raise _refused(name, reading.field, _reason(lost)) from lost
            _expect_result(name, reading.field, answer)
            return answer, found
        raise ServiceUnreachable(said("The processes that decode pictures are ended again and again."))

    @contextmanager
    def _process(self, tenant: str | None) -> Iterator[DecoderProcess]:
        """Wait for the turn of a tenant, and borrow a process."""
        process = self._taken(tenant)
        try:
            yield process
        finally:
            with self._lock:
                self._idle.append(process)
                self._share.give_back(tenant)
                self._give()

    def _taken(self, tenant: str | None) -> DecoderProcess:
        with self._lock:
            # Most find nobody waiting.
            if self._idle and not self._turns and self._share.take(tenant):
                return self._idle.pop()
            turn: Future[DecoderProcess] = Future()
            self._turns.add(tenant, turn)
            self._give()
        return turn.result()

    def _give(self) -> None:
        """Give idle processes to those whose turn it is."""
        # Without this, each that comes would ask for all that wait.
        while self._idle:
            turn = self._turns.next(lambda tenant, _: self._share.take(tenant))
            if turn is None:
                return
            turn.set_result(self._idle.pop())


def decoder_of(size: int, trusted: str = "") -> Decoder:
    """Return a decoder with so many processes, which this whole process shares; with 0, it is this process.

    The processes end with this one.

    Args:
        size: Number of processes.
        trusted: As for `DecoderPool`.
    """
    return _shared_pool(size, trusted) if size else in_process(trusted)


@cache
def _shared_pool(size: int, trusted: str) -> DecoderPool:
    pool = DecoderPool(size, trusted)
    atexit.register(pool.close)
    return pool


def _reason(lost: Lost) -> Phrase:
    if lost.code == -signal.SIGPROF:
        return said("it takes more time to decode than a picture of its size needs")
    return said("it ends the program that decodes it")


def _expect_result(name: str, field: str, answer: Mapping[str, Any]) -> None:
    if "error" in answer:
        tasks.raise_error(answer["error"])
    if "exceeded" in answer:
        limit = said("it takes more than {limit} MiB of memory to decode", limit=tasks.MEMORY_BYTES >> 20)
        raise _refused(name, field, limit)


def _refused(name: str, field: str, reason: Phrase) -> InvalidImage | InvalidDataset:
    kind = InvalidDataset if name == "check dataset" else InvalidImage
    return kind(said("{field}: {reason}.", field=field, reason=reason), field=field, hint=pictures.HINT)
