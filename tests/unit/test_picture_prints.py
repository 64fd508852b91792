"""What pictures look like: recorded with the job, found by a copy, for its tenant alone, deleted with it."""

from pathlib import Path
from typing import Any

import pytest
from brushwork_core.database.database import Database
from brushwork_core.database.picture_prints import PICTURE_PRINTS
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.job_deletion import JobDeletion
from brushwork_core.ledger import Completion, Ledger
from brushwork_core.provenance.appearance.fingerprint import Fingerprint, SearchedPicture, difference
from brushwork_core.provenance.appearance.picture_print import print_of
from brushwork_core.provenance.appearance.print_search import PrintSearch, candidates
from brushwork_core.provenance.visible_label import VisibleLabel, with_label
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.artifact.provenance_report import MatchedBy
from brushwork_workers.interface import JobContext
from PIL import Image
from sqlalchemy import func, select, text

from tests.drawn import drawn
from tests.jobs import claimed, new_job, picture, result_of
from tests.perceptual_search import CHANGES, measure, measure_labelled, record
from tests.stations import TestStation

UNKNOWN = "f" * 64
COPIED = CHANGES["JPEG 80, resized to 70 %"]


def ended(ledger: Ledger, job_id: str, shown: Image.Image, tenant: str = "", **hashes: str) -> str:
    """A job that has made a picture, twice the same. Returns the name of the file."""
    ledger.submit([new_job(job_id, tenant=tenant)])
    file = picture(job_id[0]).model_copy(update=hashes)
    made = print_of(shown, file)
    fence = claimed(ledger, job_id).fence
    ledger.complete_many([Completion(job_id, fence, result_of(1), (file,), prints=(made, made))])
    return file.sha256


def seen(shown: Image.Image, sha256: str = UNKNOWN, **hashes: str) -> SearchedPicture:
    return SearchedPicture(sha256, Fingerprint.of(shown), **hashes)


def num_prints(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(PICTURE_PRINTS)).scalar_one()


def test_a_copy_leads_to_the_job(ledger: Ledger, database: Database) -> None:
    names = {letter: ended(ledger, letter, drawn(number)) for number, letter in enumerate("abc")}
    found = PrintSearch(database).find(seen(COPIED(drawn(1))), tenant=None)
    assert [(match.job_id, match.sha256, match.by) for match in found] == [
        ("b", names["b"], MatchedBy.APPEARANCE)
    ]
    assert PrintSearch(database).find(seen(COPIED(drawn(7))), tenant=None) == ()


def test_the_surest_evidence_counts(ledger: Ledger, database: Database) -> None:
    name = ended(ledger, "a", drawn(0), unsigned_sha256="1" * 64, pixels_sha256="2" * 64)
    ended(ledger, "b", drawn(0), unsigned_sha256="3" * 64, pixels_sha256="2" * 64)
    search = PrintSearch(database)

    def found(**of_file: str) -> list[tuple[str, str]]:
        return [(match.job_id, match.by) for match in search.find(seen(drawn(0), **of_file), None)]

    assert found(sha256=name) == [("a", "content")]
    assert found(unsigned_sha256="1" * 64) == [("a", "unsigned")]
    assert found(pixels_sha256="2" * 64) == [("a", "pixels"), ("b", "pixels")]
    assert found() == [("a", "appearance"), ("b", "appearance")]


@pytest.mark.parametrize(
    "of_file", [{"sha256": "a" * 64}, {"pixels_sha256": "2" * 64}, {"unsigned_sha256": "1" * 64}, {}]
)
def test_another_tenant_finds_nothing(ledger: Ledger, database: Database, of_file: dict[str, str]) -> None:
    ended(ledger, "a", drawn(0), "mine", unsigned_sha256="1" * 64, pixels_sha256="2" * 64)
    search, wanted = PrintSearch(database), seen(drawn(0), **of_file)
    assert [match.job_id for match in search.find(wanted, "mine")] == ["a"]
    assert search.find(wanted, "other") == ()
    assert [match.job_id for match in search.find(wanted, None)] == ["a"]


def test_an_input_is_not_what_a_job_has_made(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("a", inputs="c")])
    assert PrintSearch(database).find(seen(drawn(0), picture("c").sha256), None) == ()


