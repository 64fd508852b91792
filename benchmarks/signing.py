"""What Content Credentials cost: parts of `python -m benchmarks.provenance`.

Signatures alone: milliseconds of processor time (of all repeats the least, for other programs only add to
it) and bytes, by format; then for a picture that was made from a signed one, and for reading. Many jobs at
once, by workers with stacks of their own, without marks, with a signature and with every mark, in turns:
seconds to the last result, and processor time of the worker.
"""

import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from brushwork_core.provenance.credentials.development import development_identity, write_development_identity
from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.kept import kept_credentials
from brushwork_core.provenance.credentials.reader import read_credentials
from brushwork_core.provenance.credentials.signer import Signer
from brushwork_core.provenance.facts import DigitalSource, InputPicture, PictureFacts
from PIL import Image
from skimage import data

from benchmarks.settings_in_turns import print_turns

FORMATS = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp", "avif": "image/avif"}
MADE = PictureFacts(DigitalSource.GENERATED, "text-to-image", "pocket-diffusion", "0" * 64, "1.0.0")
CHANGED = PictureFacts(
    DigitalSource.COMPOSITE,
    "image-to-image",
    "pocket-diffusion",
    "0" * 64,
    "1.0.0",
    (InputPicture("0" * 64, "image"),),
)
EVERY_MARK = {
    "BRUSHWORK_AIGC_PRODUCER": "001191610133596325171T12566",
    "BRUSHWORK_EMBED_PARAMETERS": "true",
    "BRUSHWORK_VISIBLE_LABEL": "always",
}


def encoded(side: int, form: str) -> bytes:
    """Return a photograph of this size."""
    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).resize((side, side)).save(buffer, form.upper(), quality=90)
    return buffer.getvalue()


def least_ms(act: Callable[[], object], repeats: int) -> float:
    """Return the least processor time of a call, in milliseconds. The first call is not counted."""
    act()
    times = []
    for _ in range(repeats):
        began = time.process_time()
        act()
        times.append((time.process_time() - began) * 1000)
    return min(times)


def print_signatures(side: int, repeats: int) -> None:
    """Print the cost of a signature by format."""
    signer = Signer(development_identity())
    source = signer.sign(encoded(side, "png"), "image/png", MADE)
    print("| picture | format | ms to sign | bytes | signed input: ms | bytes | ms to read | ms to keep |")
    print("|---|---|---|---|---|---|---|---|")
    for form, media_type in FORMATS.items():
        plain = encoded(side, form)
        inputs = {"0" * 64: Ingredient(source, "image/png")}
        made, changed = signer.sign(plain, media_type, MADE), signer.sign(plain, media_type, CHANGED, inputs)
        figures = (
            f"{least_ms(lambda: signer.sign(plain, media_type, MADE), repeats):.2f}",  # noqa: B023
            f"{len(made) - len(plain)}",
            f"{least_ms(lambda: signer.sign(plain, media_type, CHANGED, inputs), repeats):.2f}",  # noqa: B023
            f"{len(changed) - len(plain)}",
            f"{least_ms(lambda: read_credentials(made), repeats):.2f}",  # noqa: B023
            f"{least_ms(lambda: kept_credentials(made), repeats):.2f}",  # noqa: B023
        )
        print(f"| {side} x {side} | {form} | {' | '.join(figures)} |")


def print_jobs(rounds: int, number: int) -> None:
    """Print the times of many jobs at once: without marks, with a signature, and with every mark."""
    with tempfile.TemporaryDirectory() as folder:
        chain, key = write_development_identity(Path(folder))
        signs = {"BRUSHWORK_CREDENTIALS_CHAIN": str(chain), "BRUSHWORK_CREDENTIALS_KEY": str(key)}
        print_turns(
            {
                "no mark": {"BRUSHWORK_PICTURE_LABELS": "false"},
                "label and signature": signs,
                "every mark": {**signs, **EVERY_MARK},
            },
            rounds,
            number,
        )
