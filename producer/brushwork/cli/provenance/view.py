"""What a terminal shows of the origin of a file."""

import json
import shlex
from collections.abc import Iterator

from brushwork_schemas.artifact.provenance_report import (
    Credential,
    EmbeddedParameters,
    MatchedBy,
    ProvenanceReport,
)
from rich.text import Text

from brushwork.cli.terminal import DATA

_BY = {
    MatchedBy.CONTENT: "the same file",
    MatchedBy.UNSIGNED: "the same file before it was signed",
    MatchedBy.PIXELS: "the same pixels",
    MatchedBy.APPEARANCE: "looks the same",
}
_MADE = {
    True: "a model has made or changed it",
    False: "no model has made it",
    None: "no label says whether a model has made it",
}
_Lines = Iterator[tuple[str, str]]


def print_report(report: ProvenanceReport, *, is_searched: bool) -> None:
    """Print a report.

    Args:
        report: The report.
        is_searched: Whether the jobs of a service were searched.
    """
    lines = [*_file(report), *_origin(report, is_searched=is_searched), *_labels(report)]
    lines += [*_credentials(report), *(("problem", problem) for problem in report.problems)]
    if report.parameters is not None:
        lines += [("parameters", f"by {report.parameters.format}"), *_parameters(report.parameters)]
    _print(lines)


def print_parameters(parameters: EmbeddedParameters) -> None:
    """Print the parameters of a picture, and a command that submits them again."""
    lines = [("written by", parameters.format)]
    lines += [("kind", parameters.kind)] if parameters.kind else []
    lines += [("model", parameters.model)] if parameters.model and "model" not in parameters.request else []
    _print([*lines, *_parameters(parameters)])
    DATA.print(Text(f"\n{submit_command(parameters)}"), soft_wrap=True)


def submit_command(parameters: EmbeddedParameters) -> str:
    """Return a command that submits the parameters. Files that they name are left out."""
    words = ["brushwork", "submit", parameters.kind or "text-to-image"]
    for name, value in parameters.request.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            words.append(f"{name}={value}")
    return shlex.join(words)


def _file(report: ProvenanceReport) -> _Lines:
    yield "file", f"{report.media_type}, {report.width} x {report.height}, {report.size_bytes} bytes"
    yield "sha256", report.sha256


def _origin(report: ProvenanceReport, *, is_searched: bool) -> _Lines:
    if not is_searched:
        yield "made here", "unknown: no service was asked"
        return
    yield "made here", "yes" if report.made_here else "no job of yours made it"
    for match in report.matches:
        difference = "" if match.difference is None else f", difference {match.difference:.3f} of at most 0.3"
        yield "job", f"{match.job_id} ({_BY[match.by]}{difference})"


def _labels(report: ProvenanceReport) -> _Lines:
    labels = report.labels
    made = {
        True: "a model has made or changed it",
        False: "no model has made it",
        None: "no label says whether a model has made it",
    }
    yield "label", made[labels.is_ai]
    for name in ("digital_source_type", "software", "ai_system", "credit"):
        if (value := getattr(labels, name)) is not None:
            yield name, value
    if labels.aigc is not None:
        yield "AIGC", ", ".join(f"{name} {value}" for name, value in labels.aigc.stated.items())


def _credentials(report: ProvenanceReport) -> _Lines:
    found = report.credentials
    by = ", by a development certificate" if found.is_development else ""
    yield "credentials", f"{found.state}{by}"
    yield from (("", problem) for problem in found.problems)
    for manifest in found.manifests:
        yield "step", _step(manifest)


def _step(manifest: Credential) -> str:
    what = ", ".join(f"{action.name} {action.software_agent}".strip() for action in manifest.actions)
    signed = manifest.common_name or manifest.issuer or "nobody"
    of = f" from {', '.join(each.title for each in manifest.ingredients)}" if manifest.ingredients else ""
    return f"{what or manifest.label}{of}; signed by {signed}; {manifest.generator}"


def _parameters(parameters: EmbeddedParameters) -> _Lines:
    for name, value in parameters.request.items():
        yield name, value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _print(lines: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in lines)
    for name, value in lines:
        DATA.print(Text.assemble((f"{name:<{width}}  ", "bold"), value), soft_wrap=True)
