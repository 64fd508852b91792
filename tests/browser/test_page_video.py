"""A video on the page, in a real browser: it is submitted, it plays, and its file opens by itself."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS

Visit = Callable[..., Page]
PROMPT = "a red circle moves far to the right on a white background"
PLAYED = """async () => {
  const video = document.querySelector("video");
  await video.play();
  await new Promise((done) => video.addEventListener("timeupdate", () => video.currentTime > 0 && done()));
  return [video.currentTime, video.videoWidth, video.videoHeight, video.duration, video.error];
}"""


def test_a_video_is_submitted_and_plays(visit: Visit) -> None:
    expect.set_options(timeout=PATIENCE_MS)
    page = visit("/?kind=text-to-video")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("video")).to_be_visible()
    time, width, height, duration, error = page.evaluate(PLAYED)
    assert time > 0
    assert (width, height, duration, error) == (64, 64, 2, None)
    address = page.locator("video").get_attribute("src")
    poster = page.locator("video").get_attribute("poster")
    assert address is not None
    assert poster is not None
    part = page.request.get(address, headers={"Range": "bytes=0-11"})
    assert (part.status, part.body()[4:8]) == (206, b"ftyp")
    assert page.request.get(poster).headers["content-type"] == "image/jpeg"
    # The policy of the file alone lets the browser play it.
    page.goto(address)
    page.wait_for_function("document.querySelector('video')?.readyState >= 2")