def test_the_print_goes_with_the_job(ledger: Ledger, database: Database, tmp_path: Path) -> None:
    ended(ledger, "a", drawn(0))
    assert num_prints(database) == 1
    JobDeletion(database, ArtifactStore(str(tmp_path))).delete("a")
    assert num_prints(database) == 0


def test_a_completion_that_is_out_of_date_leaves_no_print(ledger: Ledger, database: Database) -> None:
    ledger.submit([new_job("a")])
    fence = claimed(ledger, "a").fence
    ledger.release("a", fence)
    made = print_of(drawn(0), picture("a"))
    ledger.complete_many([Completion("a", fence, result_of(1), (picture("a"),), prints=(made,))])
    assert num_prints(database) == 0


@pytest.mark.parametrize("colour", ["black", "white", "#3366cc"])
def test_a_picture_of_one_colour_is_never_recognized(ledger: Ledger, database: Database, colour: str) -> None:
    ended(ledger, "a", Image.new("RGB", (64, 64), colour))
    assert PrintSearch(database).find(seen(Image.new("RGB", (80, 80), colour)), None) == ()


@pytest.mark.parametrize("mode", ["L", "P", "1", "RGBA", "LA", "CMYK", "I;16"])
def test_a_picture_of_any_mode_has_a_print(mode: str) -> None:
    found = Fingerprint.of(drawn(0).convert("I" if mode == "I;16" else mode).convert(mode))
    assert len(found.thumbnail) == 768
    assert len(found.bands) == 4
    assert all(0 <= band < 2**16 for band in found.bands)


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (7, 5)])
def test_a_picture_of_any_size_has_a_print(size: tuple[int, int]) -> None:
    assert len(Fingerprint.of(Image.linear_gradient("L").resize(size)).thumbnail) == 768


def test_other_colours_are_another_picture() -> None:
    red, green, blue = drawn(0).split()
    exchanged = Image.merge("RGB", (blue, red, green))
    assert difference(Fingerprint.of(drawn(0)).thumbnail, Fingerprint.of(exchanged).thumbnail) > 0.3


def test_a_search_uses_the_indexes(database: Database) -> None:
    """A search among many reads some index entries of each band, not the table."""
    record(database, map(drawn, range(40)))
    wanted = candidates(Fingerprint.of(drawn(0)).probes(), None)
    with database.writing() as connection:
        connection.execute(text("ANALYZE"))
        statement = wanted.compile(connection, compile_kwargs={"literal_binds": True})
        if connection.dialect.name == "sqlite":
            explain = "EXPLAIN QUERY PLAN"
        else:
            explain = "EXPLAIN"
            # It would read a table of one page as a whole.
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = "\n".join(str(row) for row in connection.execute(text(f"{explain} {statement}")))
    for band in range(4):
        assert f"ix_picture_prints_band_{band}" in plan
    assert "SCAN picture_prints\n" not in plan
    assert "Seq Scan on picture_prints" not in plan


@pytest.mark.one_database("the statements are those of the other tests")
def test_copies_are_found_among_crops_of_photographs(database: Database) -> None:
    """The quick form of `python -m tests.perceptual_search`, whose figures are in docs/provenance.md."""
    name = "JPEG 80, resized to 70 %"
    found = measure(database, 60, {name: CHANGES[name]})
    assert found[name].own >= 57
    assert found["crops of other places"].nothing == 60


@pytest.mark.one_database("the statements are those of the other tests")
def test_copies_with_a_visible_label_are_found(database: Database) -> None:
    """The quick form of `python -m tests.perceptual_search --labelled 10000`."""
    found = measure_labelled(database, 60, COPIED, is_recorded=True)
    assert found.own >= 57


def test_the_print_of_a_job_is_that_of_the_labelled_picture(sqlite_url: str, tmp_path: Path) -> None:
    """What is stored and passed on has the label, so a copy shows it."""
    station = TestStation(database := Database(sqlite_url), tmp_path, draw_one)
    station.execute(station.adopted(visible_label=True))
    with database.reading() as connection:
        bands = connection.execute(select(*[PICTURE_PRINTS.c[f"band_{n}"] for n in range(4)])).all()
    label = VisibleLabel(MarkSettings().visible_label_text)
    assert tuple(Fingerprint.of(with_label(drawn(1), label).picture).bands) in map(tuple, bands)
    assert tuple(Fingerprint.of(drawn(1)).bands) not in map(tuple, bands)


def draw_one(request: Any, context: JobContext) -> None:
    context.save_picture(drawn(1))
