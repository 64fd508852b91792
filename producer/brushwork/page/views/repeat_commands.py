"""The lines that make a job again: its complete request, as curl and as Python say it."""

import json
import shlex
from typing import Any

from brushwork_schemas.job import Job
from brushwork_schemas.options import Priority

from brushwork.page.forms.typed_form import asked

INDENT = "    "


def curl(job: Job, origin: str, *, with_key: bool) -> str:
    """The line for a shell.

    Args:
        job: Which job.
        origin: The gateway's address.
        with_key: Whether a key is asked for; it is named, not shown.
    """
    body = json.dumps({"kind": job.kind, **_said(job)}, ensure_ascii=False)
    lines = [f"curl {shlex.quote(f'{origin}/v1/jobs')}"]
    if with_key:
        lines.append('-H "Authorization: Bearer $BRUSHWORK_API_KEY"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def python(job: Job, origin: str) -> str:
    """The lines for Python; the key is taken from `BRUSHWORK_API_KEY`."""
    arguments = "".join(f"{INDENT * 2}{name}={value!r},\n" for name, value in _said(job).items())
    return (
        "from brushwork import Client\n\n"
        f"with Client({origin!r}) as client:\n"
        f"{INDENT}job = client.submit(\n{INDENT * 2}{job.kind!r},\n{arguments}{INDENT})\n"
        f"{INDENT}job = client.wait(job.id)\n"
    )


def _said(job: Job) -> dict[str, Any]:
    request = {
        name: value
        for name, value in asked(job).items()
        if value not in (None, "", [], ()) and name.isidentifier() and name != "version"
    }
    options: dict[str, Any] = {} if job.priority is Priority.NORMAL else {"priority": str(job.priority)}
    return {**request, **options, **({"group": job.group} if job.group else {})}
