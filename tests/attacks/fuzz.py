"""Look for crashes by changing files at random: `python -m tests.attacks.fuzz PART --minutes 10`.

PART is `pictures`, `archives` or `json`. Atheris drives it, guided by what of our Python code a file reaches.
Whatever is not an error of the caller, or takes more CPU time than hostile files may, ends the run with the
file that did it. Install atheris first: `python -m pip install atheris`; it is no dependency of the tests,
for it has wheels for few versions of Python.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import atheris  # type: ignore[import-not-found]
from brushwork_schemas.errors import PluginFailed, RequestError

from tests.archives import folders, tarred, zipped
from tests.attacks.hostile.parts import encoded
from tests.heic_samples import CLEAR_HALF, TURNED, TWO_HALVES

INSTRUMENTED = ["brushwork_core.media", "brushwork_schemas", "brushwork.gateway.bodies"]
with atheris.instrument_imports(include=INSTRUMENTED):
    from brushwork.gateway.bodies.json_body import parsed
    from brushwork_core.media import pictures
    from brushwork_core.media.dataset import Dataset
    from brushwork_schemas.admission import admit
    from brushwork_schemas.catalogue import Catalogue
    from brushwork_schemas.options import taken_options

# A file of the fuzzer has a few kilobytes, and coverage makes Python several times slower.
MOST_CPU_S = 5.0
MOST_MEGAPIXELS = 4.0
CATALOGUE = Catalogue.load(None)


class TooSlow(Exception):
    """A small file took very long."""


def read_picture(data: bytes) -> None:
    """Read a picture, unless it is a large one: that may take long."""
    pictures.read(data, pictures.Reading(first_frame=True), _expect_small)


def read_archive(data: bytes) -> None:
    """Read a data set with its pictures."""
    for _ in Dataset(data).pictures():
        pass


def read_json(data: bytes) -> None:
    """Read a request as the gateway does."""
    request = parsed(data)
    if isinstance(request, dict):
        parameters = dict(request)
        kind = parameters.pop("kind", None)
        taken_options(parameters)
        admit(kind, parameters, CATALOGUE)


class _Large(RequestError):
    """A picture is large."""


def _expect_small(pixels: int) -> None:
    if pixels > MOST_MEGAPIXELS * 1e6:
        raise _Large("large")


def _picture_seeds() -> Iterator[bytes]:
    for form in ("PNG", "JPEG", "WEBP", "AVIF", "BMP", "TIFF", "GIF"):
        for mode in ("RGB", "L", "P") if form in ("PNG", "BMP", "GIF", "TIFF") else ("RGB",):
            yield encoded(form, (24, 16), mode)
    yield encoded("JPEG", (24, 16), progressive=True)
    yield encoded("PNG", (24, 16), "RGBA")
    yield encoded("WEBP", (24, 16), "RGBA", lossless=True)
    yield from (TWO_HALVES, CLEAR_HALF, TURNED)


def _archive_seeds() -> Iterator[bytes]:
    files = folders("cat", "dog")
    yield from (zipped(files), tarred(files), tarred(files, packed=True))
    yield zipped({f"train/{name}": data for name, data in files.items()})


def _json_seeds() -> Iterator[bytes]:
    for request in (
        {"kind": "text-to-image", "prompt": "a red circle", "width": 64, "seed": 1, "deadline_s": 5.5},
        {"kind": "image-classification", "image": "0" * 64, "candidate_labels": ["a", "b"]},
        {"kind": "inpainting", "image": "0" * 64, "mask_image": "0" * 64, "prompt": "x", "priority": "high"},
    ):
        yield json.dumps(request).encode()


PARTS: dict[str, tuple[Callable[[bytes], None], Callable[[], Iterator[bytes]]]] = {
    "pictures": (read_picture, _picture_seeds),
    "archives": (read_archive, _archive_seeds),
    "json": (read_json, _json_seeds),
}


def checked(read: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return a target that lets the errors of the caller pass, and is strict with time."""

    def target(data: bytes) -> None:
        began = time.process_time()
        with suppress(RequestError, PluginFailed):
            read(data)
        if time.process_time() - began > MOST_CPU_S:
            raise TooSlow(f"{time.process_time() - began:.1f} s")

    return target


def main() -> None:
    """Run one part for some minutes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--keep", type=Path, default=Path(), help="folder for a file that crashes or is slow")
    options = parser.parse_args()
    kept = options.keep.resolve()
    read, seeds = PARTS[options.part]
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds()):
            (Path(folder) / str(number)).write_bytes(seed)
        limits = [f"-max_total_time={round(60 * options.minutes)}", "-timeout=60", "-rss_limit_mb=4096"]
        limits.append(f"-artifact_prefix={kept}/")
        os.chdir(folder)
        atheris.Setup([sys.argv[0], *limits, "-max_len=20000", "-print_final_stats=1", folder], checked(read))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
