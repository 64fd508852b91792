"""Celery's task ids as job ids. Foreign programs may use any text as the id of a task."""

import re
import uuid

from brushwork_schemas.job import LONGEST_ID

LONGEST_SHOWN = 1000
# A path of an address cannot contain them: a slash divides it, and dots alone mean another place.
_NOT_IN_A_PATH = re.compile(r"[/\\]|^\.{1,2}$")
_UNSHOWN = re.compile("[\0-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def job_id_of(task_id: object) -> str:
    """Return the id of the job of a task.

    It is the task id where that is a valid job id, else `uuid5(NAMESPACE_OID, task_id)`. A task without an id
    gets a new one at each call.
    """
    if not isinstance(task_id, str) or not task_id:
        return str(uuid.uuid4())
    is_short_text = len(task_id) <= LONGEST_ID and task_id.isascii() and task_id.isprintable()
    if is_short_text and not _NOT_IN_A_PATH.search(task_id):
        return task_id
    return str(uuid.uuid5(uuid.NAMESPACE_OID, task_id.encode(errors="replace").decode()))


def shown(text: str) -> str:
    """Return a foreign text bounded and without control characters, for logs, terminals and databases."""
    return _UNSHOWN.sub("\N{REPLACEMENT CHARACTER}", text[:LONGEST_SHOWN])
