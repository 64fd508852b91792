"""Pictures from which another is made, as a manifest names them."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from brushwork_core.provenance.credentials.kept import KeptCredentials
from brushwork_core.provenance.credentials.library import may_carry
from brushwork_core.provenance.facts import InputPicture, PictureFacts

# The places of the picture that is changed. Others only steer how; a manifest may have one parent.
_PARENTS = ("image", "images.0")


@dataclass(frozen=True)
class Ingredient:
    """A picture from which another is made.

    Args:
        data: Its file in the store. An output of brushwork has its manifest in it.
        media_type: Of the file.
        kept: The credentials that the picture had when a caller handed it in, if it had any.
    """

    data: bytes
    media_type: str
    kept: KeptCredentials | None = None

    @property
    def carries_manifest(self) -> bool:
        """Whether the file itself has a manifest."""
        return self.kept is None and may_carry(self.data)


_Named = tuple[InputPicture, Ingredient | None]


def named(facts: PictureFacts, inputs: Mapping[str, Ingredient]) -> Iterator[_Named]:
    """Yield each picture that another is made from, with what is known of it; each role once."""
    seen = set[str]()
    for picture in facts.inputs:
        if picture.role not in seen:
            seen.add(picture.role)
            yield picture, inputs.get(picture.sha256)


def is_parent(picture: InputPicture) -> bool:
    """Return whether this picture is changed; if not, it only steers what is made."""
    return picture.role in _PARENTS


def described(picture: InputPicture, ingredient: Ingredient | None) -> dict[str, Any]:
    """Return an ingredient as a manifest describes it; without its own manifest."""
    return {
        "label": picture.role,
        "title": picture.role,
        "instance_id": f"sha256:{picture.sha256}:{picture.role}",
        "format": ingredient.media_type if ingredient else "image/png",
        "relationship": "parentOf" if is_parent(picture) else "inputTo",
    }


def in_definition(named_pictures: list[_Named]) -> list[dict[str, Any]]:
    """Return the ingredients that stand in the definition of a manifest; the others are added as files."""
    found = []
    for picture, ingredient in named_pictures:
        if ingredient is not None and ingredient.carries_manifest:
            continue
        entry = described(picture, ingredient)
        if ingredient is not None and (kept := ingredient.kept) is not None:
            entry |= {
                "format": kept.media_type,
                "active_manifest": kept.label,
                "validation_results": dict(kept.validation),
                "manifest_data": {"format": "application/c2pa", "identifier": _resource(picture)},
            }
        found.append(entry)
    return found


def add_files(builder: Any, named_pictures: list[_Named]) -> None:
    """Add the ingredients, or their manifests, that are files.

    Args:
        builder: A `c2pa.Builder`, made of the definition that has `in_definition`.
        named_pictures: As `named` yields them.
    """
    for picture, ingredient in named_pictures:
        if ingredient is None:
            continue
        if ingredient.kept is not None:
            builder.add_resource(_resource(picture), io.BytesIO(ingredient.kept.manifest))
        elif ingredient.carries_manifest:
            entry = described(picture, ingredient)
            builder.add_ingredient(entry, ingredient.media_type, io.BytesIO(ingredient.data))


def _resource(picture: InputPicture) -> str:
    return f"{picture.role}.c2pa"
