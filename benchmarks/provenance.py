"""What each mark of a picture costs, and what it costs many jobs at once.

    python -m benchmarks.provenance [--repeats 20] [--sides 64 512 1024] [--rounds 5] [--jobs 64]

First the labels. Milliseconds are processor time of the whole way of `PictureWriter.write`; of all repeats
the least, for other programs only add to it. The forms of a picture are written in turns. Bytes are those of
the whole file. The picture is a photograph. Then what is recorded for the search of copies, signatures (see
benchmarks/signing.py), and so many jobs at once without marks, with a signature, and with every mark.
`--repeats 3 --sides 64 --rounds 0` is the quick form.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import get_args

from brushwork_core.provenance.appearance.fingerprint import Fingerprint
from brushwork_core.provenance.facts import DigitalSource, PictureFacts
from brushwork_core.provenance.marks.encoding import FileForm
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.kinds.request import OutputFormat
from PIL import Image
from skimage import data

from benchmarks.signing import least_ms, print_jobs, print_signatures

FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
PARAMETERS = {
    "prompt": "a lighthouse on a cliff above a stormy sea, oil on canvas, evening light",
    "negative_prompt": "blurry, text, frame",
    "seed": 41,
    "num_inference_steps": 28,
    "guidance_scale": 5.0,
    "scheduler": "EulerAncestralDiscreteScheduler",
}
FACTS = PictureFacts(DigitalSource.GENERATED, "text-to-image", "pocket-diffusion", "0" * 64, "1.0.0")


@dataclass(frozen=True)
class Form:
    """A form of a picture's file.

    Args:
        name: What it has more than the form that it is compared with.
        writer: Writes it.
        facts: What is known of the picture.
        choices: What the request says.
        less: Name of the form without this mark; "" for the first.
    """

    name: str
    writer: PictureWriter
    facts: PictureFacts
    choices: OutputChoices
    less: str = ""


def forms(file_format: OutputFormat) -> Sequence[Form]:
    """Return the unmarked form of a file, and one for each mark."""
    choices = OutputChoices(FileForm(file_format))
    labelled, bare = MarkSettings(), MarkSettings(picture_labels=False)
    aigc = MarkSettings(aigc_producer="001191610133596325171T12566")
    told = replace(FACTS, parameters=PARAMETERS)
    return (
        Form("no mark", PictureWriter(bare), FACTS, choices),
        Form("label (IPTC)", PictureWriter(labelled), FACTS, choices, "no mark"),
        Form("label AIGC", PictureWriter(aigc), FACTS, choices, "label (IPTC)"),
        Form("parameters", PictureWriter(labelled), told, choices, "label (IPTC)"),
        Form(
            "visible label",
            PictureWriter(labelled),
            FACTS,
            replace(choices, visible_label=True),
            "label (IPTC)",
        ),
    )


def measured(picture: Image.Image, file_format: OutputFormat, repeats: int) -> dict[str, tuple[float, int]]:
    """Return milliseconds and bytes of each form, by name."""
    every = forms(file_format)
    times: dict[str, list[float]] = {form.name: [] for form in every}
    sizes: dict[str, int] = {}
    for number in range(repeats + 1):
        for form in every:
            began = time.process_time()
            made = form.writer.write(picture, form.facts, form.choices)
            # The first round fills caches, such as that of the font.
            if number:
                times[form.name].append((time.process_time() - began) * 1000)
            sizes[form.name] = len(made.data)
    return {name: (min(spent), sizes[name]) for name, spent in times.items()}


def print_marks(side: int, repeats: int) -> None:
    """Print the cost of the labels of a picture, in each format."""
    picture = Image.fromarray(data.astronaut()).resize((side, side))
    print("\n| picture | format | mark | ms | more ms | bytes | more bytes |")
    print("|---|---|---|---|---|---|---|")
    for name, act in (("name of the pixels", pixels_sha256), ("print for the search", Fingerprint.of)):
        spent = least_ms(lambda: act(picture), repeats)  # noqa: B023
        print(f"| {side} x {side} | all | {name} | {spent:.2f} | | | |")
    for file_format in FORMATS:
        found = measured(picture, file_format, repeats)
        for form in forms(file_format):
            ms, size = found[form.name]
            less_ms, less_size = found.get(form.less, (ms, size))
            more = f"{ms - less_ms:+.2f} | {size} | {size - less_size:+d}" if form.less else f"| {size} |"
            print(f"| {side} x {side} | {file_format} | {form.name} | {ms:.2f} | {more} |")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--sides", type=int, nargs="+", default=(64, 512, 1024))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=64)
    chosen = parser.parse_args(arguments)
    for side in chosen.sides:
        print_marks(side, chosen.repeats)
        print_signatures(side, chosen.repeats)
    if chosen.rounds:
        print_jobs(chosen.rounds, chosen.jobs)


if __name__ == "__main__":
    main()
