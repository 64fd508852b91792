"""Photographs the errors of every form in Chinese: `python -m tests.browser.form_errors FOLDER`.

The forms are filled with wrong values. The browser's own checks are off, so that the gateway refuses them.
"""

import sys
import tempfile
from pathlib import Path

from brushwork_core.database.database import Database
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.registry import all_kinds
from playwright.sync_api import Page, sync_playwright
from pydantic import SecretStr

from tests.browser.chromium import LAUNCH, program
from tests.live_gateways import Listening

WRONG = {
    "width": "17",
    "height": "99999",
    "num_inference_steps": "0",
    "guidance_scale": "99",
    "seed": "-1",
    "num_images_per_prompt": "99",
    "strength": "7",
    "loras": "ink:0.8",
    "top_k": "0",
    "candidate_labels": "cat, cat",
    "hypothesis_template": "a photograph",
    "max_new_tokens": "0",
    "num_beams": "99",
    "threshold": "7",
    "points": "here",
    "boxes": "1, 2",
    "num_train_epochs": "0",
    "learning_rate": "-1",
    "image_size": "1",
    "validation_split": "2",
    "early_stopping_patience": "0",
    "tenant": "租户一",
    "deadline_s": "-5",
    "webhook_url": "ftp://example.org",
    "group": "我的 分组",
}


def main() -> None:
    """Start a gateway, send every form with wrong values, and photograph the answers."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    found = program()
    if found is None:
        sys.exit("There is no chromium here (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as place:
        url = f"sqlite:///{place}/ledger.sqlite3"
        settings = Settings(
            database_url=SecretStr(url), artifacts_url=f"{place}/artifacts", webhook_secret=None
        )
        Database(url).migrate()
        with Listening(settings) as gateway, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=LAUNCH)
            page = browser.new_page(
                base_url=gateway.address, locale="zh-CN", viewport={"width": 760, "height": 900}
            )
            for kind in all_kinds():
                refused(page, kind)
                page.screenshot(path=folder / f"{kind}.png", full_page=True)
            page.goto("/no/such/address")
            page.screenshot(path=folder / "unknown-address.png")
            browser.close()


def refused(page: Page, kind: str) -> None:
    """Send a form with wrong values."""
    page.goto(f"/?kind={kind}")
    page.evaluate(
        """(wrong) => {
            const form = document.querySelector("form[data-maker]");
            form.noValidate = true;
            form.querySelectorAll("details").forEach((each) => { each.open = true; });
            for (const [name, value] of Object.entries(wrong)) {
                const field = form.querySelector(`[name="${name}"]`);
                if (field === null) continue;
                if (field.type === "number") field.type = "text";
                field.value = value;
            }
        }""",
        WRONG,
    )
    page.locator("#submit").click()
    page.wait_for_selector(".problem")


if __name__ == "__main__":
    main()
