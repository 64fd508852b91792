"""Explanations on the page, in a real browser, by real workers: chosen in a form, with words and sliders."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PATIENCE_MS

Visit = Callable[..., Page]
PHONE = {"viewport": {"width": 360, "height": 800}}
NO_WIDER = "document.documentElement.scrollWidth <= innerWidth"
OPACITY = "each => getComputedStyle(each).opacity"


@pytest.fixture(autouse=True)
def patience() -> None:
    expect.set_options(timeout=PATIENCE_MS)


def test_a_class_is_explained_as_the_form_says(visit: Visit, circle: Path) -> None:
    page = visit("/?kind=image-classification", **PHONE)
    page.set_input_files("#field-image", circle)
    page.locator("[data-explaining] summary").click()
    expect(page.locator("#field-explain-patch_size")).to_be_hidden()
    page.select_option("#field-explain", "occlusion")
    page.locator("#field-explain-patch_size").fill("16")
    page.get_by_role("button", name="Submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    shown = page.locator(".explained")
    expect(shown).to_contain_text("Occlusion: circle")
    expect(shown).to_contain_text("does not show what the network")
    over, slider = shown.locator(".over"), shown.get_by_role("slider")
    assert over.evaluate("each => each.decode().then(() => each.naturalWidth)") == 64
    assert over.evaluate(OPACITY) == "1"
    slider.focus()
    slider.press("Home")
    assert over.evaluate(OPACITY) == "0"
    assert page.evaluate(NO_WIDER)


def test_each_word_of_a_prompt_shows_its_map(visit: Visit) -> None:
    page = visit("/?kind=text-to-image", locale="zh-CN", color_scheme="dark", **PHONE)
    page.locator("#field-prompt").fill("白色背景上的大红色圆形")
    page.locator("[data-explaining] summary").click()
    page.select_option("#field-explain", "words")
    page.locator("#field-explain-words").fill("红色, 圆形")
    page.locator("#submit").click()
    page.wait_for_url(re.compile("/jobs/"))
    words, maps = page.locator(".explained .words a"), page.locator(".explained .map:not([hidden])")
    expect(words).to_have_text(["红色", "圆形"])
    expect(maps).to_have_count(1)
    expect(maps).to_contain_text("红色")
    words.nth(1).hover()
    expect(maps).to_contain_text("圆形")
    page.locator("h1").hover()
    expect(maps).to_contain_text("红色")
    words.nth(1).focus()
    expect(words.nth(1)).to_have_attribute("aria-current", "true")
    # The picture with its map, and the pictures with and without the word.
    expect(maps.get_by_role("slider")).to_have_count(2)
    assert page.evaluate(NO_WIDER)
    # Without scripts, everything is seen at once.
    plain = visit(page.url, java_script_enabled=False, **PHONE)
    expect(plain.locator(".explained .map")).to_have_count(2)
    expect(plain.locator(".explained .slide:visible")).to_have_count(0)
