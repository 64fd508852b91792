"""What other programs wrote into pictures is read; what is hostile is refused within limits."""

import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.media.decoders.pool import decoder_of
from brushwork_core.provenance.reading import a1111, node_graph
from brushwork_core.provenance.reading.text_blocks import user_comment
from brushwork_core.provenance.reading.xmp import MOST_BYTES, UnreadableXmp, properties
from brushwork_schemas.artifact.provenance_report import AigcLabel, EmbeddedParameters, ProvenanceReport
from brushwork_schemas.errors import InvalidImage
from PIL import Image

from tests import foreign_files
from tests.foreign_files import A1111, COMFYUI, INVOKEAI, encoded, with_chunks, with_user_comment

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
LABEL = {
    "Label": "1",
    "ContentProducer": "001191",
    "ProduceID": "abc",
    "ReservedCode1": "",
    "PropagateID": "p",
}
ENDINGS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/"{attributes}>{inside}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)


def report(data: bytes) -> ProvenanceReport:
    return in_process().report(data, "file").report


def parameters(data: bytes) -> EmbeddedParameters:
    found = report(data).parameters
    assert found is not None
    return found


def with_xmp(packet: str | bytes, format_name: str = "JPEG") -> bytes:
    return encoded(format_name, xmp=packet.encode() if isinstance(packet, str) else packet)


@pytest.mark.parametrize("format_name", ENDINGS)
def test_labels_of_exiftool_are_read(format_name: str, tmp_path: Path) -> None:
    data = foreign_files.written_by_exiftool(
        encoded(format_name), tmp_path, ENDINGS[format_name],
        f"-XMP-iptcExt:DigitalSourceType={URI}trainedAlgorithmicMedia",
        "-XMP-xmp:CreatorTool=Other 1.2", "-XMP-photoshop:Credit=A. Person",
        f"-XMP-TC260:AIGC={json.dumps(LABEL)}",
    )  # fmt: skip
    found = report(data).labels
    assert (found.digital_source_type, found.is_ai) == ("trainedAlgorithmicMedia", True)
    assert (found.software, found.credit) == ("Other 1.2", "A. Person")
    assert found.aigc == AigcLabel(**LABEL, where="xmp")


@pytest.mark.parametrize(
    ("source", "is_ai"),
    [
        ("compositeWithTrainedAlgorithmicMedia", True),
        ("digitalCapture", False),
        ("algorithmicallyEnhanced", None),
        ("somethingNew", None),
    ],
)
def test_a_source_says_whether_a_model_has_made_it(source: str, is_ai: bool | None, tmp_path: Path) -> None:
    data = foreign_files.written_by_exiftool(
        encoded(), tmp_path, "png", f"-XMP-iptcExt:DigitalSourceType={URI}{source}"
    )
    assert report(data).labels.is_ai is is_ai


def test_a_picture_without_marks_says_nothing() -> None:
    found = report(encoded())
    assert (found.labels.is_ai, found.labels.aigc, found.parameters, found.problems) == (None, None, None, ())
    assert (found.made_here, found.matches) == (False, ())


@pytest.mark.parametrize(
    ("inside", "attributes"),
    [
        (f"<i:DigitalSourceType>{URI}print</i:DigitalSourceType>", ""),
        (f'<i:DigitalSourceType rdf:resource="{URI}print"/>', ""),
        ("", f' i:DigitalSourceType="{URI}print"'),
        (f"<i:DigitalSourceType><rdf:Bag><rdf:li>{URI}print</rdf:li></rdf:Bag></i:DigitalSourceType>", ""),
        (
            '<i:DigitalSourceType rdf:parseType="Resource">'
            f"<rdf:value>{URI}print</rdf:value></i:DigitalSourceType>",
            "",
        ),
    ],
)
def test_all_forms_of_a_property_are_read(inside: str, attributes: str) -> None:
    packet = XMP.format(inside=inside, attributes=attributes)
    assert report(with_xmp(packet)).labels.digital_source_type == "print"


@pytest.mark.parametrize(
    ("where", "data"),
    [
        ("xmp", with_xmp(XMP.format(inside=f"<T:AIGC>{json.dumps(LABEL)}</T:AIGC>", attributes=""))),
        ("xmp", with_xmp(XMP.format(
            inside='<T:AIGC rdf:parseType="Resource">'
            + "".join(f"<T:{name}>{value}</T:{name}>" for name, value in LABEL.items() if value)
            + "</T:AIGC>",
            attributes=""))),
        ("png_text", with_chunks(AIGC=json.dumps(LABEL))),
        ("png_text", with_chunks(AIGC=json.dumps({"AIGC": LABEL}))),
        ("exif", with_user_comment("JPEG", json.dumps({"AIGC": LABEL}))),
        ("exif", with_user_comment("JPEG", json.dumps({"AIGC": json.dumps(LABEL)}))),
        ("comment", encoded("JPEG", comment=json.dumps({"AIGC": LABEL}).encode())),
    ],
)  # fmt: skip
def test_the_label_of_gb_45438_is_read_wherever_it_stands(where: str, data: bytes) -> None:
    found = report(data).labels
    assert found.is_ai is True
    assert found.aigc is not None
    assert found.aigc.where == where
    assert (found.aigc.ContentProducer, found.aigc.ProduceID) == ("001191", "abc")


EXPECTED = {
    "prompt": "a red circle, 大きな円 \nsecond line", "negative_prompt": "blurry,\nugly",
    "num_inference_steps": 20,
    "guidance_scale": 7.5, "seed": 1234567, "width": 512, "height": 640, "strength": 0.6,
    "scheduler": "EulerAncestralDiscreteScheduler", "loras": [{"name": "ink", "weight": 0.8}],
}  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        with_chunks(parameters=A1111),
        *(with_user_comment(name, A1111) for name in ("JPEG", "WEBP", "AVIF")),
        with_user_comment("JPEG", A1111, "utf-16-le"),
        encoded("JPEG", comment=A1111.encode()),
    ],
)
def test_parameters_of_a1111_are_read(data: bytes) -> None:
    found = parameters(data)
    assert (found.format, found.model, found.request) == ("a1111", "v1-5-pruned", EXPECTED)


