"""Right uses of the clients. Both type checkers accept every line of it."""

import asyncio
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from brushwork import Artifact, AsyncClient, Client, Job, JobEvent, JobState, Preview, Progress, UntypedKind
from brushwork.direct_client import DirectClient
from brushwork.testing import FakeAsyncClient, FakeClient
from brushwork.typed.parameters import KindName, TextToImageParameters
from brushwork_core.settings.settings import Settings
from brushwork_schemas.kinds.generation import LoraChoice
from brushwork_schemas.kinds.generation.text_to_image import TextToImageResult
from brushwork_schemas.kinds.image_classification import ImageClassificationResult
from PIL import Image


def told(state: JobState, progress: Progress) -> None:
    print(state.value, progress.fraction)


def shown(preview: Preview) -> None:
    preview.save("preview.jpg")


def saved(job: Job[TextToImageResult]) -> Path:
    return job.result.images[0].save("a.png")


with Client(redis_url="redis://localhost/0") as client:
    saved(client.run("text-to-image", prompt="a red circle", seed=7, timeout_s=60, on_progress=told))
    job = client.submit("text-to-image", prompt="x", negative_prompt="y", width=64, height=64, seed=None)
    options = client.submit(
        "text-to-image", prompt="x", priority="high", tenant="t", deadline_s=60, group="g"
    )
    saved(client.wait(job, timeout_s=5, on_progress=told, on_preview=shown).raise_for_state())
    if job.result is not None:
        print(job.result.images[0].width, job.result.seeds)
    loras = client.submit(
        "text-to-image", prompt="x", loras=[{"name": "ink"}, LoraChoice(name="b", weight=1)]
    )
    picture: Artifact = client.run("text-to-image", prompt="x").result.images[0]
    for given in (picture, "a.png", Path("a.png"), b"", bytearray(), memoryview(b""), io.BytesIO()):
        caption: str = client.run("image-to-text", image=given, language="zh").result.generated_text
    with Path("a.png").open("rb") as file:
        client.submit("image-to-image", prompt="x", image=file, strength=0.5)
        client.submit("image-classification-training", dataset=file, optimizer="adamw")
        client.upload(file)
    client.submit(
        "inpainting", prompt="x", image=Image.new("RGB", (1, 1)), mask_image=np.zeros((8, 8), np.uint8)
    )
    larger: int = client.run("image-upscaling", image="a.png").result.image.width
    predictions = client.run(
        "image-classification", image="a.png", candidate_labels=["a", "b"], top_k=2
    ).result
    score: float = predictions.predictions[0].score
    areas: Mapping[str, float] = client.run(
        "image-segmentation", image="a.png", points=[{"x": 1, "y": 2}]
    ).result.areas
    again: Job[TextToImageResult | None] = client.retry(job, seed=8, prompt="y")
    by_id: Job = client.retry("id", seed=8, language="zh")
    bare: Job = client.get(job.id)
    anything: Any = bare.result.whatever
    typed: Job[TextToImageResult | None] = client.cancel(client.get(job))
    client.look(job), client.preview(job.id), client.outlook(job), client.artifact_bytes(picture)
    both = client.wait_all([job, again], timeout_s=60)
    seeds: list[int] = [each.raise_for_state().result.seed for each in both]
    mixed: list[Job] = client.wait_all(["id", bare])
    for event in client.events(job, previews=True):
        print(event.name, event.state, event.progress.step, event.preview)
    client.delete(job)
    client.delete("id")
    listed: list[Job] = client.list(kind="text-to-image", state="failed", limit=5, before=job)
    jobs: list[Job] = client.submit_many([{"kind": "text-to-image", "prompt": "x"}])
    posterized: Job = client.submit(UntypedKind("posterize"), image="a.png", levels=4)
    levels: Any = client.run(UntypedKind("posterize"), image="a.png", levels=4).result.levels
    client.retry(posterized, levels=3)
    client.models(UntypedKind("posterize")), client.list(kind=UntypedKind("posterize"))
    known: TextToImageParameters = {"prompt": "x", "seed": 1}
    client.submit("text-to-image", **known)


def any_kind(client: Client, kind: KindName, parameters: dict[str, Any]) -> str:
    return client.submit(kind, **parameters).id


with Client("http://localhost:8600", key="bw_0", patience_s=5) as by_http:
    by_http.run("text-to-image", prompt="x").result.images[0].save("a.png")
with DirectClient(Settings.load()) as direct:
    direct.run("text-to-image", prompt="x").result.images[0].save("a.png")

fake = FakeClient()
fake.answer("image-to-text", "two dogs", {"generated_text": "a cat"})
fake.answer(UntypedKind("posterize"), b"")
waiting = fake.submit("image-to-text", image=b"")
fake.start(waiting)
fake.advance(waiting.id, step=1, total=2)
fake.finish(waiting)
said: str = fake.get(waiting).raise_for_state().result.generated_text


async def main() -> ImageClassificationResult:
    async with AsyncClient() as client, FakeAsyncClient() as fake:
        job = await client.submit("image-classification", image=b"", top_k=3)
        done = await client.wait(job, on_progress=told)
        await fake.submit("text-to-image", prompt="x")
        await client.retry(job, top_k=5)
        (await client.run("text-to-image", prompt="x")).result.images[0].save("a.png")
        event: JobEvent
        async for event in client.events(job):
            print(event.state)
        for each in await client.wait_all([job, done]):
            print(each.raise_for_state().result.predictions[0].label)
        await client.delete(job)
        names: list[str] = [model.name for model in client.models()]
        names = [model.name for model in await client.models("text-to-image")]
        return done.raise_for_state().result


asyncio.run(main())
