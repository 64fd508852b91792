"""What the files of new pictures say, as independent readers read it, and what they never say."""

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from brushwork_core.provenance.credentials.ingredients import Ingredient
from brushwork_core.provenance.credentials.output_signer import SignedFile
from brushwork_core.provenance.facts import DigitalSource, PictureFacts
from brushwork_core.provenance.marks.encoding import FileForm
from brushwork_core.provenance.marks.pixels import pixels_sha256
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter, WrittenPicture
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.kinds.request import OutputFormat
from PIL import Image
from sd_parsers import ParserManager

from benchmarks.provenance import forms, measured
from tests.exiftool import read_by_exiftool

FORMATS: tuple[OutputFormat, ...] = get_args(OutputFormat)
PICTURE = Image.radial_gradient("L").resize((96, 64)).convert("RGB")
PRODUCER = "001191610133596325171T12566"
PARAMETERS = {
    "prompt": "a red circle, 你好 <b>&\nsecond line",
    "negative_prompt": "blurry, text",
    "seed": 41,
    "num_inference_steps": 20,
    "guidance_scale": 7.5,
    "scheduler": "EulerAncestralDiscreteScheduler",
    "loras": [{"name": "ink", "weight": 0.8}],
}
FACTS = PictureFacts(
    DigitalSource.GENERATED, "text-to-image", "pocket-diffusion", "abc", "1.2.3", (), PARAMETERS
)
QUIET = replace(FACTS, parameters=None)


def written(form: OutputFormat, facts: PictureFacts | None = FACTS, **settings: Any) -> WrittenPicture:
    writer = PictureWriter(MarkSettings(**{"aigc_producer": PRODUCER, **settings}))
    return writer.write(PICTURE, facts, OutputChoices(FileForm(form)))


def test_exiftool_reads_iptc_xmp_and_aigc_of_each_format(tmp_path: Path) -> None:
    files = []
    for form in FORMATS:
        for source in DigitalSource:
            files.append(tmp_path / f"{source.name}.{form}")
            files[-1].write_bytes(written(form, replace(FACTS, source=source)).data)
    for file, found in zip(files, read_by_exiftool(*files), strict=True):
        assert not [name for name in found if "Warning" in name or "Error" in name]
        assert found["File:MIMEType"] == f"image/{file.suffix[1:]}"
        assert found["XMP-xmp:CreatorTool"] == "brushwork 1.2.3"
        source = DigitalSource[file.stem]
        assert found["XMP-iptcExt:DigitalSourceType"] == source.uri
        # exiftool returns a JSON text as it is, or as the object that it is.
        label = found["XMP-TC260:Aigc"]
        assert (json.loads(label) if isinstance(label, str) else label) == {
            "Label": "1", "ContentProducer": PRODUCER, "ProduceID": pixels_sha256(PICTURE),
            "ReservedCode1": "", "ContentPropagator": "", "PropagateID": "", "ReservedCode2": "",
        }  # fmt: skip
        own = found["XMP-brushwork:Parameters"]
        stated = json.loads(own) if isinstance(own, str) else own
        assert stated["kind"] == "text-to-image"
        assert stated["software"] == "brushwork 1.2.3"
        assert stated["parameters"] == PARAMETERS
        text = found["PNG:Parameters" if file.suffix == ".png" else "ExifIFD:UserComment"]
        assert text.splitlines() == [
            "a red circle, 你好 <b>&",
            "second line <lora:ink:0.8>",
            "Negative prompt: blurry, text",
            "Steps: 20, Sampler: Euler a, CFG scale: 7.5, Seed: 41, Size: 96x64, Model: pocket-diffusion, "
            "Version: brushwork 1.2.3",
        ]


# The reader knows no AVIF; its text is checked with exiftool above.
@pytest.mark.parametrize("form", [form for form in FORMATS if form != "avif"])
def test_an_independent_reader_of_generators_reads_the_parameters(form: OutputFormat, tmp_path: Path) -> None:
    file = tmp_path / f"picture.{form}"
    file.write_bytes(written(form).data)
    found = ParserManager().parse(file)
    assert found is not None
    assert found.generator == "AUTOMATIC1111"
    assert found.full_prompt == f"{PARAMETERS['prompt']} <lora:ink:0.8>"
    assert found.full_negative_prompt == "blurry, text"
    (sampler,) = found.samplers
    assert (sampler.name, sampler.parameters["seed"]) == ("Euler a", "41")
    assert (sampler.parameters["steps"], sampler.parameters["cfg_scale"]) == ("20", "7.5")
    assert sampler.model is not None
    assert sampler.model.name == "pocket-diffusion"


@pytest.mark.parametrize("form", FORMATS)
def test_equal_pictures_have_equal_bytes_and_names(form: OutputFormat) -> None:
    first, again = written(form), written(form)
    assert first == again
    assert first.unsigned_sha256 == hashlib.sha256(first.data).hexdigest()
    assert first.pixels_sha256 == pixels_sha256(PICTURE)
    other = PictureWriter().write(PICTURE.rotate(180), FACTS, OutputChoices(FileForm(form)))
    assert other.pixels_sha256 != first.pixels_sha256


