"""A picture that is dropped on the page: its report, the form with its parameters; and the badge of a job."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork import Client
from brushwork_core.settings.settings import Settings
from brushwork_schemas.job import Job
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS
from tests.foreign_files import A1111, with_chunks

Visit = Callable[..., Page]
PROMPT = "a small blue star on the left on a black background"
LANGUAGES = {"en-GB": "What this picture says about its origin", "zh-CN": "这张图片对自身来源的说明"}
DROP = """async ([data, name]) => {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  const transfer = new DataTransfer();
  transfer.items.add(new File([bytes], name, { type: "image/png" }));
  for (const type of ["dragover", "drop"])
    document.querySelector("h1").dispatchEvent(
      new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def job(stack: Settings) -> Job:
    """A job whose picture holds its parameters."""
    with Client(settings=stack) as client:
        made = client.submit(
            "text-to-image", prompt=PROMPT, seed=77, num_inference_steps=3, embed_parameters=True
        )
        return client.wait(made, timeout_s=PATIENCE_MS / 1000)


def picture_of(job: Job, stack: Settings) -> bytes:
    with Client(settings=stack) as client:
        return client.artifact_bytes(job.result.images[0])  # type: ignore[attr-defined]


@pytest.mark.parametrize("locale", LANGUAGES)
def test_a_chosen_picture_fills_in_the_form(
    visit: Visit, job: Job, stack: Settings, locale: str, tmp_path: Path
) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(picture_of(job, stack))
    page = visit("/", locale=locale)
    page.locator("#origin-file").set_input_files(file)
    origin = page.locator("#origin")
    expect(origin.get_by_role("heading")).to_have_text(LANGUAGES[locale])
    expect(origin.get_by_role("link", name=job.id)).to_be_visible()
    expect(origin).to_contain_text("trainedAlgorithmicMedia")
    expect(page.locator("#field-prompt")).to_have_value(PROMPT)
    expect(page.locator("#field-seed")).to_have_value("77")
    expect(page.locator("#field-num_inference_steps")).to_have_value("3")


def test_a_picture_of_another_program_is_dropped(visit: Visit) -> None:
    page = visit("/?kind=image-upscaling")
    page.evaluate(DROP, [base64.b64encode(with_chunks(parameters=A1111)).decode(), "other.png"])
    expect(page.locator("#field-prompt")).to_have_value(re.compile("a red circle, 大きな円"))
    expect(page.locator("#field-seed")).to_have_value("1234567")
    expect(page.locator("#origin")).to_contain_text("v1-5-pruned")


def test_a_filled_form_can_be_submitted(visit: Visit, job: Job, stack: Settings, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(picture_of(job, stack))
    page = visit("/")
    page.locator("#origin-file").set_input_files(file)
    expect(page.locator("#field-seed")).to_have_value("77")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    with Client(settings=stack) as client:
        again = client.wait(page.url.rsplit("/", 1)[1], timeout_s=PATIENCE_MS / 1000)
    first, second = (each.result.images[0] for each in (job, again))  # type: ignore[attr-defined]
    assert first.pixels_sha256 == second.pixels_sha256


def test_what_is_no_picture_is_refused_with_a_reason(visit: Visit, tmp_path: Path) -> None:
    file = tmp_path / "picture.png"
    file.write_bytes(b"no picture")
    page = visit("/")
    page.locator("#origin-file").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("Not a readable picture")


@pytest.mark.parametrize(("locale", "title"), [("en-GB", "Content Credentials"), ("zh-CN", "内容凭证")])
def test_the_job_shows_the_badge_and_its_history(visit: Visit, job: Job, locale: str, title: str) -> None:
    page = visit(f"/jobs/{job.id}", locale=locale)
    badge = page.locator("#credentials")
    expect(badge.locator("summary")).to_contain_text(title)
    badge.locator("summary").click()
    expect(badge.locator(".history li")).to_have_count(1)
    expect(badge).to_contain_text("trainedAlgorithmicMedia")
