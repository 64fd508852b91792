"""How surely a copy of a picture leads back to its job, among crops of scikit-image's photographs.

    python -m tests.perceptual_search [--pictures 10000 | --pocket 1000 | --labelled 10000 | --timed 100000]
        [--database URL]

Each photograph is cut in two. Crops of one half are the pictures of jobs; crops of the other half are
pictures that no job has made. So no picture of the second kind shows a place that one of the first kind
shows. Only photographs that the package carries are used, and of the stereo pair only one.

With `--labelled`, pictures and copies have a visible label; for comparison, what is recorded is without it.
With `--timed`, so many crops are recorded, and some searches among them are timed.

A crop is found if the nearest match is its own job. Crops of jobs overlap: the match of a neighbour counts as
missed.
"""

import argparse
import io
import math
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import skimage
from brushwork_core.database.database import Database
from brushwork_core.database.picture_prints import PicturePrint, record_prints
from brushwork_core.database.tables import JOBS
from brushwork_core.provenance.appearance.fingerprint import Fingerprint, SearchedPicture
from brushwork_core.provenance.appearance.picture_print import print_of
from brushwork_core.provenance.appearance.print_search import PrintSearch
from brushwork_core.provenance.visible_label import VisibleLabel, with_label
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.artifact import Artifact
from brushwork_schemas.artifact.provenance_report import Match
from PIL import Image
from sqlalchemy import insert, text

from recipes.pocket.scenes.grammar import sample_full
from recipes.pocket.scenes.staging import NARROW, stage
from recipes.pocket.scenes.world import draw

PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "coffee.png", "coins.png",
    "color.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png",
    "motorcycle_left.png", "retina.jpg", "rocket.jpg",
)  # fmt: skip
SMALLEST_SIDE, LARGEST_SIDE = 96, 256
AT_ONCE = 500
Picture = Image.Image
Change = Callable[[Picture], Picture]


def photographs() -> list[Picture]:
    folder = Path(skimage.__file__).parent / "data"
    return [Image.open(folder / name).convert("RGB") for name in PHOTOGRAPHS]


def halves(photograph: Picture) -> tuple[Picture, Picture]:
    """The two halves along the longer side."""
    width, height = photograph.size
    if width >= height:
        middle = width // 2
        return photograph.crop((0, 0, middle, height)), photograph.crop((middle, 0, width, height))
    middle = height // 2
    return photograph.crop((0, 0, width, middle)), photograph.crop((0, middle, width, height))


def crops(sources: Sequence[Picture], number: int, seed: int) -> Iterator[Picture]:
    rng = random.Random(seed)
    for _ in range(number):
        source = rng.choice(sources)
        width = rng.randint(SMALLEST_SIDE, min(LARGEST_SIDE, source.width))
        height = rng.randint(SMALLEST_SIDE, min(LARGEST_SIDE, source.height))
        left, top = rng.randint(0, source.width - width), rng.randint(0, source.height - height)
        yield source.crop((left, top, left + width, top + height))


def encoded(picture: Picture, scale: float, format_name: str, quality: int) -> Picture:
    """A picture that was made smaller, written and read again."""
    size = max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
    stream = io.BytesIO()
    picture.resize(size, Image.Resampling.BICUBIC).save(stream, format_name, quality=quality)
    return Image.open(stream).convert("RGB")


def cropped(picture: Picture, part: float) -> Picture:
    left, top = round(picture.width * part), round(picture.height * part)
    return picture.crop((left, top, picture.width - left, picture.height - top))


CHANGES: dict[str, Change] = {
    "JPEG 80, resized to 70 %": lambda picture: encoded(picture, 0.7, "JPEG", 80),
    "JPEG 50, resized to 70 %": lambda picture: encoded(picture, 0.7, "JPEG", 50),
    "JPEG 80, resized to 50 %": lambda picture: encoded(picture, 0.5, "JPEG", 80),
    "WebP 80, resized to 70 %": lambda picture: encoded(picture, 0.7, "WEBP", 80),
    "JPEG 80, 1 % cut off at each side": lambda picture: encoded(cropped(picture, 0.01), 1.0, "JPEG", 80),
    "JPEG 80, 3 % cut off at each side": lambda picture: encoded(cropped(picture, 0.03), 1.0, "JPEG", 80),
}


