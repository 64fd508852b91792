"""A kind that no file of ours knows: its form, its job's page, and what the command line says of it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from brushwork.cli.parameters import parsed
from brushwork.cli.views.job import save_files
from brushwork.cli.views.result import files, pictures, result_facts
from brushwork.gateway.admission.access import Principal
from brushwork.page import templates
from brushwork.page.forms.form_errors import FormErrors
from brushwork.page.forms.kind_form import form_fields
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.routes.home import KindForm
from brushwork.page.session import Session
from brushwork.page.views.follow_ups import follow_ups
from brushwork.page.views.job_view import JobDetails
from brushwork.page.views.thumbnail import Thumbnail
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.files.tenant_files import TenantFiles
from brushwork_schemas.artifact import Artifact, Picture
from brushwork_schemas.catalogue import Model, Source
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.job import Job
from brushwork_schemas.kinds import registry
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Provenance, Result, Timings
from brushwork_schemas.kinds.view import Block, PictureNotes, Scores, Table, Text
from brushwork_schemas.plugins import registered
from brushwork_schemas.states import JobState
from pydantic import Field
from starlette.requests import Request as HttpRequest

from tests.clients import png

WORDS = {"zh": {"field.amount.label": "程度", "result.blurred.label": "模糊图"}}


class BlurRequest(Request):
    """Blur a picture."""

    image: Picture = Field(title="Sharp picture", description="The picture to blur.")
    amount: float = Field(2.0, ge=0, le=9, title="Amount", description="Radius in pixels.")


class BlurResult(Result):
    """A blurred picture and what was lost."""

    blurred: Artifact = Field(title="Blurred picture")
    loss: tuple[tuple[str, float], ...]


def view(job: Job) -> Sequence[Block]:
    if not isinstance(job.result, BlurResult):
        return ()
    columns = ({"en": "Band", "zh": "频带"}, {"en": "Loss", "zh": "损失"})
    rows = [(band, f"{loss:.2f}") for band, loss in job.result.loss]
    notes = PictureNotes([({"en": "very soft", "zh": "很柔和"},)])
    return (Table({"en": "Lost bands", "zh": "丢失的频带"}, columns, rows), notes)


def sample(job: Job, picture: Any) -> Mapping[str, Any]:
    return {"blurred": picture(job.request.image), "loss": (("<high>", 0.5),)}


def kind(**changes: Any) -> Kind:
    fields = {
        "name": "picture-blurring",
        "request_type": BlurRequest,
        "result_type": BlurResult,
        "title": {"en": "Blur", "zh": "模糊"},
        "action": {"en": "Blur a picture", "zh": "模糊图片"},
        "example": {"image": "x", "amount": 3},
        "sample": sample,
        "view": view,
        "follow_up": {"en": "Blur it", "zh": "模糊它"},
        "words": WORDS,
    }
    return Kind(**{**fields, **changes})


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Adds a kind to the registry, as an installed plug-in would."""

    def installed(added: Kind) -> Kind:
        registry.all_kinds.cache_clear()
        monkeypatch.setattr(
            "brushwork_schemas.kinds.registry.registered",
            lambda *given: {**registered(*given), added.name: added},
        )
        assert added.name in registry.all_kinds()
        return added

    yield installed
    monkeypatch.undo()
    registry.all_kinds.cache_clear()


@pytest.fixture
def blur(install: Any) -> Kind:
    added: Kind = install(kind())
    return added


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "artifacts"))


@pytest.fixture
def tenant_files(sqlite_url: str) -> Iterator[TenantFiles]:
    database = Database(sqlite_url)
    yield TenantFiles(database)
    database.close()


PROVENANCE = Provenance(
    model="m", model_revision="0", versions={}, device="cpu", dtype="float32", worker="w/1", attempt=1,
    timings=Timings(queued_s=0.1, loading_s=0.2, running_s=0.3),
)  # fmt: skip


