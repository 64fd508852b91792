"""Headers of a tar that are read quickly say the same as those that tarfile reads."""

import io
import tarfile
import time

import pytest
from brushwork_core.media.structure.tar_headers import QuickTarInfo

NAMES = [
    *("cat/1.png", "./cat/1.png", "/cat/1.png", "猫/1.png", "cat/", "cat//", "a" * 100, "cat/" + "a" * 120),
    *("d" * 90 + "/" + "a" * 90, "cat/" + "é" * 60, "cat/\udcff.png", "x/" * 40 + "1.png", "cat/1.png "),
]


def said(data: bytes, kind: type[tarfile.TarInfo]) -> list[tuple[object, ...]] | str:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", tarinfo=kind) as opened:
            return [
                (each.name, each.size, each.type, each.offset_data, each.issparse(), dict(each.pax_headers))
                for each in opened
            ]
    except Exception as error:
        return type(error).__name__


def made(form: int, name: str, **fields: object) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form, encoding="utf-8") as opened:
        for index in range(2):
            info = tarfile.TarInfo(f"{name}{index}" if index else name)
            info.size = 700
            for field, value in fields.items():
                setattr(info, field, value)
            opened.addfile(info, io.BytesIO(bytes(700)))
    return buffer.getvalue()


FORMS = {"gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT, "ustar": tarfile.USTAR_FORMAT}
# ustar has no room for two of them.
CASES = [
    (form, name)
    for form in FORMS
    for name in NAMES
    if form != "ustar" or len(name.encode("utf-8", "surrogateescape")) < 100
]


@pytest.mark.parametrize(("form", "name"), CASES)
def test_names(form: str, name: str) -> None:
    data = made(FORMS[form], name)
    assert isinstance(said(data, tarfile.TarInfo), list)
    assert said(data, QuickTarInfo) == said(data, tarfile.TarInfo)


@pytest.mark.parametrize(
    "fields",
    [
        *({"type": tarfile.DIRTYPE, "size": 0}, {"type": tarfile.SYMTYPE, "linkname": "b"}, {"uid": 2**24}),
        *(
            {"type": tarfile.AREGTYPE},
            {"mtime": 2**34},
            {"mtime": 1.5},
            {"uname": "é", "gname": "x"},
            {"mode": 0},
        ),
        *({"type": tarfile.FIFOTYPE, "size": 0}, {"type": tarfile.CONTTYPE}, {"type": b"Z"}, {"uid": -1}),
    ],
)
def test_kinds_and_numbers(fields: dict[str, object]) -> None:
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        data = made(form, "cat/1.png", **fields)
        assert said(data, QuickTarInfo) == said(data, tarfile.TarInfo)


def test_each_damaged_byte_of_a_header_is_treated_alike() -> None:
    data = made(tarfile.GNU_FORMAT, "cat/1.png")
    different = []
    for place in range(512):
        for value in (0, 0x20, 0x38, 0x80, 0xFF):
            damaged = data[:place] + bytes([value]) + data[place + 1 :]
            if said(damaged, QuickTarInfo) != said(damaged, tarfile.TarInfo):
                different.append((place, value))
    assert different == []


def test_it_is_faster() -> None:
    data = made(tarfile.GNU_FORMAT, "cat/1.png")[:1536] * 2000

    def took_s(kind: type[tarfile.TarInfo]) -> float:
        began = time.process_time()
        assert len(said(data, kind)) == 2000
        return time.process_time() - began

    quick, usual = min(took_s(QuickTarInfo) for _ in range(5)), min(took_s(tarfile.TarInfo) for _ in range(5))
    assert quick < 0.8 * usual