@dataclass(frozen=True)
class Found:
    """How many searches found the own job, another one, or nothing; and the milliseconds of one search."""

    own: int
    other: int
    nothing: int
    milliseconds: float

    @property
    def number(self) -> int:
        return self.own + self.other + self.nothing

    def line(self, name: str) -> str:
        part = 100 * self.own / self.number
        counts = (
            f"{self.own:6} of {self.number} found ({part:.2f} %), {self.other} other, {self.nothing} none"
        )
        return f"{name:36} {counts}, {self.milliseconds:.1f} ms a search"


def record(database: Database, pictures: Iterator[Picture], tenant: str = "") -> int:
    """Record pictures as those of jobs `0`, `1`, ..., and return their number."""
    number = 0
    batch: list[tuple[str, PicturePrint]] = []
    for number, picture in enumerate(pictures, start=1):
        file = Artifact(sha256=f"{number:064x}", media_type="image/png", size_bytes=1)
        batch.append((str(number - 1), print_of(picture, file)))
        if len(batch) == AT_ONCE:
            _write(database, batch, tenant)
            batch = []
    _write(database, batch, tenant)
    return number


def _write(database: Database, batch: list[tuple[str, PicturePrint]], tenant: str) -> None:
    if not batch:
        return
    job = {"kind": "text-to-image", "model": "m", "label": "l", "state": "succeeded", "request": {}}
    job |= {"max_attempts": 1, "created_at": 0, "queued_at": 0, "tenant": tenant}
    with database.writing() as connection:
        connection.execute(insert(JOBS), [{"id": job_id, **job} for job_id, _ in batch])
        record_prints(connection, batch)


def searched(search: PrintSearch, picture: Picture, tenant: str | None = "") -> Sequence[Match]:
    return search.find(SearchedPicture("f" * 64, Fingerprint.of(picture)), tenant)


def look_for(search: PrintSearch, pictures: Iterator[Picture], *, are_known: bool = True) -> Found:
    own = other = nothing = 0
    spent = 0.0
    for number, picture in enumerate(pictures):
        began = time.perf_counter()
        matches = searched(search, picture)
        spent += time.perf_counter() - began
        if not matches:
            nothing += 1
        elif are_known and matches[0].job_id == str(number):
            own += 1
        else:
            other += 1
    return Found(own, other, nothing, 1000 * spent / max(1, own + other + nothing))


def labelled(picture: Picture) -> Picture:
    """A picture with the visible label of the default settings."""
    return with_label(picture, VisibleLabel(MarkSettings().visible_label_text)).picture


def measure_labelled(database: Database, number: int, change: Change, *, is_recorded: bool) -> Found:
    """Record `number` crops, and search for copies that have a visible label.

    Args:
        database: An empty database.
        number: Number of crops.
        change: Makes the copies.
        is_recorded: Whether what is recorded has the label, too.
    """
    mine, _ = zip(*map(halves, photographs()), strict=True)
    pictures = crops(mine, number, seed=1)
    record(database, map(labelled, pictures) if is_recorded else pictures)
    copies = (change(labelled(each)) for each in crops(mine, number, seed=1))
    return look_for(PrintSearch(database), copies)


def record_many(database: Database, pictures: Iterator[Picture]) -> None:
    """Record pictures as `record` does, with the hashes of many of them computed together by numpy."""
    waves = np.array([[math.cos(math.pi * f * (2 * x + 1) / 32) for x in range(16)] for f in range(9)])
    number = 0
    while some := [
        each.resize((16, 16), Image.Resampling.BOX).tobytes() for each in islice(pictures, AT_ONCE)
    ]:
        pixels = np.frombuffer(b"".join(some), np.uint8).reshape(-1, 16, 16, 3)
        across = (pixels @ np.array([0.299, 0.587, 0.114])) @ waves.T
        found = np.einsum("nrx,yr->nyx", across[:, :, :8], waves[:8])
        found[:, 0, 0] = across[:, :, 8] @ waves[0]
        flat = found.reshape(len(some), 64)
        bits = (flat > np.median(flat, axis=1, keepdims=True)).reshape(-1, 4, 16)
        bands = bits @ (1 << np.arange(16))
        assert tuple(bands[0]) == Fingerprint.of_thumbnail(some[0]).bands
        batch = [
            (str(number + at), PicturePrint(f"{number + at:064x}", tuple(map(int, bands[at])), thumbnail))
            for at, thumbnail in enumerate(some)
        ]
        _write(database, batch, "")
        number += len(some)


