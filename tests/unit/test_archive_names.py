"""Names of files in archives: what old programs write, and what systems leave behind."""

import io
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Sequence

import pytest
from brushwork_core.media.archive import Archive
from brushwork_core.media.dataset import Dataset
from brushwork_core.media.junk_files import is_junk
from brushwork_schemas.errors import InvalidDataset

from tests.archives import folders, png, tarred, zipped

CLASSES = {
    "gb18030": [
        *(["猫咪", "狗狗"], ["猫", "狗"], ["红色", "蓝色"], ["苹果", "香蕉", "橙子"], ["正常", "异常"]),
        *(["圆形", "方形", "三角形"], ["人", "车", "飞机"], ["裂纹", "划痕", "凹坑"]),
    ],
    "big5": [["貓", "狗"], ["紅色", "藍色"], ["蘋果", "香蕉"], ["圓形", "方形"]],
    "cp932": [["猫", "犬"], ["ねこ", "いぬ"], ["りんご", "バナナ"], ["表", "裏"], ["良品", "不良品"]],
    "cp949": [["고양이", "개"], ["사과", "바나나"], ["정상", "불량"], ["사람", "자동차"]],
    "cp866": [["Кошка", "Собака"], ["роза", "тюльпан"]],
    "cp1251": [["кошка", "собака"], ["красный", "синий"]],
    "cp1252": [["café", "thé"], ["Äpfel", "Birnen"], ["niño", "niña"]],
    "cp850": [["café", "thé"], ["Äpfel", "Birnen"], ["niño", "niña"]],
}
CASES = [(encoding, labels) for encoding, several in CLASSES.items() for labels in several]