def job(store: ArtifactStore, tenant_files: TenantFiles, **changes: Any) -> Job:
    given, made = store.put_picture(png("blue")), store.put_picture(png("red"))
    tenant_files.record_upload("", given)
    result = BlurResult(blurred=made, loss=(("<high>", 0.5), ("low", 0.25)), provenance=PROVENANCE)
    fields = {
        "id": "1", "kind": "picture-blurring", "model": "m", "label": "m", "state": JobState.SUCCEEDED,
        "request": BlurRequest(image=given.sha256, amount=3.0), "result": result,
        "created_at": datetime.now(UTC),
    }  # fmt: skip
    return Job(**{**fields, **changes})


def session(language: str) -> Session:
    headers = [(b"accept-language", language.encode()), (b"host", b"127.0.0.1")]
    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": headers}
    return Session(HttpRequest({**scope, "server": ("127.0.0.1", 80), "scheme": "http"}), Principal())


def rendered(name: str, language: str = "en", **values: Any) -> str:
    here = session(language)
    return templates.rendered(name, {"session": here, "t": here.words, **values})


def page_of(shown: Job, store: ArtifactStore, tenant_files: TenantFiles, language: str = "en") -> str:
    details = JobDetails.of(shown, store, tenant_files)
    followed = follow_ups(shown.kind, lambda kind: True)
    return rendered(
        "job.html",
        language,
        job=shown,
        details=details,
        follow_ups=followed,
        outlook=None,
        curl="",
        python="",
        histories=(),
    )


def test_its_form_has_its_fields_with_their_limits_and_words(blur: Kind) -> None:
    fields = {field.name: field for field in form_fields(blur, [], tenants=True, language="zh")}
    amount, image = fields["amount"], fields["image"]
    assert (amount.shape, amount.minimum, amount.maximum, amount.default) == ("number", 0, 9, 2.0)
    assert (amount.folded, amount.label, amount.hint) == (False, "程度", "Radius in pixels.")
    assert (image.shape, image.required, image.label) == ("file", True, "Sharp picture")
    assert next(iter(fields)) == "image"
    assert fields["priority"].choice_labels["high"] == "高"


def test_its_form_is_shown_beside_those_of_other_kinds(blur: Kind) -> None:
    source = Source(repository="owner/name", revision="0" * 40)
    model = Model.model_construct(
        name="blurrer", family="clip", source=source, defaults={}, kinds=(blur.name,)
    )
    fields = form_fields(blur, [model], tenants=True)
    form = KindForm(blur, [model], fields, frozenset({"blurrer"}))
    values: dict[str, Any] = {
        "kinds": registry.all_kinds(),
        "typed": TypedForm.fresh(fields),
        "error": None,
        "errors": FormErrors({}, (), {}),
        "report": None,
    }
    page = rendered("home.html", form=form, thumbnails=[], **values)
    assert re.search(r'<a href="/\?kind=picture-blurring" aria-current="page">Blur</a>', page)
    assert "Blur a picture</h1>" in page
    assert re.search(r'<label for="field-amount">Amount</label>\s*<input type="number"[^>]*max="9"', page)
    assert re.search(r'<input type="file" id="field-image"[^>]* required>', page)


def test_its_job_page_shows_picture_notes_and_table(
    blur: Kind, store: ArtifactStore, tenant_files: TenantFiles
) -> None:
    shown = job(store, tenant_files)
    page = page_of(shown, store, tenant_files)
    assert f'<img src="/v1/files/{shown.result.blurred.sha256}"' in page
    assert f'<img src="/v1/files/{shown.request.image}"' in page
    assert re.search(r"<figcaption><span>Blurred picture</span><span>very soft</span>", page)
    assert "Lost bands" in page
    assert '<td dir="auto">&lt;high&gt;</td><td dir="auto" class="number">0.50</td>' in page
    assert '<dt>Amount</dt><dd dir="auto">3.0</dd>' in page
    # A kind that describes a picture is not its own follow-up; others take the given picture on.
    assert f'name="image" value="{shown.request.image}"' in page
    assert "Blur it" not in page
    assert "Describe it" in page
    chinese = page_of(shown, store, tenant_files, "zh")
    for words in ("模糊图", "很柔和", "丢失的频带", "频带", "<dt>程度</dt>", "描述它"):
        assert words in chinese


