"""A program on the client that openapi-python-client makes of the gateway's contract.

It submits, waits, retries with one change, reads an error, and reads the results of three kinds.
`python client.py ADDRESS`; the generated package `brushwork_api` must be importable.
"""

import io
import json
import sys

from brushwork_api import Client
from brushwork_api.api.files import upload_file
from brushwork_api.api.jobs import get_job, list_jobs, retry_job, submit_job
from brushwork_api.models import (
    Artifact,
    ImageClassificationJob,
    ImageClassificationResult,
    ImageClassificationSubmission,
    ImageToTextJob,
    ImageToTextResult,
    ImageToTextSubmission,
    JobPage,
    Problem,
    TextToImageChanges,
    TextToImageJob,
    TextToImageRequest,
    TextToImageResult,
    TextToImageSubmission,
    UploadFileFilesBody,
)
from brushwork_api.types import File

WAIT = "wait=50"


def refuse(answer: object) -> str:
    """What to say of an answer that is none of the expected type."""
    return f"unexpected: {answer!r}"


def drawing(client: Client, submission: TextToImageSubmission) -> TextToImageJob:
    job = submit_job.sync(client=client, body=submission)
    assert isinstance(job, TextToImageJob), refuse(job)
    return job


def drawn(client: Client, job: TextToImageJob) -> TextToImageJob:
    ended = get_job.sync(job.id, client=client, prefer=WAIT)
    assert isinstance(ended, TextToImageJob), refuse(ended)
    return ended


def looked_at(client: Client, sha256: str) -> tuple[str, str]:
    captioned = submit_job.sync(
        client=client, prefer=WAIT, body=ImageToTextSubmission(kind="image-to-text", image=sha256)
    )
    assert isinstance(captioned, ImageToTextJob), refuse(captioned)
    assert isinstance(captioned.result, ImageToTextResult), refuse(captioned)
    labeled = submit_job.sync(
        client=client,
        prefer=WAIT,
        body=ImageClassificationSubmission(kind="image-classification", image=sha256, top_k=2),
    )
    assert isinstance(labeled, ImageClassificationJob), refuse(labeled)
    assert isinstance(labeled.result, ImageClassificationResult), refuse(labeled)
    return captioned.result.generated_text, labeled.result.predictions[0].label


def main(address: str) -> None:
    client = Client(base_url=address, raise_on_unexpected_status=True, timeout=120)  # type: ignore[arg-type]
    submission = TextToImageSubmission(
        kind="text-to-image", prompt="a red circle on a white background", seed=7, num_images_per_prompt=2
    )
    first = drawn(client, drawing(client, submission))
    again = retry_job.sync(first.id, client=client, body=TextToImageChanges(seed=9))
    assert isinstance(again, TextToImageJob), refuse(again)
    changed = drawn(client, again)
    assert isinstance(first.result, TextToImageResult), refuse(first)
    assert isinstance(changed.result, TextToImageResult), refuse(changed)
    assert isinstance(changed.request, TextToImageRequest), refuse(changed)
    picture = first.result.images[0].sha256
    text, label = looked_at(client, picture)
    wrong = TextToImageSubmission(kind="text-to-image", prompt="a red circle", width=60000)
    refused = submit_job.sync(client=client, body=wrong)
    assert isinstance(refused, Problem), refuse(refused)
    absent = get_job.sync("nobody", client=client)
    assert isinstance(absent, Problem), refuse(absent)
    listed = list_jobs.sync(client=client, limit=2)
    assert isinstance(listed, JobPage), refuse(listed)
    data = content_of(client, picture)
    file = File(payload=io.BytesIO(data), file_name="picture.png", mime_type="image/png")
    kept = upload_file.sync(client=client, body=UploadFileFilesBody(file=file))
    assert isinstance(kept, Artifact), refuse(kept)
    found = {
        "told": [
            {"kind": first.kind, "picture": picture, "seeds": first.result.seeds},
            {"kind": changed.kind, "seeds": changed.result.seeds, "prompt": changed.request.prompt},
            {"kind": "image-to-text", "text": text},
            {"kind": "image-classification", "label": label},
        ],
        "request": changed.request.to_dict(),
        "retry_of": changed.retry_of,
        "error": {
            "code": refused.code, "field": refused.field, "status": absent.status, "absent": absent.code,
        },
        "listed": len(listed.jobs),
        "uploaded": kept.sha256,
    }  # fmt: skip
    sys.stdout.write(json.dumps(found))


def content_of(client: Client, sha256: str) -> bytes:
    return client.get_httpx_client().get(f"/v1/files/{sha256}").content


if __name__ == "__main__":
    main(sys.argv[1])
