"""Makes docs/pictures/page-*.png from a running stack: `python -m tests.browser.screenshots [FOLDER]`."""

import io
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from brushwork import Client
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright
from sklearn.datasets import load_digits

from tests.browser.chromium import LAUNCH, program
from tests.integration.embedded import Up

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
PROMPTS = (
    "a large red circle in the center on a white background",
    "a small blue star on the left on a black background",
    "白色背景中央的大红色圆形",
    "a purple square on the right on a white background",
    "a small orange heart in the center on a gray background",
    "黑色背景上右边的小青色环形",
    "a large green triangle on a white background",
    "a yellow star on a blue background",
    "a small red diamond on the left on a white background",
)
WAIT_S = 300.0
WIDE = {"width": 1280, "height": 880}
NARROW = {"width": 390, "height": 844}
# A page whose pictures are all there.
LOADED = "() => [...document.images].every((image) => image.complete && (image.naturalWidth || image.hidden))"


def main() -> None:
    """Start everything, fill it with jobs, and take the pictures."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    found = program()
    if found is None:
        sys.exit("There is no chromium here (Debian: apt-get install chromium).")
    with tempfile.TemporaryDirectory() as place, Up(Path(place) / "data", "--port", "0") as up:
        up.ready()
        with up.client() as client:
            jobs = filled(client)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=LAUNCH)
            taken(browser, up.addresses()["BRUSHWORK_GATEWAY_URL"], jobs, folder)
            browser.close()


def filled(client: Client) -> dict[str, str]:
    """Have jobs of all kinds done; the ids of those that are shown, by what they show."""
    made = client.submit_many({"kind": "text-to-image", "prompt": text, "seed": 7} for text in PROMPTS)
    done = [client.wait(job.id, timeout_s=WAIT_S).raise_for_state() for job in made]
    red, star = done[0].result.images[0], done[1].result.images[0]
    several = client.submit("text-to-image", prompt="a green triangle", num_images_per_prompt=4, seed=20)
    labels = client.submit("image-classification", image=star)
    caption = client.submit("image-to-text", image=red, language="zh")
    segments = client.submit("image-segmentation", image=red)
    training = client.submit(
        "image-classification-training", dataset=digits(), num_train_epochs=12, augmentation="light", seed=7
    )
    shown = {
        "several": several,
        "labels": labels,
        "caption": caption,
        "segments": segments,
        "training": training,
    }
    for job in shown.values():
        client.wait(job.id, timeout_s=WAIT_S).raise_for_state()
    return {name: job.id for name, job in shown.items()}


def digits() -> bytes:
    """Every sixth of scikit-learn's scanned digits, in class folders."""
    buffer = io.BytesIO()
    scans = load_digits()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number, (scan, digit) in enumerate(zip(scans.images, scans.target, strict=True)):
            if number % 6 == 0:
                picture = Image.fromarray((scan * 15.9).astype("uint8"))
                file = io.BytesIO()
                picture.save(file, "PNG")
                archive.writestr(f"{digit}/{number}.png", file.getvalue())
    return buffer.getvalue()


def taken(browser: Browser, site: str, jobs: dict[str, str], folder: Path) -> None:
    """All pictures."""
    with opened(browser, site, viewport=WIDE) as page:
        shot(page, "/", folder / "page-light.png")
        shot(page, f"/jobs/{jobs['several']}", folder / "page-job.png")
        shot(page, f"/jobs/{jobs['segments']}", folder / "page-segments.png")
        shot(page, f"/jobs/{jobs['training']}", folder / "page-training.png")
        running(page, folder / "page-running.png")
    with opened(browser, site, viewport=WIDE, color_scheme="dark") as page:
        shot(page, "/gallery", folder / "page-dark.png")
    with opened(browser, site, viewport=WIDE, locale="zh-CN") as page:
        shot(page, "/gallery", folder / "page-zh.png")
    with opened(browser, site, viewport=NARROW, color_scheme="dark", locale="zh-CN") as page:
        shot(page, f"/jobs/{jobs['caption']}", folder / "page-mobile.png")


@contextmanager
def opened(browser: Browser, site: str, **options: Any) -> Iterator[Page]:
    """A page of a new visitor."""
    context = browser.new_context(base_url=site, **{"locale": "en-GB", "device_scale_factor": 1, **options})
    context.set_default_timeout(WAIT_S * 1000)
    yield context.new_page()
    context.close()


def shot(page: Page, path: str, file: Path) -> None:
    """One picture of what is seen without scrolling."""
    page.goto(path)
    page.wait_for_function(LOADED)
    saved(page, file)


def running(page: Page, file: Path) -> None:
    """A job while it runs, with its preview."""
    page.goto("/")
    page.get_by_label("Prompt", exact=True).fill("a large yellow star on a black background")
    for label, value in {"Steps": "60", "Width": "72", "Height": "72", "Seed": "12"}.items():
        page.get_by_label(label, exact=True).fill(value)
    page.get_by_role("button", name="Submit").click()
    page.wait_for_function("() => document.querySelector('[data-progress] progress')?.value > 20")
    page.wait_for_function("() => document.querySelector('[data-preview]')?.naturalWidth > 0")
    saved(page, file)


def saved(page: Page, file: Path) -> None:
    """Written as small as PNG can, for the repository's sake."""
    page.screenshot(path=file)
    with Image.open(file) as picture:
        plain = picture.convert("RGB")
    plain.save(file, optimize=True)
    print(f"{file.name}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
