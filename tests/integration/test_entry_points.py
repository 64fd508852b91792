"""One picture, one number, one JSON: each is read alike wherever it comes in."""

import base64
import codecs
import io
import json
import math
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from brushwork.cli.parameters import parsed
from brushwork.direct_client import DirectClient
from brushwork_core.database.database import Database
from brushwork_core.files.artifact_store import ArtifactStore
from brushwork_core.ledger import Ledger
from brushwork_core.queries.job_index import JobIndex
from brushwork_core.settings.settings import Settings
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import RequestError
from brushwork_schemas.job import Job
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.request import NewPictureRequest
from brushwork_schemas.states import JobState
from brushwork_workers.dispatch.bare_messages import BareMessages
from PIL import Image
from starlette.testclient import TestClient

from tests.gateways import gateway, settings_at
from tests.unit.test_picture_colours import ANIMATED, SWAPPED, encoded, of_one, strokes

KIND = "image-classification"
# Submits a request, and returns its job or raises.
Enter = Callable[..., Job]


class Entrance:
    """All ways in, over one ledger and one store."""

    def __init__(self, settings: Settings, http: TestClient) -> None:
        self._settings, self.http = settings, http
        self.client = DirectClient(settings)
        self.store = ArtifactStore(settings.artifacts_url)
        self._database = Database(settings.database_url.get_secret_value())
        catalogue = Catalogue.load()
        self._messages = BareMessages(Ledger(self._database), self.store, catalogue, max_attempts=1)
        self._index = JobIndex(self._database)
        self._number = 0

    def by_client(self, kind: str, **parameters: Any) -> Job:
        return self.client.submit(kind, **parameters)

    def by_command_line(self, kind: str, **parameters: Any) -> Job:
        words = [f"{name}={_word(value)}" for name, value in parameters.items()]
        return self.client.submit(kind, **parsed(all_kinds()[kind], words))

    def by_json(self, kind: str, **parameters: Any) -> Job:
        return self._answered(self.http.post("/v1/jobs", json={"kind": kind, **parameters}))

    def by_form(self, kind: str, **parameters: Any) -> Job:
        fields = {name: _word(value) for name, value in {"kind": kind, **parameters}.items()}
        return self._answered(
            self.http.post("/v1/jobs", files={name: (None, v) for name, v in fields.items()})
        )

    def by_message(self, kind: str, **parameters: Any) -> Job:
        self._number += 1
        job_id = self._messages.accept(f"message-{self._number}", kind, (), parameters)
        job = self._index.get(job_id)
        if job.state is JobState.FAILED:
            assert job.error
            raise RequestError(job.error.message, field=job.error.field, hint=job.error.hint)
        return job

    def picture(self, job: Job, field: str = "image") -> Image.Image:
        return Image.open(io.BytesIO(self.store.get(getattr(job.request, field)))).convert("RGB")

    def close(self) -> None:
        self.client.close()
        self._database.close()

    def _answered(self, answer: Any) -> Job:
        content = answer.json()
        if answer.status_code >= 400:
            raise RequestError(content["detail"], field=content.get("field"), hint=content.get("hint"))
        return self._index.get(content["id"])


WAYS = ("by_client", "by_command_line", "by_json", "by_form", "by_message")


