"""Generates the typed parts of the clients from the kinds: `python -m tests.typed_clients --write`.

Without `--write`, the command says which files are not current, and exits with status 1.
"""

import subprocess
import sys
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from brushwork_schemas.kinds.file_places import patterns_of
from brushwork_schemas.kinds.kind import ARCHIVE, Kind
from brushwork_schemas.kinds.registry import all_kinds
from brushwork_schemas.options import JobOptions
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

FOLDER = Path(__file__).parents[1] / "producer" / "brushwork" / "typed"
OWN = "brushwork_schemas."
NOTE = "# Generated from the kinds by `python -m tests.typed_clients --write`. Do not edit.\n"
Fields = dict[str, str]

PARAMETERS = '''"""Parameters of all kinds that come with brushwork, for type checkers."""

{note}
from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Required, TypeAlias, TypedDict

{imports}
from brushwork.typed.arguments import DatasetFile, PictureFile

KindName: TypeAlias = Literal[{names}]


class OptionParameters(TypedDict, total=False):
    """Options that all kinds have. `JobOptions` describes them."""

{options}

{items}{classes}
class AnyChanges(OptionParameters, total=False):
    """Changes of a job whose kind is not known, because only its id is: the fields of all kinds."""

{any_changes}
'''

CLASSES = '''class {name}Fields(OptionParameters, total=False):
    """Optional parameters of {kind}."""

{optional}

class {name}Parameters({name}Fields):
    """Parameters of {kind}. `{request}` describes them."""

{required}

class {name}Changes({name}Fields, total=False):
    """Changes for a repeated job of {kind}."""

{required}

'''

SUBMISSION = '''"""`submit`, `run` and `retry` of {client}, with the types of each kind."""

{note}
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

if TYPE_CHECKING:
    from brushwork_schemas.job import Job
{imports}
    from typing_extensions import Unpack

    from brushwork.typed import parameters as of
    from brushwork.typed.arguments import OnPreview, OnProgress, UntypedKind, UntypedResult


class {name}(ABC):
    """`submit`, `run` and `retry`. A type checker knows the parameters and the result of each kind."""

    @abstractmethod
    {async_}def _submitted(self, kind: str, parameters: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    {async_}def _repeated(self, job: Job | str, changes: Mapping[str, Any]) -> Job: ...

    @abstractmethod
    {async_}def wait(
        self,
        job: Job | str,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
    ) -> Job:
        """Wait until the job has ended."""

{submits}
    {async_}def submit(self, kind: str, /, **parameters: Any) -> Job:
        """{submit_text}"""
        return {await_}self._submitted(kind, parameters)

{runs}
    {async_}def run(
        self,
        kind: str,
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: Any,
    ) -> Job:
        """{run_text}"""
        job = {await_}self._submitted(kind, parameters)
        ended = {await_}self.wait(
            job, timeout_s=timeout_s, on_progress=on_progress, on_preview=on_preview
        )
        return ended.raise_for_state()

{retries}
    {async_}def retry(self, job: Job | str, /, **changes: Any) -> Job:
        """{retry_text}"""
        return {await_}self._repeated(job, changes)
'''

SUBMIT = """    @overload
    {async_}def submit(
        self, kind: {kind}, /, **parameters: {parameters}
    ) -> {job}: ...
"""
RUN = """    @overload
    {async_}def run(
        self,
        kind: {kind},
        /,
        *,
        timeout_s: float | None = None,
        on_progress: OnProgress | None = None,
        on_preview: OnPreview | None = None,
        **parameters: {parameters},
    ) -> {job}: ...
"""
RETRY = """    @overload
    {async_}def retry({mark}
        self, job: {old}, /, **changes: {changes}
    ) -> {job}: ...
"""

SUBMIT_TEXT = """Submit one job. When this returns, the job is stored, even if Redis does not answer.

        Args:
            kind: The kind of job, such as `text-to-image`; `kinds` lists them. Type checkers refuse a kind
                that they do not know, such as one of a plug-in: write `UntypedKind("my-kind")` for it.
            **parameters: The fields of the kind's request, and those of `JobOptions`: `priority`, `tenant`,
                `deadline_s`, `idempotency_key`, `webhook_url` and others. A picture (`image`, `mask_image`,
                `control_image`, each of `images`) may be a path, bytes, an open file, a PIL image, a NumPy
                array, an artifact of another job, or a URL. A `dataset` may be the path of an archive or
                folder, bytes, an open file, or an artifact.

        Raises:
            UnknownKind, UnknownModel, InvalidRequest, InvalidImage, InvalidDataset: The request is wrong; the
                error names the field. Nothing was stored.
            IdempotencyConflict: The idempotency key was used for another request.
            ServiceUnreachable: The gateway, the database or the store does not answer. Nothing was accepted,
                unless the connection was lost after the job was written and before it was read back.
        """
