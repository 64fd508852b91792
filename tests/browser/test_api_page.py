"""The page of the HTTP API in a browser: it shows every operation and runs one."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

OPERATIONS = ".opblock"


def test_an_operation_runs(visit: Callable[..., Page]) -> None:
    # `visit` fails for a request to another host, and for an error on the page.
    page = visit("/docs")
    expect(page.locator(OPERATIONS).first).to_be_visible()
    assert page.locator(OPERATIONS).count() >= 18
    operation = page.locator("#operations-catalogue-list_kinds")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table td.response-col_status").last).to_contain_text("200")
    expect(operation.locator(".live-responses-table")).to_contain_text("text-to-image")


def test_it_shows_the_fields_of_a_kind(visit: Callable[..., Page]) -> None:
    page = visit("/docs")
    operation = page.locator("#operations-jobs-submit_job")
    operation.locator(".opblock-summary-control").click()
    expect(operation.locator(".body-param__example").first).to_contain_text("prompt")
