"""Several pictures in one field: at the door, in forms, on the command line and on the page."""

import asyncio
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from brushwork.cli.parameters import parsed
from brushwork.gateway.bodies.form_fields import parameters_of
from brushwork.gateway.bodies.received import _parts_of
from brushwork.page.forms.kind_form import form_fields
from brushwork.page.forms.typed_form import TypedForm
from brushwork.page.views.thumbnail import Thumbnail
from brushwork.testing import FakeClient
from brushwork_core.provenance.credentials.manifest import definition
from brushwork_core.provenance.facts import DigitalSource, InputPicture, PictureFacts
from brushwork_schemas.errors import InvalidImage, InvalidRequest
from brushwork_schemas.kinds.registry import all_kinds
from starlette.datastructures import FormData, Headers, UploadFile

from tests.clients import png

KIND = "image-editing"
A, B = "a" * 64, "b" * 64
EDITING = all_kinds()[KIND]


ENTRY = """
[models.several]
family = "diffusers"
source = { folder = "nowhere" }
kinds = ["image-editing"]
pipeline = { class_name = "Flux2Pipeline", parameters = { image-editing = [] }, max_input_images = 8 }
"""


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("catalogue") / "catalogue.toml"
    file.write_text(ENTRY)
    return file


def upload(content: bytes) -> UploadFile:
    headers = Headers({"content-type": "image/png"})
    return UploadFile(BytesIO(content), size=len(content), filename="picture.png", headers=headers)


def sent(*parts: tuple[str, Any]) -> dict[str, Any]:
    """The parameters of a form with these parts."""
    received = asyncio.run(_parts_of(list(parts), most_bytes=2**20))
    return parameters_of(received)


class TestKind:
    def test_its_pictures_are_its_main_input(self) -> None:
        assert EDITING.file_lists == {"images": "image/*"}
        assert EDITING.main_input == EDITING.main_field == "images"
        assert EDITING.pictures[0] == "images"
        assert EDITING.takes_image
        assert next(iter(EDITING.file_patterns)) == "images.*"

    def test_its_first_picture_is_the_main_one(self) -> None:
        assert EDITING.main_picture({"images": (A, B)}) == A
        assert EDITING.main_picture({"images": ()}) is None
        assert all_kinds()["image-to-text"].main_picture({"image": B}) == B
        assert all_kinds()["text-to-image"].main_picture({"control_image": B}) is None