RUN_TEXT = """Submit one job, wait for it, and return it with its result.

        Args:
            kind: As for `submit`.
            timeout_s: Seconds after which to stop waiting; by default there is no limit.
            on_progress: Called with state and progress whenever they have changed.
            on_preview: Called with each new preview.
            **parameters: As for `submit`.

        Raises:
            JobFailed: The job failed, was canceled or expired. `job_id` of the error names it.
            WaitTimeout: The job has not ended in time. It continues. `job_id` of the error names it.
            RequestError, ServiceUnreachable: As for `submit`.
        """
RETRY_TEXT = """Submit the request of a job that has ended again. The new job's `retry_of` is the old id.

        All parameters stay the same, the seed too, so a job that succeeded gives the same result.

        Args:
            job: The job that has ended, or its id.
            **changes: Parameters and options that replace the old ones, such as `seed=8`.

        Raises:
            JobNotFound: No job has this id.
            JobNotEnded: The job has not ended yet.
            RequestError: The changed request is wrong, as for `submit`.
        """


def generated() -> Mapping[Path, str]:
    """Return the content of each generated file."""
    texts = {
        "parameters.py": _parameters(),
        "submission.py": _submission("TypedSubmission", "Client", is_async=False),
        "async_submission.py": _submission("AsyncTypedSubmission", "AsyncClient", is_async=True),
    }
    return {FOLDER / name: _formatted(text, FOLDER / name) for name, text in texts.items()}


def outdated() -> list[Path]:
    """Return the files that are not as they would be generated now."""
    return [
        file for file, text in generated().items() if not file.exists() or file.read_text("utf-8") != text
    ]


def _own_kinds() -> list[Kind]:
    """Kinds that come with brushwork. Those of installed plug-ins are not part of it."""
    return [kind for kind in all_kinds().values() if kind.request_type.__module__.startswith(OWN)]


def _camel(kind: Kind) -> str:
    return kind.request_type.__name__.removesuffix("Request")


def _parameters() -> str:
    used: dict[str, type[BaseModel]] = {}
    classes, everything = [], dict[str, list[str]]()
    for kind in _own_kinds():
        fields = _fields(kind.request_type, kind.files, used, lists=kind.file_lists)
        for name, source in fields.items():
            everything.setdefault(name, []).append(source)
        required = [name for name, known in kind.request_type.model_fields.items() if known.is_required()]
        classes.append(
            CLASSES.format(
                name=_camel(kind),
                kind=kind.name,
                request=kind.request_type.__name__,
                optional=_lines({name: source for name, source in fields.items() if name not in required}),
                required=_lines({name: fields[name] for name in required}),
            )
        )
    # The options come first, but name no other model.
    options = {name: _optional(source) for name, source in _fields(JobOptions, {}, used).items()}
    any_changes = {name: " | ".join(dict.fromkeys(sources)) for name, sources in everything.items()}
    return PARAMETERS.format(
        note=NOTE,
        imports=_imports(model for model in used.values()),
        names=", ".join(f'"{kind.name}"' for kind in _own_kinds()),
        options=_lines(options),
        items="".join(_items(used)),
        classes="\n".join(classes),
        any_changes=_lines(any_changes),
    )


def _items(used: Mapping[str, Any]) -> Iterator[str]:
    for name, model in used.items():
        if issubclass(model, BaseModel):
            places = patterns_of(model.model_json_schema())
            lists = {name.removesuffix(".*"): sort for name, sort in places.items() if name.count(".") == 1}
            fields = _fields(model, {}, {}, lists=lists)
            required = {name for name, known in model.model_fields.items() if known.is_required()}
            shown = {
                name: f"Required[{source}]" if name in required else source for name, source in fields.items()
            }
            yield f'class {name}Item(TypedDict, total=False):\n    """A `{name}` as a mapping."""\n\n'
            yield f"{_lines(shown)}\n\n"


def _fields(
    model: type[BaseModel],
    files: Mapping[str, str],
    used: dict[str, Any],
    *,
    lists: Mapping[str, str] | None = None,
) -> Fields:
    found = {}
    for name, known in model.model_fields.items():
        if name in {**files, **(lists or {})}:
            source = "DatasetFile" if files.get(name) == ARCHIVE else "PictureFile"
            # One picture counts as a list of one.
            source = f"{source} | Sequence[{source}]" if name not in files else source
            found[name] = source if known.is_required() else _optional(source)
        else:
            found[name] = _source(_accepted(known), used)
    return found


