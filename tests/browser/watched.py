"""What pages ask for and complain about while they are open."""

from playwright.sync_api import ConsoleMessage, Page, Request

INLINE = ("data:", "blob:")


class Watched:
    """Collects what should not be.

    Args:
        site: The only address that may be called.
    """

    def __init__(self, site: str) -> None:
        self._site = site
        self.strangers: list[str] = []
        self.errors: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("request", self._hear_request)
        page.on("console", self._hear_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _hear_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self._site}/", *INLINE)):
            self.strangers.append(request.url)

    def _hear_console(self, message: ConsoleMessage) -> None:
        # A refused form is answered with 422, which chromium reports as an error of loading.
        if message.type in ("error", "warning") and "422" not in message.text:
            self.errors.append(message.text)
