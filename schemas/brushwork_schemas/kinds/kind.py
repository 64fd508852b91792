"""The class `Kind`: everything that belongs to one kind of job."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, get_args

from pydantic.fields import FieldInfo

from brushwork_schemas.artifact import Artifact, DigitalSource, TransparentIsBlack, artifacts_within
from brushwork_schemas.kinds.explanations.request import Method
from brushwork_schemas.kinds.explanations.result import Explanation
from brushwork_schemas.kinds.field_words import FieldWords
from brushwork_schemas.kinds.file_places import ANY_INDEX, patterns_of, values_at
from brushwork_schemas.kinds.request import Request
from brushwork_schemas.kinds.result import Result
from brushwork_schemas.kinds.view import Block, Localized, localized

if TYPE_CHECKING:
    from brushwork_schemas.catalogue import Catalogue, Model
    from brushwork_schemas.job import Job

PICTURE, ARCHIVE = "image/*", "application/zip"
# Reads an input of a job by its SHA-256: a `PIL.Image.Image`.
ReadPicture = Callable[[str], Any]


def pictures_of(result: Any) -> Sequence[Artifact]:
    """Return all files of a result that are pictures, in the order of its fields, but for its explanation."""
    found = [each for value in _own_fields(result).values() for each in artifacts_within(value)]
    return [each for each in found if each.media_type.startswith("image/")]


def _own_fields(result: Any) -> Mapping[str, Any]:
    fields = {name: getattr(result, name) for name in type(result).model_fields}
    # The result type of a plug-in may have a field `explanation` of its own.
    return {name: value for name, value in fields.items() if not isinstance(value, Explanation)}


def files_of(result: Any) -> Mapping[str, Artifact]:
    """Return the files of a result by file name, without an ending; not those of its explanation.

    A file has the name of its field. Files of a list have their index as name, or the name of the field and
    the index if several fields are lists.
    """
    fields = _own_fields(result)
    listed = {
        name: artifacts_within(value) for name, value in fields.items() if not isinstance(value, Artifact)
    }
    is_single = sum(map(bool, listed.values())) == 1
    found: dict[str, Artifact] = {}
    for name, value in fields.items():
        if isinstance(value, Artifact):
            found[name] = value
        for index, each in enumerate(listed.get(name, ())):
            found[str(index) if is_single else f"{name}-{index}"] = each
    return found


def _no_facts(result: Any) -> Iterable[tuple[str, str]]:
    return ()


def _no_headline(result: Any) -> str:
    return ""


def _no_view(job: "Job") -> Sequence[Block]:
    return ()


def _as_given(asked: Any, complete: Mapping[str, Any], model: "Model") -> Mapping[str, Any]:
    return complete


def _not_short(written: Any) -> Mapping[str, Any] | None:
    return None


@dataclass(frozen=True, kw_only=True)
class ModelTraining:
    """The models that jobs of a kind train.

    A request selects one with `model="trained:<job id>"`.

    Args:
        kind: Kind of the jobs that the models serve.
        family: Family that loads them.
    """

    kind: str
    family: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of job. Its queue has its name; its Celery task is `brushwork.<name>`.

    A plug-in registers its kinds under the entry point group `brushwork.kinds`; see docs/plugins.md. All
    callables must import heavy packages only when they are called.

    Args:
        name: Name, such as `text-to-image`; the Hugging Face task name where there is one.
        request_type: Model of its requests.
        result_type: Model of its results.
        title: A noun for menus, in English (`en`) and Chinese (`zh`).
        action: A short imperative for the heading of its form, likewise.
        example: A request that works as it stands. OpenAPI shows it.
        sample: Returns the fields of a small, plausible result for a job, pictures as PIL images and other
            files as (bytes, media type); the fake clients answer with it. It also gets a function that reads
            input pictures.
        facts: Returns (label, value) pairs of a result for the command line and the page.
        view: Returns the blocks of a job's page, also while the job runs; without blocks, the facts are
            shown.
        headline: Returns one line about a result for thumbnails; empty means the prompt.
        main_pictures: Returns the pictures of a result that are shown large and as thumbnails, main picture
            first.
        files_by_name: Returns the files of a result by the file name, without ending, under which
            `brushwork show --save` writes them.
        checks: Rules that involve more than one field, or the model. Each gets the complete request, the
            model and the catalogue, and raises `InvalidRequest` with the name of the field.
        complete: Returns the fields of a request after defaults were filled in. It gets the request as it was
            sent, the fields so far and the model.
        draws_seed: Whether a request without a seed gets a random one; None means yes if it has the field
            `seed`.
        from_short: Returns result fields for what a test of a fake client may write in short, or None.
        follow_up: Label of the link that passes a picture on to this kind, such as "Describe it"; None for no
            link.
        makes_pictures: Whether its results are new pictures, not findings about an input. New pictures are
            labelled.
        digital_source: How its pictures came to be, for their labels. None means that a kind with
            `makes_pictures` has made a composite if the request names a picture, and else has generated the
            picture; pictures of other kinds have no label. A handler may state another source for a picture.
        trains: Set if its jobs train models.
        explains: Methods of the explanations that its requests may ask for with `explain`, the default first;
            the requests then have the fields of `ExplainableRequest`.
        words: Translations by language and key: `field.<name>.label`, `field.<name>.hint`, `choice.<value>`,
            `result.<name>.label`, and `warning.<code>` for the message of a warning with its parameters in
            braces.
        order: Position among all kinds in menus and lists.
    """

    name: str
    request_type: type[Request]
    result_type: type[Result]
    title: Localized
    action: Localized
    example: Mapping[str, Any]
    sample: Callable[["Job", ReadPicture], Mapping[str, Any]]
    facts: Callable[[Any], Iterable[tuple[str, str]]] = _no_facts
    view: Callable[["Job"], Sequence[Block]] = _no_view
    headline: Callable[[Any], str] = _no_headline
    main_pictures: Callable[[Any], Sequence[Artifact]] = pictures_of
    files_by_name: Callable[[Any], Mapping[str, Artifact]] = files_of
    checks: Sequence[Callable[[Any, "Model", "Catalogue"], None]] = ()
    complete: Callable[[Any, Mapping[str, Any], "Model"], Mapping[str, Any]] = _as_given
    draws_seed: Callable[[Any, "Model"], bool] | None = None
    from_short: Callable[[Any], Mapping[str, Any] | None] = _not_short
    follow_up: Localized | None = None
    makes_pictures: bool = False
    digital_source: DigitalSource | None = None
    trains: ModelTraining | None = None
    explains: Sequence[Method] = ()
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    order: int = 1000

    @property
    def task_name(self) -> str:
        """Name of the Celery task, also for programs that do not use this package."""
        return f"brushwork.{self.name}"

    def source_of(self, request: Any) -> DigitalSource | None:
        """Return how the pictures of a job came to be; None if they are findings, which have no label.

        Args:
            request: The request of the job.
        """
        if self.digital_source is not None or not self.makes_pictures:
            return self.digital_source
        # None for no picture, or an empty list.
        has_picture = any(getattr(request, name, None) for name in self.pictures)
        return DigitalSource.COMPOSITE if has_picture else DigitalSource.GENERATED

    @property
    def takes_image(self) -> bool:
        """Whether its requests have the field `image`, or are about pictures of another name."""
        return "image" in self.request_type.model_fields or self.main_input in self.pictures

    @cached_property
    def files(self) -> dict[str, str]:
        """Fields of its request that name files, and the media type of each; the main picture first.

        The media type is `image/*` or `application/zip`.
        """
        schema = self.request_type.model_json_schema()["properties"]
        found = {name: _media_type(schema[name]) for name in sorted(schema, key="image".__ne__)}
        return {name: media_type for name, media_type in found.items() if media_type}

    @cached_property
    def file_patterns(self) -> dict[str, str]:
        """Places of all files of its requests, also in lists, as patterns with the media type of each.

        The main picture comes first; see `file_places`.
        """
        found = patterns_of(self.request_type.model_json_schema())
        main = ("image", f"images.{ANY_INDEX}")
        return {pattern: found[pattern] for pattern in sorted(found, key=lambda pattern: pattern not in main)}

    def files_in(self, request: Any) -> dict[str, str]:
        """Return the names of the files of a request by place, such as `ip_adapters.0.images.1`.

        Args:
            request: A stored request, or its fields.
        """
        found = values_at(request, self.file_patterns)
        return {place: name for place, name in found.items() if isinstance(name, str)}

    @property
    def pictures(self) -> tuple[str, ...]:
        """Fields of its request that name pictures, or several pictures; the main picture first."""
        named = {**self.files, **self.file_lists}
        found = [name for name, media_type in named.items() if media_type == PICTURE]
        return tuple(sorted(found, key=lambda name: name not in ("image", "images")))

    @property
    def masks(self) -> tuple[str, ...]:
        """Those of its `pictures` whose transparent parts count as black."""
        fields = self.request_type.model_fields
        return tuple(name for name in self.pictures if TransparentIsBlack() in _marks(fields[name]))

    @property
    def main_input(self) -> str | None:
        """Field of the file that a job is about: the first required file; None if no file is required.

        It may be a field for several files.
        """
        fields = self.request_type.model_fields
        return next((name for name in (*self.files, *self.file_lists) if fields[name].is_required()), None)

    def main_picture(self, request: Any) -> str | None:
        """Return the name of the picture that a job is about, the first of several; None if there is none.

        Args:
            request: A stored request, or its fields.
        """
        if self.main_input not in self.pictures:
            return None
        places = (self.main_input, f"{self.main_input}.0")
        return next((name for place, name in self.files_in(request).items() if place in places), None)

    @cached_property
    def file_lists(self) -> dict[str, str]:
        """Fields of its request that name several files, such as `images`, and the media type of each."""
        parts = {pattern: pattern.split(".") for pattern in self.file_patterns}
        return {
            names[0]: self.file_patterns[pattern]
            for pattern, names in parts.items()
            if names[1:] == [ANY_INDEX]
        }

    @property
    def main_field(self) -> str | None:
        """Field of a value that is given without a name: the main input, else the first required field."""
        required = (name for name, known in self.request_type.model_fields.items() if known.is_required())
        return self.main_input or next(required, None)

    @property
    def field_words(self) -> FieldWords:
        """Labels, hints and choices of the request fields."""
        return FieldWords(self.request_type, self.words)

    def field_label(self, name: str, language: str = "en") -> str:
        """Return the label of a request field: a translation, else the field's title."""
        return self.field_words.label(name, language)

    def field_hint(self, name: str, language: str = "en") -> str:
        """Return one sentence of help for a request field: a translation, else the field's description."""
        return self.field_words.hint(name, language)

    def result_label(self, name: str, language: str = "en") -> str:
        """Return the label of a result field: a translation, else the field's title."""
        title = FieldWords(self.result_type).label(name)
        return self.words.get(language, {}).get(f"result.{name}.label", title)

    def title_in(self, language: str) -> str:
        """Return the title in a language, or in English."""
        return localized(self.title, language)


def _marks(known: FieldInfo) -> list[Any]:
    """The marks of a field's type; also of its parts, such as those of `Mask | None`."""
    parts = [mark for part in get_args(known.annotation) for mark in getattr(part, "__metadata__", ())]
    return [*known.metadata, *parts]


def _media_type(schema: Mapping[str, Any]) -> str | None:
    ways = (schema, *schema.get("anyOf", ()))
    return next((way["contentMediaType"] for way in ways if "contentMediaType" in way), None)