def _word(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.fixture(scope="module")
def entrance(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Entrance]:
    folder = tmp_path_factory.mktemp("entrance")
    shutil.copy(migrated_file, folder / "ledger.db")
    settings = settings_at(f"sqlite:///{folder / 'ledger.db'}", folder)
    with gateway(settings) as http:
        made = Entrance(settings, http)
        yield made
        made.close()


@pytest.fixture(params=WAYS)
def enter(request: pytest.FixtureRequest, entrance: Entrance) -> Enter:
    found: Enter = getattr(entrance, request.param)
    return found


PICTURE = encoded(of_one((0, 128, 255)))
CODE = base64.b64encode(PICTURE).decode()
URLS = {
    "png": f"data:image/png;base64,{CODE}",
    "image/jpg": f"data:image/jpg;base64,{CODE}",
    "capitals": f"DATA:Image/PNG;Base64,{CODE}",
    "no type": f"data:;base64,{CODE}",
    "a parameter": f"data:image/png;charset=utf-8;base64,{CODE}",
    "any bytes": f"data:application/octet-stream;base64,{CODE}",
    "line breaks": "data:image/png;base64,\n"
    + "\r\n".join(CODE[i : i + 76] for i in range(0, len(CODE), 76)),
    "spaces": "data:image/png;base64, " + CODE,
    "base64url": f"data:image/png;base64,{base64.urlsafe_b64encode(PICTURE).decode()}",
    "no padding": f"data:image/png;base64,{CODE.rstrip('=')}",
    "percent-encoded": f"data:image/png;base64,{quote(CODE, safe='')}",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS)
def test_a_data_url_is_read_alike(entrance: Entrance, enter: Enter, url: str) -> None:
    job = enter(KIND, image=url)
    assert entrance.picture(job).getpixel((3, 3)) == (0, 128, 255)


@pytest.mark.parametrize(
    "url", ["data:image/png;base64,@@@@", "data:image/png;base64,QQQQQ", "data:image/png;base64,é"]
)
def test_what_is_no_base64_is_refused_alike(enter: Enter, url: str) -> None:
    with pytest.raises(RequestError, match="the data: URL is not base64") as raised:
        enter(KIND, image=url)
    assert raised.value.field == "image"


def as_url(data: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def test_colours_are_converted_alike(entrance: Entrance, enter: Enter) -> None:
    job = enter(KIND, image=as_url(encoded(of_one((255, 0, 0)), icc_profile=SWAPPED)))
    assert entrance.picture(job).getpixel((3, 3)) == (0, 0, 255)


@pytest.mark.parametrize("format_name", ANIMATED)
def test_the_first_frame_is_taken_if_asked_for(entrance: Entrance, enter: Enter, format_name: str) -> None:
    url = as_url(ANIMATED[format_name])
    with pytest.raises(RequestError, match="several frames") as raised:
        enter(KIND, image=url)
    assert "first_frame=true" in (raised.value.hint or "")
    job = enter(KIND, image=url, first_frame=True)
    assert entrance.picture(job).getpixel((3, 3)) == pytest.approx((255, 0, 0), abs=9)


def test_what_is_transparent_in_a_mask_stays(entrance: Entrance, enter: Enter) -> None:
    mask = as_url(encoded(strokes("RGBA")))
    job = enter("inpainting", prompt="x", image=mask, mask_image=mask)
    masked = entrance.picture(job, "mask_image")
    assert (masked.getpixel((2, 8)), masked.getpixel((13, 8))) == ((255,) * 3, (0,) * 3)
    # The same file, as a picture.
    assert entrance.picture(job).getpixel((13, 8)) == (255, 255, 255)


def test_an_uploaded_mask_keeps_what_is_transparent(entrance: Entrance) -> None:
    for uploaded in (
        entrance.client.upload(encoded(strokes("RGBA"))).sha256,
        entrance.http.post(
            "/v1/files", content=encoded(strokes("RGBA")), headers={"Content-Type": "image/png"}
        ).json()["sha256"],
    ):
        found = Image.open(io.BytesIO(entrance.store.get(uploaded)))
        assert (found.mode, found.getpixel((13, 8))) == ("RGBA", (255, 255, 255, 0))


@pytest.mark.parametrize(
    ("name", "given", "right"),
    [
        ("num_inference_steps", 4.0, 4),
        ("width", 64.0, 64),
        ("seed", 7.0, 7),
        ("num_images_per_prompt", 1e0, 1),
        ("version", 1.0, 1),
        ("guidance_scale", 4, 4.0),
        ("num_inference_steps", 4.5, None),
        ("guidance_scale", float("nan"), None),
        ("guidance_scale", float("inf"), None),
        ("num_inference_steps", True, None),
    ],
)
def test_a_number_is_read_alike(entrance: Entrance, enter: Enter, name: str, given: Any, right: Any) -> None:
    if enter == entrance.by_json and isinstance(given, float) and not math.isfinite(given):
        pytest.skip("this client of HTTP cannot send it; see test_json_of_callers")
    if right is None:
        with pytest.raises(RequestError):
            enter("text-to-image", prompt="x", **{name: given})
    else:
        assert getattr(enter("text-to-image", prompt="x", **{name: given}).request, name) == right


@pytest.mark.parametrize("media_type", [
    "image/jpg", "image/pjpeg", "image/x-png", "image/heif", "image/tif", "image/x-ms-bmp",
    "IMAGE/PNG", "image/gif", "image/avif; charset=binary",
])  # fmt: skip
def test_names_of_media_types(entrance: Entrance, media_type: str) -> None:
    answer = entrance.http.post("/v1/files", content=PICTURE, headers={"Content-Type": media_type})
    assert answer.status_code == 201


@pytest.mark.parametrize("format_name", ANIMATED)
def test_an_upload_takes_the_first_frame_if_asked_for(
    entrance: Entrance, format_name: str, tmp_path: Path
) -> None:
    data, headers = ANIMATED[format_name], {"Content-Type": "image/png"}
    assert entrance.http.post("/v1/files", content=data, headers=headers).status_code == 422
    answer = entrance.http.post("/v1/files?first_frame=true", content=data, headers=headers)
    assert answer.status_code == 201
    assert entrance.client.upload(data, first_frame=True).sha256 == answer.json()["sha256"]


BODY = json.dumps({"kind": "text-to-image", "prompt": "猫"}, ensure_ascii=False)


JSON = {"Content-Type": "application/json"}


def test_a_byte_order_mark_of_utf_8_is_skipped(entrance: Entrance) -> None:
    answer = entrance.http.post("/v1/jobs", content=codecs.BOM_UTF8 + BODY.encode(), headers=JSON)
    assert (answer.status_code, answer.json()["request"]["prompt"]) == (201, "猫")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le"])
def test_json_in_another_encoding_is_told_to_be_utf_8(entrance: Entrance, encoding: str) -> None:
    answer = entrance.http.post("/v1/jobs", content=BODY.encode(encoding), headers=JSON)
    assert (answer.status_code, answer.json()["hint"]) == (422, "Send JSON in UTF-8.")


TWISTED = {
    "a name twice": '[{"x": 1, "y": 2, "x": 3}]',
    "NaN": '[{"x": NaN, "y": 2}]',
    "infinite": '[{"x": Infinity, "y": 2}]',
    "too large": '[{"x": 1e999, "y": 2}]',
    "cut off": '[{"x": 1, "y"',
}


@pytest.mark.parametrize("points", TWISTED.values(), ids=TWISTED)
@pytest.mark.parametrize("way", ["json", "form", "command line"])
def test_json_of_callers(entrance: Entrance, way: str, points: str) -> None:
    if way == "json":
        body = f'{{"kind": "image-segmentation", "image": "{as_url(PICTURE)}", "points": {points}}}'
        answer = entrance.http.post("/v1/jobs", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 422
    elif way == "form":
        fields = {"kind": "image-segmentation", "image": as_url(PICTURE), "points": points}
        answer = entrance.http.post("/v1/jobs", files={name: (None, value) for name, value in fields.items()})
        assert (answer.status_code, answer.json()["field"]) == (422, "points")
    else:
        with pytest.raises(RequestError, match="invalid JSON"):
            parsed(all_kinds()["image-segmentation"], [f"points={points}"])


FILE_FIELDS = [
    {"output_format": "jpeg", "output_quality": 70},
    {"output_format": "webp"},
    {"output_format": "avif", "output_quality": 100},
    {"output_format": "png", "output_quality": 80, "embed_parameters": True},
    {"embed_parameters": False, "visible_label": True},
    {"visible_label": True, "visible_label_text": "AI 猫", "visible_label_corner": "top-left"},
]
WRONG_FILE_FIELDS = [
    ({"output_format": "gif"}, "output_format"),
    ({"output_format": "JPEG"}, "output_format"),
    ({"output_format": "webp", "output_quality": 0}, "output_quality"),
    ({"output_format": "webp", "output_quality": 101}, "output_quality"),
    ({"embed_parameters": "maybe"}, "embed_parameters"),
    ({"visible_label": "maybe"}, "visible_label"),
    ({"visible_label_text": "  "}, "visible_label_text"),
    ({"visible_label_text": "x" * 61}, "visible_label_text"),
    ({"visible_label_corner": "middle"}, "visible_label_corner"),
]


@pytest.mark.parametrize("fields", FILE_FIELDS, ids=str)
def test_what_is_asked_of_files_is_kept_alike(enter: Enter, fields: dict[str, Any]) -> None:
    job = enter("text-to-image", prompt="a red circle", **fields)
    assert job.request.model_dump(include=NewPictureRequest.FILE_FIELDS) == fields


@pytest.mark.parametrize(("fields", "wrong"), WRONG_FILE_FIELDS, ids=str)
def test_what_no_file_can_have_is_refused_alike(enter: Enter, fields: dict[str, Any], wrong: str) -> None:
    with pytest.raises(RequestError) as raised:
        enter("text-to-image", prompt="a red circle", **fields)
    assert raised.value.field == wrong


def test_kinds_that_find_something_have_no_such_fields(enter: Enter) -> None:
    with pytest.raises(RequestError) as raised:
        enter("image-segmentation", image=URLS["png"], output_format="jpeg")
    assert raised.value.field == "output_format"
