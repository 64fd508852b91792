"""The download of one file over HTTP, which continues where an earlier one stopped."""

from collections.abc import Callable, Mapping
from pathlib import Path

import httpx


def download(
    url: str,
    part: Path,
    report: Callable[[int], None],
    *,
    parameters: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30.0,
) -> None:
    """Download a file to `part`, or resume its download.

    Args:
        url: The address.
        part: The file to write; what an earlier download has left is continued.
        report: Called with the number of bytes of each part that arrives.
        parameters: Parameters of the query.
        headers: More headers of the request.
        timeout_s: Seconds without a byte after which the server counts as unreachable.

    Raises:
        httpx.HTTPError: The server cannot be reached, or answers with an error.
        OSError: The file cannot be written.
    """
    num_present = part.stat().st_size if part.exists() else 0
    ranged = {"Range": f"bytes={num_present}-"} if num_present else {}
    with (
        httpx.stream(
            "GET",
            url,
            params=dict(parameters) if parameters else None,
            headers={**(headers or {}), **ranged},
            timeout=timeout_s,
            follow_redirects=True,
        ) as answer,
        part.open("ab") as file,
    ):
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            report(num_present)
            return
        answer.raise_for_status()
        if answer.status_code == httpx.codes.PARTIAL_CONTENT:
            report(num_present)
        else:
            file.truncate(0)
        for block in answer.iter_bytes():
            file.write(block)
            report(len(block))
