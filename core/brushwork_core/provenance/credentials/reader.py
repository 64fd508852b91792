"""Read and check the Content Credentials of a file.

Files of strangers are read in a decoder process, by the decoder's method `credentials`.
"""

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from brushwork_schemas.artifact import MP4
from brushwork_schemas.artifact.mp4 import is_mp4

from brushwork_core.provenance.credentials.identity import is_development_name
from brushwork_core.provenance.credentials.library import context, is_installed, library, may_carry
from brushwork_core.provenance.credentials.report import (
    CredentialsAction,
    CredentialsIngredient,
    CredentialsManifest,
    CredentialsReport,
    CredentialsState,
    state_of,
)

# What a hostile file may make this return.
MOST_MANIFESTS, MOST_ENTRIES, LONGEST_TEXT = 100, 100, 300
# The library would guess the type by the first bytes, and takes a text for a type that is none.
_TYPES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"II*\0": "image/tiff",
    b"MM\0*": "image/tiff",
}


def read_credentials(data: bytes, media_type: str | None = None, trusted: str = "") -> CredentialsReport:
    """Read and check the Content Credentials of a file. Nothing is fetched, whatever the file names.

    Args:
        data: The complete file.
        media_type: Of the file. None: it is told by the first bytes.
        trusted: Certificates of trusted authorities, as PEM; without any, nobody is trusted.

    Returns:
        The report; also for a file that is damaged or is no picture.
    """
    found = read_store(data, media_type, trusted)
    return found if isinstance(found, CredentialsReport) else report_of(found)


def read_store(
    data: bytes, media_type: str | None = None, trusted: str = ""
) -> CredentialsReport | dict[str, Any]:
    """Return the library's own account of the credentials; a report without history if there is none.

    Args:
        data: As for `read_credentials`.
        media_type: As for `read_credentials`.
        trusted: As for `read_credentials`.
    """
    if not may_carry(data):
        return CredentialsReport(CredentialsState.NONE)
    if not is_installed():
        return CredentialsReport(CredentialsState.UNCHECKED)
    c2pa = library()
    kind = type_of(data) or media_type or ""
    try:
        with c2pa.Reader(kind, io.BytesIO(data), context=context(trusted)) as reader:
            found: dict[str, Any] = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound:
        return CredentialsReport(CredentialsState.NONE)
    except (c2pa.C2paError, ValueError) as error:
        return CredentialsReport(CredentialsState.UNREADABLE, (_text(str(error)),))
    return found


def type_of(data: bytes) -> str | None:
    """Return the media type of a picture or MP4 by its first bytes; None if it is unknown."""
    if is_mp4(data[:12]):
        return MP4
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:8] == b"ftyp":
        return "image/avif" if data[8:12] in (b"avif", b"avis") or b"avif" in data[8:64] else "image/heic"
    return next((kind for start, kind in _TYPES.items() if data.startswith(start)), None)


def problems_of(found: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the codes of what is wrong, each once, by the library's account."""
    codes = (_text(entry.get("code")) for entry in found.get("validation_status") or ())
    return tuple(dict.fromkeys(codes))[:MOST_ENTRIES]


def report_of(found: Mapping[str, Any]) -> CredentialsReport:
    """Return the report of the library's account of a file."""
    manifests = tuple(_manifests(found))
    problems = problems_of(found)
    own = _own_problems(found, problems)
    is_development = bool(manifests) and is_development_name(manifests[0].common_name)
    return CredentialsReport(state_of(own), problems, manifests, is_development)


def _own_problems(found: Mapping[str, Any], problems: tuple[str, ...]) -> tuple[str, ...]:
    """What is wrong with the newest step. That an older one is not trusted says nothing about this file."""
    newest = f"/c2pa/{found.get('active_manifest')}/"
    of_older = {
        _text(entry.get("code"))
        for entry in found.get("validation_status") or ()
        if "/c2pa/" in str(entry.get("url")) and newest not in str(entry.get("url"))
    }
    of_newest = {
        _text(entry.get("code"))
        for entry in found.get("validation_status") or ()
        if newest in str(entry.get("url")) or "/c2pa/" not in str(entry.get("url"))
    }
    left = of_older - of_newest
    return tuple(code for code in problems if code not in left or not code.startswith("signingCredential."))


def _manifests(found: Mapping[str, Any]) -> Iterator[CredentialsManifest]:
    """The manifests, each once: the newest, then those of its ingredients, and so on."""
    manifests: Mapping[str, Mapping[str, Any]] = found.get("manifests") or {}
    waiting, seen = [found.get("active_manifest")], set[str]()
    while waiting and len(seen) < MOST_MANIFESTS:
        label = waiting.pop(0)
        if label is None or label in seen or (given := manifests.get(label)) is None:
            continue
        seen.add(label)
        manifest = _manifest(label, given)
        yield manifest
        waiting += [each.get("active_manifest") for each in given.get("ingredients") or ()]


def _manifest(label: str, given: Mapping[str, Any]) -> CredentialsManifest:
    signature = given.get("signature_info") or {}
    signed_at = signature.get("time")
    return CredentialsManifest(
        label=_text(label),
        generator=_generator(given),
        actions=tuple(_actions(given))[:MOST_ENTRIES],
        ingredients=tuple(_ingredient(each) for each in (given.get("ingredients") or ())[:MOST_ENTRIES]),
        issuer=_text(signature.get("issuer")),
        common_name=_text(signature.get("common_name")),
        algorithm=_text(signature.get("alg")),
        signed_at=None if signed_at is None else _text(signed_at),
    )


def _ingredient(given: Mapping[str, Any]) -> CredentialsIngredient:
    manifest = given.get("active_manifest")
    results = given.get("validation_results") or {}
    failures = (results.get("activeManifest") or {}).get("failure") or given.get("validation_status") or ()
    return CredentialsIngredient(
        _text(given.get("title")),
        _text(given.get("relationship")),
        None if manifest is None else _text(manifest),
        tuple(dict.fromkeys(_text(each.get("code")) for each in failures))[:MOST_ENTRIES],
    )


def _generator(given: Mapping[str, Any]) -> str:
    infos = given.get("claim_generator_info") or [{"name": given.get("claim_generator")}]
    first = infos[0] if isinstance(infos[0], Mapping) else {}
    return _text(" ".join(str(first[name]) for name in ("name", "version") if first.get(name)))


def _actions(given: Mapping[str, Any]) -> Iterator[CredentialsAction]:
    for assertion in given.get("assertions") or ():
        if not str(assertion.get("label")).startswith("c2pa.actions"):
            continue
        data = assertion.get("data")
        for action in (data.get("actions") if isinstance(data, Mapping) else None) or ():
            agent = action.get("softwareAgent")
            if isinstance(agent, Mapping):
                agent = " ".join(str(agent[name]) for name in ("name", "version") if agent.get(name))
            source = action.get("digitalSourceType")
            yield CredentialsAction(
                _text(action.get("action")), None if source is None else _text(source), _text(agent)
            )


def _text(given: object) -> str:
    """Foreign text, bounded and without control characters."""
    text = "" if given is None else str(given)[:LONGEST_TEXT]
    return "".join(letter if letter.isprintable() else "�" for letter in text)