def test_parameters_that_exiftool_wrote_are_read(tmp_path: Path) -> None:
    arguments = (f"-EXIF:UserComment={A1111}",)
    data = foreign_files.written_by_exiftool(encoded("JPEG"), tmp_path, "jpg", *arguments)
    assert parameters(data).request["seed"] == 1234567


@pytest.mark.parametrize("data", [with_chunks(prompt=json.dumps(COMFYUI)), foreign_files.comfyui_webp()])
def test_parameters_of_comfyui_are_read(data: bytes) -> None:
    found = parameters(data)
    assert (found.format, found.model) == ("comfyui", "v1-5.safetensors")
    assert found.request == {
        "prompt": "a castle", "negative_prompt": "watermark", "num_inference_steps": 25,
        "guidance_scale": 8.0, "seed": 8566257, "width": 512, "height": 768,
        "scheduler": "EulerAncestralDiscreteScheduler",
    }  # fmt: skip


def test_parameters_of_invokeai_are_read() -> None:
    found = parameters(with_chunks(invokeai_metadata=json.dumps(INVOKEAI)))
    assert (found.format, found.model) == ("invokeai", "stable-diffusion-v1-5")
    assert found.request == {
        "prompt": "a harbour", "negative_prompt": "fog", "num_inference_steps": 30, "guidance_scale": 6.5,
        "seed": 99, "width": 640, "height": 512, "scheduler": "EulerDiscreteScheduler",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "", ":", ",,,", '"', "Negative prompt:", 'Steps: "',
        "Steps: 1e999, Seed: nan, CFG scale: inf, Size: 5",
        "Steps: " + "9" * 5000 + ", Seed: 1, Size: 10x10",
        'a\nSteps: 1, X: "\\ud800", Y: 2', "<lora::>" * 1000,
        "a" * 100_000, "Steps: 1, " * 20_000,
    ],
)  # fmt: skip
def test_damaged_parameters_are_left_out(text: str) -> None:
    found, _ = a1111.read(text)
    json.dumps(found, allow_nan=False).encode()
    assert found.get("num_inference_steps", 1) == 1


CIRCLE = {"1": {"class_type": "KSampler", "inputs": {"steps": 1, "positive": ["1", 0], "model": ["1", 0]}}}


@pytest.mark.parametrize(
    "graph",
    [
        {}, {"1": 5}, {"1": {"inputs": []}}, CIRCLE,
        {"1": {"class_type": "KSampler", "inputs": {"steps": [], "positive": {}, "seed": "x", "cfg": None}}},
        {str(number): {"class_type": "X", "inputs": {"a": [str(number), 0]}} for number in range(9000)},
    ],
)  # fmt: skip
def test_damaged_graphs_have_no_parameters(graph: dict[str, Any]) -> None:
    found, model = node_graph.comfyui(graph)
    assert found.keys() <= {"num_inference_steps"}
    assert model is None


DOCTYPE = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9))
    + "]><x>&j;</x>"
)
EXTERNAL = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><x xmlns="urn:y">&f;</x>'


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (DOCTYPE.encode(), "document type"),
        (EXTERNAL.encode(), "document type"),
        (DOCTYPE.replace('"1.0"', '"1.0" encoding="utf-16"').encode("utf-16"), "document type"),
        (b"<a>" * 200_000, "too many elements"),
        (b"<x>" + b"<a/>" * 50_000 + b"</x>", "too many elements"),
        (b"<a" * 10, "not well-formed"),
        (b"\xff\xfe\x00", "not well-formed"),
        (b" " * (MOST_BYTES + 1), "more than"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "not well-formed"),
    ],
)  # fmt: skip
def test_hostile_xmp_is_refused(packet: bytes, reason: str) -> None:
    with pytest.raises(UnreadableXmp, match=reason):
        properties(packet)


def test_hostile_xmp_is_a_problem_of_the_report_not_an_error() -> None:
    found = report(with_xmp(DOCTYPE))
    assert found.problems == ("the XMP packet has a document type",)
    assert found.labels.digital_source_type is None


def test_a_text_chunk_that_unpacks_to_much_ends_within_limits() -> None:
    """One of 300 MB of zeros: Pillow refuses it, and the rest of the file is read."""
    bomb = zlib.compress(b"a" * 300_000_000, 9)
    chunk = b"zTXt" + b"prompt\0\0" + bomb
    framed = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = encoded()
    data = data[:33] + framed + data[33:]
    found = report(data)
    assert found.parameters is None
    assert "MAX_TEXT_CHUNK" in found.problems[0]


@pytest.mark.parametrize(
    "junk", [b"UNICODE\0\xd8", b"UNICODE\0" + b"\xd8\x00" * 9, b"", b"\xff" * 20, b"ASCII\0\0\0\xe4"]
)
def test_any_user_comment_is_text(junk: bytes) -> None:
    user_comment(junk).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"%PDF-1.7",
        encoded()[:-40],
        b"\xff\xd8\xff\xe1\xff\xff",
    ],
)
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidImage):
        report(data)


def test_a_child_process_says_the_same() -> None:
    data = with_chunks(parameters=A1111)
    assert decoder_of(1).report(data, "file") == in_process().report(data, "file")


def test_an_animated_picture_is_read_by_its_first_frame() -> None:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (9, 9), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    assert report(stream.getvalue()).media_type == "image/gif"
