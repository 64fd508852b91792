"""The tasks of a decoder process, and their limits."""

import os
import resource
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from brushwork_schemas.artifact.mp4 import is_mp4
from brushwork_schemas.errors import InvalidDataset, InvalidImage, RequestError
from brushwork_schemas.wording.phrase import parameters_of, restored, template_of

from brushwork_core.media import picture_report, pictures
from brushwork_core.media.dataset import Dataset
from brushwork_core.media.decoders import frames
from brushwork_core.media.picture_structure import MAX_PIXELS
from brushwork_core.media.pictures import Reading
from brushwork_core.provenance.credentials.kept import kept_credentials

# Until the size of a picture is known; then for each of its megapixels. Slow machines take several times as
# long as fast ones, and the largest picture takes 3 s on a fast one.
CPU_S, CPU_S_PER_MEGAPIXEL = 1.0, 0.6
# For an archive, and for each of its megabytes.
ARCHIVE_CPU_S, CPU_S_PER_MEGABYTE = 5.0, 0.05
# A hundred manifests in one another take less.
CREDENTIALS_CPU_S = 3.0
# Beside what the program itself takes. A picture of 25 megapixels takes up to 700 MB.
MEMORY_BYTES = 1280 * 2**20
# Of what a task writes: 25 megapixels of four bytes, and more than any PNG of them.
WRITTEN_BYTES = 256 * 2**20
# It gets about a third of the time of a process that needs the same core, and all of an idle core.
NICENESS = 5


def limit_process() -> None:
    """Limit memory and files of this process for good, and take away what an ended one would leave.

    It also stands back: whoever waits for a picture waits longer than whoever asks for anything else.
    """
    _stand_back()
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Else a write beyond the limit would end the process instead of failing.
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_FSIZE, WRITTEN_BYTES)
    # Linux counts only what a process can write to; other systems have nothing like it.
    if (own := _own_bytes()) is not None:
        _lower(resource.RLIMIT_DATA, own + MEMORY_BYTES)


def perform(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    """Perform a task under a limit of CPU time, and return the answer.

    Args:
        task: Its `name` and its arguments.
        given: Open file that holds the picture or archive.
        result: Open, empty file for the result.
    """
    try:
        return _TASKS[task["name"]](task, given, result)
    except MemoryError:
        return {"exceeded": "memory"}
    except RequestError as error:
        return {"error": _described(error)}
    finally:
        allow_cpu(0)


def raise_error(error: Mapping[str, Any]) -> NoReturn:
    """Raise the error that a task ended with, as it was."""
    kind = InvalidDataset if error["code"] == InvalidDataset.code else InvalidImage
    hint = None if error["hint"] is None else restored(*error["hint"])
    raise kind(restored(*error["message"]), field=error["field"], hint=hint)


def allow_cpu(seconds: float) -> None:
    """End this process when it has used so much more CPU time; 0 for no limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def _described(error: RequestError) -> dict[str, Any]:
    texts = {
        name: None if text is None else (str(text), template_of(text), parameters_of(text))
        for name, text in (("message", error.message), ("hint", error.hint))
    }
    return {"code": error.code, "field": error.field, **texts}


def _reading(task: Mapping[str, Any]) -> Reading:
    return Reading(task["field"], task["background"], task["first_frame"], task["max_bytes"])


def _allow_pixels(pixels: int) -> None:
    allow_cpu(CPU_S + CPU_S_PER_MEGAPIXEL * pixels / 1e6)


def _clean(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    allow_cpu(CPU_S)
    data = frames.content(given)
    kept = pictures.read(data, _reading(task), _allow_pixels).file
    if kept is not data:
        frames.write_all(result, kept)
    return {"is_kept": kept is data}


def _decode(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    allow_cpu(CPU_S)
    picture = pictures.read(frames.content(given), _reading(task), _allow_pixels).picture
    frames.write_all(result, picture.tobytes())
    return {"mode": picture.mode, "size": picture.size}


def _credentials(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    # A hash of all bytes, and some signatures.
    allow_cpu(CREDENTIALS_CPU_S + CPU_S_PER_MEGABYTE * os.fstat(given).st_size / 2**20)
    if (found := kept_credentials(frames.content(given), task["trusted"])) is not None:
        frames.write_all(result, found.content())
    return {}


def _thumbnail(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    _allow_pixels(MAX_PIXELS)
    frames.write_all(result, pictures.encode_thumbnail(frames.content(given), task["side"]))
    return {}


def _report(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    data = frames.content(given)
    # Of a video, nothing is decoded, but all bytes are hashed.
    allow_cpu(CPU_S + (CPU_S_PER_MEGABYTE * len(data) / 2**20 if is_mp4(data[:12]) else 0))
    found = picture_report.reported(data, _reading(task), task["trusted"], _allow_pixels_twice)
    frames.write_all(result, found.to_json())
    return {}


def _allow_pixels_twice(pixels: int) -> None:
    """Allow for the second look at a PNG: chunks may stand after the pixels."""
    _allow_pixels(2 * pixels)


def _check_dataset(task: Mapping[str, Any], given: int, result: int) -> dict[str, Any]:
    allow_cpu(ARCHIVE_CPU_S + CPU_S_PER_MEGABYTE * os.fstat(given).st_size / 2**20)
    with open(given, "rb", closefd=False) as file:
        # Not read as a whole: it may be larger than the memory of this process.
        Dataset(file)
    return {}


_TASKS: dict[str, Callable[[Mapping[str, Any], int, int], dict[str, Any]]] = {
    "clean": _clean,
    "credentials": _credentials,
    "decode": _decode,
    "thumbnail": _thumbnail,
    "report": _report,
    "check dataset": _check_dataset,
}


def _stand_back() -> None:
    os.nice(NICENESS)
    # Linux may divide time between sessions first, and a decoder has one of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICENESS), "ascii")


def _own_bytes() -> int | None:
    try:
        status = Path("/proc/self/status").read_text("ascii")
    except OSError:
        return None
    sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmData:")]
    return 1024 * int(sizes[0]) if sizes else None


def _lower(limit: int, value: int) -> None:
    _, hard = resource.getrlimit(limit)
    lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (lowest, lowest))
