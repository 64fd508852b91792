"""The page's words: the same in both languages, and none outside the catalogues."""

import re
from datetime import UTC, datetime, timedelta
from string import Formatter

import pytest
from brushwork.page import templates
from brushwork.page.forms.kind_form import form_fields
from brushwork.page.views import clock, sizes
from brushwork.page.words import LANGUAGES, Words, catalogue, chosen_language
from brushwork_schemas.kinds.explanations.words import EXPLAIN_WORDS
from brushwork_schemas.kinds.kind import Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.view import in_percent
from brushwork_schemas.options import OPTION_TRANSLATIONS
from brushwork_schemas.states import JobState

from tests.every_family import ADD_ONS, of_kind

TEMPLATES = sorted(templates.FOLDER.glob("*.html"))
# The name of the thing itself, and what is typed into a shell.
NO_WORDS = ("brushwork", "brushwork worker")
SPOKEN = re.compile(r'(?:alt|title|placeholder|aria-label)="([^"]*)"')
# Templates make these keys from values.
KEYS_BY_NAME = ("code.", "class.", "form.required", "state.", "error.", "ago.", "duration.", "home.example_")


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_both_languages_have_the_same_keys_and_places() -> None:
    english, chinese = (catalogue(language) for language in LANGUAGES)
    assert english.keys() == chinese.keys()
    assert {key: fields_of(text) for key, text in english.items()} == {
        key: fields_of(text) for key, text in chinese.items()
    }
    assert [key for key, text in english.items() if bool(text) != bool(chinese[key])] == []


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda file: file.name)
def test_no_template_holds_words(file: object) -> None:
    text = templates.FOLDER.joinpath(getattr(file, "name", "")).read_text("utf-8")
    plain = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)
    seen = [words.strip(" ·,") for words in re.sub(r"<[^>]*>", "\n", plain, flags=re.DOTALL).splitlines()]
    spoken = [*seen, *SPOKEN.findall(plain)]
    assert [words for words in spoken if re.search(r"[^\W\d_]{2}", words) and words not in NO_WORDS] == []


def test_every_key_of_a_template_is_there_and_every_key_is_used() -> None:
    text = "".join(file.read_text("utf-8") for file in TEMPLATES)
    named = set(re.findall(r"\"([a-z_]+\.[a-z_0-9]+)\"|'([a-z_]+\.[a-z_0-9]+)'", text))
    keys = {first or second for first, second in named} - {"job.is_finished"}
    keys = {key for key in keys if not key.endswith((".html", ".css", ".js", ".svg", "_"))}
    made = tuple(re.findall(r"[\"']([a-z_]+\.[a-z_]*)[\"'] ~", text))
    known = catalogue("en")
    assert sorted(keys - known.keys()) == []
    unused = [key for key in known if key not in keys and not key.startswith((*KEYS_BY_NAME, *made))]
    assert unused == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_state_has_its_words(language: str) -> None:
    assert {f"state.{state}" for state in JobState} - catalogue(language).keys() == set()


@pytest.mark.parametrize("kind", all_kinds().values(), ids=lambda kind: kind.name)
def test_every_field_and_choice_of_a_built_in_kind_has_chinese_words(kind: Kind) -> None:
    settings = EXPLAIN_WORDS.translations["zh"]
    named = {key.replace("field.", "field.explain.", 1): text for key, text in settings.items()}
    words = {**kind.words["zh"], **OPTION_TRANSLATIONS["zh"], **named}
    missing = []
    for field in form_fields(kind, of_kind(kind.name), tenants=True, add_ons=ADD_ONS, language="zh"):
        missing += [f"field.{field.name}.{part}" for part in ("label", "hint")]
        missing += [f"choice.{choice}" for choice in field.choice_labels]
        assert field.label == words[f"field.{field.name}.label"]
        assert dict(field.choice_labels) == {value: words[f"choice.{value}"] for value in field.choice_labels}
    assert sorted(set(missing) - words.keys()) == []
    assert all(text.get("zh") for text in (kind.title, kind.action, *filter(None, [kind.follow_up])))


@pytest.mark.parametrize("kind", all_kinds().values(), ids=lambda kind: kind.name)
def test_every_file_of_a_built_in_result_has_a_label_in_both_languages(kind: Kind) -> None:
    schema = kind.result_type.model_json_schema()["properties"]
    files = [name for name, field in schema.items() if "Artifact" in str(field)]
    assert [name for name in files if not kind.result_label(name, "en")] == []
    assert [name for name in files if kind.result_label(name, "zh") == kind.result_label(name, "en")] == []


@pytest.mark.parametrize(
    ("cookie", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        (None, "en;q=0.5, zh-TW", "zh"),
        (None, "de, fr;q=0.9, en;q=0.1", "en"),
        (None, "zh;q=nonsense, de", "zh"),
        ("en", "zh-CN", "en"),
        ("xx", "zh-CN", "zh"),
    ],
)
def test_the_switch_wins_over_the_browser(cookie: str | None, accepted: str, language: str) -> None:
    assert chosen_language(cookie, accepted) == language


def test_what_is_put_into_words_is_escaped() -> None:
    assert "&lt;script&gt;" in Words("en")("job.picture_of", n=1, total=1, prompt="<script>")


@pytest.mark.parametrize(
    ("seconds", "english", "chinese"),
    [
        (0.0042, "4 ms", "4 毫秒"),
        (2.34, "2.3 s", "2.3 秒"),
        (59.9, "59 s", "59 秒"),
        (150, "2 min", "2 分钟"),
        (7300, "2 h", "2 小时"),
        (200_000, "2 d", "2 天"),
    ],
)
def test_durations(seconds: float, english: str, chinese: str) -> None:
    assert clock.duration(seconds, Words("en")) == english
    assert clock.duration(seconds, Words("zh")) == chinese


def test_moments() -> None:
    now = datetime.now(UTC)
    assert clock.ago(now, Words("en")) == "just now"
    assert clock.ago(now - timedelta(minutes=3, seconds=5), Words("en")) == "3 min ago"
    assert clock.ago(now + timedelta(minutes=3, seconds=5), Words("zh")) == "3 分钟后"
    assert clock.until(now - timedelta(seconds=5)) == 0
    assert clock.stamp(datetime(2026, 5, 1, 12, 30, 5, tzinfo=UTC)) == "2026-05-01 12:30:05 UTC"


def test_sizes_and_shares() -> None:
    assert [sizes.in_bytes(size) for size in (999, 1500, 2_500_000, 3_000_000_000)] == [
        "999 B", "1.5 kB", "2.5 MB", "3.0 GB",
    ]  # fmt: skip
    assert [in_percent(share) for share in (0, 0.00001, 0.053, 0.93, 1)] == [
        "0.0 %", "< 0.1 %", "5.3 %", "93 %", "100 %",
    ]  # fmt: skip
