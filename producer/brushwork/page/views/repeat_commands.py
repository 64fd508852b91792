"""Commands that submit the complete request of a job again, for curl and for Python."""

import json
import shlex
from typing import Any

from brushwork_schemas.job import Job
from brushwork_schemas.kinds.presentation import Presentation
from brushwork_schemas.options import Priority

INDENT = "    "


def curl(job: Job, origin: str, *, with_key: bool) -> str:
    """Return the command for a shell.

    Args:
        job: The job.
        origin: Address of the gateway.
        with_key: Whether the gateway requires a key. The command reads it from `BRUSHWORK_API_KEY`.
    """
    body = json.dumps({"kind": job.kind, **_parameters(job)}, ensure_ascii=False)
    lines = [f"curl {shlex.quote(f'{origin}/v1/jobs')}"]
    if with_key:
        lines.append('-H "Authorization: Bearer $BRUSHWORK_API_KEY"')
    lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def python(job: Job, origin: str) -> str:
    """Return the lines for Python. The client reads the key from `BRUSHWORK_API_KEY`."""
    arguments = "".join(f"{INDENT * 2}{name}={value!r},\n" for name, value in _parameters(job).items())
    return (
        "from brushwork import Client\n\n"
        f"with Client({origin!r}) as client:\n"
        f"{INDENT}job = client.submit(\n{INDENT * 2}{job.kind!r},\n{arguments}{INDENT})\n"
        f"{INDENT}job = client.wait(job.id)\n"
    )


def _parameters(job: Job) -> dict[str, Any]:
    request = {
        name: value
        for name, value in Presentation(job).request.items()
        if value not in (None, "", [], ()) and name.isidentifier() and name != "version"
    }
    options: dict[str, Any] = {} if job.priority is Priority.NORMAL else {"priority": str(job.priority)}
    return {**request, **options, **({"group": job.group} if job.group else {})}
