"""IPTC's older form, and XMP that spans several segments of a JPEG: by exiftool, split, and damaged."""

import hashlib
import json
import struct
from collections.abc import Sequence
from pathlib import Path

import pytest
from brushwork_core.media.decoders.decoder import in_process
from brushwork_core.provenance.reading import iptc_iim
from brushwork_core.provenance.reading.extended_xmp import HEADER, extended_packet
from brushwork_core.provenance.reading.xmp import MOST_BYTES, UnreadableXmp
from brushwork_schemas.artifact.provenance_report import Labels, ProvenanceReport

from tests.foreign_files import encoded, with_chunks, written_by_exiftool

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
PACKET = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:i="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    ' xmlns:n="http://ns.adobe.com/xmp/note/"'
    ' xmlns:p="http://ns.adobe.com/photoshop/1.0/" {attributes}>{inside}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)
SOURCE = f'i:DigitalSourceType="{URI}trainedAlgorithmicMedia"'
LABEL = {"Label": "1", "ContentProducer": "001191", "ProduceID": "abc"}


def report(data: bytes) -> ProvenanceReport:
    return in_process().report(data, "file").report


def labels(data: bytes) -> Labels:
    return report(data).labels


def with_segments(segments: Sequence[tuple[int, bytes]]) -> bytes:
    """A JPEG with segments: their markers, such as 0xE1 for `APP1`, and contents."""
    data = encoded("JPEG")
    added = b"".join(struct.pack(">BBH", 0xFF, marker, len(held) + 2) + held for marker, held in segments)
    return data[:2] + added + data[2:]


def name_of(packet: bytes) -> str:
    return hashlib.md5(packet, usedforsecurity=False).hexdigest().upper()


def parts_of(packet: bytes, size: int, guid: str = "") -> list[tuple[int, bytes]]:
    name = (guid or name_of(packet)).encode()
    return [
        (0xE1, HEADER + name + struct.pack(">II", len(packet), start) + packet[start : start + size])
        for start in range(0, len(packet), size)
    ]


def first_packet(packet: bytes, more: str = "") -> tuple[int, bytes]:
    guid = name_of(packet)
    text = PACKET.format(attributes=f'n:HasExtendedXMP="{guid}" {more}', inside="")
    return 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + text.encode()


LONG = PACKET.format(attributes=SOURCE, inside=f"<p:History>{'x' * 150_000}</p:History>").encode()


@pytest.mark.parametrize("ending", ["jpg", "tiff", "png"])
def test_iptc_of_exiftool_is_read(ending: str, tmp_path: Path) -> None:
    name = {"jpg": "JPEG", "tiff": "TIFF", "png": "PNG"}[ending]
    data = written_by_exiftool(
        encoded(name), tmp_path, ending, "-codedcharacterset=utf8", "-IPTC:Credit=图片社 é",
        "-IPTC:OriginatingProgram=Painter", "-IPTC:ProgramVersion=3",
        f"-IPTC:Caption-Abstract={json.dumps({'AIGC': LABEL})}",
    )  # fmt: skip
    found = labels(data)
    assert (found.credit, found.software) == ("图片社 é", "Painter 3")
    assert found.is_ai is True
    assert found.aigc is not None
    assert (found.aigc.where, found.aigc.ProduceID) == ("iptc", "abc")


def test_xmp_says_more_than_iptc(tmp_path: Path) -> None:
    both = ("-IPTC:Credit=old", "-XMP-photoshop:Credit=new", "-XMP-xmp:CreatorTool=Tool")
    found = labels(written_by_exiftool(encoded("JPEG"), tmp_path, "jpg", *both))
    assert (found.credit, found.software) == ("new", "Tool")


def test_extended_xmp_of_exiftool_is_read(tmp_path: Path) -> None:
    data = written_by_exiftool(
        encoded("JPEG"), tmp_path, "jpg", f"-XMP-iptcExt:DigitalSourceType={URI}trainedAlgorithmicMedia",
        f"-XMP-photoshop:History={'x' * 90_000}", f"-XMP-photoshop:Credit={'y' * 70_000}",
    )  # fmt: skip
    assert data.count(HEADER) > 1
    found = report(data)
    assert found.problems == ()
    assert (found.labels.digital_source_type, found.labels.credit) == (
        "trainedAlgorithmicMedia",
        "y" * 2000,
    )