def old_zip(labels: Sequence[str], encoding: str) -> bytes:
    """A zip whose names are bytes of an encoding, without the flag of UTF-8."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number, label in enumerate(labels):
            for each in range(2):
                # Of the length that the real name will have.
                made.writestr(f"{'x' * len(label.encode(encoding))}{number}/{each}.png", png())
    data = buffer.getvalue()
    for number, label in enumerate(labels):
        raw = label.encode(encoding)
        data = data.replace(b"x" * len(raw) + b"%d/" % number, raw + b"%d/" % number)
    return data


def old_tar(labels: Sequence[str], encoding: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT, encoding=encoding) as made:
        for number, label in enumerate(labels):
            for each in range(2):
                info = tarfile.TarInfo(f"{label}{number}/{each}.png")
                info.size = len(png())
                made.addfile(info, io.BytesIO(png()))
    return buffer.getvalue()


@pytest.mark.parametrize("packed", [old_zip, old_tar])
@pytest.mark.parametrize(("encoding", "labels"), CASES)
def test_names_without_a_stated_encoding(packed: object, encoding: str, labels: list[str]) -> None:
    opened = Dataset(packed(labels, encoding))  # type: ignore[operator]
    assert set(opened.labels) == {f"{label}{number}" for number, label in enumerate(labels)}
    # GBK is part of GB 18030, and accents are the same in two encodings of DOS.
    assert opened.name_encoding in (encoding, {"cp850": "cp437"}.get(encoding))
    assert len(list(opened.pictures())) == 2 * len(labels)


def test_a_mac_s_zip_of_utf_8_without_the_flag() -> None:
    opened = Dataset(old_zip(["猫", "狗"], "utf-8"))
    assert (opened.labels, opened.name_encoding) == (("狗1", "猫0"), "utf-8")


def test_stated_names_are_taken_as_they_are() -> None:
    for data in (zipped(folders("猫", "café")), tarred(folders("猫", "café"))):
        opened = Dataset(data)
        assert (set(opened.labels), opened.name_encoding) == ({"猫", "café"}, None)


def test_the_extra_field_of_winrar_states_the_name() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for raw, name in ((b"m", "猫"), (b"g", "狗")):
            for number in range(2):
                info = zipfile.ZipInfo(f"{raw.decode()}/{number}.png")
                stated = (
                    struct.pack("<BI", 1, zlib.crc32(info.filename.encode()))
                    + f"{name}/{number}.png".encode()
                )
                info.extra = struct.pack("<HH", 0x7075, len(stated)) + stated
                made.writestr(info, png())
    opened = Dataset(buffer.getvalue())
    assert (set(opened.labels), opened.name_encoding) == ({"猫", "狗"}, None)


@pytest.mark.parametrize("name", ["café", "ガ", "Å", "각", "ñandú"])
def test_two_spellings_of_a_name_are_one_class(name: str) -> None:
    composed, apart = (unicodedata.normalize(form, name) for form in ("NFC", "NFD"))
    assert composed != apart
    files = folders("dog") | {f"{composed}/1.png": png(), f"{apart}/2.png": png(), f"{apart}/1.png": png()}
    opened = Dataset(zipped(files))
    assert opened.labels == tuple(sorted([composed, "dog"]))
    assert len(list(opened.pictures())) == 5


JUNK = [
    *("Icon\r", "cat/Icon\r", "cat/desktop.ini", "cat/Desktop.ini", "cat/.directory", "cat/Thumbs.db"),
    *("cat/thumbs.db", "cat/._1.png", "__MACOSX/cat/1.png", "__MACOSX/cat/._Icon\r", "@eaDir/cat/1.png"),
    *("cat/@eaDir/1.png@SynoEAStream", "cat/ehthumbs.db", ".Trashes/1.png", "$RECYCLE.BIN/x/1.png"),
    *("System Volume Information/x.dat", ".git/HEAD", "cat/.ipynb_checkpoints/1.png", "cat/~$a.docx"),
    *("cat/1.png.crdownload", "cat/1.png:Zone.Identifier", "pets/__MACOSX/x/y/z.bin", "#recycle/1.png"),
]


@pytest.mark.parametrize("name", JUNK)
def test_junk_is_passed_over(name: str) -> None:
    assert is_junk(name)
    for packed in (zipped, tarred):
        assert Dataset(packed(folders("cat", "dog") | {name: b"junk"})).labels == ("cat", "dog")


@pytest.mark.parametrize("name", ["cat/1.png", "icon/1.png", "thumbs/1.png", "desktop.ini/1.png", "../x.png"])
def test_what_only_looks_like_junk(name: str) -> None:
    assert not is_junk(name)


def test_junk_of_a_tar_gz_still_counts_when_it_is_unpacked() -> None:
    with pytest.raises(InvalidDataset, match="more than 200 times its size"):
        Archive(tarred(folders("cat", "dog") | {"__MACOSX/bomb": bytes(30 * 2**20)}, packed=True))


def parts(files: dict[str, bytes]) -> tuple[int, int, int]:
    opened = Dataset(zipped(files))
    judged = sum(entry.is_validation for entry in opened.entries)
    return len(opened.entries) - judged, judged, opened.num_unused


@pytest.mark.parametrize("name", ["val", "valid", "validation", "Validation", "VAL", "dev", "eval", "验证集"])
@pytest.mark.parametrize("train", ["train", "Train", "training", "训练集"])
def test_usual_names_of_the_parts(train: str, name: str) -> None:
    files = folders(f"{train}/a", f"{train}/b") | folders(f"{name}/a", each=1)
    assert parts(files) == (4, 1, 0)
    assert parts({f"pets/{path}": content for path, content in files.items()}) == (4, 1, 0)


def test_a_test_folder_is_left_alone_or_judges() -> None:
    both = folders("train/a", "train/b") | folders("test/a", "test/c", each=1)
    assert parts(both | folders("valid/b", each=1)) == (4, 1, 2)
    alone = folders("train/a", "train/b") | folders("test/a", each=1)
    assert parts(alone) == (4, 1, 0)
    assert Dataset(zipped(alone)).judges_by_test
    with pytest.raises(InvalidDataset, match=r"'test/c/0.png' belongs to a class"):
        Dataset(zipped(both))


@pytest.mark.parametrize(
    ("odd", "files"),
    [
        ("README.txt", folders("pets/cat", "pets/dog")),
        ("labels.csv", folders("pets/cat", "pets/dog")),
        ("LICENSE", folders("data/pets/cat", "data/pets/dog")),
        ("data/README.md", folders("data/pets/cat", "data/pets/dog")),
        ("pets/notes.json", folders("pets/cat", "pets/dog")),
        ("preview.png", folders("pets/train/cat", "pets/train/dog")),
        ("README.txt", folders("train/cat", "train/dog", "val/cat")),
        ("train/README.txt", folders("train/cat", "train/dog")),
        ("train/README.txt", folders("pets/train/cat", "pets/train/dog")),
        ("pets/train/README.txt", folders("pets/train/cat", "pets/train/dog")),
        ("more/index.html", folders("pets/train/cat", "pets/train/dog")),
    ],
)
def test_a_file_beside_the_folders_is_named_itself(odd: str, files: dict[str, bytes]) -> None:
    for ordered in ({odd: b"words", **files}, {**files, odd: b"words"}):
        with pytest.raises(InvalidDataset) as raised:
            Dataset(zipped(ordered))
        assert f"'{odd}'" in raised.value.message


@pytest.mark.parametrize("name", ["holdout", "more", "unlabeled"])
def test_another_folder_beside_train_is_told_the_names(name: str) -> None:
    with pytest.raises(InvalidDataset, match="train; validation, val or valid; and test"):
        Dataset(zipped(folders("train/a", "train/b", f"{name}/a")))
