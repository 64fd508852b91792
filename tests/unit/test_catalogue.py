"""The catalogue: packaged models, a user's file over them, and files that can't be read."""

import tomllib
from pathlib import Path

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model
from brushwork_schemas.catalogue.catalogue import PACKAGED
from brushwork_schemas.errors import InvalidRequest, UnknownModel
from brushwork_schemas.families.registry import all_families
from brushwork_schemas.kinds.registry import all_kinds

LEAST = {
    "prompt": "a red circle",
    "image": "a" * 64,
    "images": ["a" * 64],
    "mask_image": "b" * 64,
    "dataset": "c" * 64,
    "candidate_labels": ["a dog", "a cat"],
    "points": [{"x": 1.0, "y": 2.0}],
}
SOURCE = 'source = { packaged = "mine" }'
MINE = f'[models.mine]\nfamily = "stable-diffusion"\n{SOURCE}\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "models.toml"
    file.write_text(text)
    return file


def test_each_kind_has_a_packaged_model() -> None:
    catalogue = Catalogue.load()
    for kind in all_kinds():
        assert kind in catalogue.named(None, kind).kinds


def test_each_family_that_makes_pictures_says_how_large_and_with_how_many_steps() -> None:
    fields = {"width", "height", "num_inference_steps", "guidance_scale"}
    for family in all_families().values():
        # A described model has these in its own entry.
        if "text-to-image" in family.kinds and not family.is_described:
            assert fields <= set(family.defaults), family.name


def test_a_user_s_model_comes_first_and_the_packaged_ones_stay(tmp_path: Path) -> None:
    catalogue = Catalogue.load(write(tmp_path, MINE))
    assert catalogue.named(None, "text-to-image").name == "mine"
    assert catalogue.named("pocket-diffusion", "text-to-image").name == "pocket-diffusion"
    assert catalogue.named(None, "image-to-text").name == "pocket-captioner"


def test_a_user_s_model_takes_the_place_of_a_packaged_one_of_its_name(tmp_path: Path) -> None:
    replaced = MINE.replace("models.mine", "models.pocket-diffusion") + 'licence = "mine"\n'
    catalogue = Catalogue.load(write(tmp_path, replaced))
    assert catalogue.named("pocket-diffusion", "text-to-image").licence == "mine"
    assert len(list(catalogue)) == len(list(Catalogue.load()))


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
        ('[models.mine]\nfamily = "stable-diffusion"', "models.mine.source: is required"),
        (f"[models.mine]\n{SOURCE}", "models.mine.family: is required"),
        (MINE.replace("stable-diffusion", "stable"), "models.mine: unknown family 'stable'"),
        (MINE + 'kinds = ["text-to-imag"]', "models.mine: unknown kind 'text-to-imag'"),
        (MINE + 'kinds = ["image-to-text"]', "serves text-to-image, image-to-image, inpainting, not"),
        (MINE + 'accepts = ["clip"]', "models.mine: accepts: unknown request fields"),
        (MINE + 'accepts = ["prompt"]', "models.mine: accepts: unknown request fields"),
        (MINE.replace("stable-diffusion", "flux") + 'accepts = ["negative_prompt"]', "flux does not accept"),
        (MINE + "licens = 'x'", "models.mine.licens"),
        (MINE + "name = 'other'", "models.mine: remove `name`"),
        (MINE + "dtype = 'int3'", "models.mine.dtype"),
        (MINE + "defaults = { widht = 3 }", "models.mine: defaults: unknown request fields"),
        (MINE + "defaults = { inpainting = 3 }", "models.mine: defaults.inpainting must be a table"),
        (MINE + "defaults = { inpainting = { widht = 3 } }", "defaults.inpainting: unknown request fields"),
        (MINE + "defaults = { image-to-text = {} }", "models.mine: defaults: unknown request fields"),
        (MINE + "limits = { max_side = 'x' }", "models.mine.limits.max_side"),
        (MINE + "limits = { max_side = -1 }", "models.mine.limits.max_side"),
        (MINE + "defaults = { width = 77 }", "defaults: width cannot be 77 for text-to-image"),
        (MINE + "defaults = { num_inference_steps = 'many' }", "num_inference_steps cannot be 'many'"),
        (MINE + "defaults = { inpainting = { strength = 7.0 } }", "strength cannot be 7.0 for inpainting"),
        (MINE + 'licence = "a\\u001bb"', "models.mine.licence"),
        (MINE.replace("models.mine", 'models."a b"'), "models.a b.name"),
        (MINE.replace(' packaged = "mine"', ""), "exactly one of packaged, folder, file, repository"),
        (MINE.replace(' }', ', folder = "/x" }'), "exactly one of packaged, folder, file, repository"),
        (MINE.replace("packaged", "repository"), "a repository must be pinned"),
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
        with pytest.raises(InvalidRequest, match="Invalid catalogue"):
            Catalogue.load(tmp_path / name)


def test_the_packaged_file_is_the_one_that_ships() -> None:
    entries = tomllib.loads(PACKAGED.read_text("utf-8"))["models"]
    assert entries.keys() == {model.name for model in Catalogue.load()}


@pytest.mark.parametrize("kind", all_kinds())
def test_a_kind_s_default_is_here_wherever_a_model_of_it_ships(kind: str) -> None:
    sources = [model.source for model in Catalogue.load().of_kind(kind)]
    own = [source.packaged or source.architecture for source in sources]
    assert bool(own[0]) == any(own)


def test_every_packaged_model_says_where_it_is_from_and_under_which_licence() -> None:
    catalogue = Catalogue.load()
    for entry in (*catalogue, *catalogue.add_ons):
        assert entry.licence != "unknown", entry.name
        assert entry.source.folder is None
        assert entry.family in all_families()


@pytest.mark.parametrize("model", list(Catalogue.load()), ids=lambda model: model.name)
def test_the_least_that_a_packaged_model_may_be_asked_is_admitted(model: Model) -> None:
    for kind in model.kinds:
        fields = all_kinds()[kind].request_type.model_fields
        needed = [name for name, field in fields.items() if field.is_required()]
        needed += [group[0] for group in model.family_spec.requires]
        asked = {name: LEAST[name] for name in needed}
        request = admit(kind, {"model": model.name, **asked}, Catalogue.load()).request
        for name, value in model.defaults_of(kind).items():
            if name not in ("width", "height") or not all_kinds()[kind].takes_image:
                assert getattr(request, name) == value


def rows(text: str) -> dict[str, str]:
    """Rows of the tables in a text, by the name that they begin with."""
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return {line.split("`")[1]: line for line in lines}


def test_the_guide_tells_of_each_of_them_and_of_each_family() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")
    models, _, families = guide.partition("## Families")
    catalogue = Catalogue.load()
    told = rows(models)
    for entry in (*catalogue, *catalogue.add_ons):
        assert f"`{entry.family}`" in told[entry.name]
        assert entry.licence in told[entry.name]
    told = rows(families)
    for family in all_families().values():
        for word in (*family.classes, *family.accepts):
            assert f"`{word}`" in told[family.name], family.name


def test_an_entry_is_found_by_its_name_whatever_it_is() -> None:
    catalogue = Catalogue.load()
    assert catalogue.entry("sdxl").family == "stable-diffusion-xl"
    assert catalogue.entry("canny-sdxl").source.variant == "fp16"
    with pytest.raises(UnknownModel, match="Did you mean sdxl"):
        catalogue.entry("sdlx")
    with pytest.raises(UnknownModel, match="brushwork models"):
        catalogue.entry("zzzzzz")
