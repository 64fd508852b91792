"""A picture of ours that comes back as an input is stored as it is, unless its label holds anything else."""

import io
from dataclasses import replace

import pytest
from brushwork_core.media import pictures
from brushwork_core.media.picture_metadata import is_plain
from brushwork_core.provenance.facts import DigitalSource, PictureFacts
from brushwork_core.provenance.marks.encoding import FileForm, encoded
from brushwork_core.provenance.marks.xmp import Stated, is_own_label, packet
from brushwork_core.provenance.picture_writer import OutputChoices, PictureWriter
from brushwork_core.settings.mark_settings import MarkSettings
from brushwork_schemas.kinds.request import OutputFormat
from PIL import Image

PICTURE = Image.radial_gradient("L").resize((48, 32)).convert("RGB")
FACTS = PictureFacts(DigitalSource.GENERATED, "text-to-image", "pocket-diffusion", "abc", "1.2.3")
PRODUCER = "001191610133596325171T12566"
KNOWN: list[OutputFormat] = ["png", "jpeg", "webp"]


def written(form: OutputFormat, facts: PictureFacts = FACTS, producer: str | None = PRODUCER) -> bytes:
    writer = PictureWriter(MarkSettings(aigc_producer=producer))
    return writer.write(PICTURE, facts, OutputChoices(FileForm(form))).data


@pytest.mark.parametrize("form", KNOWN)
@pytest.mark.parametrize("source", DigitalSource)
@pytest.mark.parametrize("producer", [None, PRODUCER])
def test_a_labelled_picture_is_stored_as_it_is(
    form: OutputFormat, source: DigitalSource, producer: str | None
) -> None:
    data = written(form, replace(FACTS, source=source), producer)
    assert is_plain(data)
    kept, picture = pictures.cleaned(data)
    assert (kept, picture.size) == (data, PICTURE.size)


@pytest.mark.parametrize("form", KNOWN)
@pytest.mark.parametrize(
    ("facts", "producer"),
    [
        (replace(FACTS, parameters={"prompt": "my secret"}), PRODUCER),
        (replace(FACTS, software_version="1.0 of my secret"), PRODUCER),
        (FACTS, "my secret, at 52.5 N 13.4 E"),
        (FACTS, "S" * 65),
    ],
)
def test_a_label_that_may_hold_anything_else_is_left_out(
    form: OutputFormat, facts: PictureFacts, producer: str
) -> None:
    data = written(form, facts, producer)
    kept, _ = pictures.cleaned(data)
    assert not is_plain(data)
    assert b"secret" not in kept
    assert b"SSSS" not in kept
    assert Image.open(io.BytesIO(kept)).info.keys() <= {"gamma"}


@pytest.mark.parametrize("form", KNOWN)
@pytest.mark.parametrize(
    "changed",
    [
        lambda label: label + b"<!-- 52.5 N 13.4 E -->",
        lambda label: label.replace(b"</rdf:Description>", b"<dc:title>me</dc:title></rdf:Description>"),
        lambda label: label.replace(b"trainedAlgorithmicMedia", b"secret"),
        lambda label: label.replace(b'id="W5', b'note="me" id="W5'),
        lambda label: label * 2,
    ],
)
def test_a_label_that_was_changed_is_left_out(form: OutputFormat, changed) -> None:  # type: ignore[no-untyped-def]
    label = changed(packet(Stated(FACTS)))
    assert not is_plain(encoded(PICTURE, FileForm(form), label))


def test_bytes_that_are_no_text_are_no_label() -> None:
    label = packet(Stated(FACTS))
    assert is_own_label(label)
    assert not is_own_label(label + b"\xff")
    assert not is_own_label(b"")


def test_a_second_segment_beside_the_label_is_not_plain() -> None:
    data = written("jpeg")
    comment = b"\xff\xfe\x00\x08secret"
    assert not is_plain(data[:2] + comment + data[2:])
    png = written("png")
    assert not is_plain(png[:33] + b"\0\0\0\x08tEXtsecret\0xAAAA" + png[33:])
    webp = bytearray(written("webp") + b"EXIF\x06\0\0\0secret")
    webp[4:8] = (len(webp) - 8).to_bytes(4, "little")
    assert not is_plain(bytes(webp))
    flagged = bytearray(written("webp"))
    flagged[20] |= 0x08
    assert not is_plain(bytes(flagged))
