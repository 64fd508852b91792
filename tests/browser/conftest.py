"""A real browser on a real stack: `brushwork up` with the pocket models, and Debian's chromium."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.chromium import LAUNCH, program
from tests.browser.watched import Watched

# The machine may be busy with other things; nothing here is a measurement.
PATIENCE_MS = 60_000


# Not for the session: while Playwright runs, no other test of this thread could run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = program()
    if found is None:
        pytest.skip("there is no chromium here (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found, args=LAUNCH)
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Browser, site: str) -> Iterator[Callable[..., Page]]:
    """Opens a page as a new visitor; at the end no page may have called elsewhere or met an error."""
    watched = Watched(site)

    def opened(path: str = "/", **options: Any) -> Page:
        context = browser.new_context(base_url=site, **{"locale": "en-GB", **options})
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        watched.watch(page)
        page.goto(path)
        return page

    yield opened
    for context in browser.contexts:
        context.close()
    assert watched.strangers == []
    assert watched.errors == []


@pytest.fixture(scope="session")
def circle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture file of a red circle on white."""
    picture = Image.new("RGB", (64, 64), "white")
    ImageDraw.Draw(picture).ellipse((14, 14, 50, 50), fill="red")
    file = tmp_path_factory.mktemp("pictures") / "circle.png"
    picture.save(file)
    return file


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A zip of red circles and blue squares, each in its folder."""
    file = tmp_path_factory.mktemp("archives") / "shapes.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(20):
            for name, colour in (("circle", "red"), ("square", "blue")):
                picture = Image.new("RGB", (28, 28), "white")
                pen, place = ImageDraw.Draw(picture), (2 + number % 5, 4, 20 + number % 5, 22)
                (pen.ellipse if name == "circle" else pen.rectangle)(place, fill=colour)
                buffer = io.BytesIO()
                picture.save(buffer, "PNG")
                archive.writestr(f"{name}/{number}.png", buffer.getvalue())
    return file
