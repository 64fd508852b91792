"""The tables of the pocket models' accuracy: rows in words, entered between their marks, JSON beside them."""

import json
from pathlib import Path

from benchmarks.pocket_tables import Accuracy, confusion_table, enter_all, figures_table

CARDS = ("pocket-diffusion", "pocket-captioner", "pocket-classifier", "pocket-segmenter")


def test_attributes_stand_in_their_order_whichever_row_names_them_first() -> None:
    rows = {"one en": {"colour": 1.0, "count": 0.5, "all": 0.5}, "two en": {"relation": 0.995, "all": 0.25}}
    assert figures_table(rows, "prompts").splitlines() == [
        "| prompts | colour | relation | count | all |",
        "| --- | --- | --- | --- | --- |",
        "| one en | 100.0 |  | 50.0 | 50.0 |",
        "| two en |  | 99.5 |  | 25.0 |",
    ]


def test_what_is_no_shape_has_a_column_only_where_it_was_seen() -> None:
    assert "none" not in confusion_table({"circle": {"circle": 3, "ring": 1}})
    assert (
        confusion_table({"star": {"star": 3, "none": 2}}).splitlines()[-1].endswith("| 3 |  |  |  |  | 2 |")
    )


def test_all_tables_are_entered_in_the_page_and_the_cards(tmp_path: Path) -> None:
    docs, weights = tmp_path / "docs", tmp_path / "weights"
    (docs / "benchmarks").mkdir(parents=True)
    (docs / "pocket.md").write_text(
        "Before.\n<!-- begin pocket masks -->\nold\n<!-- end pocket masks -->\nAfter.\n"
    )
    rows = {"one, never en": {"shape": 0.5, "all": 0.25}}
    reading = {
        "classes": {"one": 0.999},
        "masks": {"two": 0.956},
        "captions": {"one en": 0.99, "one zh": 1.0},
    }
    painted = dict.fromkeys(("default", "fast", "turbo"), rows)
    accuracy = Accuracy(5, [1, 2], painted, {"ring": {"ring": 4}}, reading, {"star": {"star": 7}})
    enter_all(accuracy, docs, weights)

    page = (docs / "pocket.md").read_text()
    assert page.startswith("Before.\n<!-- begin pocket masks -->\n| drawn pictures | % |")
    assert "old" not in page
    assert "| two objects | 95.6 |\n<!-- end pocket masks -->\nAfter." in page
    assert "| one object, never, English | 25.0 | 25.0 | 25.0 |" in page
    assert "| one object | 99.0 | 100.0 |" in page
    assert "5 a cell, seeds 1, 2." in page
    cards = {name: (weights / name / "README.md").read_text() for name in CARDS}
    assert "| one object | 99.9 |" in cards["pocket-classifier"]
    assert "5 a cell, seeds 1, 2." in cards["pocket-segmenter"]
    kept = json.loads((docs / "benchmarks" / "pocket_accuracy.json").read_text())
    assert (kept["cell"], kept["painted"]["turbo"]) == (5, rows)
