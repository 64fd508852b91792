"""Pictures in folders: which layouts are read, and which words name what is wrong."""

import pytest
from brushwork_core.media import dataset
from brushwork_core.media.dataset import Dataset
from brushwork_schemas.errors import InvalidDataset

from tests.archives import folders, png, tarred, zipped


def seen(files: dict[str, bytes]) -> list[tuple[str, str, bool]]:
    opened = Dataset(zipped(files))
    return [(entry.name, opened.labels[entry.label], entry.is_validation) for entry in opened.entries]


def test_folders_are_classes() -> None:
    opened = Dataset(tarred(folders("dog", "cat"), packed=True))
    assert opened.labels == ("cat", "dog")
    assert not opened.has_validation
    pictures = list(opened.pictures())
    assert [opened.labels[entry.label] for entry, _ in pictures] == ["dog", "dog", "cat", "cat"]
    assert {picture.mode for _, picture in pictures} == {"RGB"}


def test_a_folder_to_judge_by_is_told_apart() -> None:
    files = folders("train/cat", "train/dog") | folders("validation/dog", each=1)
    assert seen(files)[-2:] == [
        ("train/dog/1.png", "dog", False),
        ("validation/dog/0.png", "dog", True),
    ]


@pytest.mark.parametrize("outer", ["pets/", "a/b/"])
def test_all_may_lie_in_one_more_folder(outer: str) -> None:
    plain = folders("train/cat", "train/dog", "validation/cat")
    wrapped = {outer + name: content for name, content in plain.items()}
    assert [row[1:] for row in seen(wrapped)] == [row[1:] for row in seen(plain)]
    assert Dataset(zipped({outer + name: content for name, content in folders("a", "b").items()})).labels == (
        "a",
        "b",
    )


def test_train_alone_is_enough_and_a_class_may_be_named_validation() -> None:
    assert {row[1] for row in seen(folders("train/cat", "train/dog"))} == {"cat", "dog"}
    assert {row[1] for row in seen(folders("validation", "cat"))} == {"cat", "validation"}


def test_what_systems_leave_behind_is_passed_over() -> None:
    left = {"__MACOSX/cat/._1.png": b"x", "cat/.DS_Store": b"x", "dog/Thumbs.db": b"x", ".git/HEAD": b"x"}
    assert len(seen(folders("cat", "dog") | left)) == 4


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "the archive has no files"),
        (folders("cat"), "the data set has 1 class to train on"),
        (folders("cat", "dog") | {"README.txt": b"x"}, "'README.txt' is not in the folder of a class"),
        (folders("cat", "dog", "cat/small"), "'cat/small/0.png' is in a subfolder of a class"),
        (folders("cat", "dog") | {"cow/1.png": png()}, "class 'cow' has 1 training picture"),
        (
            folders("train/a", "train/b") | folders("more/a"),
            "'more/a/0.png' is outside the folders train; validation, val or valid; and test",
        ),
        (
            folders("train/a", "train/b") | folders("validation/c"),
            "'validation/c/0.png' belongs to a class that train does not have",
        ),
        (folders("cat", "d" * 101), "has more than 100 characters"),
    ],
)
def test_folders_that_are_not_as_they_should_be(files: dict[str, bytes], words: str) -> None:
    with pytest.raises(InvalidDataset, match=words) as raised:
        Dataset(zipped(files))
    assert (raised.value.field, raised.value.fault) == ("dataset", "caller")
    assert raised.value.hint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello", "not a readable picture"),
        (b"", "not a readable picture"),
        (png()[:45], "the picture is damaged"),
        (zipped(folders("cat")), "is an archive"),
        (b"GIF89a" + bytes(20), "not a readable picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not a readable picture"),
    ],
)
def test_what_is_no_picture_is_named(content: bytes, words: str) -> None:
    opened = Dataset(zipped(folders("cat", "dog") | {"dog/odd.png": content}))
    with pytest.raises(InvalidDataset, match=words) as raised:
        list(opened.pictures())
    assert "'dog/odd.png'" in raised.value.message
    assert raised.value.message.startswith("dataset: ")


def test_too_many_pixels_together_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_PIXELS", 3 * 16 * 16)
    with pytest.raises(InvalidDataset, match="more than 768 pixels together"):
        list(Dataset(zipped(folders("cat", "dog"))).pictures())


def test_too_many_classes_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "MAX_CLASSES", 2)
    with pytest.raises(InvalidDataset, match=r"the data set has 3 classes to train on. It must have 2 to 2"):
        Dataset(zipped(folders("a", "b", "c")))