class TestClient:
    @pytest.mark.parametrize("given", [png(), [png()], (png(),)], ids=["picture", "list", "tuple"])
    def test_a_picture_alone_is_a_list_of_one(self, given: Any) -> None:
        job = FakeClient(auto=True).submit(KIND, prompt="make it blue", images=given)
        assert len(job.request.images) == 1
        assert job.result is not None

    @pytest.mark.parametrize(
        ("images", "field", "message"),
        [
            ([], "images", "images"),
            (None, "images", "images: must be"),
            ([png(), b"no picture"], "images.1", "images.1"),
            (["nowhere.png"], "images.0", "images.0: 'nowhere.png' can't be read"),
            ([png(), None], "images.1", "images.1"),
            ([png()] * 9, "images", "images: must have at most 8 items"),
            (7, "images.0", "images.0"),
            ([[png()]], "images.0", "images.0"),
            ([A], "images.0", f"images.0: artifact {A} is not in this store"),
            ([png()] * 100_000, "images", "images: must have at most 8 items"),
            ([png()] * 2, "images", "images: 2 pictures exceed the limit of pocket-editor, 1"),
        ],
        ids=["none", "null", "bytes", "path", "hole", "nine", "number", "nested", "unknown", "flood", "two"],
    )
    def test_what_is_wrong_is_told_with_its_place(
        self, catalogue: Path, images: Any, field: str, message: str
    ) -> None:
        model = "pocket-editor" if "pocket-editor" in message else "several"
        with pytest.raises((InvalidRequest, InvalidImage)) as refused:
            FakeClient(catalogue=catalogue).submit(KIND, model=model, prompt="make it blue", images=images)
        assert refused.value.field == field
        assert message in refused.value.message

    def test_a_wrong_word_is_told_beside_a_wrong_picture(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            FakeClient().submit(KIND, prompt=" ", images=[b"no picture"])
        assert {each.field for each in refused.value.errors} == {"prompt", "images.0"}

    def test_the_name_of_one_picture_is_near(self) -> None:
        with pytest.raises(InvalidRequest) as refused:
            FakeClient().submit(KIND, prompt="make it blue", image=png())
        assert "images" in str(refused.value)


class TestForm:
    def test_a_part_may_be_repeated(self) -> None:
        made = sent(("kind", KIND), ("images", upload(b"one")), ("images", upload(b"two")))
        assert made == {"kind": KIND, "images": [b"one", b"two"]}

    @pytest.mark.parametrize("text", [A, f"  {A}", json.dumps([A])[1:-1]])
    def test_a_part_may_be_text(self, text: str) -> None:
        assert sent(("images", text))["images"] == [text]

    def test_files_and_text_keep_their_order(self) -> None:
        made = sent(("images", upload(b"one")), ("images", A), ("images", upload(b"three")), ("images", B))
        assert made["images"] == [b"one", A, b"three", B]

    def test_a_text_may_be_a_list_as_json(self) -> None:
        assert (sent(("images", json.dumps([A, B]))))["images"] == [A, B]
        with pytest.raises(InvalidRequest, match="images"):
            sent(("images", "[" + A))

    @pytest.mark.parametrize("place", ["images.3", "images.99999999999", "images.1"])
    def test_a_place_that_the_list_does_not_have_is_refused(self, place: str) -> None:
        with pytest.raises(InvalidRequest) as refused:
            sent((place, upload(b"one")))
        assert refused.value.field == place

    def test_a_number_beyond_all_lists_is_refused(self) -> None:
        with pytest.raises(InvalidRequest, match=r"images\.99999999"):
            sent(("images.99999999", A))

    def test_other_parts_may_not_be_repeated(self) -> None:
        with pytest.raises(InvalidRequest, match="prompt: the form repeats this field"):
            sent(("prompt", "a"), ("prompt", "b"))


class TestCommandLine:
    @pytest.mark.parametrize(
        ("words", "images"),
        [
            (["a.png", "prompt=x"], ["a.png"]),
            (["images=a.png", "images=b.png", "prompt=x"], ["a.png", "b.png"]),
            ([f'images=["{A}", "{B}"]', "prompt=x"], [A, B]),
            ([A, B, "prompt=x"], [A, B]),
            (["https://example.org/a.png", "https://example.org/b.png"], None),
        ],
    )
    def test_several_files_become_a_list(self, words: list[str], images: list[str] | None) -> None:
        assert parsed(EDITING, words)["images"] == (images or words)

    def test_a_further_file_that_is_there_is_one_of_them(self, tmp_path: Path) -> None:
        (tmp_path / "b.png").write_bytes(b"")
        words = ["a.png", str(tmp_path / "b.png")]
        assert parsed(EDITING, words)["images"] == words

    def test_a_prompt_without_its_name_is_no_file(self) -> None:
        with pytest.raises(InvalidRequest, match="given twice") as refused:
            parsed(EDITING, ["a.png", "make it blue"])
        assert 'prompt="..."' in str(refused.value.hint)


class TestPage:
    def test_kept_pictures_come_before_those_that_are_added(self) -> None:
        fields = form_fields(EDITING, [], tenants=False)
        field = next(each for each in fields if each.name == "images")
        assert (field.shape, field.required, field.folded, field.most_files) == ("files", True, False, 8)
        posted = FormData(
            [
                ("images_sha256", B),
                ("images_sha256", A),
                ("images", upload(b"new")),
                ("prompt", "make it blue"),
            ]
        )
        typed = asyncio.run(TypedForm.posted(posted, fields))
        assert typed.parameters(fields)["images"] == [B, A, b"new"]

    def test_a_job_fills_in_its_pictures_and_a_file_only_names(self) -> None:
        fields = form_fields(EDITING, [], tenants=False)
        typed = TypedForm.of_request({"images": [A, B, "../x"], "prompt": "x"}, fields)
        assert typed.stored_lists == {"images": [A, B]}
        assert TypedForm.of_request({"images": {"a": 1}}, fields).stored_lists == {}

    def test_a_picture_is_passed_on(self) -> None:
        typed = TypedForm()
        typed.take_picture(EDITING, A)
        assert (typed.stored, typed.stored_lists) == ({}, {"images": [A]})
        typed.take_picture(all_kinds()["image-to-text"], B)
        assert typed.stored == {"image": B}

    def test_a_job_that_waits_shows_its_first_picture(self, catalogue: Path) -> None:
        client = FakeClient(catalogue=catalogue)
        job = client.submit(KIND, model="several", prompt="make it blue", images=[png(), png("white")])
        assert Thumbnail.of(job).sha256 == job.request.images[0]


def test_a_manifest_has_one_parent_and_the_other_pictures_are_inputs() -> None:
    facts = PictureFacts(
        source=DigitalSource.COMPOSITE, kind=KIND, model="editor", model_revision="1", software_version="1",
        inputs=(InputPicture(A, "images.0"), InputPicture(B, "images.1"), InputPicture(A, "images.2")),
    )  # fmt: skip
    made = definition("image/png", facts, {})
    relations = {each["label"]: each["relationship"] for each in made["ingredients"]}
    assert relations == {"images.0": "parentOf", "images.1": "inputTo", "images.2": "inputTo"}
