"""The content words of prompts, and prompts with one word exchanged or left out."""

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.kinds.explanations.calls import num_calls
from brushwork_schemas.kinds.explanations.changed_words import WordChange, changes_of, word_changes
from brushwork_schemas.kinds.explanations.content_words import (
    MOST_WORDS,
    all_content_words,
    content_words,
    places_of,
    word_spans,
)

CATALOGUE = Catalogue.load()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a red circle to the left of a blue square on a white background",
         "red circle left blue square white background"),
        ("A (red:1.3) cat, [blurry], BREAK the Dog's hat", "red cat blurry Dog hat"),
        ("make it blue", "blue"),
        ("please paint the old door green", "old door green"),
        ("a painting of the sea", "painting sea"),
        ("Red red RED roses", "Red roses"),
        ("<img><|image_1|></img> make the ball like <cat-toy>", "ball <cat-toy>"),
        ("it is on the 3rd of 12", "rd"),
        ("白色背景上左边的大红色圆形", "白色 背景 左边 大 红色 圆形"),
        ("黑色背景上,红色圆形在蓝色正方形的左边", "黑色 背景 红色 圆形 蓝色 正方形 左边"),
        ("紅色圓形在藍色正方形的左邊", "紅色 圓形 藍色 正方形 左邊"),
        ("把它变成绿色", "绿色"),
        ("请画一只大象和两只小黑猫", "大象 两只 小 黑 猫"),
        ("上海的金色大厦", "上海 金色 大厦"),
        ("毛茸茸的狗在草地上奔跑", "毛茸茸 狗 草地 奔跑"),
        ("一只 red 狐狸", "red 狐狸"),
    ],
)  # fmt: skip
def test_content_words(text: str, words: str) -> None:
    assert all_content_words(text) == words.split()


def test_a_long_prompt_has_a_limited_number_of_words() -> None:
    text = " ".join(f"thing{'x' * number}" for number in range(40))
    assert len(content_words(text)) == MOST_WORDS
    assert len(all_content_words(text)) == 40


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("a cat's toy, red!", ["a", "cat", "'s", "toy", ",", "red", "!"]),
        ("白色背景上的12只猫。", ["白色", "背景", "上", "的", "12只", "猫", "。"]),
        ("", []),
    ],
)
def test_spans_cover_every_word_and_mark(text: str, pieces: list[str]) -> None:
    assert [text[start:end] for start, end in word_spans(text)] == pieces


@pytest.mark.parametrize(
    ("prompt", "word", "changed"),
    [
        ("a red circle", "red", "a cyan circle"),
        ("an orange star", "orange", "a blue star"),
        ("A spring day", "Spring", "An autumn day"),
        ("two RED cars", "red", "two CYAN cars"),
        ("Red and white", "Red", "Cyan and white"),
        ("a (red:1.3) circle", "red", "a (cyan:1.3) circle"),
        ("a (furry:1.3) cat", "furry", "a cat"),
        ("a [[furry]] apple", "furry", "an apple"),
        ("an angry cat", "angry", "a cat"),
        ("forest, fog, lake", "fog", "forest, lake"),
        ("red-haired fox", "red-haired", "cyan-haired fox"),
        ("three circles", "circles", "three stars"),
        # Other colours of the prompt come last.
        ("a blue circle above an orange square", "blue", "a yellow circle above an orange square"),
        ("a red circle above a red square", "red", "a cyan circle above a cyan square"),
        ("move it to the left", "left", "move it to the right"),
        ("a circle above a square", "above", "a circle below a square"),
        ("an oil painting of rain", "oil painting", "an of rain"),
        ("fox", "fox", "bear"),
        ("mist", "mist", " "),
        ("红色圆形", "红色", "青色圆形"),
        ("紅色圓形在左邊", "青色", None),
        ("青色的圓形在左邊", "青色", "紅色的圓形在左邊"),
        ("深蓝色的海", "深蓝色", "黄色的海"),
        ("一朵红花", "红", "一朵青花"),
        ("黑猫和大象", "大", "黑猫和小象"),
        ("大猫和大象", "大", "小猫和大象"),
        ("毛茸茸的小狗", "毛茸茸", "小狗"),
        ("白色背景上左边的红色圆形", "左边", "白色背景上右边的红色圆形"),
    ],
)  # fmt: skip
def test_one_word_is_changed(prompt: str, word: str, changed: str | None) -> None:
    changes = word_changes(prompt, [word])
    assert [each.prompts for each in changes] == ([] if changed is None else [(changed,)])


def test_each_word_counts_once_and_has_several_exchanges_if_asked_for() -> None:
    changes = word_changes("a red fluffy star", ["red", " RED ", "fluffy"], most=3)
    assert [each.word for each in changes] == ["red", "fluffy"]
    assert len(set(changes[0].prompts)) == 3
    assert changes[1].prompts == ("a red star",)


@pytest.mark.parametrize("prompt", ["an orange heart above a purple ring", "黑色背景上的小粉色星形"])
def test_exchanged_words_are_of_the_language_of_the_prompt(prompt: str) -> None:
    is_english = prompt.isascii()
    for change in word_changes(prompt, content_words(prompt), most=16):
        assert all(each.isascii() == is_english for each in change.prompts)


def test_places_of_a_word() -> None:
    assert places_of("art", "cart art") == [(5, 8)]
    assert places_of("Red  circle", "a red circle") == [(2, 12)]
    assert places_of("🙂", "a 🙂 face") == [(2, 3)]
    assert places_of("blue", "a red circle") == []
    assert places_of(")", "a (b)") == [(4, 5)]


def test_the_number_of_runs_is_known_at_admission() -> None:
    request = admit("text-to-image", {"prompt": "a red fox", "explain": "words"}, CATALOGUE).request
    assert num_calls(request, 0, 0) == 2
    explain = {"method": "words", "words": ["red"], "num_samples": 3}
    request = admit("text-to-image", {"prompt": "a red fox", "explain": explain}, CATALOGUE).request
    assert num_calls(request, 0, 0) == 3


@pytest.mark.parametrize(
    ("prompt", "explain", "named"),
    [
        ("a red circle", {"words": ["blue", "red"]}, ("blue", "red, circle")),
        ("红色圆形", {"words": ["蓝色"]}, ("蓝色", "红色, 圆形")),
        ("a (red:1.3) circle", {"words": ["1.3 circle"]}, ("1.3 circle", "red, circle")),
        ("a cartoon", {"words": ["car"]}, ("car", "cartoon")),
    ],
)
def test_words_that_the_prompt_does_not_contain_are_refused(
    prompt: str, explain: object, named: tuple[str, str]
) -> None:
    with pytest.raises(InvalidRequest) as refused:
        admit("text-to-image", {"prompt": prompt, "explain": explain}, CATALOGUE)
    assert refused.value.field == "explain.words"
    assert named[0] in refused.value.message
    assert named[1] in (refused.value.hint or "")


@pytest.mark.parametrize("prompt", ["of the", "12 34", "🙂"])
def test_a_prompt_without_content_words_is_left_out_as_a_whole(prompt: str) -> None:
    request = admit("text-to-image", {"prompt": prompt, "explain": True}, CATALOGUE).request
    assert changes_of(request) == (WordChange(prompt, (" ",)),)
    assert num_calls(request, 0, 0) == 1