def _accepted(known: FieldInfo) -> Any:
    """Return the type of what a field accepts, which may be more than what it holds."""
    checks = [each for each in known.metadata if isinstance(each, BeforeValidator)]
    types_before = [each.json_schema_input_type for each in checks]
    return next((each for each in types_before if each is not PydanticUndefined), known.annotation)


def _source(annotation: Any, used: dict[str, Any]) -> str:
    """Return the type of an argument as Python: sequences for tuples, mappings beside models."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _source(parts[0], used)
    if origin is Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    if origin in (Union, types.UnionType):
        return " | ".join(_source(part, used) for part in parts)
    if origin is tuple:
        item = _source(parts[0], used)
        # A string is a sequence of strings, but no list of labels.
        return f"list[{item}] | tuple[{item}, ...]" if item == "str" else f"Sequence[{item}]"
    if annotation is type(None):
        return "None"
    if annotation in (str, int, float, bool):
        return str(annotation.__name__)
    used[annotation.__name__] = annotation
    if issubclass(annotation, BaseModel):
        return f"{annotation.__name__} | {annotation.__name__}Item"
    return f"{annotation.__name__} | Literal[{', '.join(repr(each.value) for each in annotation)}]"


def _optional(source: str) -> str:
    return source if source.endswith(" | None") else f"{source} | None"


def _lines(fields: Mapping[str, str]) -> str:
    return "".join(f"    {name}: {source}\n" for name, source in fields.items())


def _imports(models: Iterator[type] | list[type]) -> str:
    modules: dict[str, set[str]] = {}
    for model in models:
        modules.setdefault(model.__module__, set()).add(model.__name__)
    return "".join(
        f"from {module} import {', '.join(sorted(names))}\n" for module, names in sorted(modules.items())
    )


def _submission(name: str, client: str, *, is_async: bool) -> str:
    marks = {"async_": "async " if is_async else "", "await_": "await " if is_async else ""}
    kinds = _own_kinds()
    submits, runs, retries = [], [], []
    for kind in kinds:
        result = kind.result_type.__name__
        shared = {"kind": f'Literal["{kind.name}"]', "parameters": f"Unpack[of.{_camel(kind)}Parameters]"}
        job = f"Job[{result} | None]"
        submits.append(SUBMIT.format(**marks, **shared, job=job))
        runs.append(RUN.format(**marks, **shared, job=f"Job[{result}]"))
        changes = f"Unpack[of.{_camel(kind)}Changes]"
        # A job without a result fits all of them, as long as it has none.
        mark = "" if kind is kinds[-1] else "  # type: ignore[overload-overlap]"
        retries.append(RETRY.format(**marks, mark=mark, old=job, changes=changes, job=job))
    untyped = {"kind": "UntypedKind", "parameters": "Any", "job": "Job"}
    unknown = {"old": "Job[UntypedResult]", "changes": "Any", "job": "Job", "mark": ""}
    by_id = {"old": "str", "changes": "Unpack[of.AnyChanges]", "job": "Job", "mark": ""}
    arguments = "See `Client.{}`." if is_async else ""
    texts = (SUBMIT_TEXT, RUN_TEXT, RETRY_TEXT)
    submit, run, retry = (
        f"{text.split('.')[0]}. {arguments.format(method)}" if is_async else text
        for text, method in zip(texts, ("submit", "run", "retry"), strict=True)
    )
    return SUBMISSION.format(
        **marks,
        note=NOTE,
        name=name,
        client=client,
        imports="".join(
            f"    {line}\n" for line in _imports([kind.result_type for kind in kinds]).splitlines()
        ),
        submits="\n".join([*submits, SUBMIT.format(**marks, **untyped)]),
        runs="\n".join([*runs, RUN.format(**marks, **untyped)]),
        # The first one is for jobs of unknown kinds, such as those that `get` finds.
        retries="\n".join([RETRY.format(**marks, **unknown), *retries, RETRY.format(**marks, **by_id)]),
        submit_text=submit,
        run_text=run,
        retry_text=retry,
    )


def _formatted(text: str, file: Path) -> str:
    for command in (["check", "--select", "I", "--fix", "-q"], ["format", "-q"]):
        ran = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", str(file), "-"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        text = ran.stdout
    return text


def main() -> None:
    """Write the files, or say which are not current."""
    if "--write" in sys.argv:
        for file, text in generated().items():
            file.write_text(text, "utf-8")
    elif stale := outdated():
        sys.exit(f"Not current: {', '.join(file.name for file in stale)}. Run with --write.")


if __name__ == "__main__":
    main()
