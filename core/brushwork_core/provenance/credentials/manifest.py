"""The manifest of a picture: who made it with what, from which pictures, in the words of C2PA 2.x.

It has no thumbnail, no name of a file, no time and no id of a job; and the prompt only if the request asks
for its parameters in the file. The library itself adds its version and a random id.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from brushwork_core.provenance.credentials.ingredients import Ingredient, in_definition, is_parent, named
from brushwork_core.provenance.facts import DigitalSource, InputPicture, PictureFacts

PARAMETERS = "org.brushwork.parameters"
_UPSCALING = "image-upscaling"
# C2PA's reason for what is taken out of the manifest of another: it may tell of people.
_REASON = "c2pa.PII.present"


def definition(media_type: str, facts: PictureFacts, inputs: Mapping[str, Ingredient]) -> dict[str, Any]:
    """Return the definition of a manifest, as `c2pa.Builder` takes it.

    Args:
        media_type: Of the picture.
        facts: What is known of it.
        inputs: The pictures of `facts.inputs` by their SHA-256, as far as they are known.
    """
    pictures = list(named(facts, inputs))
    redacted = list(_redacted(pictures))
    actions = [*_actions(facts), *map(_redaction, redacted)]
    assertions: list[dict[str, Any]] = [{"label": "c2pa.actions.v2", "data": {"actions": actions}}]
    if facts.parameters is not None:
        assertions.append({"label": PARAMETERS, "kind": "Json", "data": dict(facts.parameters)})
    return {
        "claim_generator_info": [{"name": "brushwork", "version": facts.software_version}],
        "format": media_type,
        "ingredients": in_definition(pictures),
        "assertions": assertions,
        **({"redactions": redacted} if redacted else {}),
    }


def _actions(facts: PictureFacts) -> Iterator[dict[str, Any]]:
    roles = dict.fromkeys(picture.role for picture in facts.inputs)
    parents = [role for role in roles if is_parent(InputPicture("", role))]
    others = [role for role in roles if role not in parents]
    made = {
        "digitalSourceType": facts.source.uri,
        "softwareAgent": {"name": facts.model, "version": facts.model_revision or "unknown"},
        "parameters": {"ingredientIds": others} if others else {},
    }
    if not parents:
        yield {"action": "c2pa.created", **made}
        return
    yield {"action": "c2pa.opened", "parameters": {"ingredientIds": parents}}
    if facts.kind == _UPSCALING:
        yield {"action": "c2pa.resized", "softwareAgent": made["softwareAgent"]}
    is_enhanced = facts.source is DigitalSource.ENHANCED
    yield {"action": "c2pa.enhanced" if is_enhanced else "c2pa.edited", **made}


def _redacted(pictures: list[tuple[InputPicture, Ingredient | None]]) -> Iterator[str]:
    """Addresses of the parts that are taken out of the manifests of pictures."""
    found = (
        address
        for _, ingredient in pictures
        if ingredient is not None and ingredient.kept is not None
        for address in ingredient.kept.redacted
    )
    yield from dict.fromkeys(found)


def _redaction(address: str) -> dict[str, Any]:
    return {"action": "c2pa.redacted", "reason": _REASON, "parameters": {"redacted": address}}
