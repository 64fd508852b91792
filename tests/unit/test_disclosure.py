"""What callers read of an error, and what stays in the log."""

from collections.abc import Callable

import pytest
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_schemas.errors import BrushworkError, InvalidImage, ModelUnavailable, ServiceUnreachable
from brushwork_schemas.job import JobError
from brushwork_schemas.wording.disclosure import for_caller, for_reader, is_private, new_reader, note_reader
from brushwork_schemas.wording.phrase import parameters_of, private, restored, said
from brushwork_schemas.wording.translation import translated

ADDRESS = 'connection to server at "db.inner.example" (10.1.2.3), port 5432 failed'


def test_a_private_value_is_in_the_text_and_not_in_what_callers_read() -> None:
    text = said("The database does not answer: {orig}.", orig=private(ADDRESS))
    assert ADDRESS in text
    assert is_private(text)
    assert for_caller(text) == "The database does not answer: the log has the reason."
    assert for_caller(text, is_own=True) == for_caller(text)
    assert translated(for_caller(text), "zh") == "数据库没有响应：原因见日志。"


def test_a_private_value_within_another_text_or_a_list_is_hidden_too() -> None:
    inner = said("{name} cannot be read: {error}.", name="config.json", error=private("/srv/x: denied"))
    for text in (
        said("Model {name}: {message}", name="m", message=inner),
        said("{names}", names=[inner, "b"]),
    ):
        assert "/srv/x" in text
        assert "/srv/x" not in for_caller(text)
        assert "the log has the reason" in for_caller(text)


def test_a_private_value_stays_one_where_it_is_stored() -> None:
    text = said("Model {m} is in {folder}.", m="m", folder=private("/srv/models/m", "its folder"))
    again = restored(str(text), text.template, parameters_of(text))
    assert again == text
    assert for_caller(again) == "Model m is in its folder."


def test_an_older_version_reads_a_stored_private_value_as_text() -> None:
    stored = parameters_of(said("{folder}", folder=private("/srv/models/m", "its folder")))["folder"]
    assert stored["text"] == "/srv/models/m"


def test_a_long_or_odd_private_value_stays_one() -> None:
    error = BrushworkError(said("It failed: {error}.", error=private("/srv/\x1b" + "x" * 3000)))
    assert for_caller(error.message) == "It failed: the log has the reason."


@pytest.mark.parametrize(
    "text",
    [
        "cannot read /srv/models/flux/model.safetensors",
        "[Errno 13] Permission denied: '/var/lib/brushwork'",
        "GET http://minio.inner:9000/bucket/ab/cd failed",
        "s3://inner-bucket/prefix is away",
        "connect to 10.1.2.3:6379 refused",
        "no route to [fd00::1]:5432",
        "postgresql://user:secret@db.inner/brushwork",
        r"C:\models\flux is missing",
    ],
)
def test_a_text_of_a_plug_in_loses_its_places(text: str) -> None:
    for shown in (for_caller(text), for_caller(said("It failed: {what}", what=text))):
        for part in ("srv", "var/lib", "inner", "10.1", "fd00", "models"):
            assert part not in shown
        assert "(hidden)" in shown


@pytest.mark.parametrize(
    "text",
    [
        "Poll the job with GET /v1/jobs/{job_id}.",
        "The job costs 12/34 megapixels x steps.",
        "config.json names torchvision.models.resnet18.",
        "It took 10.5 s; the limit is 1:30.",
        "Model a/b at revision 1.2.3: HashMismatch.",
    ],
)
def test_a_text_without_places_stays(text: str) -> None:
    assert for_caller(text) is text


def test_the_callers_own_words_stay() -> None:
    text = said("{field}: {url!r} can't be read.", field="image", url="http://example.org/a.png")
    assert for_caller(text, is_own=True) is text


def test_an_operator_reads_everything() -> None:
    text = said("It failed: {error}.", error=private("/srv/x"))
    with new_reader():
        assert "/srv" not in for_reader(text)
        note_reader(is_operator=True)
        assert for_reader(text) is text
    assert "/srv" not in for_reader(text)


def test_the_error_of_a_job_is_stored_in_full_and_shown_without_places() -> None:
    error = ModelUnavailable(
        said("Model {m} cannot be loaded: {error}.", m="m", error=private("/srv/m: no")),
        hint=said("Check that the worker may read {folder}.", folder=private("/srv/m", "its folder")),
    )
    stored = JobError(**JobError.of(error).model_dump(mode="json"))
    assert "/srv/m" in stored.message
    assert "/srv/m" in (stored.hint or "")
    assert "/srv" not in stored.for_reader().model_dump_json()
    assert stored.for_reader().hint == "Check that the worker may read its folder."


def test_an_error_of_an_older_worker_is_shown_without_places() -> None:
    message = "Cannot write to the artifact store: error sending request for url (http://10.0.0.7:9000/b/ab)."
    old = JobError(
        code="service_unreachable", message=message, fault="machine",
        template="Cannot write to the artifact store: {first_line}.",
        parameters={"first_line": "error sending request for url (http://10.0.0.7:9000/b/ab)"},
    )  # fmt: skip
    assert "10.0.0.7" not in old.for_reader().model_dump_json()


def _no_database() -> None:
    with Database("postgresql+psycopg://u:secret@127.0.0.1:1/inner").reading():
        pass


def _no_folder() -> None:
    ArtifactStore("/proc/nowhere/brushwork")


def _no_sqlite() -> None:
    Database("sqlite:////proc/nowhere/ledger.sqlite3")


def test_a_fault_of_the_store_names_no_place_even_to_the_operator() -> None:
    # `brushwork doctor` names it.
    with pytest.raises(ServiceUnreachable) as raised:
        _no_folder()
    assert "/proc" not in str(raised.value)


@pytest.mark.parametrize("act", [_no_database, _no_sqlite])
def test_a_service_that_is_away_is_not_described_to_callers(act: Callable[[], None]) -> None:
    with pytest.raises(ServiceUnreachable) as raised:
        act()
    shown = for_caller(raised.value.message)
    assert not any(place in shown for place in ("127.0.0.1", "/proc", "inner", "secret"))


def test_an_error_of_the_caller_keeps_what_it_quotes() -> None:
    error = JobError.of(
        InvalidImage(said("{field}: {url!r} is odd.", field="image", url="http://a.example/b"))
    )
    assert error.for_reader() == error