@pytest.mark.parametrize("size", [1000, 60_000])
@pytest.mark.parametrize("turned", [False, True], ids=["in order", "last first"])
def test_parts_in_any_order_are_one_packet(size: int, turned: bool) -> None:
    parts = parts_of(LONG, size)
    found = report(with_segments([first_packet(LONG), *(reversed(parts) if turned else parts)]))
    assert (found.labels.digital_source_type, found.problems) == ("trainedAlgorithmicMedia", ())


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ([first_packet(LONG), *parts_of(LONG, 60_000)[1:]], "a part of the extended XMP packet is missing"),
        (
            [first_packet(LONG), *parts_of(LONG.replace(b"xxx", b"yyy"), 60_000, name_of(LONG))],
            "not the one that the first packet names",
        ),
        ([first_packet(LONG), *parts_of(b"<a>" * 10, 9, name_of(LONG))], "not the one"),
        ([first_packet(b"<a"), *parts_of(b"<a", 9)], "not well-formed"),
        ([first_packet(b"<!DOCTYPE x []><x/>"), *parts_of(b"<!DOCTYPE x []><x/>", 9)], "document type"),
    ],
)  # fmt: skip
def test_a_damaged_second_packet_is_a_problem_and_the_first_is_read(
    segments: list[tuple[int, bytes]], reason: str
) -> None:
    marker, first = segments[0]
    stated = first.replace(b"n:HasExtendedXMP", b'p:Credit="Mine" n:HasExtendedXMP')
    found = report(with_segments([(marker, stated), *segments[1:]]))
    assert reason in found.problems[0]
    assert found.labels.digital_source_type is None
    assert found.labels.credit == "Mine"


def test_a_second_packet_without_a_name_is_not_read() -> None:
    plain = 0xE1, b"http://ns.adobe.com/xap/1.0/\0" + PACKET.format(attributes="", inside="").encode()
    assert labels(with_segments([plain, *parts_of(LONG, 60_000)])).digital_source_type is None
    assert labels(with_segments(parts_of(LONG, 60_000))).digital_source_type is None


def test_a_second_packet_that_says_it_is_huge_is_refused() -> None:
    part = HEADER + b"A" * 32 + struct.pack(">II", MOST_BYTES + 1, 0) + b"<a/>"
    with pytest.raises(UnreadableXmp, match="more than"):
        extended_packet([part], "A" * 32)


def record(dataset: int, value: bytes, number: int = 2) -> bytes:
    return struct.pack(">BBBH", 0x1C, number, dataset, len(value)) + value


def resource(content: bytes, kind: int = 0x0404, name: bytes = b"") -> bytes:
    padded = bytes([len(name)]) + name + b"\0" * (1 - len(name) % 2)
    return (
        b"8BIM"
        + struct.pack(">H", kind)
        + padded
        + struct.pack(">I", len(content))
        + content
        + b"\0" * (len(content) % 2)
    )


CREDIT = resource(b"abc", 0x03EE, b"odd") + resource(
    record(90, b"\x1b%G", 1) + record(110, "Agència".encode())
)


@pytest.mark.parametrize("cut", [3, 14, 30, 40, len(CREDIT) - 1])
def test_resources_that_span_segments_are_read(cut: int) -> None:
    header = b"Photoshop 3.0\0"
    halves = [(0xED, header + CREDIT[:cut]), (0xED, header + CREDIT[cut:])]
    assert labels(with_segments(halves)).credit == "Agència"


@pytest.mark.parametrize("chunk", ["iptc", "8bim", "APP13"])
def test_iptc_of_imagemagick_is_read(chunk: str) -> None:
    text = f"\n{chunk}\n{len(CREDIT):8}\n" + "\n".join(CREDIT.hex()[at : at + 72] for at in range(0, 999, 72))
    assert labels(with_chunks(**{f"Raw profile type {chunk}": text})).credit == "Agència"


@pytest.mark.parametrize(
    "data",
    [
        b"", b"8BIM", b"8BIM\x04\x04", b"8BIM\x04\x04\xff", b"8BIM\x04\x04\0\0\xff\xff\xff\xff",
        resource(b"\x1c"), resource(b"\x1c\x02\x6e\xff\xff"),
        resource(b"\x1c\x02\x6e\x80\x04\xff\xff\xff\xff"),
        resource(b"\x1c\x02\x6e\xff\xff" + b"\xff" * 40_000), resource(record(110, b"")) * 20_000,
        b"\x1c\x02\x6e\0\0" * 200_000, b"Photoshop 3.0\0", b"junk",
    ],
)  # fmt: skip
def test_damaged_iptc_says_nothing(data: bytes) -> None:
    assert iptc_iim.fields(data) == {}


def test_a_long_value_is_cut_and_old_encodings_are_read() -> None:
    long = b"\x1c\x02\x6e\x80\x04" + struct.pack(">I", 50_000) + b"a" * 50_000 + record(120, b"caf\xe9")
    found = iptc_iim.fields(resource(long))
    assert (len(found["Credit"]), found["Caption"]) == (iptc_iim.LONGEST_VALUE, "café")


@pytest.mark.parametrize("text", ["", "\n", "\niptc", "\niptc\n  5\nzz", "\niptc\n  5\nabc", "é" * 100])
def test_a_damaged_profile_of_a_png_says_nothing(text: str) -> None:
    assert iptc_iim.of_raw_profile(text) == b""
    assert labels(with_chunks(**{"Raw profile type iptc": text})).credit is None
