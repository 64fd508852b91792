"""The interface of policies: what they are asked, and how a plug-in registers a type of policy."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brushwork_schemas.artifact import Artifact
from pydantic import BaseModel

from brushwork_core.policies.decision import Decision

# Text of these fields is not a wish of the caller: names of models, and what a picture must not show.
_NOT_WISHES = ("model", "negative_")


@dataclass(frozen=True)
class PolicyRequest:
    """A complete request, as a worker would run it.

    Args:
        kind: Name of the kind.
        model: Name of the model.
        tenant: Tenant of the job; empty without tenants.
        parameters: Fields of the request as JSON, with all defaults. Files are named by their SHA-256, or by
            64 zeros while they are not stored yet.
    """

    kind: str
    model: str
    tenant: str
    parameters: Mapping[str, Any]

    def texts(self, fields: Collection[str] | None = None) -> Iterator[tuple[str, str]]:
        """Yield the texts of the request with the names of their fields.

        Args:
            fields: Names of the fields to read; None for all but the model and negative prompts.
        """
        for name, value in self.parameters.items():
            is_wanted = not name.startswith(_NOT_WISHES) if fields is None else name in fields
            if is_wanted:
                yield from ((name, text) for text in texts_within(value))


@dataclass(frozen=True)
class ResultPicture:
    """A picture of a result.

    Args:
        artifact: Its name, type and size.
        read: Returns the decoded picture, a `PIL.Image.Image`.
        scores: Probabilities by label, 0 to 1, by the name of the classifier.
    """

    artifact: Artifact
    read: Callable[[], Any]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class PolicyResult:
    """The result of a job that is about to end.

    Args:
        job_id: Id of the job.
        request: The request of the job.
        result: Fields of the result as JSON.
        pictures: Its pictures, in the order of its fields.
    """

    job_id: str
    request: PolicyRequest
    result: Mapping[str, Any]
    pictures: Sequence[ResultPicture] = ()

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield the texts of the result with the names of their fields."""
        for name, value in self.result.items():
            if name not in ("provenance", "warnings", "version"):
                yield from ((name, text) for text in texts_within(value))


class Policy:
    """A policy. Subclasses override one method or both. Many threads call them at once.

    A method that raises an exception, or takes longer than the operator allows, has failed. The operator
    chooses what happens then: the request or the result is refused (by default), or allowed.
    """

    @property
    def reads_results(self) -> bool:
        """Whether `check_result` decides about results. Jobs with such a policy have no previews."""
        return type(self).check_result is not Policy.check_result

    def check_request(self, request: PolicyRequest) -> Decision | None:
        """Decide about a request; None if it is allowed."""
        return None

    def check_result(self, result: PolicyResult) -> Decision | None:
        """Decide about a result; None if it is allowed."""
        return None


def _no_models(settings: Any) -> Mapping[str, Sequence[str]]:
    return {}


@dataclass(frozen=True, kw_only=True)
class PolicyType:
    """A type of policy. A plug-in registers it under the entry point group `brushwork.policies`.

    Args:
        name: Name, such as `words`: the value of `type` in the file of policies.
        settings: Fields of its tables in the file, besides those that every policy has. A model with
            `extra="forbid"` reports misspelt names.
        build: Returns the policy of a table. Called once in each process, at its start.
        models: Returns the names of the image classifiers that the policy needs, each with the labels whose
            scores it reads. A classifier that compares pictures with text chooses from these labels.
        is_quick: Whether its methods need no time limit: they compute little, and never wait.
    """

    name: str
    settings: type[BaseModel]
    build: Callable[[Any], Policy]
    models: Callable[[Any], Mapping[str, Sequence[str]]] = _no_models
    is_quick: bool = False


def texts_within(value: Any) -> Iterator[str]:
    """Yield all texts inside of a value of JSON; names of fields are not texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from texts_within(each)
    elif isinstance(value, Sequence):
        for each in value:
            yield from texts_within(each)