def test_other_jobs_lead_to_it(install: Any, blur: Kind) -> None:
    assert "picture-blurring" in [each.kind for each in follow_ups("text-to-image", lambda kind: True)]
    assert "picture-blurring" not in [each.kind for each in follow_ups("text-to-image", lambda kind: False)]


def test_its_thumbnail_is_its_main_picture_or_what_was_given(
    blur: Kind, store: ArtifactStore, tenant_files: TenantFiles
) -> None:
    done = job(store, tenant_files)
    waiting = job(store, tenant_files, result=None, state=JobState.QUEUED)
    assert Thumbnail.of(done).sha256 == done.result.blurred.sha256
    assert Thumbnail.of(waiting).sha256 == waiting.request.image
    card = templates.ENVIRONMENT.from_string(
        '{% from "contact_sheet.html" import contact_sheet %}{{ contact_sheet(thumbnails, t) }}'
    ).render(thumbnails=[Thumbnail.of(done)], t=session("zh").words)
    assert '<span class="title" dir="auto">模糊</span>' in card


def test_without_blocks_the_page_lists_its_facts(
    install: Any, store: ArtifactStore, tenant_files: TenantFiles
) -> None:
    install(kind(view=lambda job: (), facts=lambda result: [("bands", str(len(result.loss)))]))
    assert '<dt>bands</dt><dd dir="auto">2</dd>' in page_of(job(store, tenant_files), store, tenant_files)


def test_texts_and_scores_are_shown(install: Any, store: ArtifactStore, tenant_files: TenantFiles) -> None:
    blocks = (Text("soft <b>"), Scores([("soft", 0.25)], title={"en": "Moods", "zh": "情绪"}))
    install(kind(view=lambda job: blocks))
    shown = job(store, tenant_files)
    page = page_of(shown, store, tenant_files, "zh")
    assert '<span class="caption" dir="auto">soft &lt;b&gt;</span>' in page
    assert "情绪" in page
    assert 'width="25.00" height="1" class="value"' in page
    assert list(result_facts(shown)) == [("text", "soft <b>"), ("soft", "25.0%")]


def test_the_command_line_reads_its_parameters(blur: Kind) -> None:
    assert parsed(blur, ["image=x.png", "amount=3"]) == {"image": "x.png", "amount": 3.0}
    assert parsed(blur, ["x.png"]) == {"image": "x.png"}
    nothing = kind(request_type=Request)
    with pytest.raises(InvalidRequest, match="no main parameter") as caught:
        parsed(nothing, ["x"])
    assert caught.value.hint == "Write NAME=VALUE."


def test_the_command_line_shows_its_table_and_saves_its_file(
    blur: Kind, store: ArtifactStore, tenant_files: TenantFiles, tmp_path: Path
) -> None:
    shown = job(store, tenant_files)
    shown.result.blurred.bind(store)
    assert list(result_facts(shown)) == [("Band <high>", "Loss 0.50"), ("Band low", "Loss 0.25")]
    assert list(files(shown)) == ["blurred.png"]
    assert list(pictures(shown)) == [shown.result.blurred]
    assert [file.name for file in save_files(shown, tmp_path / "saved")] == ["1-blurred.png"]


def test_a_job_whose_kind_is_not_installed_is_still_shown(
    store: ArtifactStore, tenant_files: TenantFiles
) -> None:
    stored = {"image": "a" * 64, "amount": 3.0}
    shown = job(store, tenant_files, request=stored, result={"blurred": {}})
    assert Presentation(shown).kind is None
    page = page_of(shown, store, tenant_files)
    assert "picture-blurring" in page
    assert '<dt>amount</dt><dd dir="auto">3.0</dd>' in page
    assert list(result_facts(shown)) == []
    assert files(shown) == {}
    assert Thumbnail.of(shown).sha256 is None


def test_a_result_that_a_newer_version_wrote_breaks_nothing(
    blur: Kind, store: ArtifactStore, tenant_files: TenantFiles
) -> None:
    shown = job(store, tenant_files, result={"version": 2})
    assert f'<img src="/v1/files/{shown.request.image}"' in page_of(shown, store, tenant_files)
    assert Thumbnail.of(shown).sha256 == shown.request.image
