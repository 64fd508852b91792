"""Jobs by the page, in a real browser: each kind submitted, watched, canceled, found again."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from brushwork import Client
from brushwork_core.settings.settings import Settings
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS

Visit = Callable[..., Page]
PROMPT = "a large red circle in the center on a white background"
LONG = {"Steps": "100", "Width": "256", "Height": "256"}
# Adds up how far things moved without anybody having touched the page, as browsers measure it.
SHIFTS = """
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""

# How much of a picture is white.
WHITE = """(image) => {
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const pen = Object.assign(document.createElement("canvas"), { width, height }).getContext("2d");
  pen.drawImage(image, 0, 0);
  const values = pen.getImageData(0, 0, width, height).data;
  return values.filter((value, index) => index % 4 === 0 && value > 127).length / (width * height);
}"""


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def submitted(page: Page, prompt: str = PROMPT, **fields: str) -> Page:
    """Fill in the form for a picture and press Submit."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    for label, value in fields.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    return page


def is_loaded(page: Page, selector: str) -> None:
    """Wait until a picture is really there."""
    page.wait_for_function("s => document.querySelector(s)?.naturalWidth > 0", arg=selector)


def test_a_picture_is_submitted_watched_and_seen(visit: Visit) -> None:
    page = visit("/")
    page.context.add_init_script(SHIFTS)
    submitted(page, Steps="60", Width="128", Height="128")
    progress = page.get_by_role("progressbar")
    expect(progress).to_be_visible()
    page.wait_for_function("() => document.querySelector('[data-progress] progress')?.value > 0")
    expect(page.locator("[data-step]")).not_to_have_text("0")
    expect(page.locator("[data-preview]")).to_be_visible()
    is_loaded(page, "[data-preview]")

    expect(page.locator("#state")).to_contain_text("Done")
    is_loaded(page, "figure img")
    assert page.locator("figure img").get_attribute("alt") == f"Picture 1 of 1: {PROMPT}"
    assert page.evaluate("window.shifted") < 0.1, "the page moved while progress came"


@pytest.mark.parametrize(
    ("kind", "shown"),
    [
        ("Caption", ".caption"),
        ("Classes", ".bars li"),
        ("Segments", ".legend .swatch"),
    ],
)
def test_a_picture_file_is_submitted_and_looked_at(visit: Visit, circle: Path, kind: str, shown: str) -> None:
    page = visit("/")
    page.get_by_role("navigation", name="Kind of job").get_by_role("link", name=kind).click()
    page.get_by_label("Picture", exact=True).set_input_files(circle)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#state")).to_contain_text("Done")
    is_loaded(page, "figure img")
    assert page.locator(shown).count() >= 1
    assert "circle" in page.locator(".job").inner_text()


def test_a_mask_is_painted_over_the_picture(visit: Visit, circle: Path) -> None:
    page = visit("/?kind=inpainting")
    page.get_by_label("Picture", exact=True).set_input_files(circle)
    canvas = page.locator(".painter canvas")
    canvas.scroll_into_view_if_needed()
    place = canvas.bounding_box()
    assert place is not None
    height = place["y"] + place["height"] / 2
    page.mouse.move(place["x"] + 1, height)
    page.mouse.down()
    page.mouse.move(place["x"] + place["width"] - 1, height, steps=5)
    page.mouse.up()
    page.wait_for_function("() => document.querySelector('#field-mask_image').files.length === 1")
    submitted(page)
    shown = page.locator("figure", has_text="Mask").locator("img")
    shown.evaluate("image => image.decode()")
    share = shown.evaluate(WHITE)
    assert 0.05 < share < 0.5, "a stroke across the middle"


def test_a_picture_is_edited_and_what_was_made_is_edited_again(
    visit: Visit, circle: Path, tmp_path: Path
) -> None:
    blue = tmp_path / "blue.png"
    Image.new("RGB", (64, 64), "blue").save(blue)
    page = visit("/?kind=image-editing")
    chosen = page.get_by_label("Pictures to edit", exact=True)
    # Chosen one after the other.
    chosen.set_input_files(circle)
    chosen.set_input_files(blue)
    kept = page.locator(".shape-files .kept li")
    expect(kept).to_have_count(2)
    expect(kept.locator("span")).to_have_text(["1", "2"])
    page.get_by_label("Instruction", exact=True).fill("make it blue")
    page.get_by_role("button", name="Submit").click()
    # The pocket model takes one picture. Both are kept, and one of them is unticked.
    expect(page.locator(".problem")).to_contain_text("2 pictures exceed the limit of pocket-editor, 1")
    page.locator("[name=images_sha256]").nth(1).uncheck()
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#state")).to_contain_text("Done")
    is_loaded(page, "figure img")
    expect(page.locator("figure")).to_have_count(2)
    expect(page.locator("figcaption").nth(1)).to_have_text("Given picture")
    page.get_by_role("button", name="Edit it").click()
    expect(page.locator("[name=images_sha256]")).to_have_count(1)
    page.get_by_label("Instruction", exact=True).fill("move it to the left")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#state")).to_contain_text("Done")


def test_a_chosen_picture_can_be_removed_again(visit: Visit, circle: Path) -> None:
    page = visit("/?kind=image-editing")
    chosen = page.get_by_label("Pictures to edit", exact=True)
    chosen.set_input_files([circle, circle])
    expect(page.locator(".shape-files .kept li")).to_have_count(2)
    page.get_by_role("button", name="Remove picture 2").click()
    expect(page.locator(".shape-files .kept li")).to_have_count(1)
    assert chosen.evaluate("input => input.files.length") == 1


def test_edges_become_a_control_picture(visit: Visit, circle: Path) -> None:
    page = visit("/?kind=image-preprocessing")
    page.get_by_label("Picture", exact=True).set_input_files(circle)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#state")).to_contain_text("Done")
    is_loaded(page, "figure img")
    share = page.locator("figure img").first.evaluate(WHITE)
    assert 0.01 < share < 0.2, "a thin circle"


def test_a_classifier_is_trained_and_used(visit: Visit, shapes: Path, circle: Path) -> None:
    page = visit("/?kind=image-classification-training")
    page.get_by_label("Dataset").set_input_files(shapes)
    expect(page.locator(".shape-file .kept")).to_contain_text("shapes.zip")
    page.get_by_label("Epochs").fill("12")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#state")).to_contain_text("Done")
    expect(page.locator(".curve polyline")).to_have_count(4)
    expect(page.locator(".confusion tbody tr")).to_have_count(2)
    page.get_by_role("link", name="Classify a picture with this model").click()
    page.get_by_label("Picture", exact=True).set_input_files(circle)
    page.get_by_role("button", name="Submit").click()
    expect(page.locator("#state")).to_contain_text("Done")
    expect(page.locator(".bars li").first).to_contain_text("circle")


def test_a_running_job_is_canceled(visit: Visit) -> None:
    page = submitted(visit("/"), **LONG)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#state")).to_contain_text("Canceled")
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)


def test_an_old_job_is_found_by_its_words(visit: Visit, stack: Settings) -> None:
    with Client(settings=stack) as client:
        old = client.submit("text-to-image", prompt="a yellow heart that nobody remembers", seed=5)
        client.submit_many([{"kind": "text-to-image", "prompt": PROMPT, "seed": n} for n in range(3)])
        client.wait(old.id, timeout_s=PATIENCE_MS / 1000)
    page = visit("/gallery")
    assert page.locator(".card").count() >= 4
    page.get_by_label("Search").fill("NOBODY rememb")
    page.get_by_label("Search").press("Enter")
    expect(page.locator(".card")).to_have_count(1)
    page.get_by_label("State").select_option("failed")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page.go_back()
    is_loaded(page, ".card img")
    page.locator(".card a").click()
    assert page.url.endswith(f"/jobs/{old.id}")


def test_one_job_leads_to_the_next(visit: Visit) -> None:
    page = submitted(visit("/"), Seed="7")
    first = page.url
    page.get_by_role("button", name="Again with another seed").click()
    page.wait_for_url(lambda url: url != first)
    expect(page.locator("dd", has_text=re.compile("^7$"))).to_have_count(0)
    page.get_by_role("button", name="Segment it").click()
    expect(page.locator(".legend")).to_be_visible()
    page.get_by_role("button", name="Describe it").click()
    expect(page.locator(".caption")).to_be_visible()


def test_what_was_refused_is_shown_at_its_field_and_nothing_typed_is_lost(visit: Visit) -> None:
    page = visit("/")
    # A browser would not send it: the server's answer is what is wanted here.
    page.evaluate("document.querySelector('[data-maker]').noValidate = true")
    page.get_by_label("Prompt", exact=True).fill(PROMPT)
    page.get_by_label("Width").fill("20")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("alert")).to_contain_text("Nothing was submitted")
    width = page.get_by_label("Width")
    expect(width).to_have_attribute("aria-invalid", "true")
    expect(width).to_be_focused()
    expect(width).to_have_value("20")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value(PROMPT)


def test_a_job_is_made_with_the_keyboard_alone(visit: Visit) -> None:
    page = visit("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    prompt = page.get_by_label("Prompt", exact=True)
    tab_to(page, "field-prompt")
    page.keyboard.type(PROMPT)
    expect(prompt).to_have_value(PROMPT)
    tab_to(page, "submit")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/jobs/"))
    expect(page.locator("#state")).to_contain_text("Done")


def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until what has that id has the focus."""
    for _ in range(40):
        if page.evaluate("document.activeElement.id") == wanted:
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no way to {wanted} by the keyboard")


def test_it_works_without_script(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    submitted(page)
    # The page of a job that has not ended loads itself anew.
    expect(page.locator("#state")).to_contain_text("Done")
    assert page.locator("figure img").count() == 1
