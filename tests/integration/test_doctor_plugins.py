"""`brushwork doctor` lists plug-ins, and each kind of broken plug-in with its reason."""

from pathlib import Path

import pytest

from tests.plugin_folders import KIND, run_with, write_distribution, write_sharpness

PLUGINS = """
from brushwork.doctor.plugin_check import check_plugins
from brushwork_core.settings.settings import Settings
for finding in check_plugins(Settings(_env_file=None)):
    print(finding.level, finding.message, finding.hint, sep="|")
"""


def test_plugins_of_others_are_listed_and_broken_ones_too(tmp_path: Path) -> None:
    write_sharpness(tmp_path)
    write_distribution(
        tmp_path, "broken", "raise RuntimeError('no such camera')", kinds="own = broken_module:KIND"
    )
    warned, loaded = run_with(tmp_path, PLUGINS).splitlines()
    assert warned.startswith("warn|broken: brushwork.kinds 'own' is not used: RuntimeError: no such camera.|")
    assert loaded == ("ok|sharpness 1.2 is loaded: kinds 'sharp', families 'sharp', catalogues 'sharp'.|None")


BROKEN_PLUGINS = {
    "import": ("import no_such_package", "kinds", "ModuleNotFoundError: No module named 'no_such_package'"),
    "syntax": ("KIND = (", "kinds", "SyntaxError: "),
    "exit": ("import sys; sys.exit('no licence')", "kinds", "SystemExit: no licence"),
    "attribute": (f"{KIND}\ndel KIND", "kinds", "AttributeError: "),
    "type": ("KIND = 'a text'", "kinds", "broken_module:KIND is a str, not a Kind"),
    "family as kind": (f"{KIND}\nKIND = FAMILY", "kinds", "broken_module:KIND is a Family, not a Kind"),
    "taken": (
        f"{KIND}\nfrom dataclasses import replace\nKIND = replace(KIND, name='text-to-image')",
        "kinds",
        "'text-to-image' is registered already, by brushwork",
    ),
    "schema": (
        f"{KIND}\nfrom dataclasses import replace\nKIND = replace(KIND, request_type=dict)",
        "kinds",
        "request_type is not a subclass of Request",
    ),
    "without a schema": (
        f"{KIND}\nfrom typing import Callable\n"
        "class R(Request):\n    f: Callable[[int], int]\n"
        "from dataclasses import replace\nKIND = replace(KIND, request_type=R)",
        "kinds",
        "PydanticInvalidForJsonSchema",
    ),
    "loader": (
        f"{KIND}\nfrom dataclasses import replace\nFAMILY = replace(FAMILY, loader='nowhere')",
        "families",
        "loader 'nowhere' is not of the form package.module:function",
    ),
    "no file": ("from pathlib import Path\nCATALOGUE = Path('/no/such/file')", "catalogues", "No such file"),
    "a text": ("CATALOGUE = '/no/such/file'", "catalogues", "broken_module:CATALOGUE is a str, not a Path"),
}


@pytest.mark.parametrize("case", BROKEN_PLUGINS)
def test_a_broken_plugin_is_listed_with_its_reason(tmp_path: Path, case: str) -> None:
    module, group, reason = BROKEN_PLUGINS[case]
    name = {"kinds": "KIND", "families": "FAMILY", "catalogues": "CATALOGUE"}[group]
    write_distribution(tmp_path, "broken", module, **{group: f"own = broken_module:{name}"})
    level, message, hint = run_with(tmp_path, PLUGINS).splitlines()[0].split("|")
    assert (level, hint) == ("warn", "Update or repair this distribution, or uninstall it.")
    assert message.startswith(f"broken: brushwork.{group} 'own' is not used: ")
    assert reason in message


BAD_ENTRIES = """
[models]
text = 7
[models.good]
family = "sharpness"
source = { architecture = "sharp" }
[models.unheard]
family = "unheard-of"
source = { architecture = "x" }
[models.pocket-classifier]
family = "sharpness"
source = { architecture = "x" }
[models.named]
name = "named"
[models.unpinned]
family = "sharpness"
source = { repository = "a/b" }
[loras.odd]
family = "diffusion"
[model.misspelt]
family = "sharpness"
"""


def test_a_bad_entry_of_a_catalogue_is_listed_and_the_others_are_used(tmp_path: Path) -> None:
    write_sharpness(tmp_path)
    (tmp_path / "sharpness.toml").write_text(BAD_ENTRIES)
    *warned, loaded = [line.split("|") for line in run_with(tmp_path, PLUGINS).splitlines()]
    parts = {message.split(" ")[1]: message for _, message, _ in warned}
    assert set(parts) == {
        "models.unheard", "models.pocket-classifier", "models.named", "models.text", "models.unpinned",
        "loras.odd", "model",
    }  # fmt: skip
    assert all(f"{name} of brushwork.catalogues 'sharp' is not used" in parts[name] for name in parts)
    assert "'pocket-classifier' is in another catalogue already" in parts["models.pocket-classifier"]
    assert loaded[1] == "sharpness 1.2 is loaded: kinds 'sharp', families 'sharp', catalogues 'sharp'."
    code = "from brushwork_schemas.catalogue import Catalogue\n" + (
        "print(*[m.name for m in Catalogue.load().of_kind('picture-sharpness')])"
    )
    assert run_with(tmp_path, code) == "good\n"


def test_a_bad_kind_of_several_is_listed_and_the_others_are_used(tmp_path: Path) -> None:
    module = f"{KIND}\nfrom dataclasses import replace\nKIND = (replace(KIND, title={{}}), KIND)\n"
    write_distribution(tmp_path, "sharpness", module, kinds="sharp = sharpness_module:KIND")
    warned, loaded = [line.split("|") for line in run_with(tmp_path, PLUGINS).splitlines()]
    assert "[0] of brushwork.kinds 'sharp' is not used" in warned[1]
    assert "title has no text in English" in warned[1]
    assert loaded[1] == "sharpness 1.2 is loaded: kinds 'sharp'."


def test_without_plugins_it_says_so(tmp_path: Path) -> None:
    assert run_with(tmp_path, PLUGINS) == (
        "ok|No other distribution adds kinds, families, catalogues or policies.|None\n"
    )