def times_of(
    database: Database, number: int, change: Change, searches: int = 500
) -> Iterator[tuple[str, str]]:
    """Record `number` crops, and yield how long searches for copies and for other pictures take."""
    mine, others = zip(*map(halves, photographs()), strict=True)
    record_many(database, crops(mine, number, seed=1))
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))
    search = PrintSearch(database)
    for name, pictures in (
        ("copies", crops(mine, searches, seed=1)),
        ("others", crops(others, searches, seed=2)),
    ):
        spent = []
        for picture in map(change, pictures):
            seen = SearchedPicture("f" * 64, Fingerprint.of(picture))
            began = time.perf_counter()
            search.find(seen, "")
            spent.append(1000 * (time.perf_counter() - began))
        spent.sort()
        half, most = spent[len(spent) // 2], spent[int(len(spent) * 0.95)]
        yield name, f"p50 {half:.1f} ms, p95 {most:.1f} ms, longest {spent[-1]:.1f} ms"


def measure(database: Database, number: int, changes: dict[str, Change]) -> dict[str, Found]:
    """Record `number` crops, and search for their copies and for as many crops of other places."""
    mine, others = zip(*map(halves, photographs()), strict=True)
    record(database, crops(mine, number, seed=1))
    search, found = PrintSearch(database), {}
    for name, change in changes.items():
        found[name] = look_for(search, map(change, crops(mine, number, seed=1)))
    strange = map(next(iter(changes.values())), crops(others, number, seed=2))
    found["crops of other places"] = look_for(search, strange, are_known=False)
    return found


def pocket_pictures(number: int, seed: int) -> Iterator[Picture]:
    """Pictures of the pocket models' world: one or two shapes on a plain ground, 64 pixels a side."""
    rng = np.random.default_rng(seed)
    for _ in range(number):
        scene = stage(sample_full(int(rng.integers(1, 3)), rng), NARROW, rng)
        yield Image.fromarray(draw(scene, 64))


def measure_pocket(database: Database, number: int, change: Change) -> dict[str, Found]:
    """Record `number` pocket pictures, and search for their copies and for as many others."""
    record(database, pocket_pictures(number, seed=1))
    search, others = PrintSearch(database), map(change, pocket_pictures(number, seed=2))
    return {
        "pocket pictures": look_for(search, map(change, pocket_pictures(number, seed=1))),
        "other pocket pictures": look_for(search, others, are_known=False),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--pocket", type=int, default=0, help="so many pocket pictures, instead of crops")
    parser.add_argument("--labelled", type=int, default=0, help="so many crops with a visible label")
    parser.add_argument("--timed", type=int, default=0, help="record so many crops, and time searches")
    parser.add_argument(
        "--database", help="URL of an empty database; by default SQLite in a folder of its own"
    )
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.database or f"sqlite:///{folder}/ledger.sqlite"
        change = next(iter(CHANGES.values()))
        with opened(url) as database:
            if given.timed:
                for name, told in times_of(database, given.timed, change):
                    print(f"{given.timed} recorded, {name}: {told}")
                return
            if given.labelled:
                found = measure_labelled(database, given.labelled, change, is_recorded=True)
                print(found.line("recorded with the label"))
                with opened(f"sqlite:///{folder}/without.sqlite") as other:
                    found = measure_labelled(other, given.labelled, change, is_recorded=False)
                print(found.line("recorded without it"))
                return
            measured = (
                measure_pocket(database, given.pocket, change)
                if given.pocket
                else measure(database, given.pictures, CHANGES)
            )
            for name, found in measured.items():
                print(found.line(name))


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = Database(url, "measurement")
    database.migrate()
    yield database
    database.close()


if __name__ == "__main__":
    main()
