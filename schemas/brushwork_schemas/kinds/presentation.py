"""What the command line and the page show of a job, whatever its kind."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from brushwork_schemas.artifact import Artifact, artifacts_within
from brushwork_schemas.artifact.video import Video, videos_within
from brushwork_schemas.kinds.explanations.file_names import explanation_files
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.kind import Kind, files_of
from brushwork_schemas.kinds.plugin_checks.block_check import check_block
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Explained
from brushwork_schemas.warnings import ResultWarning

if TYPE_CHECKING:
    from brushwork_schemas.job import Job

LOGGER = logging.getLogger(__name__)
_Value = TypeVar("_Value")
# Kind and function of what was logged already.
_LOGGED: set[tuple[str, str]] = set()


class Presentation:
    """A job as its kind presents it.

    If a function of the kind raises an exception or returns a value of a wrong type, its output is left out,
    and the exception is logged once for each kind and function.

    A job whose kind is not installed, and a result that a newer version wrote, present nothing but the
    request.

    Args:
        job: The job, in any state.
    """

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.kind: Kind | None = all_kinds().get(job.kind)

    @cached_property
    def result(self) -> Any:
        """The result, or None if there is none of the kind's result type."""
        is_readable = self.kind is not None and isinstance(self.job.result, self.kind.result_type)
        return self.job.result if is_readable else None

    @cached_property
    def request(self) -> Mapping[str, Any]:
        """The request by field. The request of a refused job may be anything that its sender wrote."""
        request = self.job.request
        if isinstance(request, BaseModel):
            return request.model_dump(mode="json")
        return request if isinstance(request, Mapping) else {}

    @cached_property
    def headline(self) -> str:
        """One line about the result, else the prompt; empty if there is neither."""
        found = self._of_result("headline", _text, "")
        prompt = self.request.get("prompt")
        return found or (prompt if isinstance(prompt, str) else "")

    @cached_property
    def facts(self) -> Sequence[tuple[str, str]]:
        """Label and value of what the result says."""
        return self._of_result("facts", _facts, ())

    @cached_property
    def warnings(self) -> Sequence[ResultWarning]:
        """The warnings of the result."""
        found = self.job.result.warnings if isinstance(self.job.result, Result) else ()
        # The result type of a plug-in may have a field `warnings` of its own.
        return [each for each in found if isinstance(each, ResultWarning)] if isinstance(found, tuple) else []

    @cached_property
    def blocks(self) -> Sequence[Block]:
        """The blocks of the job's page, also of a job that still runs; without the explanations."""
        return [block for block in self._blocks if not isinstance(block, Explained)]

    @cached_property
    def explanations(self) -> Sequence[Explained]:
        """The explanations of the result: those that the kind shows itself, else the one that it has."""
        found = [block for block in self._blocks if isinstance(block, Explained)]
        if found or self.explanation is None:
            return found
        prompt = self.request.get("prompt")
        is_about_prompt = self.explanation.method == "words" and isinstance(prompt, str)
        return [Explained(self.explanation, str(prompt) if is_about_prompt else "")]

    @cached_property
    def explanation(self) -> Explanation | None:
        """The explanation of the result; None if there is none."""
        # The result type of a plug-in may have a field `explanation` of its own.
        found = getattr(self.job.result, "explanation", None)
        return found if isinstance(found, Explanation) else None

    @cached_property
    def _blocks(self) -> Sequence[Block]:
        is_unreadable = self.job.result is not None and self.result is None
        if self.kind is None or is_unreadable:
            return ()
        found: Sequence[Any] = self._called("view", self.job, list, ())
        return [block for block in found if self._is_block(block)]

    @cached_property
    def pictures(self) -> Sequence[Artifact]:
        """The main pictures of the result, main picture first."""
        return self._of_result("main_pictures", _artifacts, ())

    @cached_property
    def videos(self) -> Sequence[Video]:
        """The videos of the result, in the order of its fields."""
        return videos_within(self.result)

    def video_of(self, poster: Artifact) -> Video | None:
        """Return the video that a picture of the result stands for; None for a picture of its own."""
        return next((each for each in self.videos if each.poster.sha256 == poster.sha256), None)

    @cached_property
    def files(self) -> Mapping[str, Artifact]:
        """The files of the result by file name, without an ending; also those of its explanation."""
        found = self._of_result("files_by_name", _named_files, None)
        if found is None:
            found = files_of(self.result) if self.result is not None else {}
        return {**found, **{name: file for name, file in self.explanation_files.items() if name not in found}}

    @cached_property
    def explanation_files(self) -> Mapping[str, Artifact]:
        """The files of the explanation by file name, without an ending; not those that the result has too."""
        shown = {file.sha256 for _, file in self.result_fields}
        files = explanation_files(self.explanation) if self.explanation is not None else {}
        return {name: file for name, file in files.items() if file.sha256 not in shown}

    @cached_property
    def result_fields(self) -> Sequence[tuple[str, Artifact]]:
        """The files of the result, each with the name of its field; not those of its explanation."""
        if self.result is None:
            return ()
        is_explained = self.explanation is not None
        names = [
            name for name in type(self.result).model_fields if not (is_explained and name == "explanation")
        ]
        return [(name, file) for name in names for file in artifacts_within(getattr(self.result, name))]

    def _of_result(self, name: str, read: Callable[[Any], _Value], otherwise: _Value) -> _Value:
        return otherwise if self.result is None else self._called(name, self.result, read, otherwise)

    def _called(self, name: str, given: Any, read: Callable[[Any], _Value], otherwise: _Value) -> _Value:
        """Call a function of the kind. A bug in a plug-in must not break a page or a list."""
        try:
            return read(getattr(self.kind, name)(given))
        except Exception as error:
            _log_once(self.job.kind, name, error)
            return otherwise

    def _is_block(self, block: Any) -> bool:
        try:
            check_block(block)
        except Exception as error:
            _log_once(self.job.kind, "view", error)
            return False
        return True


def _log_once(kind: str, name: str, error: Exception) -> None:
    if (kind, name) not in _LOGGED:
        _LOGGED.add((kind, name))
        LOGGER.error("%s of the kind %s failed; its output is left out", name, kind, exc_info=error)


def _text(found: Any) -> str:
    if not isinstance(found, str):
        raise TypeError(f"a {type(found).__name__} is not a text")
    return found


def _facts(found: Any) -> Sequence[tuple[str, str]]:
    return [(_text(label), _text(value)) for label, value in found]


def _artifacts(found: Any) -> Sequence[Artifact]:
    files = list(found)
    for each in files:
        if not isinstance(each, Artifact):
            raise TypeError(f"a {type(each).__name__} is not an Artifact")
    return files


def _named_files(found: Any) -> Mapping[str, Artifact] | None:
    _artifacts(found.values())
    return {_text(name): file for name, file in found.items()}