def test_the_name_of_the_pixels_is_that_of_what_a_lossless_file_shows() -> None:
    for form in FORMATS:
        assert written(form).pixels_sha256 == written("png").pixels_sha256
    with Image.open(io.BytesIO(written("png").data)) as shown:
        assert pixels_sha256(shown) == written("png").pixels_sha256
    by_hand = hashlib.sha256(b"RGB 96x64\n" + PICTURE.tobytes()).hexdigest()
    assert by_hand == pixels_sha256(PICTURE)
    assert pixels_sha256(PICTURE.convert("L")) == pixels_sha256(PICTURE.convert("L").convert("RGB"))
    assert pixels_sha256(PICTURE.convert("RGBA")) != by_hand
    tall, wide = Image.new("RGB", (2, 8)), Image.new("RGB", (8, 2))
    assert pixels_sha256(tall) != pixels_sha256(wide)


@pytest.mark.parametrize("form", FORMATS)
def test_a_file_tells_no_parameters_unless_it_shall(form: OutputFormat) -> None:
    data = written(form, QUIET).data
    for private in (b"red circle", b"blurry", b"Steps", b"pocket-diffusion", b"abc", b"UNICODE"):
        assert private not in data
    assert "red circle".encode("utf-16-be") not in data


@pytest.mark.parametrize("form", FORMATS)
def test_an_operator_can_leave_labels_out(form: OutputFormat) -> None:
    bare = written(form, QUIET, picture_labels=False).data
    assert b"adobe" not in bare
    assert b"AIGC" not in written(form, QUIET, aigc_producer=None).data
    assert b"trainedAlgorithmicMedia" in written(form, QUIET, aigc_producer=None).data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1"])
def test_a_finding_is_a_png_without_any_mark(mode: str) -> None:
    finding = PICTURE.convert(mode)
    writer = PictureWriter(MarkSettings(aigc_producer=PRODUCER, visible_label="always"))
    made = writer.write(finding, None, OutputChoices(FileForm("jpeg"), True, True))
    with Image.open(io.BytesIO(made.data)) as shown:
        assert (shown.format, shown.mode, shown.info.keys() & {"xmp", "parameters"}) == ("PNG", mode, set())
        assert shown.tobytes() == finding.tobytes()
    assert made.unsigned_sha256 == hashlib.sha256(made.data).hexdigest()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P"])
@pytest.mark.parametrize("form", FORMATS)
def test_pictures_of_any_mode_are_written_in_every_format(form: OutputFormat, mode: str) -> None:
    made = PictureWriter().write(PICTURE.convert(mode), FACTS, OutputChoices(FileForm(form), True, True))
    with Image.open(io.BytesIO(made.data)) as shown:
        assert (shown.size, shown.format) == (PICTURE.size, form.upper())


HOSTILE = (
    "\u4f60" * 2000,
    "&<>" * 600,
    "\x01\x1f\x7f\x85" * 400,
    "😀" * 1000,
    "\ufffe\uffff",
    "Negative prompt: x",
)


def test_any_prompt_that_a_request_may_hold_fits_into_every_format(tmp_path: Path) -> None:
    files = {}
    for form in FORMATS:
        for number, text in enumerate(HOSTILE):
            made = written(
                form, replace(FACTS, parameters={"prompt": text, "negative_prompt": text, "seed": 1})
            )
            assert made.warnings == ()
            file = tmp_path / f"{number}.{form}"
            file.write_bytes(made.data)
            files[file] = text
    for text, found in zip(files.values(), read_by_exiftool(*files), strict=True):
        own = found["XMP-brushwork:Parameters"]
        stated = json.loads(own) if isinstance(own, str) else own
        assert stated["parameters"]["prompt"] == text


def test_a_jpeg_without_room_for_the_parameters_has_its_label_and_a_warning() -> None:
    facts = replace(FACTS, parameters={"prompt": "a" * 70_000})
    made = written("jpeg", facts)
    assert [each.code for each in made.warnings] == ["parameters_not_embedded"]
    assert b"trainedAlgorithmicMedia" in made.data
    assert written("webp", facts).warnings == ()


class Appending:
    """A signer that appends what it was given."""

    is_configured = True

    def expect_ready(self) -> None:
        """It is always ready."""

    def signed(
        self, data: bytes, media_type: str, facts: PictureFacts, inputs: Mapping[str, Ingredient]
    ) -> SignedFile:
        return SignedFile(data + f"{media_type} {facts.source}".encode(), "operator")


def test_a_file_is_signed_after_all_marks_and_the_unsigned_form_is_named() -> None:
    unsigned = written("webp")
    writer = PictureWriter(MarkSettings(aigc_producer=PRODUCER), Appending())
    signed = writer.write(PICTURE, FACTS, OutputChoices(FileForm("webp")))
    assert signed.data == unsigned.data + b"image/webp trainedAlgorithmicMedia"
    assert (signed.unsigned_sha256, signed.pixels_sha256) == (
        unsigned.unsigned_sha256,
        unsigned.pixels_sha256,
    )
    assert writer.write(PICTURE, None, OutputChoices()).data == written("png", None).data


def test_the_cost_of_each_mark_is_measured_by_the_bytes_that_it_adds() -> None:
    found = measured(PICTURE, "png", repeats=1)
    sizes = {name: size for name, (_, size) in found.items()}
    assert sizes.keys() == {form.name for form in forms("png")}
    assert sizes["no mark"] < sizes["label (IPTC)"] < sizes["label AIGC"]
    assert sizes["label (IPTC)"] < sizes["parameters"]
    assert all(ms > 0 for ms, _ in found.values())
