"""Answers that are good for a moment."""

import threading

import pytest
from brushwork_core.queries.ttl_cache import TtlCache


def test_it_is_asked_once_while_the_answer_is_good() -> None:
    asked: list[int] = []
    remembered = TtlCache(lambda: asked.append(1) or len(asked), keep_s=600)
    assert [remembered.get(), remembered.get()] == [1, 1]


def test_it_is_asked_anew_when_the_answer_is_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brushwork_core.queries.ttl_cache.QUERY_TIMES", 0)
    asked: list[int] = []
    remembered = TtlCache(lambda: asked.append(1) or len(asked), keep_s=0)
    assert [remembered.get(), remembered.get()] == [1, 2]


def test_whoever_comes_while_another_asks_gets_the_older_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brushwork_core.queries.ttl_cache.QUERY_TIMES", 0)
    asking, may_answer = threading.Event(), threading.Event()
    answers = iter(("old", "new"))

    def ask() -> str:
        answer = next(answers)
        if answer == "new":
            asking.set()
            assert may_answer.wait(10)
        return answer

    remembered = TtlCache(ask, keep_s=0)
    assert remembered.get() == "old"
    other = threading.Thread(target=remembered.get)
    other.start()
    assert asking.wait(10)
    assert remembered.get() == "old"
    may_answer.set()
    other.join()


def test_an_error_is_no_answer() -> None:
    answers = iter((ValueError("away"), "here"))

    def ask() -> str:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    remembered = TtlCache(ask, keep_s=600)
    with pytest.raises(ValueError, match="away"):
        remembered.get()
    assert remembered.get() == "here"
