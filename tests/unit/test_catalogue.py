"""The catalogue: packaged models, a user's file over them, and files that can't be read."""

from pathlib import Path

import pytest
from brushwork_schemas.catalogue import PACKAGED, Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds import KINDS

SOURCE = 'source = { library = "diffusers", packaged = "mine" }'
MINE = f'[models.mine]\nkind = "text-to-image"\n{SOURCE}\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "models.toml"
    file.write_text(text)
    return file


def test_each_kind_has_a_packaged_model() -> None:
    catalogue = Catalogue.load()
    for kind in KINDS:
        assert catalogue.named(None, kind).kind == kind


def test_a_user_s_model_comes_first_and_the_packaged_ones_stay(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, MINE))
    assert catalogue.named(None, "text-to-image").name == "mine"
    assert catalogue.named("pocket-diffusion", "text-to-image").name == "pocket-diffusion"
    assert catalogue.named(None, "image-to-text").name == "pocket-captioner"


def test_a_user_s_model_takes_the_place_of_a_packaged_one_of_its_name(tmp_path: Path) -> None:
    replaced = MINE.replace("models.mine", "models.pocket-diffusion") + 'licence = "mine"\n'
    catalogue = Catalogue.load(write(tmp_path, replaced))
    licences = {model.name: model.licence for model in catalogue.of_kind("text-to-image")}
    assert licences == {"pocket-diffusion": "mine", "pocket-turbo": "Apache-2.0"}


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    file = write(tmp_path, MINE)
    Catalogue.load(file)
    write(tmp_path, MINE.replace("models.mine", "models.other"))
    assert Catalogue.load(file).named(None, "text-to-image").name == "other"


def test_the_packaged_models_are_not_changed_by_a_user_s_file(tmp_path: Path) -> None:
    Catalogue.load(write(tmp_path, MINE))
    assert "mine" not in [model.name for model in Catalogue.load()]


def test_an_empty_file_adds_nothing(tmp_path: Path) -> None:
    assert [model.name for model in Catalogue.load(write(tmp_path, ""))] == [
        model.name for model in Catalogue.load()
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[models", "Expected"),
        ("models = 3", "[models.<name>]"),
        ("[[models]]\nkind = 'x'", "[models.<name>]"),
        ("[model.mine]\n", "[models.<name>]"),
        ("[models]\nmine = 3", "models.mine"),
        ('[models.mine]\nkind = "text-to-image"', "models.mine.source: Field required"),
        (f"[models.mine]\n{SOURCE}", "models.mine.kind: Field required"),
        (MINE.replace("text-to-image", "text-to-imag"), "models.mine: there is no kind 'text-to-imag'"),
        (MINE + "licens = 'x'", "models.mine.licens"),
        (MINE + "name = 'other'", "models.mine: the table's own name is its name"),
        (MINE + "dtype = 'int3'", "models.mine.dtype"),
        (MINE + "defaults = { widht = 3 }", "models.mine: defaults name no parameter"),
        (MINE + "limits = { max_side = 'x' }", "models.mine.limits.max_side"),
        (MINE.replace("models.mine", 'models."a b"'), "models.a b.name"),
        (MINE.replace(', packaged = "mine"', ""), "exactly one of packaged, folder and repository"),
        (MINE.replace(' }', ', folder = "/x" }'), "exactly one of packaged, folder and repository"),
        (MINE.replace("packaged", "repository"), "pin the repository"),
        (MINE.replace('"diffusers"', '"pickle"'), "models.mine.source.library"),
    ],
)  # fmt: skip
def test_a_bad_entry_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = write(tmp_path, text)
    with pytest.raises(InvalidRequest) as raised:
        Catalogue.load(file)
    assert raised.value.field == "catalogue"
    assert str(file) in raised.value.message
    assert words in raised.value.message


def test_a_file_that_is_no_text_or_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    for name in ("latin.toml", "missing.toml", "."):
        with pytest.raises(InvalidRequest, match="can't be read"):
            Catalogue.load(tmp_path / name)


def test_the_packaged_file_is_the_one_that_ships() -> None:
    assert PACKAGED.read_text("utf-8").count("[models.") == len(list(Catalogue.load()))
