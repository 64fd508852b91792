"""The file of policies: what it may have, and errors that name file, table and field."""

from pathlib import Path

import pytest
from brushwork_core.policies import PolicyRequest
from brushwork_core.policies.policy_set import PolicySet
from brushwork_core.settings.settings import Settings
from brushwork_schemas.errors import InvalidRequest

from tests.policy_files import WORDS, written


def asked(policies: PolicySet, prompt: str, *, tenant: str = "", kind: str = "text-to-image") -> list[str]:
    found = policies.on_request(PolicyRequest(kind, "pocket-shapes", tenant, {"prompt": prompt}))
    return [each.action for each in found]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[policies.a", "Expected"),
        ("[words.a]\ntype='words'", "words: it may only have tables"),
        ("[policies]\na = 3", "policies.a: it is not a table"),
        ("[policies.a]\nwords=['x']", "policies.a.type: is required"),
        ("[policies.a]\ntype='word'\nwords=['x']", "policies.a.type: there is no type 'word'"),
        ("[policies.a]\ntype='words'", "policies.a: has none of words, patterns and words_file"),
        ("[policies.a]\ntype='words'\nword=['x']", "policies.a.word: is not a known field"),
        ("[policies.a]\ntype='words'\nwords=['  ']", "policies.a.words.0: must not be blank"),
        ("[policies.a]\ntype='words'\npatterns=['(x']", "policies.a.patterns.0: is not a pattern of RE2"),
        ("[policies.a]\ntype='words'\nwords=['x']\naction='kill'", "policies.a.action: "),
        ("[policies.a]\ntype='words'\nwords=['x']\non_error='ask'", "policies.a.on_error: "),
        ("[policies.a]\ntype='words'\nwords=['x']\ntime_limit_s=0", "policies.a.time_limit_s: "),
        (
            "[policies.a]\ntype='words'\nwords=['x']\nkinds=['text2image']",
            "policies.a.kinds: there is no kind",
        ),
        ("[policies.a]\ntype='words'\nwords_file='none.txt'", "words_file"),
        ("[policies.a]\ntype='image-classifier'\nmodel='m'", "policies.a.thresholds: is required"),
        ("[policies.a]\ntype='image-classifier'\nmodel='m'\nthresholds={a=2}", "policies.a.thresholds.a: "),
    ],
)
def test_a_wrong_file_names_file_table_and_field(tmp_path: Path, text: str, said: str) -> None:
    file = written(tmp_path, text)
    with pytest.raises(InvalidRequest) as raised:
        PolicySet.load(file)
    assert str(file) in raised.value.message
    assert said in raised.value.message
    assert raised.value.hint


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"none\.toml"):
        PolicySet.load(tmp_path / "none.toml")


def test_without_a_file_there_are_no_policies() -> None:
    assert not PolicySet.load(Settings.load().policies)


def test_tenants_and_kinds_limit_a_policy(tmp_path: Path) -> None:
    table = '\ntenants = ["acme", "zen"]\nexcept_tenants = ["zen"]\nkinds = ["text-to-image"]\n'
    policies = PolicySet.load(written(tmp_path, WORDS + table))
    assert asked(policies, "a gun", tenant="acme") == ["refuse"]
    assert asked(policies, "a gun", tenant="acme", kind="inpainting") == []
    assert asked(policies, "a gun", tenant="zen") == []
    assert asked(policies, "a gun") == []


def test_a_list_of_words_in_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("# comment\n\nsword  # another\n刀\n", "utf-8")
    policies = PolicySet.load(written(tmp_path, "[policies.a]\ntype='words'\nwords_file='words.txt'"))
    assert [asked(policies, text) for text in ("a sword", "一把刀", "a comment")] == [
        ["refuse"],
        ["refuse"],
        [],
    ]


def test_a_negative_prompt_may_name_what_a_picture_must_not_show(tmp_path: Path) -> None:
    policies = PolicySet.load(written(tmp_path))
    request = PolicyRequest(
        "text-to-image", "gun", "", {"negative_prompt": "gun", "prompt": "", "model": "gun"}
    )
    assert policies.on_request(request) == []


def test_the_reason_of_the_operator_is_what_callers_read(tmp_path: Path) -> None:
    (decided,) = PolicySet.load(written(tmp_path)).on_request(
        PolicyRequest("text-to-image", "m", "", {"prompt": "a gun"})
    )
    assert decided.error is not None
    assert decided.error.code == "policy_refused"
    assert decided.error.message == "Refused by the policy no-weapons: Weapons are not allowed here."
    assert decided.error.field == "prompt"
