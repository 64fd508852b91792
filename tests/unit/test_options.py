"""What a caller says of a job beside its request: taken out of its words, checked, named when it is wrong."""

import pytest
from brushwork_schemas.errors import InvalidRequest
from brushwork_schemas.options import JobOptions, Priority, digest, taken_options

from tests.jobs import picture


def test_options_are_taken_out_of_the_parameters() -> None:
    parameters = {"prompt": "x", "priority": "high", "tenant": "t", "deadline_s": 5, "idempotency_key": "k"}
    assert taken_options(parameters) == JobOptions(
        priority=Priority.HIGH, tenant="t", deadline_s=5.0, idempotency_key="k"
    )
    assert parameters == {"prompt": "x"}


def test_what_is_not_said_or_said_as_nothing_is_as_usual() -> None:
    assert taken_options({"priority": None, "tenant": None}) == taken_options({}) == JobOptions()


def test_names_of_events_may_stand_in_one_word() -> None:
    said = taken_options({"webhook_events": "started,failed"})
    assert said == taken_options({"webhook_events": ["started", "failed"]})
    assert said.webhook_events == ("started", "failed")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("webhook_events", ""),
        ("webhook_events", "started, failed"),
        ("webhook_events", []),
        ("webhook_events", ["running"]),
        ("webhook_events", 5),
        ("traceparent", "00-1-2-3"),
        ("priority", "highest"),
        ("priority", ["high"]),
        ("tenant", "x" * 65),
        ("tenant", "two words"),
        ("tenant", 5),
        ("deadline_s", 0),
        ("deadline_s", -1.0),
        ("deadline_s", float("nan")),
        ("deadline_s", float("inf")),
        ("deadline_s", "soon"),
        ("idempotency_key", ""),
        ("idempotency_key", "x" * 256),
        ("idempotency_key", "line\nbreak"),
        ("idempotency_key", "钥匙"),
    ],
    ids=lambda value: ascii(value)[:20],
)
def test_a_wrong_one_is_named(name: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as raised:
        taken_options({name: value})
    assert raised.value.field == name
    assert raised.value.message.startswith(f"{name}: ")
    assert raised.value.hint


def test_a_digest_tells_requests_apart() -> None:
    said = {"prompt": "x", "seed": 1}
    same = digest("k", {"seed": 1, "prompt": "x"}, [picture("1")])
    others = [
        digest("other", said, [picture("1")]),
        digest("k", {**said, "seed": 2}, [picture("1")]),
        digest("k", said, [picture("2")]),
        digest("k", said, []),
    ]
    assert digest("k", said, [picture("1")]) == same
    assert len({same, *others}) == 5
