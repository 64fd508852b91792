"""How the page looks and reads, in a real browser: in two lights and languages, narrow and wide, to all."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from brushwork import Client
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.registry import all_kinds
from playwright.sync_api import Page, expect

Visit = Callable[..., Page]
FORMS = tuple(
    f"/?kind={kind}" for kind in ("inpainting", "image-segmentation", "image-classification-training")
)
PLACES = ("/", *FORMS, "/gallery", "/workers", "/reviews", "/jobs/{job}", "/jobs/{training}")
OPEN_ALL = "for (const more of document.querySelectorAll('details')) more.open = true"
WIDTH = "document.documentElement.scrollWidth"
# Fields without a label, pictures without words, buttons and links without a name, ids that are there twice.
FAULTS = """() => {
  const faults = [];
  const named = (e) => (e.getAttribute("aria-label") || e.textContent || "").trim()
    || [...e.querySelectorAll("img")].some((i) => i.alt);
  for (const e of document.querySelectorAll("input:not([type=hidden]), select, textarea"))
    if (!e.labels.length) faults.push("no label: " + e.outerHTML);
  for (const e of document.images) if (!e.hasAttribute("alt")) faults.push("no alt: " + e.outerHTML);
  for (const e of document.querySelectorAll("button, a, summary, progress"))
    if (!named(e)) faults.push("no name: " + e.outerHTML);
  for (const e of document.querySelectorAll("[aria-describedby], [aria-labelledby]"))
    for (const id of (e.getAttribute("aria-describedby") || e.getAttribute("aria-labelledby")).split(" "))
      if (!document.getElementById(id)) faults.push("names what is not there: " + id);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) faults.push("twice: " + id);
  if (document.querySelectorAll("h1").length !== 1) faults.push("not one h1");
  if (!document.title || !document.documentElement.lang) faults.push("no title or language");
  return faults;
}"""
# The contrast of every text with what is behind it, after WCAG 2.2; only what is below 4.5.
FAINT = """() => {
  const parse = (c) => (c.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const faint = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !e.checkVisibility() || e.closest(".caption")) continue;
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) faint.push(contrast.toFixed(2) + " " + walk.currentNode.data.trim());
  }
  return faint;
}"""


@pytest.fixture(scope="module")
def job(stack: Settings) -> str:
    """A job that has ended. Its pictures hold its parameters."""
    with Client(settings=stack) as client:
        made = client.submit(
            "text-to-image", prompt="a blue star", num_images_per_prompt=2, seed=3, embed_parameters=True
        )
        client.wait(made.id, timeout_s=120).raise_for_state()
    return made.id


@pytest.fixture(scope="module")
def training(stack: Settings, shapes: Path) -> str:
    """A training that has ended."""
    with Client(settings=stack) as client:
        made = client.submit("image-classification-training", dataset=shapes, num_train_epochs=3, seed=1)
        client.wait(made.id, timeout_s=300).raise_for_state()
    return made.id


@pytest.fixture(scope="module")
def picture(stack: Settings, job: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of the job, whose report has every part."""
    file = tmp_path_factory.mktemp("made") / "picture.png"
    with Client(settings=stack) as client:
        file.write_bytes(client.artifact_bytes(client.get(job).result.images[0]))
    return file


@pytest.fixture(scope="module")
def reviewed(stack: Settings) -> str:
    """A job whose result waits for its review; the tenant has a policy."""
    with Client(settings=stack) as client:
        star = "a large red star in the center on a white background"
        made = client.submit("text-to-image", model="pocket-turbo", prompt=star, seed=3, tenant="stars-hold")
        assert client.wait(made.id, timeout_s=120).review is not None
    return made.id


@pytest.fixture
def every_page(job: str, training: str, picture: Path) -> Callable[[Page], Iterator[str]]:
    """Goes to one page after the other, opens all that is folded there, and says where it is."""

    def gone_to(page: Page) -> Iterator[str]:
        for place in PLACES:
            page.goto(place.format(job=job, training=training))
            page.evaluate(OPEN_ALL)
            yield place
        page.goto("/")
        page.locator("#origin-file").set_input_files(picture)
        page.wait_for_url("**/provenance")
        expect(page.locator("#origin .history")).to_be_visible()
        page.evaluate(OPEN_ALL)
        yield "/provenance"

    return gone_to


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_every_page_is_for_everybody(
    visit: Visit, every_page: Callable[[Page], Iterator[str]], scheme: str, locale: str
) -> None:
    page = visit("/", color_scheme=scheme, locale=locale)
    for place in every_page(page):
        assert page.evaluate(FAULTS) == [], place
        assert page.evaluate(FAINT) == [], place


@pytest.mark.parametrize("width", [360, 1600])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_every_page_fits_every_width(
    visit: Visit, every_page: Callable[[Page], Iterator[str]], width: int, locale: str
) -> None:
    page = visit("/", viewport={"width": width, "height": 800}, locale=locale)
    for place in every_page(page):
        assert page.evaluate(WIDTH) <= width, place


@pytest.mark.parametrize(("width", "scheme"), [(360, "light"), (1600, "dark")])
@pytest.mark.parametrize("locale", ["en-GB", "zh-CN"])
def test_a_result_that_waits_for_its_review(
    visit: Visit, reviewed: str, width: int, scheme: str, locale: str
) -> None:
    viewport = {"width": width, "height": 800}
    page = visit("/reviews", viewport=viewport, color_scheme=scheme, locale=locale)
    expect(page.locator(f"a[href='/jobs/{reviewed}']").first).to_be_visible()
    expect(page.locator(".pictures img").first).to_be_visible()
    assert page.evaluate(FAULTS) == []
    assert page.evaluate(FAINT) == []
    assert page.evaluate(WIDTH) <= width


def brightness(page: Page) -> float:
    """That of the paper, 0 to 255."""
    colour = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    return sum(map(float, re.findall(r"[\d.]+", colour)[:3])) / 3


def test_light_and_dark_follow_the_system_until_somebody_chooses(visit: Visit) -> None:
    page = visit("/", color_scheme="dark")
    assert brightness(page) < 60
    with page.expect_response("**/preferences"):
        page.get_by_role("button", name="Theme").click()
    assert brightness(page) > 200
    page.reload()
    assert brightness(page) > 200
    page.emulate_media(color_scheme="light")
    with page.expect_response("**/preferences"):
        page.get_by_role("button", name="Theme: light").click()
    assert brightness(page) < 60


def test_the_language_is_the_browsers_until_somebody_chooses(visit: Visit) -> None:
    page = visit("/", locale="zh-CN")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    expect(page.get_by_role("button", name="提交")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Submit")).to_be_visible()
    page.goto("/workers")
    expect(page.get_by_role("heading", level=1)).to_have_text("Workers")


def test_nothing_moves_for_who_wants_no_motion(visit: Visit) -> None:
    page = visit("/workers", reduced_motion="reduce")
    moving = "document.getAnimations().filter((animation) => animation.playState === 'running').length"
    assert page.evaluate(moving) == 0


def test_workers_and_the_way_to_flower_are_seen_at_a_glance(visit: Visit, stack: Settings) -> None:
    page = visit("/workers")
    expect(page.locator(".crew li").first).to_contain_text("Ready")
    expect(page.locator("table tbody tr")).to_have_count(len(all_kinds()))
    assert re.match(
        r"http://127\.0\.0\.1:\d+", page.get_by_role("link", name="Flower").get_attribute("href") or ""
    )
