"""How captions and labels may be asked for, and what is filled in."""

from collections.abc import Mapping
from typing import Any

import pytest
from brushwork_schemas.admission import admit
from brushwork_schemas.catalogue import Catalogue, Model, Source
from brushwork_schemas.errors import InvalidRequest

IMAGE = "a" * 64
MODELS = Catalogue(
    {
        name: Model(name=name, family=family, source=Source(architecture="none"))
        for name, family in (("plain", "blip"), ("searching", "florence-2"), ("clip", "clip"))
    }
)


def asked(kind: str = "image-to-text", **parameters: Any) -> Any:
    return admit(kind, {"image": IMAGE, **parameters}, MODELS).request


@pytest.mark.parametrize(
    ("parameters", "beams", "draws"),
    [
        ({}, None, False),
        ({"num_return_sequences": 4}, 4, False),
        ({"model": "searching"}, 3, False),
        ({"model": "searching", "num_return_sequences": 2}, 3, False),
        ({"model": "searching", "num_return_sequences": 5}, 5, False),
        ({"model": "searching", "do_sample": True, "num_return_sequences": 5}, 1, True),
        ({"num_beams": 6, "num_return_sequences": 5}, 6, False),
    ],
)
def test_there_are_beams_for_all_candidates(
    parameters: Mapping[str, Any], beams: int | None, draws: bool
) -> None:
    request = asked(**parameters)
    assert request.num_beams == beams
    assert (request.seed is not None) == draws


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"num_beams": 2, "num_return_sequences": 3}, "num_return_sequences"),
        ({"num_beams": 2, "do_sample": True}, "num_beams"),
        ({"temperature": 0.5}, "temperature"),
        ({"top_p": 0.5}, "top_p"),
    ],
)
def test_what_does_not_go_together_is_refused(parameters: Mapping[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        asked(**parameters)
    assert refused.value.field == field
    assert refused.value.hint


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"candidate_labels": ["cat", "dog", "cat"]}, "must not contain a label twice"),
        ({"candidate_labels": ["cat"], "hypothesis_template": "a photo"}, "must contain {}"),
    ],
)
def test_labels_are_asked_for_once_and_have_a_place(parameters: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        asked("image-classification", **parameters)


def test_the_family_has_a_sentence_for_labels() -> None:
    request = asked("image-classification", candidate_labels=["cat", "dog"])
    assert request.hypothesis_template == "This is a photo of {}."
