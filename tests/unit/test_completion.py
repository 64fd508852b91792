"""What the shell is offered: commands, kinds, models and states."""

import pytest
from brushwork_schemas.kinds.registry import all_kinds

from tests.commands import run_command


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("brushwork re", {"retry", "review"}),
        ("brushwork submit image-", {kind for kind in all_kinds() if kind.startswith("image-")}),
        ("brushwork jobs --kind text", {"text-to-image", "text-to-video"}),
        ("brushwork jobs --state ca", {"canceled"}),
        ("brushwork jobs --model pocket-c", {"pocket-captioner", "pocket-classifier"}),
        ("brushwork keys create x --scope a", {"admin"}),
    ],
)
def test_words_are_completed(
    typed: str, offered: set[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = typed.split()
    monkeypatch.setenv("_BRUSHWORK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", typed)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    answer = run_command(capsys)
    assert (answer.status, set(answer.out.split())) == (0, offered)


def test_a_broken_catalogue_offers_nothing_and_says_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BRUSHWORK_CATALOGUE", "/none/catalogue.toml")
    monkeypatch.setenv("_BRUSHWORK_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "brushwork jobs --model p")
    monkeypatch.setenv("COMP_CWORD", "3")
    answer = run_command(capsys)
    assert (answer.out.strip(), answer.err) == ("", "")
